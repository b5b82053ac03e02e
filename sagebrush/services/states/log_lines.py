"""What executions write to CloudWatch Logs. Pure.

Source: developer guide, "Using CloudWatch Logs to log execution history" ("Log levels for Step Functions
execution events"); lines as recorded (localstack test_logs).
"""

from __future__ import annotations

import json

from sagebrush.errors import Doc
from sagebrush.services.states.history import DATA

FATAL = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut")
LARGEST = 250_000
"""Bytes of details from which on a line leaves its data out and says so: one of CloudWatch Logs holds
256 KB."""


def logged(kind: str, level: str) -> bool:
    """Whether an event of a type is written at a level."""
    if level == "ALL" or (level != "OFF" and kind in FATAL):
        return True
    bad = kind.endswith(("Failed", "TimedOut", "Aborted")) or kind == "FailStateEntered"
    return level == "ERROR" and bad


def lines(events: list[Doc], arn: str, redrives: int, configuration: Doc) -> list[tuple[int, str]]:
    """(milliseconds, line) of each event that is to be written."""
    level, data = configuration["level"], configuration.get("includeExecutionData", False)
    return [_line(event, arn, redrives, data) for event in events if logged(event["type"], level)]


def _line(event: Doc, arn: str, redrives: int, data: bool) -> tuple[int, str]:
    details = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
    if not data:
        details = {k: v for k, v in details.items() if k not in DATA}
    ms = int(event["timestamp"] * 1000)
    line: Doc = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": details,
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(ms),
        "execution_arn": arn,
        "redrive_count": str(redrives),
    }
    text = json.dumps(line, separators=(",", ":"))
    if len(text) > LARGEST:
        line["details"] = {
            k: {"truncated": True} if k.endswith("Details") else v
            for k, v in details.items()
            if k.endswith("Details") or k not in DATA
        }
        text = json.dumps(line, separators=(",", ":"))
    return ms, text
