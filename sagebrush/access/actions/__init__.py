"""Which IAM actions an operation needs on which resources: one table, read from each service's own.

Derived from AWS's Service Authorization Reference ("Actions, resources, and condition keys"), a
file for each service prefix. An operation without an entry must not be served: `require` says so
when the server is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sagebrush.access.actions import (
    autoscaling,
    cloudwatch,
    comprehend,
    events,
    iam,
    lambda_,
    logs,
    s3,
    sagemaker,
    scheduler,
    sns,
    sqs,
    states,
    sts,
)
from sagebrush.access.actions.entries import Entry, Need
from sagebrush.errors import Doc
from sagebrush.world import Ctx

_SERVICES = {
    "application-autoscaling": autoscaling.TABLE,
    "cloudwatch": cloudwatch.TABLE,
    "comprehend": comprehend.TABLE,
    "events": events.TABLE,
    "iam": iam.TABLE,
    "lambda": lambda_.TABLE,
    "logs": logs.TABLE,
    "s3": s3.TABLE,
    "sagemaker": sagemaker.TABLE,
    "sagemaker-runtime": sagemaker.RUNTIME,
    "scheduler": scheduler.TABLE,
    "sns": sns.TABLE,
    "sqs": sqs.TABLE,
    "stepfunctions": states.TABLE,
    "sts": sts.TABLE,
}
TABLE: Mapping[tuple[str, str], Entry] = {
    (service, operation): entry
    for service, table in _SERVICES.items()
    for operation, entry in table.items()
}
"""(botocore service name, operation name) -> the permissions that it needs."""


def require(operations: Iterable[tuple[str, str]]) -> None:
    """Returns when every operation has an entry; raises LookupError naming those that have none."""
    missing = sorted(f"{service} {name}" for service, name in set(operations) - TABLE.keys())
    if missing:
        raise LookupError(f"no entry in sagebrush.access.actions for: {', '.join(missing)}")


def needs(ctx: Ctx, service: str, operation: str, params: Doc) -> Iterator[Need]:
    """The permissions that this request needs, the operation's own action first.

    Raises LookupError for an operation without an entry, and AwsError where the request names its
    resource in a form that the operation refuses too.
    """
    for permission in TABLE[service, operation]:
        yield from permission.needs(ctx, params)
