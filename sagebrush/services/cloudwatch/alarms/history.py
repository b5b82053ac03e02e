"""What is written into the history of an alarm, in AWS's JSON, and DescribeAlarmHistory."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms import rows
from sagebrush.services.cloudwatch.alarms.plan import COMPOSITE, METRIC, Change
from sagebrush.services.cloudwatch.alarms.reasons import stamp
from sagebrush.store.alarm_history import AlarmHistory, Item, Sought
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

SUMMARY, DATA = 255, 4095
"""Characters of a HistorySummary and of a HistoryData at most."""
_SPELT = {"OKActions": "okactions"}
"""Members of the JSON that are not AWS's with a small first letter."""


def configured(ctx: Ctx, row: Row, verb: str) -> None:
    """The history says that the alarm was created, updated or deleted (`verb`)."""
    what = {"created": "Create", "updated": "Update", "deleted": "Delete"}[verb]
    document = {"version": "1.0", "type": what, f"{verb}Alarm": _lower(row.doc)}
    summary = f'Alarm "{row.name}" {verb}'
    add(ctx.world, row, ctx.world.clock(), "ConfigurationUpdate", summary, document)


def transitioned(world: World, row: Row, change: Change) -> None:
    """The history says that the alarm changed its state, once, however often this runs."""
    old, new = change["old"], rows.state_of(row)
    data = {"version": "1.0", "oldState": _state(old), "newState": _state(new)}
    summary = f"Alarm updated from {old['value']} to {new['value']}"
    add(world, row, change["at"], "StateUpdate", summary, data)


def acted(
    world: World, row: Row, change: Change, action: str, error: str | None, message: str | None
) -> None:
    """The history says that an action of the alarm succeeded (`error` None) or failed, and why."""
    data: Doc = {
        "actionState": "Succeeded" if error is None else "Failed",
        "stateUpdateTimestamp": round(change["at"] * 1000),
        "notificationResource": action,
        "publishedMessage": message,
        "error": error,
    }
    summary = f"Successfully executed action {action}"
    if error is not None:
        summary = f'Failed to execute action {action}. Received error: "{error}"'
    add(world, row, world.clock(), "Action", summary, data)


def add(world: World, row: Row, at: float, kind: str, summary: str, data: Doc) -> None:
    """One item is in the alarm's history; `publishedMessage` and the like are cut to fit."""
    text = json.dumps(data, separators=(",", ":"))
    if len(text) > DATA and data.get("publishedMessage"):
        text = json.dumps({**data, "publishedMessage": None}, separators=(",", ":"))
    item = Item(
        row.name, rows.is_composite(row), round(at, 3), kind, summary[:SUMMARY], text[:DATA]
    )
    AlarmHistory(world.db).add(row.account, row.region, [item])


def _state(state: Any) -> Doc:
    found: Doc = {"stateValue": state["value"], "stateReason": state["reason"]}
    if state["data"]:
        try:
            found["stateReasonData"] = json_of(state["data"])
        except ValueError:
            found["stateReasonData"] = state["data"]  # a text of SetAlarmState's caller
    return found


def _lower(value: Any) -> Any:
    """A document of AWS's as its history has it: small first letters, times as texts."""
    if isinstance(value, dict):
        return {_SPELT.get(k, k[:1].lower() + k[1:]): _lower(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_lower(each) for each in value]
    return stamp(value.timestamp()) if isinstance(value, dt.datetime) else value


def describe_alarm_history(ctx: Ctx, request: Doc) -> Doc:
    """One page (100 unless fewer are asked for) of history items, newest first unless asked.

    Without AlarmTypes those of metric alarms alone, as AWS's; also of alarms that were deleted.
    Raises InvalidNextToken.
    """
    kinds = request.get("AlarmTypes") or [METRIC]
    kind = request.get("HistoryItemType")
    if request.get("AlarmContributorId") or (kind or "").startswith("AlarmContributor"):
        return {"AlarmHistoryItems": []}  # no alarm here has contributors
    sought = Sought(
        request.get("AlarmName"),
        [wanted for name, wanted in ((METRIC, False), (COMPOSITE, True)) if name in kinds],
        kind,
        _seconds(request, "StartDate"),
        _seconds(request, "EndDate"),
        request.get("ScanBy", "TimestampDescending") == "TimestampDescending",
    )
    items, more = AlarmHistory(ctx.world.db).page(
        ctx.account, ctx.region, sought, _after(request), request.get("MaxRecords", 100)
    )
    found: Doc = {"AlarmHistoryItems": [_item(each) for each in items]}
    token = base64.b64encode(json.dumps(more).encode()).decode() if more else None
    return {**found, "NextToken": token} if token else found


def _item(item: Item) -> Doc:
    return {
        "AlarmName": item.alarm,
        "AlarmType": COMPOSITE if item.composite else METRIC,
        "Timestamp": moment(item.at),
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }


def _seconds(request: Doc, member: str) -> float | None:
    return request[member].timestamp() if member in request else None


def _after(request: Doc) -> list[Any] | None:
    token = request.get("NextToken")
    if not token:
        return None
    try:
        found = json_of(base64.b64decode(token, validate=True))
    except ValueError:
        found = None
    if not isinstance(found, list) or [type(v) for v in found] not in ([float, int], [int, int]):
        raise AwsError("InvalidNextToken", "Invalid NextToken")
    return found
