"""The language model that ships, on the validation part of its data. Needs SAGEBRUSH_EVAL_DATA."""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Iterator

import pytest

from sagebrush.nlp.language.codes import code
from sagebrush.nlp.language.detect import Detector
from sagebrush.nlp.language.model import FILE, load
from tests import shipped_models
from tests.crowding import crowding
from tests.needs import eval_data

pytestmark = pytest.mark.costs("reads thousands of texts")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(load(shipped_models.folder() / FILE))


def rows(kind: str) -> Iterator[tuple[str, str]]:
    """(code, text) of every fifth row of a kind."""
    with gzip.open(
        eval_data("language_id") / "valid.csv.gz", "rt", encoding="utf-8", newline=""
    ) as opened:
        for at, row in enumerate(row for row in csv.DictReader(opened) if row["kind"] == kind):
            if at % 5 == 0:
                yield code(row["lang"]), row["text"]


@pytest.mark.parametrize(
    ("kind", "floor"), [("sentences", 0.975), ("word-pairs", 0.90), ("single-words", 0.75)]
)
def test_languages_are_told_as_well_as_the_card_says(
    detector: Detector, kind: str, floor: float
) -> None:
    given = list(rows(kind))
    told = detector.detect([text for _, text in given])
    right = sum(
        bool(found) and found[0][0].split("-")[0] == language
        for (language, _), found in zip(given, told, strict=True)
    )
    assert right / len(given) >= floor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is raining today in Seattle.", "en"),
        ("Bob lives in Seattle. He is a software engineer at Amazon.", "en"),
        ("我們在學校學習漢語", "zh-TW"),
        ("我们在学校学习汉语", "zh"),
        ("ሰላም ለዓለም", "am"),
        ("Jeg bor i Oslo, og jeg liker det veldig godt.", "no"),
    ],
)
def test_short_texts_have_their_language(detector: Detector, text: str, expected: str) -> None:
    assert detector.detect([text])[0][0][0] == expected


def test_a_text_is_read_in_milliseconds(detector: Detector) -> None:
    short = "The weather in Seattle is rainy today and we stay at home. " * 4
    begin = time.process_time()
    for _ in range(50):
        detector.detect([short[:200]])
    assert (time.process_time() - begin) / 50 < 0.002 * crowding()
    begin = time.process_time()
    detector.detect([short * 500])
    assert time.process_time() - begin < 0.05 * crowding()
