"""Words with their sentiment as texts."""

from __future__ import annotations

from pathlib import Path

from sagebrush.nlp.training import lexicons
from tests.nlp.training import small_lexicons


def test_clear_words_of_both_lexicons(tmp_path: Path) -> None:
    small_lexicons.write(tmp_path)
    told = {each.text: each.labels[0] for each in lexicons.examples(tmp_path)}
    assert told["lovely"] == told["great"] == told[":)"] == "POSITIVE"
    assert told["cold"] == told[":("] == "NEGATIVE"
    assert ":|" not in told
    assert lexicons.strengths(tmp_path)[":|"] == -0.4
