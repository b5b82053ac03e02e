"""`sagebrush endpoints`: what a line says of an endpoint."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.commands.endpoint import table
from sagebrush.commands.endpoint.table import Held

NOW = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)
GROUPS = [("ml.m5.large", 2)]
DAY = 86400.0


def ran(since: float = -DAY, **seconds: float) -> table.billed.Billed:
    """Two ml.m5.large for half a day until now, and before that what is said."""
    now = NOW.timestamp()
    spans = {name.replace("_", "."): span for name, span in seconds.items()}
    counts = {"ml.m5.large": 2}
    return {"since": now + since, "at": now - DAY / 2, "counts": counts, "seconds": spans}


def endpoint(
    status: str = "InService", current: int = 2, desired: int = 2, **more: Any
) -> dict[str, Any]:
    variant = {"VariantName": "a", "CurrentInstanceCount": current, "DesiredInstanceCount": desired}
    return {
        "EndpointName": "e",
        "EndpointStatus": status,
        "CreationTime": NOW - dt.timedelta(days=1),
        "ProductionVariants": [variant],
        **more,
    }


def test_one_that_answers_is_priced_by_its_instances() -> None:
    held = Held(2, 300 << 20, billed=ran(ml_m5_large=DAY / 4))
    line = table.row(endpoint(), held, 1234, GROUPS, NOW)
    # 0.115 dollars an hour: 2 for 12 hours after 1 for 6 hours; and 2 for 730 hours
    assert line == (
        "e", "answers", "1,234 requests", "300 MiB", "2 x ml.m5.large", "$3.45", "$167.90",
    )  # fmt: skip


def test_what_is_not_known_of_its_past_is_said() -> None:
    assert table.so_far(endpoint(), Held(), NOW) == "unknown"
    assert table.so_far(endpoint(), Held(billed=ran(-DAY / 2)), NOW) == "$2.76*"
    assert table.so_far(endpoint(), Held(billed=ran(ml_of_ours=1.0)), NOW) == "unknown"


def test_instances_are_counted_for_as_long_as_they_were_there() -> None:
    def fleet(kind: str, count: int, **more: Any) -> Any:
        variants = [{"name": "a", "type": kind, "count": count}, {"name": "s", "serverless": {}}]
        return {"variants": variants, **more}

    noted: Any = table.billed.noted
    small, large = fleet("small", 1), fleet("large", 4)
    found = noted(None, [small], 100.0)
    found = noted(found, [small, {**large, "now": {"a": 2}}], 110.0)
    found = noted(found, [large], 113.0)
    found = noted(found, [fleet("large", 0)], 114.0)
    found = noted(found, [large], 200.0)
    assert found["since"] == 100.0
    assert table.billed.until(found, 201.0) == {"small": 13.0, "large": 6.0 + 4.0 + 4.0}


@pytest.mark.parametrize(
    ("doc", "held", "state", "instances"),
    [
        (endpoint(current=0), Held(), "asleep", "0 of 2 x ml.m5.large"),
        (endpoint(), Held(bare=True), "no copies", "2 x ml.m5.large"),
        (endpoint(current=0), Held(2, 1), "starting", "0 of 2 x ml.m5.large"),
        (endpoint(current=0, desired=0), Held(), "scaled to 0", "0 x ml.m5.large"),
        (endpoint("Updating", 1), Held(1, 1), "Updating", "1 of 2 x ml.m5.large"),
        (endpoint("Failed", 0, FailureReason="no"), Held(), "Failed: no", "0 of 2 x ml.m5.large"),
    ],
)
def test_its_state_is_told(doc: dict[str, Any], held: Held, state: str, instances: str) -> None:
    line = table.row(doc, held, 0, GROUPS, NOW)
    assert (line[1], line[4]) == (state, instances)


def test_a_serverless_one_has_no_known_price() -> None:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    doc = endpoint(ProductionVariants=[{"VariantName": "a", "CurrentServerlessConfig": config}])
    line = table.row(doc, Held(), 1, [], NOW)
    assert line == (
        "e", "asleep", "1 request", "-", "serverless 2048 MB, 4 at once, 1 kept",
        "unknown", "unknown",
    )  # fmt: skip
    assert table.row(doc, Held(1, 1), 1, [], NOW)[1] == "answers"
