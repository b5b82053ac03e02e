"""All the rules and the model's spans as one answer: no overlaps, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sagebrush.nlp.pii.candidates import Candidate, Read
from sagebrush.nlp.pii.identifiers import identifiers
from sagebrush.nlp.pii.introduced import introduced
from sagebrush.nlp.pii.network import network
from sagebrush.nlp.pii.people import people
from sagebrush.nlp.pii.phones import phones
from sagebrush.nlp.pii.places import places
from sagebrush.nlp.pii.times import times
from sagebrush.nlp.pii.types import TYPES
from sagebrush.nlp.spans import Span

_OF_MODEL = {
    **{label: label for label in TYPES},
    "PERSON": "NAME",
    "LOCATION": "ADDRESS",
    "PHONE_NUMBER": "PHONE",
    "DATE": "DATE_TIME",
}  # fmt: skip
# Of what the model says of the same characters as a rule with check digits or telling words, nothing is kept;
# these types the model knows better than rules do.
_OF_CONTEXT = frozenset(("NAME", "ADDRESS"))


def find(
    texts: Sequence[str], model_spans: Sequence[Sequence[Span]] | None = None
) -> list[list[Span]]:
    """Return the personal information of each text, in order and without overlaps, labelled as AWS's types.

    `model_spans` are what a model found in each text, labelled with AWS's types of personal
    information or as PERSON, LOCATION or DATE; without them the rules stand alone. Raises ValueError
    if there are not as many of them as texts.
    """
    given: Sequence[Sequence[Span]] = [()] * len(texts) if model_spans is None else model_spans
    return [_found(text, spans) for text, spans in zip(texts, given, strict=True)]


def contains(
    texts: Sequence[str], model_spans: Sequence[Sequence[Span]] | None = None
) -> list[list[tuple[str, float]]]:
    """Return the types that each text holds, each with its best span's score, the best first."""
    answers = []
    for spans in find(texts, model_spans):
        best: dict[str, float] = {}
        for span in spans:
            best[span.label] = max(span.score, best.get(span.label, 0.0))
        answers.append(sorted(best.items(), key=lambda item: -item[1]))
    return answers


def _found(text: str, model: Sequence[Span]) -> list[Span]:
    read = Read(text)
    claims: list[Candidate] = []
    for rules in (identifiers, introduced, network, phones, people, places, times):
        claims.extend(rules(read))
    claims.extend(
        Candidate(span.begin, span.end, _OF_MODEL[span.label], span.score)
        for span in model
        if span.label in _OF_MODEL
    )
    return [
        Span(claim.begin, claim.end, claim.label, claim.score)
        for claim in _one_address(read, _apart(claims))
    ]


def _rank(claim: Candidate) -> tuple[bool, bool, float, int]:
    """What comes first wins: proven claims; then names and addresses; then by score, less what is told from afar; then the longer."""
    told = 0.0 if claim.distance > 100 else 0.004 * claim.distance
    return (
        not claim.sure,
        claim.label not in _OF_CONTEXT,
        told - claim.score,
        claim.begin - claim.end,
    )


def _apart(claims: Iterable[Candidate]) -> list[Candidate]:
    """Return the claims that stay where claims overlap, in order.

    Of two that overlap the one of better rank stays. What lies wholly within an address, a URL or an
    e-mail address is a part of it, unless it is proven; and an address that a proven claim cuts ends there.
    """
    taken: list[Candidate] = []
    covered: set[int] = set()
    for claim in sorted(claims, key=_rank):
        if covered.isdisjoint(range(claim.begin, claim.end)):
            covered.update(range(claim.begin, claim.end))
            taken.append(claim)
    return sorted(taken, key=lambda claim: claim.begin)


_BETWEEN = re.compile(r"[\s,.>?-]{1,12}\Z")


def _one_address(read: Read, claims: list[Candidate]) -> list[Candidate]:
    """Return the claims with those addresses as one between which only spaces and commas stand."""
    merged: list[Candidate] = []
    for claim in claims:
        last = merged[-1] if merged else None
        if (
            last
            and last.label == claim.label == "ADDRESS"
            and _BETWEEN.match(read.plain, last.end, claim.begin)
        ):
            merged[-1] = Candidate(last.begin, claim.end, "ADDRESS", max(last.score, claim.score))
        else:
            merged.append(claim)
    return merged
