"""AWS's public sample buckets among the buckets of requests: there without being made, read-only."""

from __future__ import annotations

from sagebrush.errors import AwsError
from sagebrush.samples import generated, stock, table
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket
from sagebrush.store.db import Tx
from sagebrush.world import Ctx

OWNER = table.OWNER
OFF = "the setting sample_data is off"


def is_sample(bucket: Bucket) -> bool:
    """Whether it is one of AWS's; a user's own bucket may have the name of one."""
    return bucket.account == OWNER


def seeding(ctx: Ctx) -> bool:
    """Whether the request is one of `sagebrush samples`, which alone may change sample buckets.

    It proves that its sender can read this data directory's keys, and holds for an hour.
    """
    sealed = ctx.origin.header(table.SEED_HEADER) if ctx.origin else None
    if not sealed:
        return False
    until = float(ctx.world.credentials.open_seal(table.SEAL, sealed))
    return ctx.world.clock() < until


def found(ctx: Ctx, name: str, row: Bucket | None, reads: bool) -> Bucket | None:
    """The sample bucket of that name, whose `row` there may be; None for no sample bucket's name.

    Raises AccessDenied (403) where the request would change it, as AWS does for another account's,
    and NoSuchBucket (404) where nothing of it is here and AWS must not be asked.
    """
    if seeding(ctx):
        ctx.world.samples.changed(name)
        return row or (ctx.world.samples.made(name) if table.find(name) else None)
    bucket = ctx.world.samples.stocked(name, row) or ctx.world.samples.bucket(name)
    if bucket is None and table.find(name):
        raise AwsError("NoSuchBucket", hint(name, "", OFF), 404, BucketName=name)
    if bucket is not None and not reads:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return bucket


def hint(bucket: str, key: str, why: str) -> str:
    """What the bucket is, why the object is not here, and what the user can do."""
    folder = key.rpartition("/")[0]
    made = generated.under(bucket, key) if key else []
    made_up = f"sagebrush samples generate {bucket}/{key}"
    return (
        f"s3://{bucket}/{key} is in a public sample bucket of AWS, is not kept here, and could not"
        f" be read from AWS: {why}. To put it here from a folder: sagebrush samples add"
        f" {bucket}{'/' if folder else ''}{folder} FOLDER."
        + (f" For a file of its form with made-up values: {made_up}" if made else "")
    )


def may_take(ctx: Ctx, name: str) -> None:
    """Raises BucketAlreadyExists (409) for a sample bucket's name in another account than that of the
    settings: what all accounts read as AWS's comes from AWS, or from who has this server."""
    if ctx.account != ctx.world.settings.account and table.find(name):
        raise AwsError(
            "BucketAlreadyExists",
            "The requested bucket name is not available: it is a public sample bucket of AWS.",
            409, BucketName=name,
        )  # fmt: skip


def given_up(tx: Tx, name: str) -> bool:
    """Whether the name is free for a bucket of a user's own: an empty sample bucket goes for it.

    Raises BucketAlreadyExists (409), which AWS always would, where samples are kept under the name.
    """
    held = catalog.bucket(tx, name)
    if held is None or not is_sample(held):
        return held is None
    stock.remove(tx, held)
    if catalog.remove_bucket(tx, held.id) is None:
        raise AwsError(
            "BucketAlreadyExists",
            "The requested bucket name is not available: it is a public sample bucket of AWS, of"
            " which objects are kept here. To make one of your own of that name: sagebrush samples"
            f" remove {name}",
            409, BucketName=name,
        )  # fmt: skip
    return True
