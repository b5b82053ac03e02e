"""What a state machine is created and updated with: definition, role, logging, tracing, encryption.

Sources: API reference, "CreateStateMachine", "LoggingConfiguration"; wordings as recorded (localstack
test_sfn_api_logs).
"""

from __future__ import annotations

import re
from functools import lru_cache

from sagebrush.access import principals
from sagebrush.asl import validation
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns
from sagebrush.world import Ctx

PRINCIPAL = "states.amazonaws.com"
NO_LOGGING: Doc = {"level": "OFF", "includeExecutionData": False}
ENCRYPTION: Doc = {"type": "AWS_OWNED_KEY"}
NO_TRACING: Doc = {"enabled": False}
_GROUP = re.compile(r"arn:aws[\w-]*:logs:([\w-]+):(\d{12}):log-group:([\w./#-]+):\*")
TAGS = 50
"""Tags of a resource (quotas)."""


@lru_cache(maxsize=64)
def _valid(text: str, express: bool) -> None:
    validation.read_machine(text, express)


def check_definition(text: str, express: bool) -> None:
    """Raises InvalidDefinition in AWS's words."""
    _valid(text, express)


def check_role(ctx: Ctx, arn: str, machine: str) -> None:
    """Step Functions may assume the role for the state machine of that ARN. Raises InvalidArn, and
    AccessDeniedException in the service's words."""
    arns.check_role(arn)
    role = principals.named(ctx.world, ctx.caller, arn)
    service, keys = principals.service(ctx, machine, PRINCIPAL)
    if role is None or not principals.trust(role, service, "sts:AssumeRole", keys).allowed:
        raise AwsError(
            "AccessDeniedException",
            f"Neither the global service principal {PRINCIPAL}, nor the regional one is authorized"
            " to assume the provided role.",
        )


def logging(ctx: Ctx, given: Doc | None) -> Doc:
    """The logging configuration that holds, with its defaults. Raises InvalidLoggingConfiguration."""
    found = {**NO_LOGGING, **(given or {})}
    destinations = found.get("destinations") or []
    if found["level"] == "OFF" and not destinations:
        return found
    groups = [d.get("cloudWatchLogsLogGroup", {}).get("logGroupArn") for d in destinations]
    if len(groups) != 1 or not groups[0]:
        raise _bad_logging("Must specify exactly one Log Destination.")
    place = log_group(groups[0])
    if place is None:
        raise _bad_logging("Log Destination ARN must be that of a log group and end with ':*'.")
    region, account, name = place
    if (region, account) != (ctx.region, ctx.account):
        raise _bad_logging("Log Destination must be in the state machine's account and region.")
    if not any(group.name == name for group in ctx.world.streams.groups(account, region)):
        raise _bad_logging("Log Destination not found.")
    return found


def log_group(arn: str) -> tuple[str, str, str] | None:
    """(region, account, name) of a log group by its ARN."""
    found = _GROUP.fullmatch(arn)
    return (found[1], found[2], found[3]) if found else None


def _bad_logging(why: str) -> AwsError:
    return AwsError("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {why}")


def tracing(given: Doc | None) -> Doc:
    """The tracing configuration, with its default; it is stored without effect: there is no AWS
    X-Ray here."""
    return {**NO_TRACING, **(given or {})}


def check_encryption(given: Doc | None) -> None:
    """Raises InvalidEncryptionConfiguration for a customer's own key: there is no AWS KMS here."""
    if given is None:
        return
    key, own = given.get("kmsKeyId"), given["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    if not own and (key or given.get("kmsDataKeyReusePeriodSeconds") is not None):
        raise _bad_encryption("A key is given only with type CUSTOMER_MANAGED_KMS_KEY.")
    if own:
        raise _bad_encryption("Sagebrush has no AWS KMS: type AWS_OWNED_KEY alone is supported.")


def _bad_encryption(why: str) -> AwsError:
    return AwsError("InvalidEncryptionConfiguration", f"Invalid Encryption Configuration: {why}")


def tags(given: list[Doc] | None, before: dict[str, str] | None = None) -> dict[str, str]:
    """The tags after those given are set. Raises TooManyTags."""
    found = {**(before or {}), **{tag.get("key", ""): tag.get("value", "") for tag in given or []}}
    if len(found) > TAGS:
        raise AwsError("TooManyTags", f"A resource can have at most {TAGS} tags.")
    return found
