"""What CloudWatch is told of an endpoint's requests: the units that they consume, and the share of those
that it has.

Source: developer guide, "Monitoring Amazon Comprehend endpoints": in units of the characters that one inference
unit reads in a minute; of each request that succeeds, and what was requested also of one that is throttled.
"""

from __future__ import annotations

from sagebrush.services.comprehend import arns
from sagebrush.store.rows import Row
from sagebrush.world import World

MINUTE = 6_000
"""Characters that a unit reads in a minute: 100 a second."""


THROTTLED = "TooManyRequestsException"


def refused(world: World, row: Row, characters: int, code: str) -> None:
    """A request of so many characters was refused with that error."""
    if code == THROTTLED:
        requested = {"RequestedInferenceUnits": characters / MINUTE}
        world.unit_counts.note(arns.of(row), requested)


def answered(world: World, row: Row, characters: int) -> None:
    """A request of so many characters was answered."""
    provisioned = row.doc.get("CurrentInferenceUnits") or row.doc["DesiredInferenceUnits"]
    consumed = characters / MINUTE
    world.unit_counts.note(
        arns.of(row),
        {
            "RequestedInferenceUnits": consumed,
            "ConsumedInferenceUnits": consumed,
            "ProvisionedInferenceUnits": float(provisioned),
            "InferenceUtilization": 100 * consumed / provisioned,
        },
    )
