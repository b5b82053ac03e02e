"""The alarms of an AutoRollbackConfiguration: which of them is in ALARM.

CloudWatch is asked as the model's execution role: "Ensure that your IAM execution role has
permission to perform the cloudwatch:DescribeAlarms action" (`deployment-guardrails-configuration`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.errors import AwsError
from sagebrush.world import Ctx, World

TYPES = ["MetricAlarm", "CompositeAlarm"]


def states(
    world: World, account: str, region: str, role: str | None, names: Sequence[str]
) -> dict[str, str]:
    """The state of each alarm that is there. Raises AwsError where the role may not ask.

    `role`: the model's; None: that of the owner, whose models need none of their own.
    """
    role = role or f"arn:aws:iam::{account}:role/{world.settings.role}"
    request = {"AlarmNames": list(names), "AlarmTypes": TYPES}
    found = world.service_ctx(role, region).call("cloudwatch", "DescribeAlarms", request)
    alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


def tripped(found: dict[str, str], names: Sequence[str]) -> str:
    """Why the deployment must be rolled back; "" if no alarm is in ALARM.

    An alarm that is gone watches nothing, so the deployment does not go on without it. AWS's own
    sentence is not published.
    """
    ringing = [name for name in names if found.get(name) == "ALARM"]
    if ringing:
        return (
            "The deployment was rolled back because the following alarms went into ALARM state:"
            f" {', '.join(ringing)}."
        )
    missing = [name for name in names if name not in found]
    if missing:
        return (
            "The deployment was rolled back because alarms of its AutoRollbackConfiguration do not"
            f" exist: {', '.join(missing)}."
        )
    return ""


def require(ctx: Ctx, role: str | None, names: Sequence[str]) -> None:
    """Raises ValidationException unless each alarm is there and the role may read its state: a
    deployment that nothing watches would be rolled back at its first step."""
    if not names:
        return
    try:
        found = states(ctx.world, ctx.account, ctx.region, role, names)
    except AwsError as error:
        text = f"The alarms {', '.join(names)} of AutoRollbackConfiguration could not be read"
        raise AwsError("ValidationException", f"{text}: {error.message}") from error
    if missing := [name for name in names if name not in found]:
        raise AwsError(
            "ValidationException",
            f"Could not find the CloudWatch alarms {', '.join(missing)} of"
            " AutoRollbackConfiguration.",
        )


def unreadable(error: AwsError, names: Sequence[str]) -> str:
    """Why a deployment whose alarms cannot be read is rolled back."""
    return (
        f"The deployment was rolled back because the alarms {', '.join(names)} could not be read:"
        f" {error.message}"
    )
