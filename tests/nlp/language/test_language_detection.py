"""Languages of texts, by a tiny model that the test counts."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from sagebrush.nlp.language.codes import LISTED, code
from sagebrush.nlp.language.detect import LONGEST, Detector
from sagebrush.nlp.language.model import load
from tests.nlp.language.tiny_languages import TEXTS, model

TINY = model()
DETECTOR = Detector(TINY)


def first(text: str) -> str | None:
    found = DETECTOR.detect([text])[0]
    return found[0][0] if found else None


@pytest.mark.parametrize("language", ["de", "en", "he"])
def test_a_text_has_its_language(language: str) -> None:
    found = DETECTOR.detect([TEXTS[language]])[0]
    assert found[0][0] == language
    assert found[0][1] > 0.9


def test_scores_are_sorted_and_sum_to_one_at_most() -> None:
    for text in ["hund", "the", "katze sofa", *TEXTS.values()]:
        scores = [score for _, score in DETECTOR.detect([text])[0]]
        assert scores == sorted(scores, reverse=True)
        assert 0 < sum(scores) <= 1 + 1e-6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\x00",
        "123 456",
        "!?…",
        "👍🏽👨‍👩‍👧",
        "\u200b\u200d",
        "\u0301",
        "\r\n",
        "བོད་ཡིག",
        "https://a.example",
    ],
)
def test_a_text_without_letters_that_the_model_knows_has_no_language(text: str) -> None:
    assert DETECTOR.detect([text]) == [[]]


def test_both_forms_of_norwegian_are_one_code() -> None:
    found = dict(DETECTOR.detect([TEXTS["nn"]])[0])
    assert found["no"] > 0.9
    assert not {"nb", "nn"} & set(found)


@pytest.mark.parametrize(
    ("text", "expected"), [("我们学习汉语", "zh"), ("我們學習汉语", "zh-TW"), ("老师很好", "zh")]
)
def test_chinese_is_named_by_the_characters_of_one_written_form(text: str, expected: str) -> None:
    assert first(text) == expected


def test_a_text_of_several_languages_tells_them_by_their_length() -> None:
    text = f"{TEXTS['en']}. {TEXTS['en']}. {TEXTS['de']}. {TEXTS['he']}."
    found = DETECTOR.detect([text])[0]
    assert {name for name, _ in found[:3]} == {"en", "de", "he"}
    assert found[0][0] == "en"
    assert found[0][1] == pytest.approx(0.55, abs=0.12)


def test_a_text_says_the_same_alone_and_among_others() -> None:
    texts = list(TEXTS.values())
    assert DETECTOR.detect(texts) == [DETECTOR.detect([text])[0] for text in texts]


@pytest.mark.parametrize(
    "text", ["hund " * 20_000, "a" * 100_000, "字" * 100_000, "\u0301" * 100_000]
)
def test_texts_of_100_000_characters_are_read(text: str) -> None:
    for score in DETECTOR.detect([text])[0]:
        assert 0 < score[1] <= 1


def test_a_long_text_is_read_at_even_distances() -> None:
    half = (TEXTS["en"] + ". ") * (LONGEST // 40)
    other = (TEXTS["he"] + ". ") * (LONGEST // 25)
    found = dict(DETECTOR.detect([half + other])[0])
    assert found["en"] == pytest.approx(len(half) / len(half + other), abs=0.1)


def test_a_file_holds_the_model(tmp_path: Path) -> None:
    TINY.save(tmp_path / "m.npz")
    again = load(tmp_path / "m.npz")
    assert numpy.array_equal(again.weights, TINY.weights)
    assert Detector(again).detect(["die katze"]) == DETECTOR.detect(["die katze"])
    again.save(tmp_path / "n.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()


def test_the_guide_lists_a_hundred_languages() -> None:
    assert len(LISTED) > 100
    assert [code(each) for each in ("nb", "kmr", "fr", "mi")] == ["no", "ku", "fr", "mi"]
