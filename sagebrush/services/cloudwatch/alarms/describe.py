"""DescribeAlarms and DescribeAlarmsForMetric."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms import checks, rows
from sagebrush.services.cloudwatch.alarms.plan import METRIC, plan_of
from sagebrush.services.cloudwatch.datapoints import dimensions_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 50
"""Alarms of a page where the request does not say."""
_RELATIVES = ("ChildrenOfAlarmName", "ParentsOfAlarmName")
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_OF_CHILD = ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")


def describe_alarms(ctx: Ctx, request: Doc) -> Doc:
    """One page of the alarms that are asked for, by name; metric alarms alone without AlarmTypes.
    Raises ValidationError and InvalidNextToken."""
    for member in _RELATIVES:
        if member in request:
            return _page(request, _relatives(ctx, request, member))
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise checks.both("AlarmNames", "AlarmNamePrefix")
    types = request.get("AlarmTypes") or [METRIC]
    state, prefix = request.get("StateValue"), request.get("ActionPrefix")
    found = [
        row
        for row in _named(ctx, request)
        if plan_of(row)["type"] in types
        and state in (None, row.status)
        and (prefix is None or any(a.startswith(prefix) for m in _ACTIONS for a in row.doc[m]))
    ]
    return _page(request, [(row, row.doc) for row in found])


def _named(ctx: Ctx, request: Doc) -> Sequence[Row]:
    """The alarms that AlarmNames or AlarmNamePrefix ask for, or all, by name."""
    if "AlarmNames" in request:
        names = sorted(set(request["AlarmNames"]))
        return [row for name in names if (row := rows.get(ctx, name))]
    prefix = request.get("AlarmNamePrefix", "")
    types = request.get("AlarmTypes") or [METRIC]
    every = rows.every(ctx.world, ctx.account, ctx.region, types, request.get("ActionPrefix", ""))
    return [row for row in every if row.name.startswith(prefix)]


def _relatives(ctx: Ctx, request: Doc, member: str) -> list[tuple[Row, Doc]]:
    """The alarms in the rule of a composite alarm, or the composite alarms that name an alarm, with
    the few members that AWS shows of them."""
    if others := set(request) - {member, "MaxRecords", "NextToken"}:
        raise checks.refused(f"{member} cannot be given together with {', '.join(sorted(others))}.")
    row = rows.get(ctx, request[member])
    if row is None:
        return []
    if member == "ChildrenOfAlarmName":
        names = sorted(plan_of(row).get("children", ()))
        found = [each for name in names if (each := rows.get(ctx, name))]
        shown = _OF_CHILD
    else:
        every = rows.composites(ctx.world, ctx.account, ctx.region)
        found = [each for each in every if row.name in plan_of(each).get("children", ())]
        shown = _OF_CHILD[:2]
    found.sort(key=lambda each: each.name)
    return [(each, {name: each.doc[name] for name in shown}) for each in found]


def _page(request: Doc, found: list[tuple[Row, Doc]]) -> Doc:
    after = _after(request)
    left = [(row, doc) for row, doc in found if after is None or row.name > after]
    page = left[: request.get("MaxRecords", PAGE)]
    result: Doc = {
        "MetricAlarms": [doc for row, doc in page if not rows.is_composite(row)],
        "CompositeAlarms": [doc for row, doc in page if rows.is_composite(row)],
    }
    if len(page) < len(left):
        result["NextToken"] = base64.b64encode(page[-1][0].name.encode()).decode()
    return result


def _after(request: Doc) -> str | None:
    """The name of the last alarm of the page before; raises InvalidNextToken."""
    token = request.get("NextToken")
    if not token:
        return None
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise AwsError("InvalidNextToken", "Invalid NextToken") from error


def describe_alarms_for_metric(ctx: Ctx, request: Doc) -> Doc:
    """The alarms on exactly that metric, by name; none on expressions that use it."""
    wanted = {
        name: request[name]
        for name in ("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "Unit")
        if name in request
    }
    dimensions = dimensions_of(request.get("Dimensions"))
    found = [
        row.doc
        for row in rows.every(ctx.world, ctx.account, ctx.region, [METRIC], wanted["MetricName"])
        if all(row.doc.get(name) == value for name, value in wanted.items())
        and dimensions_of(row.doc.get("Dimensions")) == dimensions
    ]
    return {"MetricAlarms": found}
