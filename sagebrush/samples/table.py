"""The buckets of AWS that anyone may read and that its notebooks do read, by the form of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

OWNER = "000000000000"
"""Stands for the account of AWS that owns them: S3 tells a reader no account's number."""
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
_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+){1,3}-[0-9])"
_KNOWN = tuple(
    (re.compile(re.escape(name).replace(r"\{region\}", _REGION)), region) for name, region in NAMES
)


@dataclass(frozen=True)
class PublicBucket:
    """A public sample bucket of AWS, and the region it is in."""

    name: str
    region: str


def find(name: str) -> PublicBucket | None:
    """The public sample bucket of that name; None for the name of any other bucket."""
    for pattern, region in _KNOWN:
        if m := pattern.fullmatch(name):
            return PublicBucket(name, region or m["region"])
    return None
