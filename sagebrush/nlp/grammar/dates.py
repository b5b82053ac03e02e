"""Dates and times in English text, by rules, as DetectEntities marks them (DATE).

A full date ("11/25/2017"), a day ("Tuesday"), a month ("May"), a time ("8:30 a.m."), a decade ("the
1990s") or a time told from now ("last year", "a week ago"). A length of time ("10 days") is a
QUANTITY there, and so here. Amazon Comprehend Developer Guide, "Entities".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..spans import Span
from .calendar import rules_at
from .lowering import TOKENS, inside_a_word, lowered

LABEL = "DATE"


class Atom(NamedTuple):
    """A date that one rule found, before neighbours are joined; `kind` is the rule's name."""

    begin: int
    end: int
    kind: str


def dates(text: str) -> list[Span]:
    """Return the dates and times of an English text, in order and without overlaps.

    Takes time linear in the text's length: rules are tried where a number or a word of the calendar
    begins, and each of them reads a bounded number of characters.
    """
    lower = lowered(text)
    atoms = [atom for atom in _atoms(lower) if not _is_other(text, lower, atom)]
    spans = []
    for begin, end, kind in _joined(lower, atoms):
        longer = _with_what_precedes(lower, begin, kind)
        if not spans or longer >= spans[-1].end:  # what precedes may be the date before
            begin = longer
        spans.append(Span(begin, end, LABEL, SCORES[kind]))
    return spans


# How often what a rule finds is a date: of its 1,017 spans in the visible parts of gum_entities and re3d those that
# meet a labelled one, and the others as they were read (gum_entities leaves out decades, centuries and "last year").
SCORES = {
    "numeric": 0.98,
    "day": 0.99,
    "month": 0.99,
    "year": 0.97,
    "weekday": 0.97,
    "clock": 0.9,
    "relative": 0.97,
    "decade": 0.95,
    "era": 0.98,
    "season": 0.95,
    "holiday": 0.75,
    "bare_month": 0.95,
}


def _atoms(lower: str) -> Iterator[Atom]:
    done = 0
    for token in TOKENS.finditer(lower):
        begin = token.start()
        if begin < done:
            continue
        rules = rules_at(lower, begin, token[0])
        if (
            rules is None
            or inside_a_word(lower, begin)
            or (begin > 0 and _GLUED.match(lower, begin - 1))
        ):
            continue
        found = rules.match(lower, begin)
        if found and found.lastgroup:
            done = found.end()
            yield Atom(begin, done, found.lastgroup)


# A number goes on from what stands here before it: a decimal, an amount, a path.
_GLUED = re.compile(r"[.,/:$£€¥#-](?=\d)")


# What makes a word or a number, that has the form of a date, something else.
_NUMBERED_BEFORE = re.compile(
    r"(?:[$£€¥#№]\s?|\b(?:no|nos|page|pages|p|pp|room|suite|apt|apartment|flight|route|version|unit|box|psc|zip|ext|extension"
    r"|code|pin|sn|model|building)\b\.? ?|[\d)] ?)\Z"
)
# What is one of several, or of at most so many: "part 02/03", "rated 05/10".
_NUMBERED_PART = re.compile(
    r"\b(?:part|page|pages|disc|disk|no|score|scored|rated|rating|grade)[.:]? \Z"
)
# A year of long ago is only told from other numbers by a word before it.
_BEFORE_YEAR = re.compile(
    r"(?:\b(?:in|since|of|from|by|until|till|to|and|circa|ca\.|c\.|about|around|before|after|during|year|between|early|late|mid"
    r"|born|died|dated|founded|b\.|d\.|through) ?-?|[(\[,;–-] ?)\Z"
)
_STREET_AFTER = re.compile(
    r" (?:[A-Z][\w.'’-]{0,20} ){1,3}(?:St|Street|Ave|Avenue|Rd|Road|Ln|Lane|Dr|Drive|Blvd|Boulevard|Way|Ct|Court|Place|Terrace|Parkway"
    r"|Highway|Point|Crescent|Close)\b|[\s,]{1,2}\d|-\d"
)
_COUNTED_AFTER = re.compile(
    r"(?:%|[ -](?:percent|per cent|people|men|women|children|students|words|dollars|euros|pounds|miles|meters|metres|km"
    r"|kilometers|feet|ft|kg|tons|tonnes|soldiers|troops|troopers|members|calories|square|cubic|volts|watts|mah|rpm)\b"
    r"|,\d{3}(?!\d)|\.\d)"
)
_MANY_AFTER = re.compile(r" [a-z]{2,18}[^su\W]s\b")
# "may" and "march" are also verbs, "august" an adjective: a capital and a word that a month follows.
_BEFORE_MONTH = re.compile(
    r"\b(?:in|of|by|since|until|till|through|during|before|after|from|to|for|and|or|next|last|this|every|each|early|late"
    r"|mid|between|past|around|throughout|the|on)[ -]\Z"
)
_SOMEONES = re.compile(
    r"\b(?:my|your|his|her|its|our|their|'s|roaring)(?: (?:early|late|mid))?[ -]\Z"
)
_VERB_OR_ADJECTIVE = re.compile(r"(?:this|next|last) (?:may|march|august)\Z")
_AMBIGUOUS = frozenset(
    (
        "may",
        "march",
        "august",
        "mar",
        "dec",
        "jan",
        "sep",
        "sept",
        "oct",
        "nov",
        "jun",
        "jul",
        "apr",
        "feb",
        "aug",
    )
)


def _is_other(text: str, lower: str, atom: Atom) -> bool:
    before = lower[max(0, atom.begin - 14) : atom.begin]
    if atom.kind == "year":
        if _NUMBERED_BEFORE.search(before) or _COUNTED_AFTER.match(lower, atom.end):
            return True
        if _STREET_AFTER.match(text, atom.end):
            return True
        if lower[atom.begin + 2 : atom.end] == "00" and _MANY_AFTER.match(lower, atom.end):
            return True
        if lower[atom.begin : atom.begin + 2] < "17" and not _BEFORE_YEAR.search(before):
            return True
        return before[-1:] in "-/:" and before[-2:-1].isalnum()
    if atom.kind == "numeric" and atom.end - atom.begin == 5:
        return _NUMBERED_PART.search(before) is not None
    if atom.kind == "decade":
        return _SOMEONES.search(before) is not None
    if atom.kind == "relative":
        return _VERB_OR_ADJECTIVE.search(text, atom.begin, atom.end) is not None
    if atom.kind == "bare_month":
        word = lower[atom.begin : atom.end].rstrip(".")
        if not text[atom.begin].isupper():
            return word in _AMBIGUOUS or not _BEFORE_MONTH.search(before)
        return word in _AMBIGUOUS and not _BEFORE_MONTH.search(before)
    return False


# Which rules' spans make one date together, and by what words. A time and its day; a weekday and its
# date; two ends of a range.
_DAYS = frozenset(("numeric", "day", "weekday", "relative", "holiday", "month"))
_TO_A_DAY = re.compile(r",? (?:on )?(?:the )?\Z")
_TO_A_CLOCK = re.compile(r",? ?(?:(?:at|from|by|around|about|@) ?)?\Z")
_TO_A_DATE = re.compile(r",? (?:the )?\Z")
_RANGE = re.compile(r" ?(?:-|–|—) ?\Z| (?:to|through|until|till|thru) \Z")


def _together(left: str, between: str, right: str) -> bool:
    if left == "clock" and right in _DAYS and _TO_A_DAY.match(between):
        return True
    if left in _DAYS and right == "clock" and between and _TO_A_CLOCK.match(between):
        return True
    if left == "weekday" and right in ("day", "numeric") and _TO_A_DATE.match(between):
        return True
    if left in ("day", "month", "season") and right == "year" and between in (", ", " "):
        return True
    if right == "relative" or not (
        {left, right} <= {"day", "month", "bare_month"} or left == right
    ):
        return False
    return _RANGE.match(between) is not None


def _joined(lower: str, atoms: list[Atom]) -> Iterator[Atom]:
    last: Atom | None = None
    for atom in atoms:
        if last is None:
            last = atom
        elif atom.begin - last.end <= 12 and _together(
            last.kind, lower[last.end : atom.begin], atom.kind
        ):
            kind = last.kind if last.kind in _DAYS else atom.kind
            last = Atom(last.begin, atom.end, kind)
        else:
            yield last
            last = atom
    if last is not None:
        yield last


_PARTS = re.compile(
    r"(?:\b(?:the )?(?:very )?(?:early|late|later|mid|middle|end|beginning|start|turn|dawn|close|first half|second half|rest"
    r"|(?:first|second|third|fourth|1st|2nd|3rd|4th) quarter|early hours|morning|afternoon|evening|night|eve)(?: of |-| of the | in | on | )"
    r"|\bthe )\Z"
)
_PARTS_WITHOUT_THE = re.compile(
    r"\b(?:early|late|mid)(?:-| )\Z|\b(?:the )?(?:end|beginning|start|middle|eve|morning|afternoon|evening|night) of (?:the )?\Z"
)


def _with_what_precedes(lower: str, begin: int, kind: str) -> int:
    """Return where the date begins with "the end of", "early" and the like before it."""
    with_the = kind in ("decade", "era", "season", "relative")
    pattern = _PARTS if with_the else _PARTS_WITHOUT_THE
    start = max(0, begin - 28)
    before = pattern.search(lower[start:begin])
    return start + before.start() if before else begin
