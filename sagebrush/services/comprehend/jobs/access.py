"""Whether a job's role can read its input and write its output, asked before anything runs."""

from __future__ import annotations

from sagebrush.services.comprehend import roles
from sagebrush.services.comprehend.access import NO_READ, unreadable, unwritable
from sagebrush.store.rows import Row
from sagebrush.world import World


def lacking(world: World, row: Row, arn: str) -> str:
    """Why the job of that ARN cannot be done, as its Message; "" where it can. Raises AwsError for
    what may pass (5xx)."""
    role = row.doc["DataAccessRoleArn"]
    if not roles.still_trusted(world, row.account, row.region, (role, arn)):
        return NO_READ
    ctx = world.service_ctx(role, row.region)
    return unreadable(ctx, row.doc["InputDataConfig"]["S3Uri"]) or unwritable(
        ctx, row.doc["OutputDataConfig"]["S3Uri"]
    )
