"""Batches whose models fail on some documents: the others are answered. The models are a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import analysis, batches, detection
from sagebrush.world import Ctx

Calls = list[tuple[str, str, tuple[str, ...]]]
CTX = cast(Ctx, None)
"""The script asks nobody."""
UNEXPECTED = {
    "ErrorCode": "InternalServerException",
    "ErrorMessage": "Unexpected Server Error. Please try again.",
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the models were asked. They answer a text's length, and fail where one is `bad`."""
    asked: Calls = []

    async def analyse(ctx: Ctx, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
        asked.append((task, language, tuple(texts)))
        if "busy" in texts:
            raise AwsError("TooManyRequestsException", "The number of requests exceeds the limit.")
        if "bad" in texts:
            raise analysis.Failed("InternalServerException", "Comprehend's models failed.", 500)
        return [{"Entities": [], "Length": len(text)} for text in texts]

    monkeypatch.setattr(analysis, "analyse", analyse)
    return asked


def answer(operation: Callable[..., Any], **request: Any) -> Doc:
    return asyncio.run(operation(CTX, request))


def test_documents_are_asked_for_together_and_answered_in_their_order(calls: Calls):
    found = answer(batches.batch_detect_entities, TextList=["a", "bb"], LanguageCode="en")
    assert found == {
        "ResultList": [
            {"Index": 0, "Entities": [], "Length": 1},
            {"Index": 1, "Entities": [], "Length": 2},
        ],
        "ErrorList": [],
    }
    assert calls == [("DetectEntities", "en", ("a", "bb"))]


def test_a_document_that_the_models_fail_on_takes_no_other_with_it(calls: Calls):
    texts = ["a", "bad", "ccc"]
    found = answer(batches.batch_detect_sentiment, TextList=texts, LanguageCode="en")
    assert [each["Index"] for each in found["ResultList"]] == [0, 2]
    assert found["ErrorList"] == [{"Index": 1, **UNEXPECTED}]
    assert [asked[2] for asked in calls] == [tuple(texts), ("a",), ("bad",), ("ccc",)]


def test_where_all_fail_there_are_errors_alone(calls: Calls):
    found = answer(batches.batch_detect_syntax, TextList=["bad", "bad"], LanguageCode="en")
    assert found["ResultList"] == []
    assert [each["Index"] for each in found["ErrorList"]] == [0, 1]
    assert answer(batches.batch_detect_key_phrases, TextList=["bad"], LanguageCode="en") == {
        "ResultList": [],
        "ErrorList": [{"Index": 0, **UNEXPECTED}],
    }


def test_a_document_without_a_language_is_an_error(monkeypatch: pytest.MonkeyPatch):
    """The guide's own example."""

    async def analyse(ctx: Ctx, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
        found = [{"LanguageCode": "en", "Score": 0.9}]
        return [{"Languages": [] if text == "$$$$$$" else found} for text in texts]

    monkeypatch.setattr(analysis, "analyse", analyse)
    texts = ["hello friend", "$$$$$$", "hola amigo"]
    found = answer(batches.batch_detect_dominant_language, TextList=texts)
    assert [each["Index"] for each in found["ResultList"]] == [0, 2]
    assert found["ErrorList"] == [{"Index": 1, **UNEXPECTED}]


def test_what_is_no_documents_fault_fails_the_whole_batch(calls: Calls):
    with pytest.raises(AwsError) as error:
        answer(batches.batch_detect_entities, TextList=["a", "busy"], LanguageCode="en")
    assert error.value.code == "TooManyRequestsException"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("operation", "task"),
    [
        (batches.batch_detect_entities, "DetectEntities"),
        (batches.batch_detect_key_phrases, "DetectKeyPhrases"),
        (batches.batch_detect_sentiment, "DetectSentiment"),
        (batches.batch_detect_syntax, "DetectSyntax"),
        (batches.batch_detect_targeted_sentiment, "DetectTargetedSentiment"),
    ],
)
def test_each_batch_asks_for_its_own_detection(
    calls: Calls, operation: Callable[..., Any], task: str
):
    answer(operation, TextList=["a"], LanguageCode="en")
    assert calls == [(task, "en", ("a",))]


def test_languages_are_detected_without_being_named(calls: Calls):
    answer(batches.batch_detect_dominant_language, TextList=["a"])
    answer(detection.detect_dominant_language, Text="a")
    assert calls == [("DetectDominantLanguage", "", ("a",))] * 2


def test_refused_requests_reach_no_model(calls: Calls):
    for operation, request in (
        (batches.batch_detect_entities, {"TextList": ["a"], "LanguageCode": "fr"}),
        (batches.batch_detect_entities, {"TextList": ["a", "b" * 5_001], "LanguageCode": "en"}),
        (detection.detect_key_phrases, {"Text": "a", "LanguageCode": "ja"}),
        (detection.contains_pii_entities, {"Text": "a" * 100_001, "LanguageCode": "en"}),
        (detection.detect_toxic_content, {"TextSegments": [{"Text": "a"}], "LanguageCode": "es"}),
    ):
        with pytest.raises(AwsError):
            answer(operation, **request)
    assert calls == []


def test_toxicity_is_asked_for_all_segments_at_once(calls: Calls):
    segments = [{"Text": "a"}, {"Text": "bb"}]
    found = answer(detection.detect_toxic_content, TextSegments=segments, LanguageCode="en")
    assert [each["Length"] for each in found["ResultList"]] == [1, 2]
    assert calls == [("DetectToxicContent", "en", ("a", "bb"))]


def test_labels_of_personal_data_are_the_types_with_their_surest_score(
    monkeypatch: pytest.MonkeyPatch,
):
    scores = [("NAME", 0.7), ("EMAIL", 0.99), ("NAME", 0.9), ("NAME", 0.2)]

    async def analyse(ctx: Ctx, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
        assert (task, language, texts) == ("DetectPiiEntities", "es", ["x"])
        return [{"Entities": [{"Type": kind, "Score": score} for kind, score in scores]}]

    monkeypatch.setattr(analysis, "analyse", analyse)
    found = answer(detection.contains_pii_entities, Text="x", LanguageCode="es")
    assert found == {"Labels": [{"Name": "NAME", "Score": 0.9}, {"Name": "EMAIL", "Score": 0.99}]}
