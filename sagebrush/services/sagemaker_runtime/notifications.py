"""What asynchronous inference tells SNS topics. Pure.

Source: SageMaker guide, "Check prediction results"; messages that AWS sent, as users have published
them.
"""

from __future__ import annotations

import base64

from sagebrush.aws.scalars import time_text
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc

INCLUDED = 128 * 1024
"""Bytes of a response that a notification includes at most."""
_WHERE = "Check S3 path location(if configured) or Cloudwatch for additional details."


def notification(
    region: str,
    endpoint: str,
    order: Doc,
    times: tuple[float, float],
    outcome: Doc,
) -> Doc:
    """The message about a request (`asynchronous._order`) that was received and ended at `times`.

    `outcome` has `reason` where it failed; `type` and `location` of what was stored; `body` where the
    response is to be included.
    """
    received, ended = (time_text(moment(each), "iso8601") for each in times)
    asked = {
        "accept": order.get("Accept"),
        "contentType": order.get("ContentType"),
        "customAttributes": order.get("CustomAttributes"),
        "endpointName": endpoint,
        "inputLocation": order.get("input"),
    }
    found: Doc = {
        "awsRegion": region,
        "eventTime": ended,
        "receivedTime": received,
        "invocationStatus": "Failed" if "reason" in outcome else "Completed",
    }
    if "reason" in outcome:
        found["failureReason"] = outcome["reason"]
    found["requestParameters"] = {k: v for k, v in asked.items() if v is not None}
    if outcome.get("location") or "reason" not in outcome:
        answered = {
            "contentType": outcome.get("type"),
            "outputLocation": outcome.get("location"),
        }
        found["responseParameters"] = {k: v for k, v in answered.items() if v is not None}
    body = outcome.get("body")
    if body is not None and len(body) <= INCLUDED:
        content = base64.b64encode(body).decode()
        found["responseBody"] = {"content": content, "message": _WHERE, "encoding": "BASE64"}
    return {
        **found,
        "inferenceId": order["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
