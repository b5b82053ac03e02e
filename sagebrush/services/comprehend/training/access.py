"""Whether a model's role can read its training data and write its output, asked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.errors import Doc
from sagebrush.services.comprehend import arns, roles
from sagebrush.services.comprehend.access import NO_READ, unreadable, unwritable
from sagebrush.store.rows import Row
from sagebrush.world import World


def lacking(world: World, row: Row) -> str:
    """Why the model cannot be trained, as its Message; "" where it can. Raises AwsError for what may
    pass (5xx)."""
    role = row.doc["DataAccessRoleArn"]
    if not roles.still_trusted(world, row.account, row.region, (role, arns.of(row))):
        return NO_READ
    ctx = world.service_ctx(role, row.region)
    for uri in inputs(row.doc["InputDataConfig"]):
        if words := unreadable(ctx, uri):
            return words
    to = row.doc.get("OutputDataConfig", {}).get("S3Uri")
    return unwritable(ctx, to) if to else ""


def inputs(config: Doc) -> Iterator[str]:
    """The S3 URIs of the training data, and of the test data where those are apart."""
    parts = (config, *(config.get(name, {}) for name in ("Documents", "Annotations", "EntityList")))
    for part in parts:
        yield from (part[name] for name in ("S3Uri", "TestS3Uri") if name in part)
    for manifest in config.get("AugmentedManifests", ()):
        yield manifest["S3Uri"]
