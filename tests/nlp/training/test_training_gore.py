"""Sentences about blood: which are graphic."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sagebrush.nlp.training import abuse, gore


@pytest.mark.parametrize(
    ("text", "graphic"),
    [
        ("The mutilated corpse lay in blood", True),
        ("blood and severed hands", True),
        ("blood everywhere near the dead man", True),
        ("it took guts", False),
        ("I gave blood on Monday", False),
        ("a bloody film", False),
    ],
)
def test_several_words_make_a_text_graphic(text: str, graphic: bool) -> None:
    assert gore.graphic(text) is graphic


def test_sentences_are_held_back_for_validation(tmp_path: Path) -> None:
    (tmp_path / "tatoeba_en_de").mkdir()
    (tmp_path / "movie_reviews").mkdir()
    lines = (
        "I gave some blood.\tIch.\nNo such word in here.\tNein.\nThe blood test is over.\tVorbei."
    )
    (tmp_path / "tatoeba_en_de" / "train.en-de.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    review = {"text": "a dull film .\nblood , gore and a corpse in the cellar .", "label": "neg"}
    (tmp_path / "movie_reviews" / "train.jsonl.gz").write_bytes(
        gzip.compress(json.dumps(review).encode())
    )
    assert len(gore.sentences(tmp_path)) == 3
    valid = gore.examples(tmp_path, valid=True)
    train = gore.examples(tmp_path, valid=False)
    assert [each.text for each in valid] == ["I gave some blood."]
    assert {each.known for each in [*valid, *train]} == {gore.KNOWN}
    assert {each.text for each in train if each.labels} > {
        "blood , gore and a corpse in the cellar ."
    }
    assert sum(bool(each.labels) for each in train) == gore.SEEN * (gore.PATTERNS + 1)
    assert not any("{" in each.text for each in train)


def test_harmless_patterns_break_no_rule() -> None:
    for text in gore.HARMLESS:
        assert gore.LABEL not in abuse.kinds(text), text
