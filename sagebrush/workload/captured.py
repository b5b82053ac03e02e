"""Stores captured requests as objects of S3, as the model's role."""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.workload import sources
from sagebrush.world import World


def store(world: World, of: Doc, destination: str, key: str, content: bytes) -> None:
    """`content` is the object `key` below the S3 URI `destination`. `of` tells whose it is: account,
    region and role ("": the owner's execution role). Raises AwsError, as PutObject does."""
    bucket, prefix = sources.split(f"{destination}/{key}")
    role = of["role"] or f"arn:aws:iam::{of['account']}:role/{world.settings.role}"
    world.service_ctx(role, of["region"]).call(
        "s3",
        "PutObject",
        {
            "Bucket": bucket,
            "Key": prefix,
            "Body": world.objects.spool_bytes(content),
            "ContentType": "application/jsonlines",
        },
    )
