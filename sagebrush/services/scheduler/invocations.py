"""What a schedule sends when it fires.

Source: EventBridge Scheduler user guide, "Using templated targets" and "Adding context attributes".
"""

from __future__ import annotations

import datetime as dt
import hashlib

from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.services.scheduler import target_checks
from sagebrush.services.scheduler.rows import SERVICE, group_arn
from sagebrush.store.deliveries import Delivery
from sagebrush.store.rows import Row


def delivery(row: Row, fire: float) -> Delivery:
    """The message to the schedule's target at that fire (seconds since the epoch)."""
    doc, target = row.doc, row.doc["Target"]
    arn, retry = target["Arn"], target.get("RetryPolicy") or {}
    values = _values(row, fire)
    text = target.get("Input") or default_input(row)
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    options: Doc = {}
    if group := (target.get("SqsParameters") or {}).get("MessageGroupId"):
        options["MessageGroupId"] = group
    if given := target.get("EventBridgeParameters"):
        options |= {"Source": given["Source"], "DetailType": given["DetailType"]}
    call = target_checks.call_of(arn) if arn.startswith(target_checks.UNIVERSAL) else None
    return Delivery(
        account=row.account,
        region=row.region,
        target=f"aws-sdk:{call[0]}:{call[1]}" if call else arn,
        payload=text,
        principal=SERVICE,
        source_arn=group_arn(row.account, row.region, doc["GroupName"]),
        role=target["RoleArn"],
        options=options,
        retries=retry.get("MaximumRetryAttempts", Delivery.retries),
        max_age=float(retry.get("MaximumEventAgeInSeconds", Delivery.max_age)),
        dead_letter=(target.get("DeadLetterConfig") or {}).get("Arn", ""),
        dead_attributes={
            "SCHEDULE_ARN": doc["Arn"],
            "SCHEDULED_TIME": values["scheduled-time"],
            "EXECUTION_ID": values["execution-id"],
        },
    )


def default_input(row: Row) -> str:
    """What a templated target gets where no Input is given: a fixed notice; an object without members
    where the service takes nothing else."""
    arn = row.doc["Target"]["Arn"]
    found = Arn.parse(arn)
    if arn.startswith(target_checks.UNIVERSAL) or (found and found.service in ("states", "events")):
        return "{}"
    return "Message from EventBridge Scheduler."


def _values(row: Row, fire: float) -> dict[str, str]:
    """AWS's context attributes. The attempt is always the first: a retry sends the same text."""
    execution = hashlib.sha256(f"{row.id}/{row.created!r}/{fire!r}".encode()).hexdigest()[:16]
    time = dt.datetime.fromtimestamp(fire, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "schedule-arn": row.doc["Arn"],
        "scheduled-time": time,
        "execution-id": execution,
        "attempt-number": "1",
    }
