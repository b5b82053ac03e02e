"""What PutTargets refuses of a target. Pure.

Messages are AWS's where they are seen: localstack's recordings (2024), what cdk-preflight's rules
measured (badmintoncryer/cdk-preflight, 2026), aws-cli#6711, moto's tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.events import inputs
from sagebrush.services.events.names import invalid

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
PARAMETERS = (
    "KinesisParameters", "RunCommandParameters", "EcsParameters", "BatchParameters",
    "HttpParameters", "RedshiftDataParameters", "SageMakerPipelineParameters", "AppSyncParameters",
)  # fmt: skip
"""Members of a target that are for targets which are not there."""
_NEED_ROLE = ("states", "events")


def check_ids(targets: Sequence[Doc]) -> None:
    """Raises ValidationException where two targets have one id."""
    seen: set[str] = set()
    for target in targets:
        name = target["Id"]
        if name in seen:
            raise invalid(
                "Parameter targets is not valid. Reason: More than one target with Id"
                f" '{name}' is provided."
            )
        seen.add(name)


def check(target: Doc, account: str, region: str) -> None:
    """Raises ValidationException for a target that AWS refuses, and for one that Sagebrush sends
    nothing to; the rule is in that account and region."""
    name, text = target["Id"], target["Arn"]
    given = [m for m in ("Input", "InputPath", "InputTransformer") if target.get(m) is not None]
    if len(given) > 1:
        raise invalid(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
        )
    _check_input(target)
    arn = Arn.parse(text)
    if arn is None or not _ARN.fullmatch(text):
        raise _no_arn(text)
    _check_kind(target, arn)
    foreign = arn.service == "sns" and arn.account != account
    if (arn.service in _NEED_ROLE or foreign) and not target.get("RoleArn"):
        raise invalid(f"RoleArn is required for target {text}.")
    if arn.service == "logs" and target.get("RoleArn"):
        raise invalid(f"RoleArn is not supported for target {text}.")
    if arn.service == "sqs" and text.endswith(".fifo") and not target.get("SqsParameters"):
        raise invalid(f"Parameter(s) SqsParameters must be specified for target: {name}.")
    _check_queue(target, region)


def _no_arn(text: str) -> AwsError:
    words = f"Parameter {text} is not valid. Reason: Provided Arn is not in correct format."
    return invalid(words)


def _check_kind(target: Doc, arn: Arn) -> None:
    start = _SENT.get(arn.service)
    if arn.service == "sagemaker":
        raise lacking(f"SageMaker pipelines as targets ({target['Arn']})")
    if start is None or not arn.resource.startswith(start):
        raise lacking(f"targets like {target['Arn']}")
    for member in PARAMETERS:
        if target.get(member):
            raise invalid(f"Parameter(s) {member} not supported for target: {target['Id']}.")


def lacking(what: str) -> AwsError:
    """The error for what AWS has and Sagebrush lacks."""
    return invalid(f"Sagebrush does not support {what} yet.")


def _check_queue(target: Doc, region: str) -> None:
    text = (target.get("DeadLetterConfig") or {}).get("Arn")
    if text is None:
        return
    arn = Arn.parse(text)
    if arn is None:
        raise _no_arn(text)
    if arn.service != "sqs":
        raise invalid(f"{arn.service} is not supported as a dead letter resource")
    if text.endswith(".fifo"):
        raise invalid("SQS FIFO is not supported by Dead Letter Queues")
    if arn.region != region:
        raise invalid(f"Dead letter queue {text} is not in the region of the rule ({region}).")


def _check_input(target: Doc) -> None:
    name = target["Id"]
    if target.get("Input") is not None:
        place = inputs.json_fault(target["Input"])
        if place is not None:
            raise invalid(f"JSON syntax error in input for target {name}: {place}")
    transformer = target.get("InputTransformer") or {}
    paths: Mapping[str, str] = transformer.get("InputPathsMap") or {}
    for path in (target.get("InputPath"), *paths.values()):
        if path is not None and inputs.path_of(path) is None:
            raise invalid(f"InputPath for target {name} is invalid.")
    if transformer:
        _check_template(name, transformer)


def _check_template(name: str, transformer: Doc) -> None:
    unknown = inputs.lacking(transformer)
    if unknown is not None:
        raise invalid(f"InputTemplate for target {name} contains invalid placeholder {unknown}.")
    whole = inputs.whole_event(transformer)
    if whole is not None and not transformer["InputTemplate"].lstrip().startswith("{"):
        raise invalid(
            f"InputTemplate for target {name} contains placeholder {whole} valid only for JSON"
            " template."
        )
    place = inputs.template_fault(transformer)
    if place is not None:
        raise invalid(f"Invalid InputTemplate for target {name} : {place}.")
