"""From a raw CSV of texts in S3 to an endpoint that answers, by the services that AWS has for it.

    python pipeline.py run [NAME] [--data FILE.csv] [--keep]
    python pipeline.py remove NAME

A file in S3 starts a Lambda function, which cleans it and starts a state machine: a processing job, a
BlazingText training job, an evaluation in a processing job, a choice by its accuracy, a model and an
endpoint. EventBridge tells another function that the endpoint is in service. boto3 is all that this
file needs, and it is the same for Sagebrush and for AWS (README.md says what differs).
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import messages
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HERE = Path(__file__).parent
FUNCTIONS = ("clean", "announce")
SERVICES = ("sts", "iam", "s3", "lambda", "stepfunctions", "events", "sagemaker", "logs")
ASSUMED_BY = ("lambda", "states", "sagemaker")
RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 12})
"""A request is repeated while the server restarts."""
REGISTRIES = {
    "us-east-1": ("811284229777", "683313688378"),
    "us-east-2": ("825641698319", "257758044811"),
    "us-west-2": ("433757028032", "246618743249"),
    "eu-west-1": ("685385470294", "141502667606"),
    "eu-central-1": ("813361260812", "492215442770"),
}
"""Region -> the accounts of AWS's BlazingText and scikit-learn images (SDK's image_uris); Sagebrush takes
any of them."""


class PipelineFailed(Exception):
    """A step failed; the text says why."""


@dataclass(frozen=True)
class Run:
    """One run: the name of all that it makes, and clients."""

    name: str
    region: str
    account: str
    clients: dict[str, Any]

    @property
    def bucket(self) -> str:
        return f"{self.name}-{self.account}"

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.name}"

    @property
    def machine(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.name}"

    @property
    def execution(self) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{self.name}"

    def function(self, which: str) -> str:
        return f"{self.name}-{which}"


def main() -> int:
    """Does what the command line says; the exit status."""
    args = parsed()
    session = boto3.Session(region_name=args.region)
    clients = {name: session.client(name, config=RETRIES) for name in SERVICES}
    account = clients["sts"].get_caller_identity()["Account"]
    run = Run(args.name, clients["s3"].meta.region_name, account, clients)
    if args.what == "remove":
        remove(run, keep_role=bool(args.role))
        return 0
    try:
        whole(run, args)
    except (PipelineFailed, ClientError, BotoCoreError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    finally:
        if not args.keep:
            with step("remove"):
                remove(run, keep_role=bool(args.role))
    return 0


def parsed() -> argparse.Namespace:
    """The command line's words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "remove"))
    made = time.strftime("texts-%m%d-%H%M%S")
    parser.add_argument("name", nargs="?", default=made, help="of all that is made (texts-...)")
    parser.add_argument("--data", type=Path, help="a CSV with the columns text and label")
    parser.add_argument("--region", help="default: the session's")
    parser.add_argument("--role", help="ARN of a role for all services (default: one is made)")
    parser.add_argument("--instance", default="ml.m5.large", help="type of every instance")
    parser.add_argument("--least", type=float, default=0.8, help="accuracy that is good enough")
    parser.add_argument("--look-every", type=float, default=1, help="seconds, at the endpoint")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for the state machine")
    parser.add_argument("--keep", action="store_true", help="remove nothing; see `remove`")
    args = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){2,38}", args.name):
        parser.error("a name has 3 to 39 lower-case letters, digits and single hyphens")
    return args


def whole(run: Run, args: argparse.Namespace) -> None:
    """Everything is made, a file is put into the bucket, and what follows is waited for. Raises
    PipelineFailed."""
    raw = args.data.read_text() if args.data else messages.raw()
    with step("prepare") as tell:
        prepare(run, args)
        tell(f"role, bucket, 2 functions, state machine, rule, all named {run.name}")
    with step("upload") as tell:
        run.clients["s3"].put_object(
            Bucket=run.bucket, Key=f"raw/{run.name}.csv", Body=raw.encode()
        )
        tell(f"{raw.count(chr(10)) - 1} raw texts to s3://{run.bucket}/raw/{run.name}.csv")
    with step("clean") as tell:
        given = json.loads(
            waited(lambda: described(run), 300, "the function started nothing")["input"]
        )
        tell(f"{given['kept']} texts are left; left out: {given['left_out']}")
    output = json.loads(follow(run, args.timeout)["output"])
    with step("announce") as tell:
        event = waited(lambda: announced(run), 120, "EventBridge told nothing")
        tell(f"{event['detail-type']}: {event['detail']['EndpointStatus']} at {event['time']}")
    with step("ask") as tell:
        tell(asked(run))
    print(
        f"\naccuracy {output['accuracy']:.1%} on texts it never saw "
        f"(always the largest label: {output['majority']:.1%})"
    )


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """A step of the run: its time and what was told of it are printed."""
    said, started = [""], time.monotonic()
    if sys.stdout.isatty():
        print(f"· {name:<22}", end="\r", flush=True)
    try:
        yield lambda words: said.__setitem__(0, words)
    except BaseException:
        print(f"✗ {name:<22} {time.monotonic() - started:6.1f} s")
        raise
    print(f"✓ {name:<22} {time.monotonic() - started:6.1f} s   {said[0]}", flush=True)


def waited(look: Callable[[], Any], seconds: float, words: str) -> Any:
    """What `look` finds at last; raises PipelineFailed where it finds nothing in that time."""
    until = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > until:
            raise PipelineFailed(f"{words} within {seconds:.0f} s")
        time.sleep(0.25)
    return found


def prepare(run: Run, args: argparse.Namespace) -> None:
    """All that the run needs is there, but for the file."""
    s3 = run.clients["s3"]
    role = args.role or made_role(run)
    where = {} if run.region == "us-east-1" else {"LocationConstraint": run.region}
    s3.create_bucket(Bucket=run.bucket, **({"CreateBucketConfiguration": where} if where else {}))
    for script in sorted((HERE / "jobs").glob("*.py")):
        s3.upload_file(str(script), run.bucket, f"code/{script.name}")
    made_machine(run, role, args)
    variables = {"BUCKET": run.bucket, "MACHINE": run.machine}
    arns = {which: made_function(run, which, role, variables) for which in FUNCTIONS}
    notify(run, arns["clean"])
    announce(run, arns["announce"])


def made_role(run: Run) -> str:
    """A role that Lambda, Step Functions and SageMaker may take, for this run's resources."""
    iam, prefix = run.clients["iam"], run.name
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": [f"{name}.amazonaws.com" for name in ASSUMED_BY]},
        "Action": "sts:AssumeRole",
    }
    policy = (HERE / "role.json").read_text()
    for name, value in (("Name", prefix), ("Region", run.region), ("Account", run.account)):
        policy = policy.replace(f"${{{name}}}", value)
    iam.create_role(RoleName=prefix, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=prefix, PolicyName="pipeline", PolicyDocument=policy)
    return run.role


def document(statement: dict[str, Any]) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def made_machine(run: Run, role: str, args: argparse.Namespace) -> None:
    """The state machine is there, its definition filled in."""
    blazingtext, sklearn = REGISTRIES.get(run.region, REGISTRIES["us-east-1"])
    host = f"dkr.ecr.{run.region}.amazonaws.com"
    values = {
        "Bucket": run.bucket,
        "Role": role,
        "InstanceType": args.instance,
        "BlazingTextImage": f"{blazingtext}.{host}/blazingtext:1",
        "SklearnImage": f"{sklearn}.{host}/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "LeastAccuracy": f"{args.least:g}",
        "LookEverySeconds": f"{args.look_every:g}",
    }
    text = (HERE / "machine.asl.json").read_text()
    definition = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)
    ready(
        lambda: run.clients["stepfunctions"].create_state_machine(
            name=run.name, definition=definition, roleArn=role
        )
    )


def made_function(run: Run, which: str, role: str, variables: dict[str, str]) -> str:
    """The ARN of a function that can be invoked, whose code is functions/WHICH.py."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.write(HERE / "functions" / f"{which}.py", f"{which}.py")
    made = ready(
        lambda: run.clients["lambda"].create_function(
            FunctionName=run.function(which),
            Runtime="python3.12",
            Role=role,
            Handler=f"{which}.handler",
            Code={"ZipFile": body.getvalue()},
            Environment={"Variables": variables},
            Timeout=60,
            MemorySize=256,
        )
    )
    waiter = run.clients["lambda"].get_waiter("function_active_v2")
    waiter.wait(FunctionName=run.function(which), WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return made["FunctionArn"]


def ready(create: Callable[[], Any], seconds: float = 60) -> Any:
    """What `create` makes; a role that was made just now is not known everywhere at AWS at once."""
    until = time.monotonic() + seconds
    while True:
        try:
            return create()
        except ClientError as error:
            if "assum" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(2)


def notify(run: Run, function: str) -> None:
    """The bucket tells the function of every CSV file that is put under raw/."""
    run.clients["lambda"].add_permission(
        FunctionName=function,
        StatementId="bucket",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{run.bucket}",
        SourceAccount=run.account,
    )
    rules = [{"Name": "prefix", "Value": "raw/"}, {"Name": "suffix", "Value": ".csv"}]
    wanted = {
        "LambdaFunctionArn": function,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    run.clients["s3"].put_bucket_notification_configuration(
        Bucket=run.bucket,
        NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]},
    )


def announce(run: Run, function: str) -> None:
    """EventBridge tells the function when the run's endpoint is in service."""
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change"],
        "detail": {"EndpointStatus": ["IN_SERVICE"], "EndpointName": [run.name]},
    }
    events = run.clients["events"]
    rule = events.put_rule(Name=run.name, EventPattern=json.dumps(pattern))["RuleArn"]
    run.clients["lambda"].add_permission(
        FunctionName=function,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    added = events.put_targets(Rule=run.name, Targets=[{"Id": "announce", "Arn": function}])
    if added["FailedEntryCount"]:
        raise PipelineFailed(f"the rule has no target: {added['FailedEntries']}")


def described(run: Run) -> dict[str, Any] | None:
    """The execution; None while the function has not started it."""
    states = run.clients["stepfunctions"]
    with suppress(states.exceptions.ExecutionDoesNotExist):
        return states.describe_execution(executionArn=run.execution)
    return None


def announced(run: Run) -> dict[str, Any] | None:
    """The event that the function wrote; None while there is none."""
    s3 = run.clients["s3"]
    with suppress(s3.exceptions.NoSuchKey):
        body = s3.get_object(Bucket=run.bucket, Key=f"announced/{run.name}.json")["Body"]
        return json.loads(body.read())
    return None


def follow(run: Run, timeout: float) -> dict[str, Any]:
    """The execution, once it has succeeded; each state is told as it ends. Raises PipelineFailed."""
    until, shown = time.monotonic() + timeout, 0
    while True:
        found = waited(lambda: described(run), 60, "the execution cannot be seen")
        status, shown = found["status"], tell_states(run, shown)
        if status == "SUCCEEDED":
            return found
        if status != "RUNNING":
            raise PipelineFailed(
                f"the state machine {status.lower()}: {reason(described(run) or {})}"
            )
        if time.monotonic() > until:
            raise PipelineFailed(f"the state machine still runs after {timeout:.0f} s")
        time.sleep(0.25)


def reason(execution: dict[str, Any]) -> str:
    """Why an execution ended so; of a job's description, which is then the cause, what it says."""
    cause = execution.get("cause", "")
    with suppress(ValueError, AttributeError):
        cause = json.loads(cause).get("FailureReason", cause)
    return f"{execution.get('error', '')}: {cause}"


def tell_states(run: Run, shown: int) -> int:
    """Every state that ended after event `shown` is printed; the last event that was read."""
    entered: dict[str, Any] = {}
    pages = run.clients["stepfunctions"].get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=run.execution):
        for event in page["events"]:
            if "stateEnteredEventDetails" in event:
                name = event["stateEnteredEventDetails"]["name"]
                entered[name] = event["timestamp"]
            elif "stateExitedEventDetails" in event and event["id"] > shown:
                name = event["stateExitedEventDetails"]["name"]
                took = (event["timestamp"] - entered[name]).total_seconds()
                print(f"✓ {name:<22} {took:6.1f} s", flush=True)
            shown = max(shown, event["id"])
    return shown


def asked(run: Run, count: int = 10) -> str:
    """What the endpoint answers to some of the texts that were held back."""
    body = run.clients["s3"].get_object(Bucket=run.bucket, Key=f"{run.name}/test/test.txt")["Body"]
    lines = body.read().decode().splitlines()[:count]
    truth, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    runtime = boto3.client("sagemaker-runtime", region_name=run.region, config=RETRIES)
    answer = runtime.invoke_endpoint(
        EndpointName=run.name,
        ContentType="application/json",
        Body=json.dumps({"instances": texts, "configuration": {"k": 1}}),
    )
    found = json.loads(answer["Body"].read())
    right = sum(one["label"][0] == label for one, label in zip(found, truth, strict=True))
    first = f"“{texts[0][:60]}”: {found[0]['label'][0].removeprefix('__label__')}"
    return f"{right} of {len(texts)} held-back texts rightly; {first}, {found[0]['prob'][0]:.0%}"


def remove(run: Run, keep_role: bool = False) -> None:
    """Nothing of the run is left but its jobs, which AWS keeps too; what is gone already does not matter."""
    clients, name = run.clients, run.name
    calls: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (clients["events"].remove_targets, {"Rule": name, "Ids": ["announce"]}),
        (clients["events"].delete_rule, {"Name": name}),
        (clients["stepfunctions"].stop_execution, {"executionArn": run.execution}),
        (clients["stepfunctions"].delete_state_machine, {"stateMachineArn": run.machine}),
        (clients["sagemaker"].delete_endpoint, {"EndpointName": name}),
        (clients["sagemaker"].delete_endpoint_config, {"EndpointConfigName": name}),
        (clients["sagemaker"].delete_model, {"ModelName": name}),
    ]
    for which in FUNCTIONS:
        function = run.function(which)
        calls.append((clients["lambda"].delete_function, {"FunctionName": function}))
        group = {"logGroupName": f"/aws/lambda/{function}"}
        calls.append((clients["logs"].delete_log_group, group))
    for call, given in calls:
        with suppress(ClientError):
            call(**given)
    empty(run)
    if not keep_role:
        with suppress(ClientError):
            clients["iam"].delete_role_policy(RoleName=name, PolicyName="pipeline")
            clients["iam"].delete_role(RoleName=name)


def empty(run: Run) -> None:
    """The bucket and all in it are gone."""
    s3 = run.clients["s3"]
    with suppress(s3.exceptions.NoSuchBucket, ClientError):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=run.bucket):
            keys = [{"Key": each["Key"]} for each in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=run.bucket, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=run.bucket)


if __name__ == "__main__":
    sys.exit(main())
