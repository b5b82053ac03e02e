"""What is named in a text: DetectEntities' PERSON, LOCATION, ORGANIZATION, COMMERCIAL_ITEM, EVENT, DATE,
QUANTITY, TITLE and OTHER.

A tagger finds names, rules find dates, quantities and some events. Where they overlap:

1. A date replaces names within it, and no name that it is only a part of ("Water Act 2000").
2. An event by rule replaces TITLE, OTHER and EVENT within it ("World War II"), its year and what is
   doubtful; it is left out where it overlaps with anything else.
3. An address or number by rule (e-mail, URL, telephone, card, account …) is OTHER and replaces all that
   it overlaps with, as AWS's example of a bank's letter has it.
   A company that is named by its domain keeps its type and what it is incorporated as ("Amazon.com, Inc.").
4. A quantity replaces nothing: it is left out where anything else has a word of it ("iPhone 7"), but for
   a number that counts what a name follows ("10 million Galaxy phones").

https://docs.aws.amazon.com/comprehend/latest/dg/how-entities.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import grammar, pii
from .confidence import Confidence
from .events import events
from .spans import Apart, Span
from .tagging import bare, on_one_line, told

if TYPE_CHECKING:  # it loads ONNX Runtime
    from .encoder import Reading

HEAD = "entities"
LABELS = (
    "PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM", "EVENT", "TITLE", "OTHER",
)  # fmt: skip
"""What the tagger tells."""
LIKELY = 0.5
DOUBTFUL = 0.75
"""Names of any type within an event by rule that are less sure than this are replaced."""
_TITLES = re.compile(
    r"(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Sir|Rev|Hon|Sen|Rep|Gov|Gen|Capt|Lt|Sgt|Col)\.?"
)
_INITIALS = frozenset((
    "AI", "API", "ASAP", "CEO", "CFO", "COO", "CTO", "DIY", "DNA", "EBIT", "EBITDA", "EPS", "ETA", "FAQ",
    "FYI", "GDP", "GPS", "HR", "HTML", "HTTP", "IMO", "IPO", "JSON", "KPI", "LOL", "NLP", "OMG", "PDF", "PM",
    "ROI", "SQL", "SSN", "TBD", "TODO", "URL", "VAT", "VP", "WTF", "XML", "YTD", "YOY",
))  # fmt: skip
"""Written in capitals, and no organisation's name."""
_PERIOD = re.compile(r"Q[1-4]|H[12]|FY ?'?\d\d(?:\d\d)?")
"""A part of a business year: a date, though it looks like a name."""
_BEGINNINGS = frozenset((
    "The", "A", "An", "This", "That", "These", "Those", "It", "He", "She", "They", "We", "I", "You",
    "And", "But", "Or", "If",
))  # fmt: skip
"""How sentences begin: as a name of its own, each is a mistake."""
NUMBERS = frozenset((
    "BANK_ACCOUNT_NUMBER", "BANK_ROUTING", "CREDIT_DEBIT_NUMBER", "EMAIL",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER", "IP_ADDRESS", "MAC_ADDRESS", "PHONE", "SSN", "URL",
))  # fmt: skip
"""Types of personal data that are told as OTHER."""
VAGUE = frozenset(("TITLE", "OTHER", "EVENT"))
"""Types that an event by rule may replace."""


def entities(readings: Sequence[Reading], confidence: Confidence) -> list[list[Span]]:
    """The entities of each text, from left to right and without overlaps."""
    return [
        merged(each.text, kept(each.text, told(each, HEAD, LABELS, confidence)))
        for each in readings
    ]


def kept(text: str, named: Sequence[Span]) -> list[Span]:
    """What of a tagger's names is told.

    Left out is what has no letter, except "@", which some write apart from a name; a word as those that
    sentences begin with, alone; a person's title alone; initials of a common noun; and EVENT and OTHER
    that are less likely right than wrong: most sets do not annotate them, so they are guessed in odd
    places. A name ends with its line, and without the sentence's marks (`bare`).
    """
    chosen = []
    for each in (on_one_line(text, span) for span in named):
        if each.label in ("PERSON", "LOCATION"):
            each = bare(text, each)
        each = _not_owning(text, each)
        words = text[each.begin : each.end]
        if words != "@" and not any(letter.isalpha() for letter in words):
            continue
        if words in _BEGINNINGS or (each.label == "PERSON" and _TITLES.fullmatch(words)):
            continue
        if each.label == "ORGANIZATION" and words in _INITIALS:
            continue
        if each.label in ("EVENT", "OTHER") and each.score < LIKELY:
            continue
        chosen.append(replace(each, label="DATE") if _PERIOD.fullmatch(words) else each)
    return chosen


def _not_owning(text: str, name: Span) -> Span:
    """The span of a name without the "'s" of what it has ("Google's"); that of "McDonald's" is its own."""
    words = text[name.begin : name.end]
    owning = name.label in _OWNERS and len(words) > 2 and words[-2:] in ("'s", "’s")
    if not owning or (name.label != "PERSON" and words[:-2].split(" ")[-1] in _APOSTROPHES):
        return name
    return replace(name, end=name.end - 2)


_OWNERS = frozenset(("PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM"))
_APOSTROPHES = frozenset((
    "Applebee", "Arby", "Barney", "Bloomingdale", "Carl", "Chili", "Christie", "Denny", "Dick",
    "Domino", "Hershey", "Jerry", "Joe", "John", "Kellogg", "Kohl", "Lay", "Levi", "Lloyd",
    "Lowe", "Macy", "McDonald", "Mcdonald", "Moody", "Papa", "Popeye", "Reese", "Sainsbury",
    "Sotheby", "Wendy",
))  # fmt: skip
"""What names of companies and brands that end in "'s" have before it."""


def merged(text: str, named: Sequence[Span]) -> list[Span]:
    """Names with the dates, quantities and events that rules find in the text."""
    spans = Apart(named)
    for date in grammar.dates(text):
        if all(_within(each, date) for each in spans.over(date)):
            spans.put(date)
    for event in events(text):
        if all(_within(each, event) and _gives_way(text, each) for each in spans.over(event)):
            spans.put(event)
    for found in pii.find([text])[0]:
        if found.label in NUMBERS:
            others = spans.over(found)
            company = _company(text, found, others) if found.label == "URL" else None
            spans.put(company or replace(found, label="OTHER"))
    for quantity in grammar.quantities(text):
        others = spans.over(quantity)
        told = _number_before(text, quantity, others[0]) if others else [quantity]
        for each in told:
            spans.put(each)
    return spans.all()


def _company(text: str, url: Span, others: Sequence[Span]) -> Span | None:
    """The company that a domain names, of what the tagger found there; None where it is an address alone."""
    form = _INCORPORATED.match(text, url.end)
    named = [each for each in others if each.label == "ORGANIZATION"]
    if not _DOMAIN.fullmatch(text, url.begin, url.end) or not (form or named):
        return None
    begin, end = min([url, *named]).begin, max([url.end, *(each.end for each in named)])
    score = max((each.score for each in named), default=url.score)
    return Span(begin, form.end() if form else end, "ORGANIZATION", score)


_DOMAIN = re.compile(r"[A-Z][\w-]*\.[a-z]{2,4}")
_INCORPORATED = re.compile(r",? (?:Inc|Ltd|LLC|Corp|Co|PLC|plc|GmbH|AG|S\.A)(?!\w)\.?")
"""Forms of companies in English texts."""


def _number_before(text: str, quantity: Span, name: Span) -> list[Span]:
    """The number of a quantity whose counted words are a name's ("10 million" of "10 million Galaxy phones")."""
    if name.begin <= quantity.begin or name.label not in _COUNTED:
        return []
    number = text[quantity.begin : name.begin].rstrip()
    found = grammar.quantities(number)
    if len(found) != 1 or found[0].end - found[0].begin != len(number):
        return []
    return [replace(found[0], begin=quantity.begin, end=quantity.begin + len(number))]


_COUNTED = frozenset(("COMMERCIAL_ITEM", "ORGANIZATION", "LOCATION", "OTHER"))
"""Types of which there may be many; a title or an event with a number is one name ("12 Angry Men")."""


def _gives_way(text: str, name: Span) -> bool:
    """Whether an event by rule replaces what was found within it."""
    if name.label == "DATE":
        return text[name.begin : name.end].isdigit()
    return name.label in VAGUE or name.score < DOUBTFUL


def _within(one: Span, other: Span) -> bool:
    return other.begin <= one.begin and one.end <= other.end
