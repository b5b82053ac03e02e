"""Sets of names as a task."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.nlp.training import entities


@pytest.mark.parametrize(
    ("label", "words", "kind"),
    [
        ("PER", "Ada Lovelace", "PERSON"),
        ("MISC", "Battle of Antietam", "EVENT"),
        ("MISC", "P-38 Lightning", "COMMERCIAL_ITEM"),
        ("MISC", "Japanese", "OTHER"),
        ("MISC", "A Beautiful Lie", "TITLE"),
    ],
)
def test_what_miscellaneous_names_are(label: str, words: str, kind: str) -> None:
    assert entities.of_wikigold(label, words) == kind


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "btc").mkdir()
    (tmp_path / "wnut17").mkdir()
    tweets = "RT\tO\n@\tB-PER\nkim\tB-PER\n:\tO\nhi\tO\nOslo\tB-LOC\n"
    (tmp_path / "btc" / "train.conll").write_text(tweets, encoding="utf-8")
    posts = "my\tO\nCanon\tB-product\ng\tI-product\n7\tI-product\n"
    (tmp_path / "wnut17" / "valid.conll").write_text(posts, encoding="utf-8")
    return tmp_path


def test_callers_are_names_where_the_set_parts_them_and_nowhere_else(data: Path) -> None:
    joined = entities.btc(data, "train")[0]
    assert joined.text == "RT @ kim : hi Oslo"
    assert [each.label for each in joined.spans] == ["PERSON", "PERSON", "LOCATION"]
    written = entities.btc(data, "train", natural=True)[0]
    assert written.text == "RT @kim: hi Oslo"
    assert [written.text[each.begin : each.end] for each in written.spans] == ["Oslo"]
    assert written.known == {"PERSON", "LOCATION", "ORGANIZATION"}


def test_emerging_names_get_the_types_of_the_service(data: Path) -> None:
    (example,) = entities.wnut(data, "valid")
    (span,) = example.spans
    assert (example.text[span.begin : span.end], span.label) == ("Canon g 7", "COMMERCIAL_ITEM")


@pytest.mark.skipif("SAGEBRUSH_EVAL_DATA" not in os.environ, reason="needs the data sets")
def test_the_sets_are_read_whole() -> None:
    data = Path(os.environ["SAGEBRUSH_EVAL_DATA"])
    valid = [*entities.wnut(data, "valid"), *entities.btc(data, "valid")]
    assert len(valid) > 1900
    for example in [*valid, *entities.snips(data, 300)]:
        for before, after in zip(example.spans, example.spans[1:], strict=False):
            assert before.end <= after.begin
        assert all(each.end <= len(example.text) for each in example.spans)
        assert all(each.label in entities.LABELS for each in example.spans)
