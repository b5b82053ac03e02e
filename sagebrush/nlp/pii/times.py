"""Dates and times as personal information: those that name a day, a month, a year or an hour.

"A date can include a year, month, day, day of week, or time of day" (Amazon Comprehend Developer
Guide): "next week" names none of them, "Tuesday" does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..grammar import dates, words
from .candidates import Candidate, Read

_NAMES_ONE = re.compile(
    r"\d{3}|\d[:/.-]\d|\d ?(?:[ap]\.?m|o'clock|st\b|nd\b|rd\b|th\b)|\d0'?s\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
    rf"|\b(?:{words.MONTHS}|{words.SHORT_MONTHS})\b"
    r"|o'clock|\b(?:noon|midnight|midday)\b|\b[ap]\.?m\b|th century|(?:twen|thir|for|fif|six|seven|eigh|nine)ties|christmas|thanksgiving|easter|new year|patrick's day|halloween|valentine's day"
)
_MONTHS = "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
_DAYS = "lunes|martes|miércoles|jueves|viernes|sábado|domingo"
_SPANISH = re.compile(
    rf"(?<!\w)(?:(?:{_DAYS}),? )?(?:el )?\d{{1,2}}(?:º|ero)? de (?:{_MONTHS})(?: (?:de|del) (?:año )?\d{{4}})?(?!\w)"
    rf"|(?<!\w)(?:{_MONTHS}) (?:de|del) \d{{4}}(?!\w)|(?<!\w)(?:{_DAYS})(?!\w)|(?<!\w)(?:a las )?\d{{1,2}}:\d\d ?(?:horas|h)(?!\w)"
)


def times(read: Read) -> Iterator[Candidate]:
    """Yield the dates and times of a text, English and Spanish; the claims may overlap."""
    for span in dates(read.text):
        if _NAMES_ONE.search(read.lower, span.begin, span.end):
            yield Candidate(span.begin, span.end, "DATE_TIME", min(span.score, 0.9))
    for found in _SPANISH.finditer(read.lower):
        begin = found.start() + (3 if found[0].startswith("el ") else 0)
        yield Candidate(begin, found.end(), "DATE_TIME", 0.9)
