"""The configuration of a function: what a request may set, its defaults, how it is shown.

Source: Lambda API reference, CreateFunction, UpdateFunctionConfiguration and FunctionConfiguration; the
developer guide, "Working with Lambda environment variables" (reserved names).
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from sagebrush.access import principals
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, limits, runtimes
from sagebrush.world import Ctx

PRINCIPAL = "lambda.amazonaws.com"
RESERVED = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    }
)  # fmt: skip
UNSUPPORTED = {
    "FileSystemConfigs": "file systems of functions (FileSystemConfigs)",
    "CodeSigningConfigArn": "code signing (CodeSigningConfigArn)",
    "KMSKeyArn": "encryption by AWS KMS (KMSKeyArn)",
    "CapacityProviderConfig": "Lambda Managed Instances (CapacityProviderConfig)",
    "TenancyConfig": "tenant isolation (TenancyConfig)",
    "DurableConfig": "durable functions (DurableConfig)",
    "RuntimeConfig": "customer-managed runtimes (RuntimeConfig)",
    "AcceleratorConfig": "accelerators of functions (AcceleratorConfig)",
    "PublishTo": "$LATEST.PUBLISHED (PublishTo)",
}
"""Members that are refused because they would be ignored -> what they ask for."""
DEFAULTS: Doc = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "PackageType": "Zip",
    "TracingConfig": {"Mode": "PassThrough"},
    "Architectures": ["x86_64"],
    "EphemeralStorage": {"Size": 512},
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
}
SET = (
    "Description", "Timeout", "MemorySize", "Handler", "Runtime", "Role", "TracingConfig",
    "Architectures", "EphemeralStorage",
)  # fmt: skip
"""Members that are shown as they were given."""
CREATING = "The function is being created."
PENDING: Doc = {
    "State": "Pending", "StateReason": CREATING, "StateReasonCode": "Creating",
    "LastUpdateStatus": None, "LastUpdateStatusReason": None, "LastUpdateStatusReasonCode": None,
}  # fmt: skip
UPDATING: Doc = {
    "LastUpdateStatus": "InProgress", "LastUpdateStatusReason": CREATING,
    "LastUpdateStatusReasonCode": "Creating",
}  # fmt: skip
DONE: Doc = {
    "State": "Active", "StateReason": None, "StateReasonCode": None,
    "LastUpdateStatus": "Successful", "LastUpdateStatusReason": None,
    "LastUpdateStatusReasonCode": None,
}  # fmt: skip


def check(request: Doc) -> None:
    """Returns when what the request sets may be set, by itself. Raises InvalidParameterValueException,
    ValidationException, and what Sagebrush lacks is refused by name."""
    for member, words in UNSUPPORTED.items():
        if request.get(member):
            raise faults.unsupported(words)
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise faults.unsupported("SnapStart (SnapStart.ApplyOn)")
    _at_most("timeout", request.get("Timeout"), limits.TIMEOUT[1])
    _at_most(
        "ephemeralStorage.size", (request.get("EphemeralStorage") or {}).get("Size"),
        limits.STORAGE_TMP[1],
    )  # fmt: skip
    memory = request.get("MemorySize")
    if memory is not None and memory > limits.MEMORY[1]:
        raise faults.invalid(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or"
            f" equal to {limits.MEMORY[1]}"
        )
    _check_variables((request.get("Environment") or {}).get("Variables") or {})
    _check_logging(request.get("LoggingConfig") or {})


def _at_most(path: str, value: int | None, most: int) -> None:
    if value is not None and value > most:
        raise faults.validation(
            f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have value less"
            f" than or equal to {most}"
        )


def _check_variables(variables: dict[str, str]) -> None:
    used = sorted(RESERVED & variables.keys())
    before = (
        "Lambda was unable to configure your environment variables because the environment variables"
        " you have provided"
    )
    if used:
        raise faults.invalid(
            f"{before} contains reserved keys that are currently not supported for modification."
            f" Reserved keys used in this request: {', '.join(used)}"
        )
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > limits.ENVIRONMENT:
        raise faults.invalid(f"{before} exceeded the 4KB limit. String measured: {text}")


def _check_logging(given: Doc) -> None:
    levels = [name for name in ("ApplicationLogLevel", "SystemLogLevel") if given.get(name)]
    if levels and given.get("LogFormat", "Text") == "Text":
        raise faults.invalid(f'{levels[0]} is not supported when LogFormat is set to "Text".')


def check_role(ctx: Ctx, arn: str, function: str) -> None:
    """Returns when Lambda may assume the role for the function of that ARN.

    Raises InvalidParameterValueException in AWS's words, also for a role that does not exist, and
    AccessDeniedException (403) for another account's.
    """
    found = Arn.parse(arn)
    if found is not None and found.account != ctx.account:
        words = "Cross-account pass role is not allowed."
        raise AwsError("AccessDeniedException", words, 403)
    role = principals.named(ctx.world, ctx.caller, arn)
    service, keys = principals.service(ctx, function, PRINCIPAL)
    if role is None or not principals.trust(role, service, "sts:AssumeRole", keys).allowed:
        raise faults.invalid("The role defined for the function cannot be assumed by Lambda.")


def created(name: str, arn: str, request: Doc) -> Doc:
    """The document of a new function's $LATEST, without what its code, its layers and its state add."""
    doc: Doc = {**DEFAULTS, "FunctionName": name, "FunctionArn": arn, "Version": "$LATEST"}
    doc["PackageType"] = request.get("PackageType") or "Zip"
    return updated(doc, request)


def updated(doc: Doc, request: Doc) -> Doc:
    """The document with what the request sets in place; layers are the caller's."""
    new = {**doc, **{name: request[name] for name in SET if request.get(name) is not None}}
    region = doc["FunctionArn"].split(":")[3]
    if runtime := new.get("Runtime"):
        new["RuntimeVersionConfig"] = {"RuntimeVersionArn": runtimes.version_arn(runtime, region)}
    if (environment := request.get("Environment")) is not None:
        new["Environment"] = {"Variables": environment.get("Variables") or {}}
        if not environment.get("Variables") and "Version" in doc and not environment:
            new.pop("Environment")
    if (letters := request.get("DeadLetterConfig")) is not None:
        new.pop("DeadLetterConfig", None)
        if letters.get("TargetArn"):
            new["DeadLetterConfig"] = {"TargetArn": letters["TargetArn"]}
    if (network := request.get("VpcConfig")) is not None:
        # without effect: there are no VPCs here, and so no id of one
        none: Doc = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}
        new["VpcConfig"] = {"Ipv6AllowedForDualStack": False, **none, **network}
    if (image := request.get("ImageConfig")) is not None:
        new.pop("ImageConfigResponse", None)
        if any(image.values()):
            new["ImageConfigResponse"] = {"ImageConfig": image}
    new["LoggingConfig"] = _logging(new, request.get("LoggingConfig"))
    return new


def _logging(doc: Doc, given: Doc | None) -> Doc:
    own = f"/aws/lambda/{doc['FunctionName']}"
    before = doc.get("LoggingConfig") or {"LogFormat": "Text", "LogGroup": own}
    if not given:
        return before
    if given.get("LogFormat") == "Text":
        before = {name: before[name] for name in ("LogGroup",)}
    levels = (
        {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
        if given.get("LogFormat") == "JSON"
        else {}
    )
    return {**levels, **before, **{k: v for k, v in given.items() if v is not None}}


def stamp(seconds: float) -> str:
    """The time as LastModified shows it: `2026-01-02T03:04:05.678+0000`."""
    moment = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def shown(doc: Doc, version: str = "", qualified: str = "") -> Doc:
    """The configuration as operations answer it; with `qualified` its ARN ends in that qualifier."""
    found: dict[str, Any] = dict(doc)
    if version:
        found["Version"] = version
    if qualified:
        found["FunctionArn"] = f"{doc['FunctionArn']}:{qualified}"
    return found
