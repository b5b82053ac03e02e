"""Stores captured data as objects of S3, as the model's role."""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.workload import sources
from sagebrush.world import Ctx, World


def store(world: World, of: Doc, destination: str, key: str, content: bytes) -> None:
    """`content` is the object `key` below the S3 URI `destination`. `of` tells whose it is: account,
    region and role ("": the owner's execution role). Raises AwsError, as PutObject does."""
    bucket, name = sources.split(f"{destination}/{key}")
    role = of["role"] or f"arn:aws:iam::{of['account']}:role/{world.settings.role}"
    put(world.service_ctx(role, of["region"]), bucket, name, content, "application/jsonlines")


def put(ctx: Ctx, bucket: str, key: str, content: bytes, content_type: str) -> None:
    """`content` is that object; where it is refused, nothing of it is left on disk. Raises AwsError."""
    body = ctx.world.objects.spool_bytes(content)
    params = {"Bucket": bucket, "Key": key, "Body": body, "ContentType": content_type}
    try:
        ctx.call("s3", "PutObject", params)
    except BaseException:
        ctx.world.objects.drop(body)
        raise
