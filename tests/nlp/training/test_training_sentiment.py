"""What a text's sentiment is taken from, and how snippets are written."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from sagebrush.nlp.training import sentiment


@pytest.mark.parametrize(
    ("emotions", "label"),
    [
        ({"joy"}, "POSITIVE"),
        ({"anger", "curiosity"}, "NEGATIVE"),
        ({"joy", "sadness"}, "MIXED"),
        ({"neutral"}, "NEUTRAL"),
    ],
)
def test_emotions(emotions: set[str], label: str) -> None:
    assert sentiment.of_emotions(frozenset(emotions)) == label


def test_a_snippet_as_treebanks_split_it() -> None:
    text = "it's a film that doesn't \"work\" , and we're sorry ."
    assert sentiment.split(text) == "it 's a film that does n't `` work '' , and we 're sorry"


def test_a_snippet_as_people_write_it() -> None:
    text = "simplistic , silly ( and tedious ) ; i'd leave ."
    assert sentiment.written(text) == "Simplistic, silly (and tedious); I'd leave."
    assert sentiment.written("") == ""


@pytest.mark.costs("reads all sets of the task")
@pytest.mark.skipif("SAGEBRUSH_EVAL_DATA" not in os.environ, reason="needs the data sets")
def test_every_source_is_there_and_none_of_tier_c() -> None:
    task = sentiment.task(Path(os.environ["SAGEBRUSH_EVAL_DATA"]))
    sources = Counter(each.source for each in task.train)
    assert {"statements", "mixtures", "emoticons", "lexicons", "goemotions"} < set(sources)
    assert not {"sst2", "twitter_sentiment"} & set(sources)
    assert not {each.text for each in task.valid} & {
        each.text for each in task.train if each.source == "sentence_polarity"
    }
    assert {each.labels[0] for each in task.train} == set(sentiment.LABELS)
