"""Texts of two pieces: MIXED if and only if one praises and one blames."""

from __future__ import annotations

import pytest

from sagebrush.nlp.training import mixtures
from sagebrush.nlp.training.tasks import Example

PLAIN = ("The shop is open from nine to five.",)
GOOD = "the zoom is stunning here"
BAD = "the case scratches at once"


def told() -> list[Example]:
    """What is made of one good and one bad sentence."""
    pieces = [Example(f"{GOOD} .", ("POSITIVE",)), Example(BAD, ("NEGATIVE",))]
    return mixtures.examples(pieces, (), PLAIN)


def test_pieces_say_what_the_whole_is() -> None:
    joined = [each for each in told() if GOOD[5:] in each.text or BAD[5:] in each.text]
    assert len(joined) == mixtures.PIECES // 2
    for each in joined:
        good, bad = GOOD[5:] in each.text, BAD[5:] in each.text
        expected = "MIXED" if good and bad else "POSITIVE" if good else "NEGATIVE"
        assert each.labels == (expected,), each.text


def test_half_of_the_joined_texts_are_mixed_and_the_joints_are_shared() -> None:
    made = told()
    assert made == told()
    labels = [each.labels[0] for each in made]
    part = labels.count("MIXED") / (len(labels) - mixtures.SINGLE)
    assert 0.45 < part < 0.55
    assert "NEUTRAL" not in labels
    with_and = {each.labels[0] for each in made if " and " in each.text}
    assert with_and == {"MIXED", "POSITIVE", "NEGATIVE"}
    assert not any("{" in each.text for each in made)


@pytest.mark.parametrize("words", ["too short", "a sentence . and one more sentence", "word " * 20])
def test_other_texts_are_no_pieces(words: str) -> None:
    pieces = [Example(words, ("POSITIVE",)), Example(BAD, ("NEGATIVE",))]
    made = mixtures.examples(pieces, (), PLAIN)
    assert len(made) == mixtures.PATTERNS + mixtures.SINGLE


def test_texts_for_other_tasks_name_nothing() -> None:
    texts = mixtures.nameless(200, 3)
    assert texts == mixtures.nameless(200, 3)
    assert texts != mixtures.nameless(200, 4)
    assert not any("{" in text for text in texts)
