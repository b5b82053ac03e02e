"""The rules of dates as one regular expression, and where it is worth a try.

All in lower case. Repetitions are bounded and no two that follow each other match the same
characters, so that a try takes bounded time.
"""

from __future__ import annotations

import re

from . import words as w

_SEP = r"(?:,? (?:of )?|-|, )"
_YEAR = rf"(?:(?:a\.?d\.? ?)?{w.YEAR}(?!\d)|'\d\d(?!\w))"
_AFTER_YEAR = rf"(?:,? ?(?:of )?{_YEAR}(?: ?(?:ad|bc|ce|bce|a\.d\.|b\.c\.)\b)?)"
_DASH = r"(?: ?[-–] ?| to | and | through )"
_ZONE = r"(?: ?(?:gmt|utc|est|edt|cst|cdt|mst|mdt|pst|pdt|et|ct|mt|pt|bst|cet|cest|ist|jst|aest|z)\b(?:[+-]\d{1,2}(?::?\d\d)?)?)"
_PART = rf"(?:{w.either(w.DAY_PARTS)})"

# 11/25/2017, 25.11.2017, 2017-11-25, 2017-11-25T10:15:30.5Z, 2000-04-16 11:34:35, 11/2017, 11/25.
_CLOCK_OF_ISO = r"(?:[t ]\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?z\b|[+-]\d\d:?\d\d)?)"
_NUMERIC = (
    r"(?:1\d{3}|20\d\d)(?P<s1>[-/.])(?:1[0-2]|0?[1-9])(?P=s1)(?:3[01]|[12]\d|0?[1-9])(?![\d])"
    + _CLOCK_OF_ISO
    + "?"
    r"|(?:3[01]|[12]\d|0?[1-9])(?P<s2>[-/.])(?:3[01]|[12]\d|0?[1-9])(?P=s2)(?:(?:1\d|20)\d\d|\d\d)(?![\d/]|[-.]\d)"
    + r"|(?:1[0-2]|0?[1-9])/(?:19|20)\d\d(?![\d/])"
    # A month and its day or year: what has a zero before it, or words of a date, is no fraction.
    + r"|(?:0[1-9]|(?<!\d)(?:(?<=until )|(?<=expires )|(?<=expiry )|(?<=expires: )|(?<=expiry: )|(?<=exp )|(?<=exp\. )|(?<=exp: )|(?<=thru )|(?<=through )|(?<=on )|(?<=by )|(?<=before )|(?<=due ))1[0-2])/\d\d(?![\d/%]|[.,]\d)"
)
_MONTH_THEN_DAY = (
    rf"{w.MONTH}(?: the)? ?(?:{w.DAY_ORDINAL}|{w.DAY})(?![\d:]|,\d{{3}}|[-–]\d\d\d|\.\d|[a-z])"
    rf"(?:{_DASH}(?:{w.DAY_ORDINAL}|{w.DAY})(?![\w:]|\.\d)(?! (?:{w.either(w.MONTHS)})))?{_AFTER_YEAR}?"
)
_DAY_THEN_MONTH = (
    rf"(?:(?:{w.DAY_ORDINAL}|{w.DAY}){_DASH})?(?:{w.DAY_ORDINAL}|{w.DAY})(?: day)?(?: of | |-|/)(?:the month of )?{w.MONTH}(?![a-z])"
    rf"(?:-\d\d(?:\d\d)?(?!\d)|{_AFTER_YEAR}?)"
)
_MONTH_YEAR = rf"{w.MONTH}(?:,? (?:of )?|-|/| (?:in )?the year ){_YEAR}|{w.MONTH} (?:of )?(?:the same|this|last|next|that) year"
_CLOCK = rf"(?:2[0-3]|[01]?\d):[0-5]\d(?::[0-5]\d(?:\.\d{{1,6}})?)?(?: ?[ap]\.? ?m\b\.?| hours\b| hrs\b)?{_ZONE}?(?![\w/:]|[.,-]\d)"
_TWELVE = (
    rf"(?:(?:1[0-2]|0?\d)(?:[:.][0-5]\d)?(?:{_DASH}(?:1[0-2]|0?\d)(?:[:.][0-5]\d)?)?|{w.either('one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve')})"
    rf" ?(?:[ap]\.m\.?|[ap] ?m\b){_ZONE}?"
)
_O_CLOCK = rf"(?:half past |quarter (?:past|to|after) )?(?:\d{{1,2}}|{w.CARDINAL}) ?o ?'? ?clock(?: (?:in the {_PART}|at night|sharp))?"
_PAST = rf"(?:half past|(?:a )?quarter (?:past|to|after)|(?:ten|twenty|five) (?:past|to)) {w.either('one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve')}(?:,? ?[ap]\.?m\b\.?)?"
_NOON = r"(?:12 )?(?:noon|midnight|midday)(?=\W|$)"

_WEEKDAY = (
    rf"(?:(?:last|next|this|this coming|this past|every) )?{w.WEEKDAY}(?!\w)(?:'s)?(?: {_PART}s?\b)?(?: (?:of )?(?:last|next|this) week\b)?"
    rf"|{w.SHORT_WEEKDAY}(?=[,.]? (?:{w.MONTH} |{w.DAY}(?!\d)|at \d))"
    rf"|(?:last|next|this) {w.SHORT_WEEKDAY}(?!\w)"
)
_SEASON_OF_YEAR = (
    rf"(?:(?:early|late|mid)[- ])?{w.either(w.SEASONS)},?(?: of)? (?:{w.YEAR}(?!\d)|(?:last|this|next|the same) year\b)"
    rf"|(?:(?:first|second|third|fourth|final|last|1st|2nd|3rd|4th) )(?:half|quarter)(?: of (?:fiscal )?(?:year )?| ){w.YEAR}(?!\d)"
    rf"|q[1-4](?: of)?[ /'-]{{0,2}}(?:20)?\d\d(?!\d)|(?:fiscal(?: year)?|fy|calendar year|the year|year) ?(?:{w.YEAR}|'?\d\d)(?![\d-])"
)
_COUNT = rf"(?:(?:about|around|nearly|almost|over|more than|just) )?(?:\d{{1,4}}(?:[.,]\d{{1,3}})?|{w.CARDINAL}|an?|a few|several|many|a couple(?: of)?|some)(?:-plus)?(?: and a half)?(?: (?:more|hundred|thousand|million|billion))?"
_COUNTED = rf"{_COUNT}[ -]{w.PERIOD}(?!\w)(?: and a half)?(?: and {_COUNT} {w.PERIOD}(?!\w))?"
# "Two years before he died" tells a time; "30 seconds before they ask" how long something took.
_LONG = "".join(
    rf"(?<!{unit} {side})"
    for unit in ("second", "seconds", "secs", "minute", "minutes", "mins")
    for side in ("before", "after")
)
_RELATIVE = (
    rf"{_COUNTED} (?:ago|from (?:now|today)|later|earlier|prior|previously|hence|back(?= (?:then|when)))\b"
    rf"|{_COUNTED} (?:before|after){_LONG}(?= (?:that|this|it|he|she|they|his|her)\b)"
    rf"|(?:the )?(?:past|last|next|coming|previous|preceding|following|first|final) (?:{w.either('two|three|four|five|six|seven|eight|nine|ten|few|several|couple of|couple')}|{_COUNT})[ -](?:more )?{w.PERIOD}(?!\w)"
    rf"|(?:the |this )?(?:last|next|past|previous|coming|preceding|following|current|same|same) (?:{w.either('week|month|year|quarter|semester|term|decade|century|weekend|fortnight|morning|afternoon|evening|night|spring|summer|autumn|fall|winter|day')}|{w.WEEKDAY}|{w.MONTH})(?![a-z])"
    rf"|this (?:very )?(?:{w.either('week|month|year|quarter|semester|decade|century|weekend|morning|afternoon|evening|spring|summer|autumn|fall|winter')}|{w.MONTH})(?![a-z])"
    r"|(?:early |late |later |earlier )?(?:today|yesterday|tomorrow|tonight)(?!\w)(?:'s)?(?: (?:morning|afternoon|evening|night|at noon)\b)?"
    r"|(?:the )?day (?:after tomorrow|before yesterday)|tomorrow night|(?:later|earlier) (?:that|this|the same|in the) (?:day|week|month|year|morning|evening|afternoon)\b"
    r"|(?:the |these |recent |coming )?(?:recent|coming) (?:days|weeks|months|years|decades)(?: and (?:weeks|months|years))?\b"
    rf"|that (?:same )?(?:year|month|week|day|night|morning|afternoon|evening|summer|winter|spring|fall|autumn)\b"
    rf"|(?:a|one) (?:year|month|week|day) or (?:so|two) (?:ago|later)"
)
_DECADE = (
    r"(?:early |late |mid[- ])?(?:1[1-9]|20)\d0(?:'s|s)(?!\w)|(?:early |late |mid[- ])?'\d0s(?!\w)|(?:early |late |mid[- ])?[2-9]0'?s(?= |$|[.,;:!?)])"
    r"|(?:early |late |mid[- ])?(?:nineteen |eighteen )?(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)\b"
)
_ERA = (
    rf"(?:(?:early|late|mid)[- ])?(?:{w.ORDINAL_DIGITS}|{w.ORDINAL})(?: and (?:{w.ORDINAL_DIGITS}|{w.ORDINAL}))?[- ](?:century|centuries|millennium)(?!\w)(?: (?:bc|ad|bce|ce)\b)?"
    r"|\d{1,3}(?:,\d{3}|\d)? ?(?:b\.? ?c\.?(?: ?e\b\.?)?|a\.d\.|bce|ce|ad)(?!\w)|(?:ad|a\.d\.) ?\d{1,4}(?!\d)"
)
_YEARS = rf"{w.YEAR}(?: ?[-–/] ?(?:{w.YEAR}|\d\d)(?![\w]))?(?:'s(?= ))?(?: (?:bc|ad|bce|ce)\b)?(?![\w])(?!:\d|\.\d)"
_HOLIDAY = (
    r"(?:christmas|new year|new year's|thanksgiving|easter|halloween|valentine's|mother's|father's|memorial|labor|labour"
    r"|independence|veterans|presidents'?|columbus|martin luther king(?: jr\.?)?|st\.? patrick's|good|boxing|ash|palm|black|cyber)"
    r" (?:day|eve|sunday|monday|friday|wednesday)(?!\w)|new year's|christmas(?!\w)|thanksgiving(?!\w)|halloween(?!\w)|easter(?!\w)|ramadan(?!\w)"
    r"|hanukkah|chanukah|diwali(?!\w)|passover(?!\w)|yom kippur|rosh hashanah|mardi gras|eid al-(?:fitr|adha)|july 4th|fourth of july"
)

_RULES = {
    "numeric": _NUMERIC,
    "holiday": _HOLIDAY,
    "relative": _RELATIVE,
    "decade": _DECADE,
    "era": _ERA,
    "day": rf"{_MONTH_THEN_DAY}|{_DAY_THEN_MONTH}",
    "month": _MONTH_YEAR,
    "clock": rf"{_TWELVE}|{_CLOCK}|{_O_CLOCK}|{_PAST}|{_NOON}",
    "season": _SEASON_OF_YEAR,
    "weekday": _WEEKDAY,
    "year": _YEARS,
    "bare_month": rf"{w.MONTH}(?![\w])",
}


def _rules(*kinds: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{kind}>{_RULES[kind]})" for kind in kinds))


# The rules that can begin with a number, and with a word, so that few are tried.
_AT_A_NUMBER = _rules("numeric", "relative", "decade", "era", "day", "clock", "season", "year")
_AT_A_MONTH = _rules("holiday", "day", "month", "bare_month")
_AT_A_WEEKDAY = _rules("weekday")
_AT_A_WORD = _rules("holiday", "relative", "decade", "era", "day", "clock", "season", "weekday")

_MONTH_WORDS = f"{w.MONTHS}|{w.SHORT_MONTHS}"
_WEEKDAY_WORDS = "|".join(
    (
        w.WEEKDAYS,
        *(f"{day}s" for day in w.WEEKDAYS.split("|")),
        "mon|tues|tue|wed|thurs|thur|thu|fri|sat|sun",
    )
)
_OTHER_WORDS = "|".join(
    (
        w.SEASONS,
        "the|this|these|that|last|next|past|previous|coming|preceding|following|current|same|recent|every|first|final",
        "early|late|later|earlier|mid|today|yesterday|tomorrow|tonight|day|a|an|some|several|many|about|around|nearly|almost|over|more|just",
        "|".join(w.CARDINAL_WORDS),
        "|".join(w.ORDINAL_WORDS),
        "half|quarter|noon|midnight|midday|fiscal|fy|calendar|year|q|ad",
        "twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties|nineteen|eighteen",
        "christmas|new|thanksgiving|easter|halloween|valentine|mother|father|memorial|labor|labour|independence|veterans|presidents|columbus"
        "|martin|st|good|boxing|ash|palm|black|cyber|ramadan|hanukkah|chanukah|diwali|passover|yom|rosh|mardi|eid|fourth",
    )
)
_BY_WORD = {
    **dict.fromkeys(_OTHER_WORDS.split("|"), _AT_A_WORD),
    **dict.fromkeys(_WEEKDAY_WORDS.split("|"), _AT_A_WEEKDAY),
    **dict.fromkeys(_MONTH_WORDS.split("|"), _AT_A_MONTH),
    "'": _AT_A_WORD,
}
_NUMBER_FOLLOWED = re.compile(r"[:/.]\d| ?[–-] ?\w|,\d{3} ?[ab]| ?[a-z']")


def rules_at(lower: str, begin: int, word: str) -> re.Pattern[str] | None:
    """Return the rules that may match where this word, or number, begins; None where none does."""
    if not word[0].isdigit():
        return _BY_WORD.get(word)
    if len(word) > 4:
        return None
    is_year = len(word) == 4 and word < "2100"
    return _AT_A_NUMBER if is_year or _NUMBER_FOLLOWED.match(lower, begin + len(word)) else None
