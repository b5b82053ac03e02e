"""What Comprehend has, as the tables of `jobs` and `endpoints` show it: asynchronous jobs, custom models,
flywheels, and endpoints of custom models."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from sagebrush.commands import running
from sagebrush.services.comprehend.jobs.families import FAMILIES as JOBS
from sagebrush.services.comprehend.training.families import FAMILIES as MODELS

Doc = Mapping[str, Any]
PAGE = 500
"""The most that one request of Comprehend's lists."""
WORDS = 120
"""Characters of a message that a line shows."""


@dataclass(frozen=True)
class Listed:
    """A resource as its list shows it."""

    label: str
    name: str
    status: str
    created: dt.datetime
    said: str


def lines(clients: Mapping[str, Any], count: int) -> list[tuple[str, ...]]:
    """Lines of the table of all jobs: of each kind the newest `count` of all regions, each with its region
    where there are several."""
    kinds = {region: everything(client, count) for region, client in clients.items()}
    found = []
    for together in zip(*kinds.values(), strict=True):
        pairs = [
            (each, region)
            for region, listed in zip(kinds, together, strict=True)
            for each in listed
        ]
        pairs.sort(key=lambda pair: pair[0].created, reverse=True)
        found += [
            (each.label, *((region,) if len(kinds) > 1 else ()), *_told(each))
            for each, region in pairs[:count]
        ]
    return found


def everything(client: Any, count: int) -> Iterator[list[Listed]]:
    """Up to `count` of each kind, newest first; the kinds one after another."""
    for job in JOBS.values():
        label = job.kind.removesuffix("-job")
        found = _listed(client, f"{job.job}s", f"{job.properties}List", count)
        yield [_job(label, each) for each in found]
    for model in MODELS.values():
        found = _listed(client, f"{model.noun}s", f"{model.properties}List", count)
        yield [_model(model.kind, each[model.arn_member], each, model.metadata) for each in found]
    found = _listed(client, "Flywheels", "FlywheelSummaryList", count)
    yield [_model("flywheel", each["FlywheelArn"], each, "") for each in found]
    yield [_endpoint(each) for each in endpoints(client, count)]


def endpoints(client: Any, count: int = PAGE) -> list[Doc]:
    """The endpoints of custom models, newest first."""
    return _listed(client, "Endpoints", "EndpointPropertiesList", count)


def units(each: Doc) -> str:
    """How many inference units an endpoint has of those that it should have, and its model."""
    have, wanted = each.get("CurrentInferenceUnits", 0), each["DesiredInferenceUnits"]
    told = str(wanted) if have == wanted else f"{have} of {wanted}"
    model = name(each.get("DesiredModelArn") or each.get("ModelArn", ""))
    return f"{told} inference unit{'' if wanted == 1 else 's'} of {model}"


def _told(each: Listed) -> tuple[str, ...]:
    return each.name, each.status, f"{each.created.astimezone():%Y-%m-%d %H:%M:%S}", each.said


def _listed(client: Any, nouns: str, member: str, count: int) -> list[Doc]:
    """The newest `count` summaries of `List<nouns>`."""
    found: list[Doc] = []
    token: dict[str, str] = {}
    while len(found) < count:
        most = min(count - len(found), PAGE)
        page = getattr(client, xform_name(f"List{nouns}"))(MaxResults=most, **token)
        found += page[member]
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    return found


def _job(label: str, each: Doc) -> Listed:
    title, identifier = each.get("JobName") or each["JobId"], each["JobId"]
    said = "" if title == identifier else identifier
    told = _together(said, each, "SubmitTime")
    return Listed(label, title, each["JobStatus"], each["SubmitTime"], told)


def _model(label: str, arn: str, each: Doc, metadata: str) -> Listed:
    metrics = each.get(metadata, {}).get("EvaluationMetrics", {})
    value = metrics.get("F1Score")
    if value is not None and value > 1:  # recognizers' are in percent, as AWS's
        value /= 100
    said = "" if value is None else f"F1 {value:.3f}"
    created = each.get("SubmitTime") or each["CreationTime"]
    told = _together(said, each, "TrainingStartTime")
    return Listed(label, name(arn), each["Status"], created, told)


def _endpoint(each: Doc) -> Listed:
    told = _together(units(each), each)
    return Listed(
        "text-endpoint", name(each["EndpointArn"]), each["Status"], each["CreationTime"], told
    )


def _together(said: str, each: Doc, begun: str = "") -> str:
    """What is said of a resource, how long it took since `begun`, and its message."""
    ended = each.get("TrainingEndTime") or each.get("EndTime")
    took = ""
    if ended and begun in each:
        took = running.span((ended - each[begun]).total_seconds())
    return "; ".join(part for part in (said, took, each.get("Message", "")[:WORDS]) if part)


def name(arn: str) -> str:
    """What follows the type in an ARN: a name, of a version of a model also `/version/<its name>`."""
    return arn.partition("/")[2]
