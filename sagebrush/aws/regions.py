"""AWS's commercial regions (the partition `aws`), those to be opted into among them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from botocore.loaders import Loader

PARTITION = "aws"
GLOBAL = "us-east-1"
"""Where services without regions are (IAM), and S3's global endpoint (`s3.amazonaws.com`)."""


@cache
def served() -> frozenset[str]:
    """The names of all regions that requests may be signed for, as botocore's own data has them.

    The user's own `~/.aws/models` and AWS_DATA_PATH are not read.
    """
    return _partitions()[PARTITION]


@cache
def known() -> frozenset[str]:
    """The names of all regions of AWS, China's and the governments' among them."""
    return frozenset().union(*_partitions().values())


@cache
def _partitions() -> Mapping[str, frozenset[str]]:
    """Partition -> the names of its regions."""
    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return {
        each["id"]: frozenset(name for name in each["regions"] if not name.endswith("-global"))
        for each in loader.load_data("partitions")["partitions"]
    }


@cache
def description(region: str) -> str:
    """What AWS calls the region in words (`US East (N. Virginia)`); its name where it has none."""
    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    for each in loader.load_data("partitions")["partitions"]:
        if region in each["regions"]:
            return each["regions"][region].get("description", region)
    return region
