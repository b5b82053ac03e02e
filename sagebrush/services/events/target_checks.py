"""What PutTargets refuses of a target. Pure.

Messages are AWS's where they are seen (localstack's recordings; aws-cli#6711; terraform's issues).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.events import inputs
from sagebrush.services.events.names import invalid

MOST_VARIABLES = 100
"""Variables of an input transformer (EventBridge user guide)."""
_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:[0-9]{12}:[\s\S]+|arn:aws:[\w-]+:[\w-]*:\w*:[\s\S]+")
_SENT = {
    "lambda": "function:",
    "sqs": "",
    "sns": "",
    "states": "stateMachine:",
    "logs": "log-group:",
    "events": "event-bus/",
}
"""Service of a target's ARN -> how its resource begins."""
PARAMETERS = {
    "KinesisParameters": "Kinesis streams",
    "RunCommandParameters": "Systems Manager Run Command",
    "EcsParameters": "Amazon ECS tasks",
    "BatchParameters": "AWS Batch jobs",
    "HttpParameters": "API Gateway and API destinations",
    "RedshiftDataParameters": "Amazon Redshift",
    "SageMakerPipelineParameters": "SageMaker pipelines",
    "AppSyncParameters": "AWS AppSync",
}
"""Members of a target -> the targets that they are for, which are not there."""
_NEED_ROLE = ("states",)


def failed(target: Doc) -> Doc | None:
    """The entry of FailedEntries for a target that is refused by itself; None for one that is taken."""
    arn, name = target["Arn"], target["Id"]
    if not _ARN.fullmatch(arn):
        words = f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
    elif ":sqs:" in arn and arn.endswith(".fifo") and not target.get("SqsParameters"):
        words = f"Parameter(s) SqsParameters must be specified for target: {name}."
    else:
        return None
    return {"TargetId": name, "ErrorCode": "ValidationException", "ErrorMessage": words}


def check(target: Doc, account: str) -> None:
    """Raises ValidationException for a target for which AWS refuses the whole request, and for one that
    Sagebrush sends nothing to."""
    name = target["Id"]
    given = [m for m in ("Input", "InputPath", "InputTransformer") if target.get(m) is not None]
    if len(given) > 1:
        raise invalid(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
        )
    _check_input(target)
    arn = Arn.parse(target["Arn"])
    if arn is None or not _ARN.fullmatch(target["Arn"]):
        return  # an entry of its own says so
    _check_kind(target, arn)
    if arn.service in _NEED_ROLE and not target.get("RoleArn"):
        raise invalid(f"RoleArn is required for target {target['Arn']}.")
    if arn.service == "events" and arn.account != account and not target.get("RoleArn"):
        raise invalid(f"RoleArn is required for target {target['Arn']}.")
    if arn.service == "logs" and target.get("RoleArn"):
        raise invalid(f"RoleArn is not supported for target {target['Arn']}.")
    if target.get("SqsParameters") and arn.service != "sqs":
        raise invalid(f"Parameter SqsParameters is not valid for target {name}.")
    _check_queue(target)


def _check_kind(target: Doc, arn: Arn) -> None:
    for member, words in PARAMETERS.items():
        if target.get(member):
            raise lacking(f"targets for {words} ({member})")
    start = _SENT.get(arn.service)
    if arn.service == "sagemaker":
        raise lacking(f"SageMaker pipelines as targets ({target['Arn']})")
    if start is None or not arn.resource.startswith(start):
        raise lacking(f"targets like {target['Arn']}")


def lacking(what: str) -> AwsError:
    """The error for what AWS has and Sagebrush lacks."""
    return invalid(f"Sagebrush does not support {what} yet.")


def _check_queue(target: Doc) -> None:
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if arn is None:
        return
    found = Arn.parse(arn)
    if found is None or found.service != "sqs":
        raise invalid(
            f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )
    if arn.endswith(".fifo"):
        raise invalid(f"Dead-letter queue {arn} is not valid: FIFO queues are not supported.")


def _check_input(target: Doc) -> None:
    name = target["Id"]
    if target.get("Input") is not None:
        place = inputs.json_fault(target["Input"])
        if place is not None:
            raise invalid(f"JSON syntax error in input for target {name}: {place}")
    path = target.get("InputPath")
    if path and inputs.path_of(path) is None:
        raise invalid(f"InputPath for target {name} is not valid: {path}")
    transformer = target.get("InputTransformer")
    if transformer is None:
        return
    paths: Mapping[str, str] = transformer.get("InputPathsMap") or {}
    if len(paths) > MOST_VARIABLES:
        raise invalid(f"InputPathsMap for target {name} has more than {MOST_VARIABLES} variables.")
    for variable, path in paths.items():
        if variable.upper().startswith("AWS"):
            raise invalid(f"InputPathsMap for target {name} contains reserved variable {variable}.")
        if inputs.path_of(path) is None:
            raise invalid(f"InputPathsMap for target {name} contains invalid path {path}.")
    unknown = inputs.lacking(transformer)
    if unknown is not None:
        raise invalid(f"InputTemplate for target {name} contains invalid placeholder {unknown}.")
    place = inputs.template_fault(transformer)
    if place is not None:
        raise invalid(f"Invalid InputTemplate for target {name} : {place}.")
