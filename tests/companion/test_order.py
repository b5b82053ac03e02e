"""Shards are disjoint and whole; a seed decides the order, anew in every epoch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sagebrush.companion.order import arranged


@given(st.integers(0, 50), st.integers(1, 7), st.none() | st.integers(), st.integers(0, 3))
def test_shards_are_disjoint_whole_and_even(
    count: int, of: int, seed: int | None, epoch: int
) -> None:
    shards = [arranged(count, seed, epoch, (own, of)) for own in range(of)]
    assert sorted(place for shard in shards for place in shard) == list(range(count))
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    if seed is None:
        assert all(shard == sorted(shard) for shard in shards)


def test_the_order_is_the_seeds() -> None:
    whole = (0, 1)
    assert arranged(10, None, 3, whole) == list(range(10))
    assert arranged(10, 1, 0, whole) == arranged(10, 1, 0, whole) != arranged(10, 2, 0, whole)
    assert arranged(10, 1, 0, whole) != arranged(10, 1, 1, whole)


def test_the_order_of_a_seed_stays_what_it_was() -> None:
    """A job that is resumed by a later version gets what it got."""
    assert arranged(8, 11, 0, (0, 1)) == ORDER


def test_a_shuffle_moves_things_between_instances() -> None:
    first, second = (set(arranged(40, 5, epoch, (0, 2))) for epoch in (0, 1))
    assert first != second


ORDER = [3, 0, 5, 4, 7, 6, 2, 1]
