"""The tagger over an encoder and a network that are stand-ins."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest

from sagebrush.nlp.syntax.states import States

NAME = "sagebrush.nlp.syntax.tagger"


class Network:
    """Every token is a noun, and begins a phrase."""

    def __init__(self, *_given: Any, **_options: Any) -> None:
        pass

    def run(self, names: Sequence[str], given: dict[str, numpy.ndarray]) -> list[numpy.ndarray]:
        count = len(given["real"])
        return [numpy.tile(numpy.array([9.0, 0.0]), (count, 1)), numpy.eye(3)[[1] * count] * 9]


class Encoder:
    """States of two numbers; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def hidden(self, texts: Sequence[str]) -> list[States]:
        self.asked.append(list(texts))
        nothing = numpy.zeros(0, numpy.int64)
        return [States(nothing, nothing, numpy.zeros((0, 2), numpy.float32)) for _ in texts]


@pytest.fixture
def tagger(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module; where there is no ONNX Runtime, too."""
    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Network)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    yield importlib.import_module(NAME)
    sys.modules.pop(NAME, None)


def test_each_text_is_read_by_itself(tagger: ModuleType, tmp_path: Path) -> None:
    settings = {"tags": ["NOUN", "VERB"], "width": 2, "temperature": 1, "phrase_temperature": 1}
    (tmp_path / tagger.SETTINGS).write_text(json.dumps(settings))
    (tmp_path / tagger.GRAPH).write_bytes(b"")
    encoder = Encoder()
    found = tagger.Tagger(tmp_path, encoder).analyse(["one two", "", "three"])
    assert [[each.begin for each in text.tokens] for text in found] == [[0, 4], [], [0]]
    assert [len(text.phrases) for text in found] == [2, 0, 1]
    assert encoder.asked == [["one two"], [""], ["three"]]


def test_a_long_text_is_read_in_parts_whose_places_are_those_of_the_text(
    tagger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"tags": ["NOUN", "VERB"], "width": 2, "temperature": 1, "phrase_temperature": 1}
    (tmp_path / tagger.SETTINGS).write_text(json.dumps(settings))
    (tmp_path / tagger.GRAPH).write_bytes(b"")
    monkeypatch.setattr(tagger, "PART", 20)
    text = "One two three. Four five. Six seven eight nine ten eleven twelve."
    encoder = Encoder()
    (found,) = tagger.Tagger(tmp_path, encoder).analyse([text])
    words = [text[each.begin : each.end] for each in found.tokens]
    assert "".join(words) == text.replace(" ", "")
    assert [text[each.begin : each.end] for each in found.phrases] == words
    assert len(encoder.asked) > 2
    assert all(len(piece) <= 20 for (piece,) in encoder.asked)
