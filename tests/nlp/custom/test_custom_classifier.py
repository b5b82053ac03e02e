"""A classifier's answers over an encoder that is seen through, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from sagebrush.nlp.custom import classifier, features, model, ngrams
from sagebrush.nlp.custom.classifier import Classifier


class Head:
    def __init__(self, *classes: str) -> None:
        self.classes = classes


class Encoder:
    """States that count letters: `a`, `b` and `c`."""

    identity = "this"
    width = 3

    def __init__(self) -> None:
        self.heads = {"sentiment": Head("GOOD"), "toxicity": Head("BAD")}

    def summaries(
        self, texts: Sequence[str], layers: Sequence[int], heads: Sequence[str]
    ) -> numpy.ndarray:
        if not any(text.strip() for text in texts):
            return numpy.zeros((len(texts), 0), numpy.float32)
        rows = [[text.count(each) for each in "abc"] * (len(layers) + 1) + [1, 2] for text in texts]
        return numpy.array(rows, numpy.float32)


ENCODER: Any = Encoder()


def made(several: bool, bias: Sequence[float] = (0, 0, 0, 0)) -> Classifier:
    """Labels A, B and C for the letters, by the states of the first layer; a label for the word `word`."""
    states = numpy.zeros((features.width(ENCODER), 4), numpy.float32)
    states[:3, :3] = 8 * numpy.eye(3)
    grams = numpy.zeros((2 << 10, 4), numpy.float16)
    columns = ngrams.counted(["word"], 10).columns
    grams[columns[columns < 1 << 10], 3] = 20
    labels = ("A", "B", "C", "W")
    rarity = numpy.ones(2 << 10, numpy.float32)
    return Classifier(labels, several, states, grams, numpy.array(bias, numpy.float32), rarity)


def test_classes_are_probabilities_with_the_likeliest_first() -> None:
    (found,) = classifier.Answers(made(False), ENCODER).answer(["aaab"])
    assert [each["Name"] for each in found["Classes"]] == ["A", "B", "C"]
    scores = [each["Score"] for each in found["Classes"]]
    assert scores == sorted(scores, reverse=True)
    assert 0.99 < sum(scores) < 1
    json.dumps(found)


def test_words_are_known_beside_states() -> None:
    (found,) = classifier.Answers(made(False), ENCODER).answer(["a word"])
    assert found["Classes"][0]["Name"] == "W"


def test_labels_are_those_over_the_threshold_or_else_the_likeliest() -> None:
    model = made(True, (-3, -3, -3, -3))
    first, second = classifier.Answers(model, ENCODER).answer(["ab", "x"])
    assert [each["Name"] for each in first["Labels"]] == ["A", "B"]
    assert all(each["Score"] >= 0.5 for each in first["Labels"])
    (only,) = second["Labels"]
    assert only["Score"] == pytest.approx(1 / (1 + numpy.exp(3)), abs=1e-5)


def test_an_answer_does_not_depend_on_other_texts() -> None:
    answers = classifier.Answers(made(False), ENCODER)
    texts = ["a", "", "b word", "  "] * 40
    assert answers.answer(texts) == [answers.answer([text])[0] for text in texts]


def kept(folder: Path, several: bool, encoder: str = "this") -> Path:
    one = made(several)
    settings = {
        "Kind": "document-classifier",
        "Mode": "MULTI_LABEL" if several else "MULTI_CLASS",
        "Labels": list(one.labels),
        "Encoder": encoder,
    }
    (folder / "custom.json").write_text(json.dumps(settings), encoding="utf-8")
    for name, body in one.files().items():
        (folder / name).write_bytes(body)
    return folder


@pytest.mark.parametrize("several", [False, True])
def test_a_model_that_was_kept_answers_the_same(several: bool, tmp_path: Path) -> None:
    loaded = model.load(kept(tmp_path, several), ENCODER)
    texts = ["aab", "a word", ""]
    assert loaded.answer(texts) == classifier.Answers(made(several), ENCODER).answer(texts)


def test_a_model_of_another_encoder_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(model.OtherEncoder, match="train it again"):
        model.load(kept(tmp_path, False, "that"), ENCODER)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path, ENCODER)
