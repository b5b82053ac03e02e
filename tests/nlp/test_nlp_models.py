"""The models' folder is said to lack what its readers would miss."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sagebrush.nlp import confidence, encoder, models, nouns
from sagebrush.nlp.language import model
from sagebrush.nlp.syntax import analysis
from tests.shipped_models import folder


def test_the_files_are_those_that_are_read():
    """Names of syntax' files are in a module that loads ONNX Runtime: its text is looked at."""
    files = {name for needed in models.NEEDS.values() for name in needed}
    read = {encoder.GRAPH, encoder.SETTINGS, encoder.TOKENIZER}
    read |= {model.FILE, confidence.FILE, nouns.FILE}
    text = Path(analysis.__file__).with_name("tagger.py").read_text(encoding="utf-8")
    assert files == read | {"syntax.onnx", "syntax.json"}
    assert all(f'"{name}"' in text for name in files - read)


def test_what_is_lacking(tmp_path: Path):
    assert models.lacking(tmp_path, "DetectDominantLanguage") == ["language.npz"]
    (tmp_path / "language.npz").touch()
    assert models.lacking(tmp_path, "DetectDominantLanguage") == []
    assert models.lacking(tmp_path, "DetectSentiment") == list(models.ENCODER)
    assert models.lacking(tmp_path, "DetectNothing") == []


@pytest.mark.parametrize(
    ("card", "file"),
    [
        ("encoder.md", "encoder.onnx"),
        ("language.md", "language.npz"),
        ("syntax.md", "syntax.onnx"),
        ("nouns.md", "nouns.txt"),
    ],
)
def test_the_files_that_ship_are_those_of_their_cards(card: str, file: str) -> None:
    digest = hashlib.sha256((folder() / file).read_bytes()).hexdigest()
    assert digest in (folder() / card).read_text(encoding="utf-8")


def test_the_files_that_ship_are_small() -> None:
    files = [each for each in folder().iterdir() if each.is_file()]
    assert sum(each.stat().st_size for each in files) < 40e6
