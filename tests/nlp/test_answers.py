"""Documents have the shape that botocore's model of Comprehend says, and offsets that fit the text."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.validate import ParamValidator

from sagebrush.aws import models
from sagebrush.nlp import answers
from sagebrush.nlp.mentions import Group
from sagebrush.nlp.spans import Span

TEXT = "👍🏽 Ana met Bob"
ANA, BOB = Span(3, 6, "PERSON", 0.9), Span(11, 14, "PERSON", 0.8)
SCORES = {"POSITIVE": 0.1, "NEGATIVE": 0.6, "NEUTRAL": 0.2, "MIXED": 0.1}


@pytest.mark.parametrize(
    ("operation", "document"),
    [
        ("DetectDominantLanguage", answers.languages([("en", 0.9), ("de", 0.1)])),
        ("DetectSentiment", answers.sentiment(SCORES)),
        ("DetectEntities", answers.entities(TEXT, [ANA, BOB])),
        ("DetectKeyPhrases", answers.key_phrases(TEXT, [ANA])),
        ("DetectSyntax", answers.syntax(TEXT, [Span(3, 6, "PROPN", 1.0)])),
        ("DetectPiiEntities", answers.personal([Span(3, 6, "NAME", 0.9)])),
        (
            "DetectToxicContent",
            {"ResultList": [answers.toxicity({"INSULT": 0.2, "ALL": 0.1}, "ALL")]},
        ),
        (
            "DetectTargetedSentiment",
            answers.targeted(
                TEXT,
                [Group(((ANA, 1.0),), (0,)), Group(((BOB, 1.0),), (0,))],
                {ANA: SCORES, BOB: SCORES},
            ),
        ),
    ],
)
def test_documents_are_the_operations_outputs(operation: str, document: dict[str, Any]):
    model = models.operation("comprehend", operation)
    assert model is not None
    report = ParamValidator().validate(document, model.output_shape)
    assert not report.has_errors(), report.generate_report()
    for entity in document.get("Entities", []):
        for each in entity.get("Mentions", [entity]):
            if "Text" in each:
                assert TEXT[each["BeginOffset"] : each["EndOffset"]] == each["Text"]


def test_the_mentions_that_name_an_entity_are_told():
    text = "Bob, Bob B, Bob B"
    spans = [Span(0, 3, "PERSON", 1.0), Span(5, 10, "PERSON", 1.0), Span(12, 17, "PERSON", 1.0)]
    group = Group(((spans[0], 0.8), (spans[1], 1.0), (spans[2], 1.0)), (1, 2))
    (entity,) = answers.targeted(text, [group], dict.fromkeys(spans, SCORES))["Entities"]
    assert entity["DescriptiveMentionIndex"] == [1, 2]
    assert [each["BeginOffset"] for each in entity["Mentions"]] == [0, 5, 12]
    assert [each["GroupScore"] for each in entity["Mentions"]] == [0.8, 1.0, 1.0]


def test_the_prevailing_sentiment_is_the_likeliest():
    found = answers.sentiment(SCORES)
    assert found["Sentiment"] == "NEGATIVE"
    assert found["SentimentScore"] == {
        "Positive": 0.1,
        "Negative": 0.6,
        "Neutral": 0.2,
        "Mixed": 0.1,
    }
