"""The training of a custom entity recognizer: documents with entities to a linear chain and its figures.

A part of the documents, or those that the user gave for it, is kept for the test; from what is found there
come the metrics, and how likely a span is right that the chain is so and so sure of (Platt 1999).

https://docs.aws.amazon.com/comprehend/latest/dg/cer-metrics.html
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import package
from ...failures import JobFailed, too_much
from ...program import Stopped, Stopping, say
from ...storage import Storage
from ..order import Order
from ..trained import Trained
from . import annotations, chain_fit, entity_lists, ground_truth, span_metrics
from .annotated import Annotated, Mention, Sets

FEWEST, MOST = 3, 200_000
FEWEST_PAGES, MOST_PAGES = 250, 10_000
"""Documents, and annotated pages of PDF files (guidelines and quotas)."""
SMALLEST = 5_000
"""Bytes of all documents together."""
MENTIONS, MENTIONS_PAGES, MATCHES = 25, 100, 200
"""Entities of a type: annotations, those of PDF files, and matches of an entity list."""
TYPES = 25
KEPT, KEPT_OF_FEW, FEW = 10, 5, 50
"""Each tenth document is kept for the test, each fifth where there are fewer entities than FEW."""
WORDS = 400_000
"""Words that are trained on; of more documents as many are chosen as have them."""


@dataclass(frozen=True)
class Kind:
    """Of what kind the training data are, and what AWS asks of these."""

    what: str
    documents: tuple[int, int]
    mentions: int
    unit: float
    """What metrics are parts of: 100, or 1 for PDF files (API reference)."""


PLAIN = Kind("annotations", (FEWEST, MOST), MENTIONS, 100.0)
PAGES = Kind("annotations", (FEWEST_PAGES, MOST_PAGES), MENTIONS_PAGES, 1.0)
LIST = Kind("matches of the entity list", (FEWEST, MOST), MATCHES, 100.0)


def train(order: Order, storage: Storage, models: Path, stopping: Stopping) -> Trained:
    """The recognizer that the order asks for. Raises JobFailed and Stopped."""
    types = [each["Type"] for each in order.data["EntityTypes"]]
    kind, sets = _read(storage, order.data, types)
    everything = sets.train + (sets.test or [])
    if stopping():
        raise Stopped
    check(everything, kind, types)
    short = lacking(everything, kind, types)
    learned, tested = (sets.train, sets.test) if sets.test is not None else split(sets.train)
    _refuse_absent(learned, types)
    say(f"{len(learned)} documents are trained on, {len(tested)} are kept for the test")
    part, left_out = within(learned)
    model, figures = _learn(order, models, types, (part, tested), stopping)
    trained = Counter(each.type for document in part for each in document.mentions)
    metadata = {
        "NumberOfTrainedDocuments": len(part),
        "NumberOfTestDocuments": len(tested),
        **span_metrics.metadata(figures, types, trained, kind.unit),
    }
    return Trained(metadata, model, warning=" ".join([*short, *left_out]))


def _read(storage: Storage, data: Mapping[str, Any], types: Sequence[str]) -> tuple[Kind, Sets]:
    if not 0 < len(types) <= TYPES:
        raise too_much("entity types", TYPES)
    if data.get("DataFormat") == "AUGMENTED_MANIFEST":
        kind = PAGES if ground_truth.is_pdf(data) else PLAIN
        return kind, ground_truth.read(storage, data, types)
    if data.get("Annotations"):
        return PLAIN, annotations.read(storage, data, types)
    words = importlib.import_module("nlp.custom.words").words
    return LIST, entity_lists.read(storage, data, types, words)


def check(documents: Sequence[Annotated], kind: Kind, types: Sequence[str]) -> None:
    """Returns for training data that a recognizer can be made of. Raises JobFailed."""
    fewest, most = kind.documents
    if len(documents) < fewest:
        raise JobFailed(
            f"INSUFFICIENT_DATA: The training data have {len(documents)} documents; they must have at"
            f" least {fewest}."
        )
    if len(documents) > most:
        raise too_much("documents", most)
    if sum(len(each.text.encode("utf-8", "surrogatepass")) for each in documents) < SMALLEST:
        raise JobFailed(
            f"INSUFFICIENT_DATA: The documents have less than {SMALLEST} bytes together."
        )
    counts = Counter(each.type for document in documents for each in document.mentions)
    if not any(counts[each] >= kind.mentions for each in types):
        each = min(types, key=lambda one: counts[one])
        raise JobFailed(
            f"INSUFFICIENT_DATA: The entity type {each} has {counts[each]} {kind.what}; an entity type"
            f" must have at least {kind.mentions}."
        )
    for each in types:
        if not counts[each]:
            raise JobFailed(
                f"INSUFFICIENT_DATA: The entity type {each} has no {kind.what}; an entity type must have"
                f" at least {kind.mentions}."
            )


def lacking(documents: Sequence[Annotated], kind: Kind, types: Sequence[str]) -> list[str]:
    """A warning for each type with fewer entities than AWS asks for, beside types that have enough."""
    counts = Counter(each.type for document in documents for each in document.mentions)
    return [
        f"The entity type {each} has {counts[each]} {kind.what}, fewer than the {kind.mentions} that Amazon"
        " Comprehend requires: it is trained, but hardly found."
        for each in types
        if counts[each] < kind.mentions
    ]


def split(documents: Sequence[Annotated]) -> tuple[list[Annotated], list[Annotated]]:
    """The documents to train on, and those kept for the test; the same for the same documents.

    Documents of each rarest type are parted alike, so that no type is in one part alone, if it can be.
    """
    counts = Counter(each.type for document in documents for each in document.mentions)
    step = KEPT_OF_FEW if counts.total() < FEW else KEPT

    def key(at: int) -> tuple[int, str, bytes]:
        kinds = {each.type for each in documents[at].mentions}
        rarest = min(kinds, key=lambda one: (counts[one], one), default="")
        return counts[rarest], rarest, _digest(documents[at].text)

    order = sorted(range(len(documents)), key=key)
    chosen = set(order[step // 2 :: step]) or {order[-1]}
    learned = [each for at, each in enumerate(documents) if at not in chosen]
    return learned, [each for at, each in enumerate(documents) if at in chosen]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _refuse_absent(learned: Sequence[Annotated], types: Sequence[str]) -> None:
    there = {each.type for document in learned for each in document.mentions}
    for each in types:
        if each not in there:
            raise JobFailed(
                "INSUFFICIENT_DATA: The training input data contains too few documents that mention the"
                f" entity type {each}. Submit the job again with additional documents that mention it."
            )


def within(documents: list[Annotated]) -> tuple[list[Annotated], list[str]]:
    """As many of the documents as have WORDS words, and a warning where others are left out."""
    counts = [len(each.text.split()) for each in documents]
    total = sum(counts)
    if total <= WORDS:
        return documents, []
    order = sorted(range(len(documents)), key=lambda at: _digest(documents[at].text))
    chosen, held = [], 0
    for at in order:
        if held + counts[at] <= WORDS:
            chosen.append(at)
            held += counts[at]
    words = (
        f"Of {len(documents)} training documents {len(chosen)} were used, which have {WORDS} words."
    )
    return [documents[at] for at in sorted(chosen)], [words]


def _learn(
    order: Order,
    models: Path,
    types: Sequence[str],
    parts: tuple[Sequence[Annotated], Sequence[Annotated]],
    stopping: Stopping,
) -> tuple[dict[str, bytes], span_metrics.Outcomes]:
    """The model's files, and what it finds in the second part."""
    recognizer = importlib.import_module("nlp.custom.recognizer")
    chain = importlib.import_module("nlp.custom.chain")
    encoder = package.encoder(models)
    english = order.language == recognizer.ENGLISH
    reader, directions = _reader(encoder if english else None, parts[0])
    rows = _rows(reader.read(each.text for each in parts[0]), chain, types, parts[0])
    fitted = chain_fit.fit(rows, len(chain.tags(types)), reader.numbers, stopping)
    say(f"The chain is fitted, with {len(fitted.attributes)} attributes")
    weights = recognizer.Weights(
        tuple(types), fitted.attributes, fitted.surface, fitted.numbers, fitted.transitions
    )
    confidence = importlib.import_module("nlp.confidence").Confidence
    unsure = recognizer.Recognizer(weights, reader, confidence())
    found = []
    for document in parts[1]:
        if stopping():
            raise Stopped
        (spans,) = unsure.spans([document.text])
        found.append([(Mention(each.begin, each.end, each.label), each.score) for each in spans])
    outcomes = span_metrics.outcomes([each.mentions for each in parts[1]], found)
    slope, intercept = span_metrics.platt(outcomes.chances, outcomes.right)
    sure = confidence(slope=slope, intercept=intercept)
    settings = recognizer.settings(order.language, types, sure, encoder.identity)
    return {
        "custom.json": (json.dumps(settings, indent=1) + "\n").encode(),
        recognizer.ARRAYS: recognizer.stored(weights, directions),
    }, outcomes


def _reader(encoder: Any, documents: Sequence[Annotated]) -> tuple[Any, Any]:
    """What reads texts, and the directions of states that it keeps; `encoder` may be None."""
    reading = importlib.import_module("nlp.custom.reading")
    if encoder is None:
        return reading.Reader(None, None), None
    order = sorted((each.text for each in documents), key=_digest)
    found = reading.directions(order, encoder)
    return reading.Reader(encoder, found), found


def _rows(
    read: Iterator[Any], chain: Any, types: Sequence[str], documents: Sequence[Annotated]
) -> Iterator[chain_fit.Row]:
    """The sequences of the documents with their tags."""
    for text, document in zip(read, documents, strict=True):
        tags = chain.tagged(len(text.words), covered(text.words, document.mentions, types))
        for begin, end in text.bounds:
            yield chain_fit.Row(
                text.attributes[begin:end], text.numbers[begin:end], tags[begin:end]
            )


def covered(
    words: Sequence[tuple[int, int]], mentions: Sequence[Mention], types: Sequence[str]
) -> list[tuple[int, int, int]]:
    """(first word, last word, type) of the entities: whole words, of which each is in one entity."""
    told: list[tuple[int, int, int]] = []
    at = 0
    for each in mentions:
        while at < len(words) and words[at][1] <= each.begin:
            at += 1
        last = at
        while last + 1 < len(words) and words[last + 1][0] < each.end:
            last += 1
        if at < len(words) and words[at][0] < each.end:
            told.append((at, last, types.index(each.type)))
            at = last + 1
    return told
