"""N-grams in buckets: which runs of characters and words there are, and how they are weighed."""

from __future__ import annotations

import numpy
import pytest

from sagebrush.nlp.custom import ngrams

BITS = 12


def buckets(text: str) -> set[int]:
    return set(ngrams.counted([text], BITS).columns.tolist())


def runs(text: str) -> int:
    """How many different runs of characters the text has, by their definition."""
    padded = f" {' '.join(text.split())} "
    found = set()
    for size in ngrams.CHARACTERS:
        for start in range(len(padded) - size + 1):
            run = padded[start : start + size]
            if " " not in run[1:-1]:
                found.add(run)
    return len(found)


@pytest.mark.parametrize("text", ["a", "ab cd", "the weather, today", "東京都 へ", "😀😀 x"])
def test_there_is_a_bucket_for_each_run_inside_a_word(text: str) -> None:
    columns = ngrams.counted([text], 20).columns
    assert (columns >= 1 << 20).sum() == runs(text)


def test_words_and_their_pairs_are_in_the_first_half() -> None:
    columns = ngrams.counted(["one two one two"], 20).columns
    assert (columns < 1 << 20).sum() == 2 + 2  # one, two, one two, two one


def test_case_and_width_make_no_difference_and_order_does() -> None:
    assert buckets("Ｇood DAY") == buckets("good day")
    assert buckets("day good") != buckets("good day")


def test_counts_are_damped() -> None:
    rows = ngrams.counted(["x x x"], BITS)
    assert rows.values.max() == pytest.approx(1 + numpy.log(3))


def test_each_half_of_a_row_has_the_length_one() -> None:
    rows = ngrams.counted(["some words", "", "!?", "other words"], BITS)
    rarity = ngrams.rarity(rows, BITS)
    weighed = ngrams.weighed(rows, rarity)
    lengths = []
    for row in range(len(weighed)):
        part = slice(weighed.starts[row], weighed.starts[row + 1])
        half = weighed.columns[part] >= 1 << BITS
        lengths += [(weighed.values[part][half == which] ** 2).sum() for which in (False, True)]
    assert lengths == pytest.approx([1, 1, 0, 0, 0, 1, 1, 1])
    # "words" is in two of four texts, "some" in one
    assert rarity.max() == pytest.approx(numpy.log(5) + 1)
    assert (numpy.abs(rarity - numpy.log(5 / 3) - 1) < 1e-6).any()


def test_texts_are_read_up_to_a_bound() -> None:
    text = "ab " * 7000
    assert buckets(text[:20_000] + "end") == buckets(text)  # as the guide says
    assert buckets(text[:19_997] + "end") != buckets(text)


def test_any_text_can_be_read() -> None:
    rows = ngrams.counted(["", "\ud800", "\x00", " \n\t", "a\u0301"], BITS)
    assert len(rows) == 5
    assert numpy.isfinite(rows.values).all()
