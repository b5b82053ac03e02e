"""The events of endpoints and of their deployments. Pure.

Source: SageMaker guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge", endpoint state
change and endpoint deployment state change: statuses are in upper case there (`IN_SERVICE`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sagebrush.errors import Doc
from sagebrush.services.sagemaker import events
from sagebrush.services.sagemaker.hosting import variants
from sagebrush.store.events import Event, Source
from sagebrush.store.rows import Row

DEPLOYING = ("Updating", "RollingBack")
"""Statuses in which a change of a variant's status is one of the deployment."""
_NAMES = ("EndpointName", "EndpointArn", "EndpointConfigName")
_REST = ("FailureReason", "CreationTime", "LastModifiedTime")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def loud(status: str) -> str:
    """`IN_SERVICE` of `InService`."""
    return _WORD.sub("_", status).upper()


def of_endpoint(old: Row | None, new: Row | None) -> Sequence[Event]:
    """The events of an endpoint whose status changed, or how far its deployment has come; a deletion
    is told of as it begins, by its status."""
    if new is None:
        return ()
    found: list[Event] = []
    if old is None or old.status != new.status:
        found.append(_event(new, "Endpoint"))
    if new.status in DEPLOYING and (old is None or _stages(old) != _stages(new)):
        found.append(_event(new, "Endpoint Deployment"))
    return found


def _event(row: Row, words: str) -> Event:
    doc = row.doc
    detail: Doc = {name: doc[name] for name in _NAMES if name in doc}
    detail |= variants.deployed(row)
    detail["EndpointStatus"] = loud(row.status)
    detail |= {name: doc[name] for name in _REST if name in doc}
    detail["Tags"] = events.tags_of(row)
    return events.event(row, words, events.plain(detail))


def _stages(row: Row) -> list[tuple[str, str, str]]:
    """How far each variant of each fleet has come: (name, status, words)."""
    shown = variants.deployed(row)
    pending = shown.get("PendingDeploymentSummary", {})
    return [
        (variant["VariantName"], said["Status"], said.get("StatusMessage", ""))
        for part in (shown, pending)
        for variant in part.get("ProductionVariants", ())
        for said in variant.get("VariantStatus", ())
    ]


EVENT_SOURCES: Mapping[str, Source] = {"endpoint": of_endpoint}
"""Kind of row -> the events of its changes (`registry.event_sources`)."""
