"""Which regions are AWS's commercial ones."""

from __future__ import annotations

from botocore.loaders import Loader

from sagebrush.aws import regions


def test_commercial_regions_and_no_others() -> None:
    served = regions.served()
    assert {"us-east-1", "eu-west-1", "af-south-1", "mx-central-1"} <= served
    assert not {"cn-north-1", "us-gov-west-1", "us-iso-east-1", "aws-global", ""} & served
    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    (table,) = (p for p in loader.load_data("endpoints")["partitions"] if p["partition"] == "aws")
    assert set(table["regions"]) <= served
