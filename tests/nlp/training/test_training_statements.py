"""Plain statements: what is left out, and what is made."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from sagebrush.nlp.training import statements
from tests.nlp.training import small_lexicons


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with both lexicons."""
    small_lexicons.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The train leaves at nine.", True),
        ("The soup was cold.", False),
        ("A great view of the bay", False),
        ("I don't know him.", False),
        ("It is too late.", False),
        ("He is here!", False),
        ("12 : 30", False),
        ("Please send me the file.", False),
    ],
)
def test_plain_is_what_holds_no_word_of_feeling(data: Path, text: str, plain: bool) -> None:
    assert statements.Plainness(data).holds(text) is plain


def test_a_request_may_be_polite(data: Path) -> None:
    assert statements.Plainness(data, wide=False).holds("Please send me the file.")


def test_sentences_are_told_once(data: Path) -> None:
    (data / "tatoeba_en_de").mkdir()
    lines = (
        "He went home.\tEr ging.\nHe went home.\tEr ging heim.\nGo!\tGeh!\nIt was good then.\tGut."
    )
    (data / "tatoeba_en_de" / "train.en-de.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    assert statements.sentences(data, statements.Plainness(data)) == ["He went home."]


def test_definitions_become_sentences(data: Path) -> None:
    (data / "wordnet_oewn").mkdir()
    rows = [
        ("n", "easel", "an upright tripod for displaying a canvas"),
        ("n", "chill", "a cold feeling of the whole body"),
        ("a", "red", "of a colour like that of blood"),
        ("n", "it", "a word"),
    ]
    synsets = "\n".join(
        json.dumps({"pos": pos, "members": [word], "definition": [gloss]})
        for pos, word, gloss in rows
    )
    (data / "wordnet_oewn" / "synsets.jsonl.gz").write_bytes(gzip.compress(synsets.encode()))
    plain = statements.Plainness(data)
    told = {
        text
        for seed in range(20)
        for text in statements.definitions(data, plain, random.Random(seed))
    }
    gloss = "an upright tripod for displaying a canvas"
    assert told == {gloss, f"An easel is {gloss}."}


def test_requests_without_small_talk(data: Path) -> None:
    (data / "clinc150").mkdir()
    (data / "clinc150" / "train.csv").write_text(
        "label,text\nalarm,set an alarm for six\ngreeting,hi there friend\n", encoding="utf-8"
    )
    (data / "snips").mkdir()
    rows = [("GetWeather", "weather in Rome"), ("RateBook", "give it one star")]
    written = "\n".join(json.dumps({"intent": intent, "text": text}) for intent, text in rows)
    (data / "snips" / "train.jsonl.gz").write_bytes(gzip.compress(written.encode()))
    plain = statements.Plainness(data, wide=False)
    assert statements.requests(data, plain) == ["set an alarm for six", "weather in Rome"]


def test_patterns_are_whole_and_the_same_each_time() -> None:
    first = [statements.pattern(random.Random(seed)) for seed in range(300)]
    assert first == [statements.pattern(random.Random(seed)) for seed in range(300)]
    assert not any("{" in text or "  " in text or text[0].islower() for text in first)
    assert not any(" a apple" in text or " a engineer" in text for text in first)
