"""Functions that alarms invoke: whether they may, and the event that the function gets.

Source: CloudWatch user guide, "Invoke a Lambda function from an alarm": asynchronously, by the function's
own policy, which names the alarm as the source; not where the function is not there.
"""

from __future__ import annotations

import json
import uuid

from sagebrush.access import function_policies
from sagebrush.access.function_references import FUNCTION
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms import rows
from sagebrush.services.cloudwatch.alarms.plan import Change
from sagebrush.services.cloudwatch.alarms.reasons import stamp
from sagebrush.store.deliveries import Delivery
from sagebrush.store.rows import Row
from sagebrush.world import World

SERVICE = "lambda.alarms.cloudwatch.amazonaws.com"


def invoke(world: World, row: Row, change: Change, function: Arn) -> str:
    """The event of the change is on its way to the function, at least once; the event.

    Raises AwsError where there is no such function, or its policy does not let the alarm invoke it.
    """
    here = world.service_ctx(region=row.region, account=row.account)
    of = function_policies.of_arn(str(function))
    if of is None or world.rows.get(of.account, of.region, FUNCTION, of.name) is None:
        raise AwsError("ResourceNotFoundException", f"Function not found: {function}", 404)
    if not function_policies.admits(here, str(function), SERVICE, row.doc["AlarmArn"]):
        raise AwsError(
            "AccessDeniedException",
            f"{SERVICE} is not authorized to perform: lambda:InvokeFunction on resource:"
            f" {function} because no resource-based policy allows the lambda:InvokeFunction action",
            403,
        )
    text = json.dumps(event(row, change), separators=(",", ":"))
    source = row.doc["AlarmArn"]
    delivery = Delivery(row.account, row.region, str(function), text, SERVICE, source)
    world.deliveries.put([delivery]).result()
    return text


def event(row: Row, change: Change) -> Doc:
    """What the function gets."""
    doc, old = row.doc, change["old"]
    was: Doc = {"value": old["value"], "reason": old["reason"]}
    if old["data"]:
        was["reasonData"] = old["data"]
    if "at" in old:
        was["timestamp"] = stamp(old["at"])
    state: Doc = {"value": doc["StateValue"], "reason": doc["StateReason"]}
    if doc.get("StateReasonData"):
        state["reasonData"] = doc["StateReasonData"]
    state["timestamp"] = stamp(change["at"])
    return {
        "source": "aws.cloudwatch",
        "alarmArn": doc["AlarmArn"],
        "accountId": row.account,
        "time": stamp(change["at"]),
        "region": row.region,
        "alarmData": {
            "alarmName": row.name,
            "state": state,
            "previousState": was,
            "configuration": _rule(doc) if rows.is_composite(row) else _metrics(doc),
        },
    }


def _rule(doc: Doc) -> Doc:
    """The configuration of a composite alarm."""
    found = _described(doc) | {"alarmRule": doc["AlarmRule"]}
    for member in (
        "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod",
    ):  # fmt: skip
        if member in doc:
            found[member[:1].lower() + member[1:]] = doc[member]
    return found


def _metrics(doc: Doc) -> Doc:
    """The configuration of an alarm on one metric, or on several."""
    if "Metrics" in doc:
        return {**_described(doc), "metrics": [_query(query) for query in doc["Metrics"]]}
    stat: Doc = {
        "metric": _metric(doc),
        "period": doc["Period"],
        "stat": doc.get("ExtendedStatistic") or doc["Statistic"],
    }
    if "Unit" in doc:
        stat["unit"] = doc["Unit"]
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, doc["AlarmArn"]))
    return {
        **_described(doc),
        "metrics": [{"id": name, "metricStat": stat, "returnData": True}],
    }


def _described(doc: Doc) -> Doc:
    text = doc.get("AlarmDescription")
    return {"description": text} if text else {}


def _query(query: Doc) -> Doc:
    found: Doc = {"id": query["Id"]}
    for member in ("Expression", "Label", "Period"):
        if member in query:
            found[member.lower()] = query[member]
    if "MetricStat" in query:
        stat = query["MetricStat"]
        found["metricStat"] = {
            "metric": _metric(stat["Metric"]),
            "period": stat["Period"],
            "stat": stat["Stat"],
            **({"unit": stat["Unit"]} if "Unit" in stat else {}),
        }
    return {**found, "returnData": query.get("ReturnData", True)}


def _metric(of: Doc) -> Doc:
    return {
        "namespace": of["Namespace"],
        "name": of["MetricName"],
        "dimensions": {each["Name"]: each["Value"] for each in of.get("Dimensions") or ()},
    }
