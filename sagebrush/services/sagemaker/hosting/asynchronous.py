"""What asynchronous endpoints have of their own: their configuration, checked, and room to drain.

Source: SageMaker API Reference, AsyncInferenceConfig; guide, "Create an asynchronous inference
endpoint".
"""

from __future__ import annotations

import re

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.hosting.plan import Fleet

DRAIN = 3665.0
"""Seconds that a replica's open requests may take before it is ended: an hour is the longest that one
may run (InvocationTimeoutSeconds)."""
_PATH = re.compile(r"(https|s3)://[^/]+/?.*")


def check(request: Doc) -> None:
    """Raises ValidationException for an endpoint configuration whose AsyncInferenceConfig could not be
    carried out."""
    config = request.get("AsyncInferenceConfig")
    if not config:
        return
    capture = request.get("DataCaptureConfig") or {}
    for given, what in (
        (request.get("ShadowProductionVariants"), "shadow variants (ShadowProductionVariants)"),
        (capture.get("EnableCapture", bool(capture)), "data capture (DataCaptureConfig)"),
    ):
        if given:
            raise AwsError(
                "ValidationException",
                "One or more endpoint features are not supported using this configuration:"
                f" {what}, with asynchronous inference.",
            )
    output = config["OutputConfig"]
    notified = output.get("NotificationConfig") or {}
    included = notified.get("IncludeInferenceResponseIn") or ()
    if not output.get("S3OutputPath") and "SUCCESS_NOTIFICATION_TOPIC" not in included:
        raise AwsError(
            "ValidationException",
            "AsyncInferenceConfig needs an OutputConfig.S3OutputPath, or notifications of successes"
            " that include the inference response (IncludeInferenceResponseIn).",
        )
    for member in ("S3OutputPath", "S3FailurePath"):
        path = output.get(member)
        if path and not _PATH.fullmatch(path):
            raise AwsError("ValidationException", f"{member} {path} is no Amazon S3 URI.")
    for kind, topic in (("SUCCESS", "SuccessTopic"), ("ERROR", "ErrorTopic")):
        if f"{kind}_NOTIFICATION_TOPIC" in included and not notified.get(topic):
            raise AwsError(
                "ValidationException",
                f"IncludeInferenceResponseIn names {kind}_NOTIFICATION_TOPIC, but there is no"
                f" {topic}.",
            )


def apply(fleet: Fleet, config: Doc | None) -> Fleet:
    """The fleet of an endpoint configuration with that AsyncInferenceConfig.

    Raises ValidationException for variants that asynchronous inference cannot be with.
    """
    if not config:
        return fleet
    for variant in fleet["variants"]:
        if variant["mode"] == "Direct":
            raise AwsError(
                "ValidationException",
                "One or more endpoint features are not supported using this configuration:"
                " containers that are invoked directly, with asynchronous inference.",
            )
        variant["drain"] = DRAIN
    fleet["asynchronous"] = config
    return fleet


def require_same(old: Fleet | None, new: Fleet) -> None:
    """Raises ValidationException where an update would make an asynchronous endpoint another one, or
    the reverse: requests wait in its queue, or callers for their answers."""
    if old is not None and bool(old.get("asynchronous")) != bool(new.get("asynchronous")):
        raise AwsError(
            "ValidationException",
            "Cannot update an endpoint from asynchronous to real-time inference or the reverse:"
            " create another endpoint.",
        )


def floor(fleet: Fleet) -> int:
    """How few instances a variant may be scaled to."""
    return 0 if fleet.get("asynchronous") else 1
