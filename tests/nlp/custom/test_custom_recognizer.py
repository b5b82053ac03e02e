"""A recognizer of a few weights: what it answers, from its files too, with and without an encoder."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

from sagebrush.nlp.confidence import Confidence
from sagebrush.nlp.custom import reading, recognizer
from sagebrush.nlp.custom.reading import Directions, Reader
from sagebrush.nlp.custom.recognizer import Recognizer, Weights
from sagebrush.nlp.syntax.states import States

CODES = Weights(
    ("CODE",),
    {"s=X0": 0, "bias": 1},
    numpy.array([[0, 6, 0], [2, 0, 0]], numpy.float32),
    numpy.zeros((0, 3), numpy.float32),
    numpy.zeros((3, 3), numpy.float32),
)
"""A word of a capital and a digit is a CODE."""


@dataclass(frozen=True)
class Head:
    classes: tuple[str, ...]


class Encoder:
    """Tokens are runs without spaces; a head says whether one has a digit, states are its length."""

    def __init__(self) -> None:
        self.heads = {name: Head(("O", "B-X")) for name in reading.HEADS}
        self.read: list[str] = []

    def of_tokens(self, texts: Sequence[str], names: Sequence[str]) -> list[States]:
        told = []
        self.read += texts
        for text in texts:
            places, at = [], 0
            for each in text.split():
                begin = text.index(each, at)
                at = begin + len(each)
                places.append((begin, at))
            rows = [
                [
                    value
                    for name in names
                    for value in (
                        (0.0, 9.0 if any(c.isdigit() for c in text[b:e]) else -9.0)
                        if name in self.heads
                        else (float(e - b), 1.0)
                    )
                ]
                for b, e in places
            ]
            begins, ends = numpy.array(places, int).reshape(-1, 2).T
            told.append(States(begins, ends, numpy.array(rows, numpy.float32)))
        return told


def test_answers_are_of_awss_shape_with_offsets_in_code_points() -> None:
    found = Recognizer(CODES, Reader(None, None), Confidence()).answer(
        ["👩🏽‍💻 e\u0301 A7, B8\r\n", "", "none"]
    )
    assert [len(each["Entities"]) for each in found] == [2, 0, 0]
    first = found[0]["Entities"][0]
    assert {key: first[key] for key in first if key != "Score"} == {
        "Type": "CODE",
        "Text": "A7",
        "BeginOffset": 8,
        "EndOffset": 10,
    }
    assert 0.8 < first["Score"] < 1


def test_a_recognizer_comes_back_from_its_files(tmp_path: Path) -> None:
    encoder = Encoder()
    texts = ["call A7 now", "Zoe", "\u0301", " "]
    directions = reading.directions(texts, encoder)
    reader = Reader(encoder, directions)
    assert reader.numbers == 4 + directions.axes.shape[1]
    numbers = numpy.zeros((reader.numbers, 3), numpy.float32)
    numbers[1, 1] = 3
    weights = Weights(
        CODES.types, {**CODES.attributes, "w=\ud800": 2}, numpy.pad(CODES.surface, ((0, 1), (0, 0))),
        numbers, CODES.transitions,
    )  # fmt: skip
    (tmp_path / recognizer.ARRAYS).write_bytes(recognizer.stored(weights, directions))
    sure = Confidence(slope=0.5, intercept=0.1)
    settings = json.loads(json.dumps(recognizer.settings("en", CODES.types, sure, "id")))
    assert (settings["Kind"], settings["Encoder"]) == ("entity-recognizer", "id")
    loaded = recognizer.load(tmp_path, settings, encoder)
    assert loaded.answer(texts) == Recognizer(weights, reader, sure).answer(texts)
    assert [e["Text"] for e in loaded.answer(texts)[0]["Entities"]] == ["A7"]


def test_words_have_what_the_encoder_says_of_their_tokens() -> None:
    encoder = Encoder()
    reader = Reader(encoder, reading.directions(["ab 12 c", "x"], encoder))
    (found,) = reader.read(["a1-b c"])
    assert found.words == [(0, 2), (2, 3), (3, 4), (5, 6)]
    assert numpy.allclose(found.numbers[0], found.numbers[2])
    assert found.numbers[0, 1] == pytest.approx(1.0, abs=1e-3)
    assert found.numbers[3, 1] == pytest.approx(0.0, abs=1e-3)
    (spaces,) = reader.read([" \n"])
    assert spaces.numbers.shape == (0, reader.numbers)


def test_the_encoder_reads_long_texts_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder()
    reader = Reader(encoder, reading.directions(["ab 12 c", "x"], encoder))
    text = "".join(f"Sentence number {at} has {'long ' * (at % 7)}words. " for at in range(1200))
    encoder.read.clear()
    (found,) = reader.read([text])
    assert "".join(encoder.read) == text
    assert len(encoder.read) == 6
    assert max(map(len, encoder.read)) <= 10_000
    monkeypatch.setattr(reading, "PART", len(text))
    (whole,) = reader.read([text])
    assert encoder.read[-1] == text
    assert numpy.array_equal(found.numbers, whole.numbers)
    assert (found.words, found.attributes) == (whole.words, whole.attributes)


class Wide(Encoder):
    """The states of a token are 12 KB."""

    def of_tokens(self, texts: Sequence[str], names: Sequence[str]) -> list[States]:
        return [
            States(each.begins, each.ends, numpy.pad(each.values, ((0, 0), (0, 3000 - 6))))
            for each in super().of_tokens(texts, names)
        ]


def test_of_a_long_text_not_all_states_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PART", 300)
    few = Directions(numpy.zeros(3000, numpy.float32), numpy.zeros((3000, 2), numpy.float32))
    reader = Reader(Wide(), few)
    tracemalloc.start()
    try:
        (found,) = reader.read(["Words. " * 2000])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.words) == 4000
    assert most < 4000 * 12_000 / 2  # half of the words' states


def test_a_word_longer_than_a_part_is_read_where_it_begins() -> None:
    encoder = Encoder()
    reader = Reader(encoder, reading.directions(["ab 12 c", "x"], encoder))
    (found,) = reader.read(["a" * 25_000 + " 7b"])
    (last,) = reader.read(["7b"])
    assert found.words == [(0, 25_000), (25_001, 25_003)]
    assert numpy.array_equal(found.numbers[1], last.numbers[0])
    assert numpy.isfinite(found.numbers).all()


def test_directions_are_found_from_parts_of_a_long_text() -> None:
    encoder = Encoder()
    reading.directions(["word " * 100_000], encoder)
    assert sum(map(len, encoder.read)) < 6 * reading.SAMPLE


def test_a_long_text_is_read_in_sequences_of_whole_sentences() -> None:
    text = "One two three four. " * 300
    places = [(at, at + 1) for at in range(0, len(text), 4)]
    found = reading.bounds(text, places)
    assert found[0][0] == 0
    assert found[-1][1] == len(places)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(0 < end - begin <= reading.LONGEST for begin, end in found)
    assert all(text[places[begin][0]] == "O" for begin, _ in found)


def test_a_sentence_longer_than_a_sequence_is_cut() -> None:
    text = "a " * 1201
    places = [(at, at + 1) for at in range(0, len(text), 2)]
    assert reading.bounds(text, places) == [(0, 500), (500, 1000), (1000, 1201)]


def test_the_same_entity_is_found_in_a_long_text() -> None:
    text = "word. " * 2000 + "A7"
    (found,) = Recognizer(CODES, Reader(None, None), Confidence()).spans([text])
    assert [(each.begin, each.end) for each in found] == [(12000, 12002)]
