"""The custom models that requests name: of an endpoint, or of an asynchronous job.

Sources: Amazon Comprehend API reference, CreateEndpoint, UpdateEndpoint and StartDocumentClassificationJob;
developer guide, "Using flywheels for custom analysis".
"""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, requests
from sagebrush.services.comprehend.training.families import FAMILIES, TRAINED
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx


@dataclass(frozen=True)
class Trained:
    """A model that can be used."""

    arn: str
    kind: str
    archive: str
    """The URI of its archive."""


def of_request(ctx: Ctx, request: Doc, member: str) -> Trained | None:
    """The model that `member` or FlywheelArn names; None where neither is there.

    Raises InvalidRequestException (400) where both are, and as `of_arn` and `of_flywheel`.
    """
    named, flywheel = request.get(member), request.get("FlywheelArn")
    if named and flywheel:
        requests.refuse(f"Give {member} or FlywheelArn, not both.")
    if flywheel:
        return of_flywheel(ctx, flywheel)
    return of_arn(ctx, named) if named else None


def of_flywheel(ctx: Ctx, arn: str) -> Trained:
    """The active model of the flywheel. Raises ResourceNotFoundException (404), and
    ResourceUnavailableException (404) where it has none that is trained."""
    active = arns.require(ctx, arn).doc.get("ActiveModelArn")
    if active is None:
        raise requests.unavailable("The flywheel has no active model.")
    return of_arn(ctx, active)


def of_arn(ctx: Ctx, arn: str) -> Trained:
    """The model. Raises ResourceNotFoundException (404), and ResourceUnavailableException (404) where it is
    not trained."""
    row = arns.require(ctx, arn)
    archive = _archive(row)
    if archive is None:
        raise _untrained(arn, row)
    return Trained(arn, row.kind, archive)


def still(rows: Reader, arn: str) -> None:
    """Returns where the model is there and trained, as the transaction of `rows` sees it: who stores a user
    of a model checks so, and who deletes the model checks that it has none (`uses`). Raises as `of_arn`."""
    named = Arn.parse(arn)
    if named is None:
        raise arns.missing()
    kind, _, name = named.resource.partition("/")
    row = rows.get(named.account, named.region, kind, name)
    if row is None:
        raise arns.missing()
    if row.status not in TRAINED:
        raise _untrained(arn, row)


def _untrained(arn: str, row: Row) -> AwsError:
    words = f"The model {arn} is in status {row.status}: it can be used when it is TRAINED."
    return requests.unavailable(words)


def _archive(row: Row) -> str | None:
    """The URI of the model's archive; None while there is none."""
    return plan_of(row).get("model") if row.kind in FAMILIES and row.status in TRAINED else None
