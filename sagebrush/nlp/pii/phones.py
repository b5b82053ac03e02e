"""Telephone, fax and pager numbers, as people write them in many countries.

A plan of one country (Google's libphonenumber knows all) says whether a number may be called; it
finds few of those that a text holds without saying their country. So it is the way of writing, and
the words around, that tell one here: E.164 with its plus sign; North America's; groups of digits
beside a word such as "call" or "fax".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .candidates import Candidate, Read
from .checksums import plain
from .identifiers import told_at

_BEGIN = r"(?<![\w.])(?<!\d[-./, ])(?<![+#$£€])"
_END = r"(?!\w)(?!-?\d|[./,:]\d| \d)"
_EXTENSION = r"(?:,? ?(?:x|ext\.?|extension|#) ?\d{1,6})?"
_INTERNATIONAL = re.compile(
    rf"(?<![\w+.])(?<!\d[-./ ])(?:\+|00(?=[1-9]))\d{{1,3}}[ .-]?(?:\(\d{{1,5}}\)[ .-]?)?\d(?:[ .-]?\d){{4,12}}(?!\d){_EXTENSION}(?!\w)"
)
_NORTH_AMERICAN = re.compile(
    rf"(?:{_BEGIN}(?:1[ .-]?)?(?:\([2-9]\d\d\)[ .-]{{0,2}}|[2-9]\d\d[ .-])|(?<!\w)\([2-9]\d\d\)[ .-]{{0,2}})[2-9]\d\d[ .-]\d{{4}}(?!\d){_EXTENSION}(?!\w)(?![-./]\d)"
)
_VANITY = re.compile(r"(?<!\w)1-8(?:00|88|77|66|55|44|33)-[A-Z\d]{3}-?[A-Z\d]{4}(?!\w)")
# Groups of two to four digits, the first of which may stand in parentheses: 0490 75 40 81, (37) 788-063.
_GROUPED = re.compile(
    rf"{_BEGIN}(?:\(\d{{2,5}}\)[ .-]?|\d{{2,5}}[ .-])\d{{2,8}}(?:[ .-]\d{{2,4}}){{0,4}}{_END}"
)
_UNBROKEN = re.compile(rf"{_BEGIN}\d{{7,12}}{_END}")

_TOLD = re.compile(
    r"(?<![^\W_])(?:phones?|telephones?|tel|ph|call(?:ed|ing)?|dial(?:ed|ing)?|fax(?:es|ed)?|pagers?|mobiles?|cell(?:phone|ular)?s?|contact|whatsapp|text(?: me)?|sms"
    r"|messages? to|reach(?:ed)?|answering at|hotline|helpline|landline|office|home|work|ring|number is|numbers?|extension|customer service|switchboard"
    r"|teléfonos?|telefonos?|móvil|movil|celular|llam(?:e|a|ar|ame|en)|llámame|llámenos|contacto|marque)(?![^\W_])"
)
_NOT_A_PHONE = re.compile(
    r"(?<![^\W_])(?:isbn|issn|order|invoice|tracking|account|acct|card|passport|licen[cs]e|ssn|security|routing|insurance|zip|box|iban|serial|nhs|vin|id|ein|fein|employer identification|tin|sort code|sort-code|reference|ticket)[^\w\n]{0,3}(?:numbers?|no\.?|num)?[^\w\n]{0,3}(?:is |es )?\Z"
    r"|(?<!\w)arn:aws[\w:/-]{0,32}\Z"
)
# What looks like grouped digits and is a date, a range of years or a score.
_DATE = re.compile(
    r"(?:19|20)\d\d[-. ](?:0?[1-9]|1[0-2])[-. ]|\d{1,2}[-.]\d{1,2}[-.](?:19|20)?\d\d\Z|(?:1[5-9]|20)\d\d ?[- ] ?(?:(?:1[5-9]|20)\d\d|\d\d\Z)"
    r"|[0-2]\d\.[0-5]\d-[0-2]\d\.[0-5]\d\Z"
)
_THOUSANDS = re.compile(r"\d{1,3}(?: \d{3}){1,4}\Z")


def phones(read: Read) -> Iterator[Candidate]:
    """Yield what may be a telephone number; the claims may overlap."""
    for pattern, untold in (
        (_INTERNATIONAL, 0.95),
        (_NORTH_AMERICAN, 0.9),
        (_VANITY, 0.95),
        (_GROUPED, 0.0),
        (_UNBROKEN, 0.0),
    ):
        for found in pattern.finditer(read.plain):
            begin, end = found.span()
            if is_another_number(read, begin):
                continue
            distance = told_at(_TOLD, read.lower, begin, end)
            score = untold
            if distance is not None and distance <= 40:
                score = 0.97 if untold else _told_score(pattern, found[0])
            elif pattern is _GROUPED:
                score = _untold_score(found[0])
            if score:
                yield Candidate(
                    begin, end, "PHONE", score, untold > 0, 999 if distance is None else distance
                )


def is_another_number(read: Read, begin: int) -> bool:
    """Whether the words before say that the number there is no telephone's: "EIN 12-3456789"."""
    return _NOT_A_PHONE.search(read.lower, max(0, begin - 40), begin) is not None


def _told_score(pattern: re.Pattern[str], number: str) -> float:
    digits = len(plain(number))
    if pattern is _UNBROKEN:
        return 0.8 if digits <= 11 else 0.5
    if not 6 <= digits <= 13 or _DATE.match(number):
        return 0.0
    return 0.9 if digits >= 7 else 0.7


def _untold_score(number: str) -> float:
    """A trunk's zero or an area in parentheses, and three groups, say enough by themselves."""
    digits = len(plain(number))
    groups = len(re.findall(r"\d+", number))
    if _DATE.match(number) or _THOUSANDS.match(number) or not 8 <= digits <= 11 or groups < 3:
        return 0.0
    return 0.8 if number[0] == "(" or number[0] == "0" else 0.55
