"""A machine of 30 states with what machines have: a loop, a Parallel in a Parallel, Maps, Choices, Catches."""

from __future__ import annotations

from sagebrush.asl import steps
from sagebrush.errors import Doc
from tests.asl.driver import Run, machine, started


def task(resource: str, then: str = "", **parameters: object) -> Doc:
    made: Doc = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}"}
    made |= {"Parameters": dict(parameters)}
    return made | ({"Next": then} if then else {"End": True})


def passes(then: str = "") -> Doc:
    return {"Type": "Pass"} | ({"Next": then} if then else {"End": True})


RETRY = {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 3}]}


def caught(name: str, *errors: str) -> Doc:
    return {"Catch": [{"ErrorEquals": list(errors), "Next": name, "ResultPath": "$.error"}]}


LANGUAGES = machine(
    Detect=task("lambda:invoke", "Known language?", FunctionName="detect"),
    **{
        "Known language?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.language", "IsPresent": True, "Next": "Tokenise"},
            ],
            "Default": "Leave out",
        },
        "Tokenise": task("lambda:invoke", FunctionName="tokenise") | RETRY,
        "Leave out": passes(),
    },
)
STATISTICS = machine(
    Both={
        "Type": "Parallel",
        "Branches": [machine(Lengths=passes("Plot"), Plot=passes()), machine(Labels=passes())],
        "Next": "Merge",
    },
    Merge=passes(),
)
PIPELINE = machine(
    **{
        "Read manifest": task("aws-sdk:s3:getObject", "Prepare", Bucket="texts", Key="manifest"),
        "Prepare": {
            "Type": "Parallel",
            "Branches": [
                machine(
                    Languages={
                        "Type": "Map",
                        "ItemsPath": "$.texts",
                        "ItemProcessor": LANGUAGES,
                        "End": True,
                    }
                ),
                STATISTICS,
            ],
            "ResultPath": "$.prepared",
            "Next": "Enough texts?",
        }
        | caught("Tell the team", "States.ALL"),
        "Enough texts?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.n", "NumericLessThan": 100, "Next": "Too few"},
                {
                    "And": [
                        {"Variable": "$.n", "NumericGreaterThanEquals": 100},
                        {"Variable": "$.mode", "StringEquals": "blazingtext"},
                    ],
                    "Next": "Train",
                },
            ],
            "Default": "Train a transformer",
        },
        "Too few": {"Type": "Fail", "Error": "TooFewTexts", "Cause": "at least 100 are needed"},
        "Train": task(
            "sagemaker:createTrainingJob.sync", "Evaluate", **{"TrainingJobName": "texts-7"}
        )
        | RETRY
        | caught("Tell the team", "SageMaker.ResourceLimitExceededException", "States.TaskFailed"),
        "Train a transformer": task(
            "sagemaker:createTrainingJob.sync", "Evaluate", **{"TrainingJobName": "transformer-7"}
        ),
        "Evaluate": task(
            "sagemaker:createProcessingJob.sync", "Good enough?", ProcessingJobName="evaluate-7"
        )
        | {"ResultPath": "$.evaluation"},
        "Good enough?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.accuracy", "NumericGreaterThan": 0.8, "Next": "Model"}],
            "Default": "More epochs",
        },
        "More epochs": passes("Train"),
        "Model": task("sagemaker:createModel", "Configuration", ModelName="texts-7"),
        "Configuration": task(
            "sagemaker:createEndpointConfig", "Endpoint", EndpointConfigName="texts-7"
        ),
        "Endpoint": task("sagemaker:createEndpoint", "Wait a little", EndpointName="texts-7"),
        "Wait a little": {"Type": "Wait", "Seconds": 5, "Next": "Look"},
        "Look": task("aws-sdk:sagemaker:describeEndpoint", "In service?", EndpointName="texts-7"),
        "In service?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.EndpointStatus", "StringEquals": "InService", "Next": "Smoke test"},
                {"Variable": "$.EndpointStatus", "StringEquals": "Failed", "Next": "Roll back"},
            ],
            "Default": "Wait a little",
        },
        "Smoke test": {
            "Type": "Map",
            "ItemsPath": "$.samples",
            "ItemProcessor": machine(
                Ask=task("lambda:invoke", FunctionName="ask-endpoint"),
            ),
            "Next": "Done",
        }
        | caught("Roll back", "States.ALL"),
        "Roll back": task("sagemaker:deleteEndpoint", "Tell the team", EndpointName="texts-7"),
        "Tell the team": task(
            "sns:publish",
            "Give up",
            TopicArn="arn:aws:sns:us-east-1:123456789012:team",
            Message="it failed",
        ),
        "Give up": {"Type": "Fail", "Error": "PipelineFailed"},
        "Done": {"Type": "Succeed"},
    }
)
GIVEN: Doc = {
    "texts": ["one", "two", "three", "four", "five", "six", "seven"],
    "n": 4200,
    "mode": "blazingtext",
    "accuracy": 0.91,
    "samples": ["a", "b"],
}


def begun() -> Run:
    """An execution of it, with its input."""
    return started(PIPELINE, GIVEN)


class Worker:
    """Answers tasks as the services would, each after some seconds; the endpoint's second look finds it
    in service."""

    def __init__(self, run: Run, broken: str = "") -> None:
        self.run = run
        self.broken = broken
        self.asked: dict[str, int] = {}

    def __call__(self, task: steps.StartTask) -> steps.Happened:
        count = self.asked[task.state] = self.asked.get(task.state, 0) + 1
        self.run.now += 0.4 if "lambda" in task.resource else 2.5
        if task.state == self.broken or (task.state, count) == ("Tokenise", 2):
            cause = '{"errorMessage":"no such word","errorType":"KeyError"}'
            return steps.TaskFailed(task.key, "KeyError", cause)
        if task.state == "Look":
            status = "Creating" if count == 1 else "InService"
            return steps.TaskSucceeded(task.key, GIVEN | {"EndpointStatus": status})
        if task.state == "Detect":
            known = {"language": "en"} if count != 3 else {}
            return steps.TaskSucceeded(task.key, {"text": "some text"} | known)
        return steps.TaskSucceeded(task.key, GIVEN)
