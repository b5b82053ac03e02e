"""Entities and the lines and words of a page that they refer to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sagebrush.algorithms.comprehend.custom import pages
from sagebrush.algorithms.comprehend.custom.pages import Block


def entity(begin: int, end: int) -> dict[str, Any]:
    return {"Type": "A", "BeginOffset": begin, "EndOffset": end}


def referred(block: Block, begin: int, end: int) -> dict[str, int] | None:
    """By its definition: the offsets in the block of what it shares with the entity, if it does."""
    first, last = max(begin, block.begin), min(end, block.end)
    if first >= last:
        return None
    return {"BeginOffset": first - block.begin, "EndOffset": last - block.begin}


@given(
    text=some.text("ab \n", max_size=30),
    places=some.lists(some.tuples(some.integers(0, 30), some.integers(1, 12)), max_size=5),
)
def test_entities_refer_to_each_line_and_word_that_they_share_a_character_with(
    text: str, places: list[tuple[int, int]]
) -> None:
    lines = pages.lines(text)
    found = pages.referring([entity(at, at + size) for at, size in places], lines)
    for (at, size), each in zip(places, found, strict=True):
        assert each["Type"] == "A"
        assert "BeginOffset" not in each
        assert each["BlockReferences"] == [
            {
                "BlockId": line.id,
                **shared,
                "ChildBlocks": [
                    {"ChildBlockId": word.id, **part}
                    for word in line.words
                    if (part := referred(word, at, at + size))
                ],
            }
            for line in lines
            if (shared := referred(line, at, at + size))
        ]


class Counted(Block):
    """A block that counts how often it is looked at."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        Counted.looks += name == "begin"
        return super().__getattribute__(name)


@pytest.mark.parametrize("between", ["\n", " "])
def test_of_many_lines_or_words_an_entity_looks_at_few(between: str) -> None:
    lines = [
        Counted(line.id, line.text, line.begin, tuple(Counted(w.id, w.text, w.begin) for w in line.words))
        for line in pages.lines(between.join(["ab"] * 1000))
    ]  # fmt: skip
    Counted.looks = 0
    found = pages.referring([entity(at, at + 2) for at in range(0, 3000, 3)], lines)
    assert [len(each["BlockReferences"]) for each in found] == [1] * 1000
    assert Counted.looks < 100 * 1000
