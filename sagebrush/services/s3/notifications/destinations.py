"""Whether S3 may send to the destinations of a configuration, as it tries when one is put.

Source: S3 user guide, "Granting permissions to publish event notification messages to a destination";
the words are as S3 is seen to answer.
"""

from __future__ import annotations

from sagebrush.access import function_policies, resource_policies
from sagebrush.access.function_references import FUNCTION
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3.notifications import configuration, records
from sagebrush.services.s3.notifications.telling import SERVICE
from sagebrush.store.catalog import Bucket
from sagebrush.world import Ctx

ACTIONS = {"sns": "sns:Publish", "sqs": "sqs:SendMessage"}


def check(ctx: Ctx, bucket: Bucket, found: Doc) -> None:
    """Returns when S3 may send to all destinations. Raises InvalidArgument (400), which names those
    that it may not."""
    refused: list[tuple[str, str]] = []
    for form, one in configuration.each(found):
        arn = Arn.parse(one[form.arn])
        assert arn is not None
        reason = _refusal(ctx, bucket, arn)
        if reason is not None and reason not in refused:
            refused.append(reason)
    if refused:
        fields = {}
        for number, (name, value) in enumerate(refused, 1):
            fields |= {f"ArgumentName{number}": name, f"ArgumentValue{number}": value}
        raise AwsError(
            "InvalidArgument",
            "Unable to validate the following destination configurations",
            400,
            **fields,
        )


def _refusal(ctx: Ctx, bucket: Bucket, arn: Arn) -> tuple[str, str] | None:
    """Name and value of the argument that S3 refuses; None where it may send."""
    here = ctx.world.service_ctx(region=bucket.region, account=bucket.account)
    if arn.service == "lambda":
        if _may_invoke(here, arn, records.arn_of(bucket.name)):
            return None
        return f"{arn}, null", f"Not authorized to invoke function [{arn}]"
    what = resource_policies.KINDS[arn.service]
    row = ctx.world.rows.get(arn.account, arn.region, what, arn.resource)
    if row is None:
        return str(arn), f"The destination {what} does not exist"
    call = ACTIONS[arn.service], str(arn)
    if resource_policies.lets(
        here, row.doc.get("Policy"), call, SERVICE, records.arn_of(bucket.name)
    ):
        return None
    return (
        str(arn),
        f"Permissions on the destination {what} do not allow S3 to publish notifications from this"
        " bucket",
    )


def _may_invoke(here: Ctx, arn: Arn, source: str) -> bool:
    """Whether the function's own policy lets S3 invoke it; not where there is no such function."""
    of = function_policies.of_arn(str(arn))
    if of is None or here.world.rows.get(of.account, of.region, FUNCTION, of.name) is None:
        return False
    return function_policies.admits(here, str(arn), SERVICE, source)
