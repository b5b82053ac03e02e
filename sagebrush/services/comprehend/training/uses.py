"""What uses a custom model, which is not deleted meanwhile; who begins to use one asks `usable.still`."""

from __future__ import annotations

from sagebrush.errors import AwsError
from sagebrush.services.comprehend import arns
from sagebrush.services.comprehend.jobs.families import BUSY
from sagebrush.services.comprehend.training import artifacts
from sagebrush.services.comprehend.training.families import FAMILIES
from sagebrush.store.rows import Reader, Row

FLYWHEEL = "flywheel"


def refuse(row: Row, rows: Reader) -> None:
    """Raises ResourceInUseException (400) where an endpoint, an active job, a flywheel or an import uses
    the model."""
    if by := _user(row, rows):
        raise AwsError(
            "ResourceInUseException",
            f"The {FAMILIES[row.kind].label} is in use by {by}, and cannot be deleted.",
        )


def _user(row: Row, rows: Reader) -> str:
    """What uses the model, in words; "" where nothing does."""
    family, arn = FAMILIES[row.kind], arns.of(row)
    for each in rows.select(family.endpoint, account=row.account):
        named = (each.doc.get("ModelArn"), each.doc.get("DesiredModelArn"))
        if arn in named and each.status != "FAILED":
            return f"the endpoint {arns.of(each)}"
    used = {f"doc.{family.arn_member}": arn}
    for each in rows.select(family.job, BUSY, account=row.account, texts=used):
        return f"the job {arns.of(each)}"
    active = {"doc.ActiveModelArn": arn}
    for each in rows.select(FLYWHEEL, account=row.account, texts=active):
        return f"the flywheel {arns.of(each)}"
    copies = {"plan.source": artifacts.prefix(row)}
    for _ in rows.select(row.kind, ("SUBMITTED",), texts=copies):
        return "an import that copies it"
    return ""
