"""The buckets of AWS that anyone may read and that its notebooks do read, by the form of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagebrush.aws import regions

OWNER = "amazon"
"""Stands for the account of AWS that owns them, whose number S3 tells no reader: what no account
here can be called (LocalStack's users have 000000000000)."""
SEED_HEADER = "x-sagebrush-samples"
"""Of requests of `sagebrush samples`: a sealed time until which they may change sample buckets."""
SEAL = b"samples"
"""The purpose of that seal (`CredentialBook.seal`)."""
SOURCE = "sagebrush-source"
"""The metadata key of what is not AWS's own: `added`, or `generated`."""

NAMES: tuple[tuple[str, str], ...] = (
    ("sagemaker-sample-files", "us-east-1"),
    ("sagemaker-example-files-prod-{region}", ""),
    ("sagemaker-sample-data-{region}", ""),
    ("sagemaker-servicecatalog-seedcode-{region}", ""),
    ("jumpstart-cache-prod-{region}", ""),
)
"""A name, and the region it is in; a name with `{region}` is of one bucket in each region.

From aws/amazon-sagemaker-examples, and from the SageMaker Python SDK's `region_config.json` (JumpStart).
"""
_REGION = r"(?P<region>[a-z0-9-]+)"
_KNOWN = tuple(
    (re.compile(re.escape(name).replace(r"\{region\}", _REGION)), region) for name, region in NAMES
)


@dataclass(frozen=True)
class PublicBucket:
    """A public sample bucket of AWS, and the region it is in."""

    name: str
    region: str


def find(name: str) -> PublicBucket | None:
    """The public sample bucket of that name; None for the name of any other bucket, also of one in a
    region that AWS does not have: nothing else of a request becomes part of a host's name."""
    for pattern, region in _KNOWN:
        m = pattern.fullmatch(name)
        if m is not None and (region or m["region"] in regions.known()):
            return PublicBucket(name, region or m["region"])
    return None
