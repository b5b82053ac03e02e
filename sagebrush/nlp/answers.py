"""What analyses found, in the shape of the outputs of Comprehend's operations (API reference)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .mentions import Group
from .spans import Span

Doc = dict[str, Any]


def languages(found: Sequence[tuple[str, float]]) -> Doc:
    """DetectDominantLanguage's, from codes with their scores."""
    return {"Languages": [{"LanguageCode": code, "Score": score} for code, score in found]}


def sentiment(scores: Mapping[str, float]) -> Doc:
    """DetectSentiment's, from the probability of each sentiment."""
    return {
        "Sentiment": max(scores, key=lambda label: scores[label]),
        "SentimentScore": {label.capitalize(): score for label, score in scores.items()},
    }


def entities(text: str, spans: Iterable[Span]) -> Doc:
    """DetectEntities'."""
    return {"Entities": [{"Type": span.label, **_of(text, span)} for span in spans]}


def personal(spans: Iterable[Span]) -> Doc:
    """DetectPiiEntities', which does not repeat the text."""
    return {
        "Entities": [
            {
                "Score": span.score,
                "Type": span.label,
                "BeginOffset": span.begin,
                "EndOffset": span.end,
            }
            for span in spans
        ]
    }


def key_phrases(text: str, spans: Iterable[Span]) -> Doc:
    """DetectKeyPhrases'."""
    return {"KeyPhrases": [_of(text, span) for span in spans]}


def syntax(text: str, spans: Iterable[Span]) -> Doc:
    """DetectSyntax's, from tokens labelled with their parts of speech."""
    return {
        "SyntaxTokens": [
            {
                "TokenId": number,
                "Text": text[span.begin : span.end],
                "BeginOffset": span.begin,
                "EndOffset": span.end,
                "PartOfSpeech": {"Tag": span.label, "Score": span.score},
            }
            for number, span in enumerate(spans, 1)
        ]
    }


def toxicity(scores: Mapping[str, float], overall: str) -> Doc:
    """One of DetectToxicContent's results; `overall` names the score that is about all labels."""
    labels = [{"Name": name, "Score": score} for name, score in scores.items() if name != overall]
    return {"Labels": labels, "Toxicity": scores[overall]}


def targeted(
    text: str,
    groups: Iterable[Group],
    towards: Mapping[Span, Mapping[str, float]],
) -> Doc:
    """DetectTargetedSentiment's: an entity for each group; `towards` has the sentiment towards each of
    their mentions."""
    return {
        "Entities": [
            {
                "DescriptiveMentionIndex": list(group.names),
                "Mentions": [
                    {
                        "GroupScore": belongs,
                        "Type": span.label,
                        "MentionSentiment": sentiment(towards[span]),
                        **_of(text, span),
                    }
                    for span, belongs in group.mentions
                ],
            }
            for group in groups
        ]
    }


def _of(text: str, span: Span) -> Doc:
    return {
        "Score": span.score,
        "Text": text[span.begin : span.end],
        "BeginOffset": span.begin,
        "EndOffset": span.end,
    }
