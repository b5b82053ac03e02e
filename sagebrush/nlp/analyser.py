"""Texts in, Comprehend's documents out: what its operations and its jobs share.

Each task is named after the operation that asks for it, and answers what that operation's output
holds (`answers`). Offsets are Unicode code points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from . import (
    answers,
    confidence,
    entities,
    key_phrases,
    mentions,
    nouns,
    personal,
    pii,
    sentiment,
    targeted,
    targets,
    threads,
    toxicity,
)
from .answers import Doc
from .confidence import Confidence
from .encoder import Encoder, Reading
from .language import model
from .language.detect import Detector
from .nouns import Nouns
from .spans import Span
from .syntax.tagger import Tagger


class UnknownTask(ValueError):
    """There is no such task."""


class Analyser:
    """Comprehend's tasks over the models of one folder, each of which is loaded when it is first needed."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._threads = threads.allowed()
        self._tasks: Mapping[str, Callable[[Sequence[str], str], list[Doc]]] = {
            "DetectSentiment": self._sentiment,
            "DetectTargetedSentiment": self._targeted,
            "DetectEntities": self._entities,
            "DetectPiiEntities": self._personal,
            "DetectToxicContent": self._toxicity,
            "DetectDominantLanguage": self._languages,
            "DetectSyntax": self._syntax,
            "DetectKeyPhrases": self._key_phrases,
        }

    def answer(self, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
        """A document for each text.

        Raises UnknownTask, and FileNotFoundError where the folder lacks a model that the task needs.
        """
        found = self._tasks.get(task)
        if found is None:
            raise UnknownTask(task)
        return found(texts, language)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._models, self._threads)

    @cached_property
    def _confidence(self) -> Mapping[str, Confidence]:
        return confidence.load(self._models / confidence.FILE)

    @cached_property
    def _tagger(self) -> Tagger:
        return Tagger(self._models, self._encoder, self._threads)

    @cached_property
    def _nouns(self) -> Nouns:
        return nouns.load(self._models / nouns.FILE)

    @cached_property
    def _detector(self) -> Detector:
        return Detector(model.load(self._models / model.FILE))

    def _languages(self, texts: Sequence[str], language: str) -> list[Doc]:
        return [answers.languages(each) for each in self._detector.detect(texts)]

    def _syntax(self, texts: Sequence[str], language: str) -> list[Doc]:
        found = self._tagger.tag(texts)
        return [
            answers.syntax(text, [Span(t.begin, t.end, t.tag, t.score) for t in each])
            for text, each in zip(texts, found, strict=True)
        ]

    def _key_phrases(self, texts: Sequence[str], language: str) -> list[Doc]:
        found = self._tagger.analyse(texts)
        return [
            answers.key_phrases(text, key_phrases.key_phrases(text, each))
            for text, each in zip(texts, found, strict=True)
        ]

    def _sentiment(self, texts: Sequence[str], language: str) -> list[Doc]:
        return [answers.sentiment(each) for each in sentiment.scores(self._encoder.read(texts))]

    def _toxicity(self, texts: Sequence[str], language: str) -> list[Doc]:
        found = toxicity.scores(self._encoder.read(texts))
        return [answers.toxicity(each, toxicity.OVERALL) for each in found]

    def _named(self, readings: Sequence[Reading]) -> list[list[Span]]:
        return entities.entities(readings, self._confidence[entities.HEAD])

    def _entities(self, texts: Sequence[str], language: str) -> list[Doc]:
        found = self._named(self._encoder.read(texts))
        return [answers.entities(text, each) for text, each in zip(texts, found, strict=True)]

    def _personal(self, texts: Sequence[str], language: str) -> list[Doc]:
        named: Sequence[Sequence[Span]] | None = None
        if language == "en":  # the encoder reads no other
            readings = self._encoder.read(texts)
            named = personal.personal(readings, self._confidence[personal.HEAD])
        return [answers.personal(each) for each in pii.find(texts, named)]

    def _targeted(self, texts: Sequence[str], language: str) -> list[Doc]:
        readings = self._encoder.read(texts)
        read = zip(texts, self._named(readings), self._tagger.analyse(texts), strict=True)
        spans = [targets.targets(text, own, syntax, self._nouns) for text, own, syntax in read]
        scores = targeted.scores(self._encoder, readings, spans)
        return [
            answers.targeted(text, mentions.groups(text, own), dict(zip(own, found, strict=True)))
            for text, own, found in zip(texts, spans, scores, strict=True)
        ]
