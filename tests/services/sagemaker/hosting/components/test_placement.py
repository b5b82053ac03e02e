"""Where copies of inference components go: tables."""

from __future__ import annotations

import pytest

from sagebrush.scheduler.instances import Instance
from sagebrush.services.sagemaker.hosting.components import placement
from sagebrush.services.sagemaker.hosting.plan import Needs, Placed

GB = 1 << 30
SIZE = Instance("ml.x", 4.0, 16 * GB, 2)


def needs(cpu: float, memory: float, accelerators: float = 0.0) -> Needs:
    return {"cpu": cpu, "memory": int(memory * GB), "most": 0, "accelerators": accelerators}


def copy(component: str, instance: str, of: Needs) -> Placed:
    return {"component": component, "variant": "v", "instance": instance, "needs": of}


def copies(*each: Placed) -> dict[str, Placed]:
    return {str(number): one for number, one in enumerate(each)}


BUSY_A = copy("x", "a", needs(1, 8))


@pytest.mark.parametrize(
    ("there", "wish", "strategy", "chosen"),
    [
        ((), needs(1, 1), "SPREAD", "a"),
        ((), needs(4, 16, 2), "SPREAD", "a"),
        ((), needs(5, 1), "SPREAD", None),
        ((), needs(1, 17), "SPREAD", None),
        ((), needs(1, 1, 3), "SPREAD", None),
        ((BUSY_A,), needs(1, 1), "SPREAD", "b"),
        ((BUSY_A,), needs(1, 1), "BINPACK", "a"),
        ((BUSY_A,), needs(1, 9), "BINPACK", "b"),
        ((BUSY_A,), needs(4, 1), "BINPACK", "b"),
        # the fewest of its own component, whatever memory is left
        ((copy("c", "b", needs(1, 1)), BUSY_A), needs(1, 1), "SPREAD", "a"),
        ((copy("x", "a", needs(0, 1, 2)),), needs(0, 1, 1), "BINPACK", "b"),
        # one that waits holds nothing
        ((copy("x", "", needs(4, 16)),), needs(4, 16), "SPREAD", "a"),
        ((copy("x", "a", needs(4, 1)), copy("x", "b", needs(4, 1))), needs(1, 1), "SPREAD", None),
    ],
)
def test_a_copy_goes_where_it_fits(
    there: tuple[Placed, ...], wish: Needs, strategy: str, chosen: str | None
) -> None:
    found = placement.choose(SIZE, ["a", "b"], copies(*there), copy("c", "", wish), strategy)
    assert found == chosen


@pytest.mark.parametrize(
    ("there", "bounds", "count"),
    [
        ((), (0, 4), 0),
        ((), (1, 4), 1),
        ((copy("x", "a", needs(1, 1)),), (0, 4), 1),
        ((copy("x", "a", needs(1, 1)), copy("x", "b", needs(1, 1))), (0, 4), 2),
        # what waits is packed: two of them on one more instance
        ((copy("x", "a", needs(4, 1)), *[copy("y", "", needs(2, 1))] * 2), (0, 4), 2),
        ((copy("x", "a", needs(4, 1)), *[copy("y", "", needs(3, 1))] * 2), (0, 4), 3),
        (tuple([copy("y", "", needs(3, 1))] * 9), (0, 4), 4),
        # what fits no instance asks for none; what lost its instance does
        ((copy("y", "", needs(5, 1)),), (0, 4), 0),
        ((copy("y", "gone", needs(1, 1)),), (0, 4), 1),
    ],
)
def test_instances_follow_the_copies(
    there: tuple[Placed, ...], bounds: tuple[int, int], count: int
) -> None:
    assert placement.needed(SIZE, ["a", "b"], copies(*there), bounds) == count
