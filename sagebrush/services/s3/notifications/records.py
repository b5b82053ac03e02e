"""What destinations get: S3's records, its test event, and EventBridge's details. Pure.

Source: S3 user guide, "Event message structure" (versions 2.1, and 2.3 for tagging) and "EventBridge
event message structure". Which members an event has is as S3 is seen to send them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sagebrush.aws.names import host_id
from sagebrush.aws.scalars import time_text
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.s3.notifications import events
from sagebrush.store.catalog import Bucket, Object

SUBJECT = "Amazon S3 Notification"
_REASONS = {
    events.PUT: "PutObject",
    events.COPY: "CopyObject",
    events.COMPLETED: "CompleteMultipartUpload",
    events.DELETED: "DeleteObject",
}


@dataclass(frozen=True)
class Asked:
    """The request that changed something."""

    at: float
    """Seconds since the epoch."""
    request_id: str
    account: str
    """Whose it was."""
    user_id: str
    address: str


@dataclass(frozen=True)
class Happened:
    """What was done to an object."""

    event: str
    """`ObjectCreated:Put`."""
    bucket: Bucket
    key: str
    object: Object | None
    """As it is; None for one that was deleted."""
    sequence: int
    """Larger for what was done later to the same key."""


def arn_of(bucket: str) -> str:
    """The bucket's ARN."""
    return f"arn:aws:s3:::{bucket}"


def message(happened: Happened, asked: Asked, configuration: str) -> Doc:
    """What a queue, a topic or a function gets, for the configuration of that id."""
    about, tagging = happened, happened.event.startswith("ObjectTagging:")
    described: Doc = {"key": events.encoded(about.key)}
    if about.object is not None and not tagging:
        described["size"] = about.object.size
    if about.object is not None:
        described["eTag"] = about.object.etag
    if not tagging:
        described["sequencer"] = _sequencer(about.sequence)
    record = {
        "eventVersion": "2.3" if tagging else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": about.bucket.region,
        "eventTime": _time(asked.at),
        "eventName": about.event,
        "userIdentity": {"principalId": f"AWS:{asked.user_id}"},
        "requestParameters": {"sourceIPAddress": asked.address},
        "responseElements": {
            "x-amz-request-id": asked.request_id,
            "x-amz-id-2": host_id(asked.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": about.bucket.name,
                "ownerIdentity": {"principalId": customer(about.bucket.account)},
                "arn": arn_of(about.bucket.name),
            },
            "object": described,
        },
    }
    return {"Records": [record]}


def test_message(bucket: str, asked: Asked) -> Doc:
    """What a queue or a topic gets when it is configured."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _time(asked.at),
        "Bucket": bucket,
        "RequestId": asked.request_id,
        "HostId": host_id(asked.request_id),
    }


def detail(happened: Happened, asked: Asked) -> tuple[str, Doc]:
    """EventBridge's detail-type and detail. Its keys are not encoded."""
    about = happened
    described: Doc = {"key": about.key}
    if about.object is not None and about.event in _REASONS:
        described["size"] = about.object.size
    if about.object is not None:
        described["etag"] = about.object.etag
    if about.event in _REASONS:
        described["sequencer"] = _sequencer(about.sequence)
    found: Doc = {
        "version": "0",
        "bucket": {"name": about.bucket.name},
        "object": described,
        "request-id": asked.request_id,
        "requester": asked.account,
        "source-ip-address": asked.address,
    }
    if about.event in _REASONS:
        found["reason"] = _REASONS[about.event]
    if about.event == events.DELETED:
        found["deletion-type"] = "Permanently Deleted"
        return "Object Deleted", found
    if about.event == events.TAGS_PUT:
        return "Object Tags Added", found
    if about.event == events.TAGS_DELETED:
        return "Object Tags Deleted", found
    return "Object Created", found


def customer(account: str) -> str:
    """The customer id of an account, in the form of Amazon's own."""
    return "A" + hashlib.sha256(account.encode()).hexdigest()[:13].upper()


def _sequencer(sequence: int) -> str:
    """Hexadecimal, of a fixed length, so that texts compare as numbers do."""
    return f"{sequence:018X}"


def _time(seconds: float) -> str:
    return time_text(moment(seconds), "iso8601")
