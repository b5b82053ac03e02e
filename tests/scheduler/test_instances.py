"""The catalogue: what AWS lists exists, nothing else does; prices are dated and never guessed."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.loaders import Loader

from sagebrush.scheduler.instances import PRICES_OF, SPOT_BY, instance, named

GIB = 1 << 30


def listed() -> set[str]:
    """Every instance type of SageMaker's model (accelerators of the past are none)."""
    shapes = Loader().load_service_model("sagemaker", "service-2")["shapes"].values()
    found = {name for shape in shapes for name in shape.get("enum", ()) if name.startswith("ml.")}
    return {n for n in found if not n.startswith("ml.eia")} - {"ml.geospatial.interactive"}


def test_what_the_api_lists_exists_and_nothing_else() -> None:
    assert {name for name in listed() if not named(name)} == set()
    for name in ("ml.m5.3xlarge", "ml.c6g.24xlarge", "m5.large", "ml.m5", "", "ml.nope.large"):
        with pytest.raises(LookupError, match="is not an instance type"):
            instance(name)


def test_sizes() -> None:
    large = instance("ml.m5.large")
    assert (large.cpus, large.memory, large.gpus) == (2, 8 * GIB, 0)
    assert (instance("ml.p3.16xlarge").gpus, instance("ml.p3.16xlarge").gpu_memory) == (8, 16 * GIB)
    assert instance("ml.g7e.2xlarge").gpu_memory == 96 * GIB
    for name in listed():
        found = instance(name)
        assert found.cpus > 0, name
        assert 0.4 * GIB <= found.memory / found.cpus <= 24 * GIB, name
        assert bool(found.gpus) == name.startswith(("ml.p", "ml.g")), name


def test_prices_are_dated_and_grow_with_the_size() -> None:
    dt.date.fromisoformat(PRICES_OF)
    assert "70" in SPOT_BY
    xlarge = instance("ml.m5.xlarge")
    assert (xlarge.price, xlarge.spot_price) == (0.23, 0.069)
    unknown = instance("ml.p6-b200.48xlarge")  # not known: not guessed
    assert (unknown.price, unknown.spot_price, unknown.priced) == (None, None, "")
    assert (xlarge.priced, instance("ml.c4.xlarge").priced) == (PRICES_OF, "2025-01-12")
    for family in ("t2.medium", "t3.medium", "m4.xlarge", "m5d.large", "c4.xlarge", "c5.24xlarge",
                   "r5.large", "p3.2xlarge", "g4dn.xlarge", "g5.xlarge"):  # fmt: skip
        assert instance(f"ml.{family}").price, family  # those that notebooks name
    priced = [found for name in listed() if (found := instance(name)).price]
    assert len(priced) > 110
    for one in priced:
        for other in priced:
            family = one.name.split(".")[1] == other.name.split(".")[1]
            if (
                family
                and (one.cpus, one.gpus) < (other.cpus, other.gpus)
                and one.gpus <= other.gpus
            ):
                assert (one.price or 0) < (other.price or 0), (one.name, other.name)
