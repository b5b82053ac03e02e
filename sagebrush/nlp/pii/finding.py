"""All the rules and the model's spans as one answer: no overlaps, in order."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from ..spans import Span
from .candidates import Candidate, Read
from .identifiers import identifiers
from .introduced import introduced
from .network import network
from .people import people
from .phones import is_another_number, phones
from .places import places
from .times import times
from .types import TYPES

_OF_MODEL = {
    **{label: label for label in TYPES},
    "PERSON": "NAME",
    "LOCATION": "ADDRESS",
    "PHONE_NUMBER": "PHONE",
    "DATE": "DATE_TIME",
}  # fmt: skip
# What the model knows better than rules do.
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


def _found(text: str, model: Sequence[Span]) -> list[Span]:
    read = Read(text)
    claims: list[Candidate] = []
    for rules in (identifiers, introduced, network, phones, people, places, times):
        claims.extend(rules(read))
    known = [span for span in model if not _is_a_term(read, span)]
    claims = [*_with_parts(claims, known), *_beside(claims, known)]
    return [
        Span(claim.begin, claim.end, claim.label, claim.score)
        for claim in _one_address(read, _apart(read, claims))
    ]


# Names of identifiers and of their schemes: a model that knows names of people and places takes them for such.
_TERMS = frozenset((
    "ABA", "ARN", "BIC", "CVC", "CVV", "DOB", "EIN", "FEIN", "IBAN", "IMEI", "ITIN", "MRN", "NHS", "NINO", "NPI",
    "OHIP", "PAN", "PIN", "SIN", "SKU", "SSN", "SWIFT", "TIN", "UTR", "VAT", "VIN",
))  # fmt: skip
_SCHEMES = frozenset(("aadhaar", "aadhar", "mgnrega", "nrega"))
_ARN = re.compile(r"arn:aws")


def _is_a_term(read: Read, span: Span) -> bool:
    """Whether what the model found is the word for an identifier ("VIN"), or one that is no personal data."""
    words = read.text[span.begin : span.end]
    if _OF_MODEL.get(span.label) == "PHONE":
        return is_another_number(read, span.begin)
    if _OF_MODEL.get(span.label) not in _OF_CONTEXT:
        return False
    return (
        words in _TERMS
        or words.casefold() in _SCHEMES
        or _ARN.match(read.lower, span.begin) is not None
    )


def _with_parts(rules: Sequence[Candidate], model: Sequence[Span]) -> list[Candidate]:
    """The rules' claims; an address is as likely as what the model knows of it ("Madrid")."""
    parts = sorted(span for span in model if _OF_MODEL.get(span.label) == "ADDRESS")
    begins = [span.begin for span in parts]
    claims = []
    for claim in rules:
        if claim.label == "ADDRESS":
            first, last = bisect_left(begins, claim.begin), bisect_left(begins, claim.end)
            inside = [each.score for each in parts[first:last] if each.end <= claim.end]
            claims.append(replace(claim, score=max([claim.score, *inside])))
        else:
            claims.append(claim)
    return claims


def _beside(rules: Sequence[Candidate], model: Sequence[Span]) -> list[Candidate]:
    """Return the model's claims, but for those that a rule's claim of the same type overlaps.

    Rules know where an age, a date or a number ends; names and addresses of the model stay, but for a part
    of a date ("St. Patrick" of "St. Patrick's Day").
    """
    ruled = {label: _Reach(rules, label) for label in {claim.label for claim in rules}}
    dates = sorted((claim.begin, claim.end) for claim in rules if claim.label == "DATE_TIME")
    claims = []
    for span in model:
        label = _OF_MODEL.get(span.label)
        if label is None or span.end <= span.begin:
            continue
        if label in _OF_CONTEXT and _inside(span, dates):
            continue
        if label in _OF_CONTEXT or label not in ruled or not ruled[label].overlaps(span):
            claims.append(Candidate(span.begin, span.end, label, span.score))
    return claims


class _Reach:
    """The claims of one type in the order of their begins, and how far those up to each reach."""

    def __init__(self, claims: Sequence[Candidate], label: str) -> None:
        spans = sorted((claim.begin, claim.end) for claim in claims if claim.label == label)
        self._begins = [begin for begin, _ in spans]
        self._reach = list(accumulate((end for _, end in spans), max))

    def overlaps(self, span: Span) -> bool:
        """Whether one of the claims has a character of the span's."""
        at = bisect_left(self._begins, span.end)
        return at > 0 and self._reach[at - 1] > span.begin


def _inside(span: Span, dates: Sequence[tuple[int, int]]) -> bool:
    """Whether the span is a part of one of the dates, which are in order, and not all of it."""
    begin, end = dates[at - 1] if (at := bisect_right(dates, (span.begin, sys.maxsize))) else (0, 0)
    return begin <= span.begin and span.end <= end and span.end - span.begin < end - begin


def _rank(claim: Candidate) -> tuple[bool, bool, float, int]:
    """What comes first wins: proven claims; then names and addresses; then by score, less what is told from afar; then the longer."""
    told = 0.0 if claim.distance > 100 else 0.004 * claim.distance
    return (
        not claim.sure,
        claim.label not in _OF_CONTEXT,
        told - claim.score,
        claim.begin - claim.end,
    )


def _apart(read: Read, claims: Iterable[Candidate]) -> list[Candidate]:
    """Return the claims that stay where claims overlap, in order.

    Of two that overlap the one of better rank stays. What lies wholly within an address, a URL or an
    e-mail address is a part of it, unless it is proven; and an address that a proven claim cuts ends there.
    """
    taken: list[Candidate] = []
    covered: dict[int, bool] = {}
    for claim in sorted(claims, key=_rank):
        if (kept := _uncovered(read, claim, covered)) is not None:
            covered.update(dict.fromkeys(range(kept.begin, kept.end), kept.sure))
            taken.append(kept)
    return sorted(taken, key=lambda claim: claim.begin)


def _uncovered(read: Read, claim: Candidate, covered: Mapping[int, bool]) -> Candidate | None:
    """The claim, where none that stays overlaps it (place -> whether that is proven); of an address that a
    proven one cuts, what stands before that; else None."""
    cut = next((place for place in range(claim.begin, claim.end) if place in covered), None)
    if cut is None:
        return claim
    before = read.text[claim.begin : cut].rstrip(" \t\n,.;:(-")
    if claim.label != "ADDRESS" or not covered[cut] or not before:
        return None
    return replace(claim, end=claim.begin + len(before))


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
