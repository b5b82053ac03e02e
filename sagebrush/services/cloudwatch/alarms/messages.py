"""The message that an alarm sends to an SNS topic (User Guide, "Notifying users on alarm changes")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagebrush.aws import regions
from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc
from sagebrush.services.cloudwatch.alarms import rows
from sagebrush.services.cloudwatch.alarms.plan import Change
from sagebrush.services.cloudwatch.alarms.reasons import stamp
from sagebrush.store.rows import Row

SUBJECT = 100
"""Characters of a subject at most (SNS API Reference, Publish)."""


def subject(row: Row) -> str:
    """`ALARM: "name" in US East (N. Virginia)`; in ASCII, as a topic wants it."""
    text = f'{row.doc["StateValue"]}: "{row.name}" in {_region(row)}'
    return text.encode("ascii", "replace").decode()[:SUBJECT]


def message(row: Row, change: Change) -> str:
    """The JSON that the topic's subscribers get."""
    doc = row.doc
    found: Doc = {
        "AlarmName": row.name,
        "AlarmDescription": doc.get("AlarmDescription"),
        "AWSAccountId": row.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(
            doc["AlarmConfigurationUpdatedTimestamp"].timestamp()
        ),
        "NewStateValue": doc["StateValue"],
        "NewStateReason": doc["StateReason"],
        "StateChangeTime": stamp(change["at"]),
        "Region": _region(row),
        "AlarmArn": doc["AlarmArn"],
        "OldStateValue": change["old"]["value"],
        "OKActions": doc["OKActions"],
        "AlarmActions": doc["AlarmActions"],
        "InsufficientDataActions": doc["InsufficientDataActions"],
    }
    if rows.is_composite(row):
        found |= {"AlarmRule": doc["AlarmRule"], "TriggeringChildren": _children(doc)}
    else:
        found["Trigger"] = _trigger(doc)
    return json.dumps(found, separators=(",", ":"))


def _children(doc: Doc) -> list[Doc]:
    """The alarms that StateReasonData shows; none where somebody has set the state."""
    try:
        data = json_of(doc.get("StateReasonData") or "{}")
    except ValueError:
        data = {}
    shown = data.get("triggeringAlarms") if isinstance(data, dict) else None
    return [
        {
            "Arn": each["arn"],
            "State": {"Value": each["state"]["value"], "Timestamp": each["state"]["timestamp"]},
        }
        for each in shown or ()
    ]


def _region(row: Row) -> str:
    """CloudWatch says EU where AWS's data says Europe."""
    return regions.description(row.region).replace("Europe (", "EU (")


def _trigger(doc: Doc) -> Doc:
    if "Metrics" in doc:
        what: Doc = {"Metrics": [_query(query) for query in doc["Metrics"]]}
    else:
        extended = doc.get("ExtendedStatistic")
        what = {
            "MetricName": doc["MetricName"],
            "Namespace": doc["Namespace"],
            "StatisticType": "ExtendedStatistic" if extended else "Statistic",
            **({"ExtendedStatistic": extended} if extended else {}),
            **({"Statistic": doc["Statistic"].upper()} if not extended else {}),
            "Unit": doc.get("Unit"),
            "Dimensions": _dimensions(doc.get("Dimensions")),
        }
    counts = {key: doc[key] for key in ("Period", "EvaluationPeriods", "DatapointsToAlarm")
              if key in doc}  # fmt: skip
    return {
        **({"Period": 60} if "Metrics" in doc else {}),
        **what,
        **counts,
        "ComparisonOperator": doc["ComparisonOperator"],
        "Threshold": doc["Threshold"],
        "TreatMissingData": doc.get("TreatMissingData", ""),
        "EvaluateLowSampleCountPercentile": doc.get("EvaluateLowSampleCountPercentile", ""),
    }


def _query(query: Mapping[str, Any]) -> Doc:
    found = {k: v for k, v in query.items() if k not in ("MetricStat", "ReturnData")}
    if "MetricStat" in query:
        stat = query["MetricStat"]
        metric = {**stat["Metric"], "Dimensions": _dimensions(stat["Metric"].get("Dimensions"))}
        found["MetricStat"] = {**stat, "Metric": metric}
    return {**found, "ReturnData": query.get("ReturnData", True)}


def _dimensions(given: list[Doc] | None) -> list[Doc]:
    return [{"value": each["Value"], "name": each["Name"]} for each in given or ()]
