"""`sagebrush endpoints`: what a line says of an endpoint."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.commands.endpoint import table
from sagebrush.commands.endpoint.table import Held

NOW = dt.datetime(2026, 5, 2, tzinfo=dt.UTC)
GROUPS = [("ml.m5.large", 2)]


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
    line = table.row(endpoint(), Held(2, 300 << 20), 1234, GROUPS, NOW)
    # 2 x 0.115 dollars an hour, for a day and for 730 hours
    assert line == (
        "e", "answers", "1,234 requests", "300 MiB", "2 x ml.m5.large", "$5.52", "$167.90",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("doc", "held", "state", "instances"),
    [
        (endpoint(current=0), Held(), "asleep", "0 of 2 x ml.m5.large"),
        (endpoint(current=0), Held(2, 1), "starting", "0 of 2 x ml.m5.large"),
        (endpoint(), Held(), "no copies", "2 x ml.m5.large"),  # of inference components
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
