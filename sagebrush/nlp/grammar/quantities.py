"""Quantities in English text, by rules, as DetectEntities marks them (QUANTITY).

"A quantified amount, such as currency, percentages, numbers, bytes, etc." (Amazon Comprehend
Developer Guide, "Entities"). Published answers of the service show how far a quantity reaches: with
what bounds it ("around 60%", "less than two years"), with what is counted ("10 days", "44th
president"), and a length of time is one ("two weeks", "every month").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..spans import Span
from . import words as w
from .dates import dates as find_dates
from .lowering import TOKENS, inside_a_word, lowered

LABEL = "QUANTITY"

_BOUND = (
    r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|over|under|above|below|up to|at least|at most|some"
    r"|close to|just (?:over|under)|well over|no (?:more|less|fewer) than|(?:more|less|fewer|greater|larger|higher|lower) than"
    r"|as (?:many|much|few|little|high|low) as|an? (?:estimated|average of|total of|maximum of|minimum of)|a further"
    r"|another) )"
)
_NUMBER = rf"(?:{w.DIGITS}|{w.CARDINAL}|an? (?:hundred|thousand|million|billion|trillion|dozen|half|quarter)(?: and a half)?|half an?(?= (?:{w.SCALE}|dozen|{w.UNIT})))"
_SCALED = (
    rf"[+-]?{_NUMBER}(?: \d/\d)?\+?(?:[ -]?{w.SCALE}(?!\w))?(?: and a (?:half|quarter))?(?:-plus)?"
)
_RANGE_TO = rf"(?: ?[-–] ?| to | or | and (?={w.DIGITS}[ %]))"
_FUNCTION_WORDS = (
    "of|the|a|an|and|or|in|on|at|to|for|from|by|with|as|is|was|were|are|be|been|has|had|have|this|that|these|those|his|her|its"
    "|their|our|my|your|it|he|she|they|we|you|i|who|which|what|when|where|than|then|but|not|no|so|if|into|out|up|down|over|about"
    "|after|before|under|between|per|each|us|does|did|do|would|will|can|could|should|may|might|must|gets|says|goes|comes|makes|takes"
    "|needs|wants|plus|versus|vs|minus|yes|thus|always|perhaps|besides|sometimes|whereas|unless|across|towards|hours|ones|there"
)
_COUNTED = (
    rf"(?: (?!{w.either(_FUNCTION_WORDS)}(?!\w))[a-z][a-z-]{{2,14}})?"
    rf" (?!{w.either(_FUNCTION_WORDS)}(?!\w))(?:[a-z]{{2,18}}(?<!s)(?<!us)(?<!i)s|people|men|women|children|mice|feet|teeth|sheep|fish|aircraft"
    r"|species|series|personnel|police|staff|cattle|businesses|classes|countries|glasses|dresses|losses|processes|addresses|boxes)(?![\w'])"
)
_RATE = rf"(?: (?:per|a|an|each|every|/) ?{w.either(w.TIME_UNITS, 'person|capita|head|night|child|unit|mile|gallon|pound|kilo|share|barrel|kg|km|annum|user|student|household|employee')}(?!\w)|/{w.either('s|h|hr|hour|day|week|month|mo|year|yr|min|sec|kg|lb|sq ft|gb|mb|person|night')}(?!\w))"

_MONEY = (
    rf"{w.SIGN} ?{w.DIGITS}\+?(?:{w.SCALE_OF_MONEY}(?!\w))?(?:(?: ?[-–] ?| to ){w.SIGN}? ?{w.DIGITS}(?:{w.SCALE_OF_MONEY}(?!\w))?)?"
    rf"(?: ?{w.CODE}(?!\w))?{_RATE}?"
)
_MEASURE = rf"(?:{_SCALED}{_RANGE_TO})?{_SCALED}[ -]?{w.UNIT}(?:[- ](?:old|long|wide|tall|high|deep|thick)(?!\w))?(?: {w.DIGITS} ?{w.UNIT})?{_RATE}?"
_ORDINAL_NOUN = rf"(?:[- ](?!{w.either(_FUNCTION_WORDS)}(?!\w))[a-z]{{3,18}}(?![\w-]))"
_RULES = {
    "money": _MONEY,
    "measure": _MEASURE,
    "money_words": rf"(?:dozens|(?:tens|scores)(?= of )|hundreds|thousands|millions|billions|trillions)(?: of (?:thousands|millions|billions))?(?: of(?:{_COUNTED}| {w.UNIT}))?",
    "times": rf"(?:{_SCALED} times|twice|thrice)(?!\w)(?: (?:a|per|an|each|every) {w.PERIOD}(?!\w))?|once (?:a|per|an|each|every) {w.PERIOD}(?!\w)",
    "every": rf"(?:every|each) (?:{_NUMBER} |other |single )?{w.PERIOD}(?!\w)",
    "count": rf"{_SCALED}(?:{_RANGE_TO}{_SCALED})?{_COUNTED}",
    "fraction": r"(?:(?!9/11)(?!0\d/)\d{1,3}/\d{1,3}(?![\d/])|(?:one|two|three|four|five)[- ](?:half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|tenths?)(?![\w-])|a (?:third|quarter|fourth|fifth|sixth|tenth)(?= of\b)|half(?= (?:of|the|a|an)\b(?! (?:million|billion|trillion|dozen)\b)))",
    "ordinal": rf"(?:{w.ORDINAL_DIGITS}|{w.ORDINAL})(?!\w){_ORDINAL_NOUN}?",
    "number": rf"{_SCALED}(?:{_RANGE_TO}{_SCALED})?(?![\w/%])(?!-\w|[.:]\d)",
}


def _rules(*kinds: str) -> str:
    return "(?:" + "|".join(f"(?P<{kind}>{_RULES[kind]})" for kind in kinds) + ")"


_AT_A_SIGN = re.compile(_rules("money", "measure", "number"))
_AT_A_NUMBER = re.compile(_rules("measure", "times", "count", "fraction", "ordinal", "number"))
_AT_A_WORD = re.compile(_BOUND + "{0,2}" + _rules(*_RULES))

# Numbers one after the other, as in a table or a list of digits, count nothing.
_TABLE = re.compile(r"(?:[+-]?\d{1,15}(?:\.\d{1,9})?%?[\s,;|]{1,4}+){4,}+(?:\d{1,15}(?!\d))?+")
_WORDS = frozenset(
    [
        "about",
        "around",
        "approximately",
        "approx",
        "roughly",
        "nearly",
        "almost",
        "over",
        "under",
        "above",
        "below",
        "up",
        "at",
        "some",
        "close",
        "just",
        "well",
        "no",
        "more",
        "less",
        "fewer",
        "greater",
        "larger",
        "higher",
        "lower",
        "as",
        "a",
        "an",
        "another",
        "every",
        "each",
        "half",
        "dozens",
        "tens",
        "scores",
        "hundreds",
        "thousands",
        "millions",
        "billions",
        "trillions",
        "once",
        "twice",
        "thrice",
        "usd",
        "eur",
        "gbp",
        "jpy",
        "cny",
        "inr",
        "chf",
        "cad",
        "aud",
        "rs",
        "us",
        "ca",
        "au",
        "nz",
        "hk",
        "c",
        "s",
        "r",
    ]
) | (w.CARDINAL_WORDS | w.ORDINAL_WORDS)
# What stands before a number that is a part of something else: a decimal, a time, a path, an identifier.
_GLUED = frozenset("./:#-,")


def _rules_at(lower: str, begin: int, word: str) -> re.Pattern[str] | None:
    if word[0].isdigit():
        glued = (
            begin > 0 and lower[begin - 1] in _GLUED and begin > 1 and lower[begin - 2].isalnum()
        )
        return None if glued or len(word) > 15 else _AT_A_NUMBER
    if "a" <= word[0] <= "z":
        return _AT_A_WORD if word in _WORDS else None
    return None if word == "'" else _AT_A_SIGN


SCORES = {
    "money": 0.98,
    "measure": 0.97,
    "money_words": 0.9,
    "fraction": 0.85,
    "times": 0.85,
    "every": 0.85,
    "count": 0.9,
    "ordinal": 0.7,
    "number": 0.75,
}


def quantities(text: str, dates: Sequence[Span] | None = None) -> list[Span]:
    """Return the quantities of an English text, in order, without overlaps and apart from its dates.

    `dates` are the text's dates where they are known already. Takes time linear in the text's length.
    """
    lower = lowered(text)
    taken = find_dates(text) if dates is None else list(dates)
    spans: list[Span] = []
    done, passed = 0, 0
    for token in TOKENS.finditer(lower):
        begin = token.start()
        if begin < done:
            continue
        rules = _rules_at(lower, begin, token[0])
        if rules is None or inside_a_word(lower, begin):
            continue
        table = _TABLE.match(lower, begin)
        if table:
            done = table.end()
            continue
        found = rules.match(lower, begin)
        if not found or not found.lastgroup:
            continue
        while passed < len(taken) and taken[passed].end <= begin:
            passed += 1
        if passed < len(taken) and taken[passed].begin < found.end():
            done = (
                min(found.end(), taken[passed].end) if taken[passed].begin <= begin else begin + 1
            )
            continue
        kind = found.lastgroup
        if _is_other(text, lower, found, kind):
            done = found.start(kind) + 1
            continue
        done = found.end()
        spans.append(Span(begin, done, LABEL, SCORES[kind]))
    return spans


_NUMBERED = re.compile(
    r"(?:\b(?:no|nos|page|pages|p|pp|chapter|section|sections|figure|fig|table|item|step|level|question|number|grade|room|suite|apt|apartment"
    r"|unit|flight|route|version|windows|article|vol|volume|issue|act|scene|line|box|lot|gate|channel|phase|type|class|model|part|episode|season"
    r"|appendix|building|floor|highway|interstate|exit|zip|code|pin|id|ext|extension|rule|bill|resolution|amendment|formula|iphone|galaxy)[.:]? ?|[#№@_\\])\Z"
)
_STREET = re.compile(
    r" (?:(?:[A-Z][\w.'-]{0,20}|of|de|la|the) ){1,4}(?:St|Street|Ave|Avenue|Rd|Road|Ln|Lane|Dr|Drive|Blvd|Boulevard|Way|Ct|Court|Pl|Place|Sq|Square"
    r"|Terrace|Terr|Parkway|Pkwy|Highway|Hwy|Circle|Row|Close|Crescent|Gardens)\b"
)
_NAME_BEFORE = re.compile(r"(?:\A|(?P<inside>[a-z,;] |[A-Z]\w* ))[A-Z][\w'&-]* \Z")
_NO_COUNT_BEFORE_ONE = re.compile(
    r"\b(?:the|this|that|no|any|some|every|each|which|another|loved|little|big|only|good|bad|right|wrong|first|last) \Z"
)
_COUNT_AFTER_ONE = re.compile(
    r" (?:of (?:the|my|his|her|its|our|their|your|those|these)|or two|more|million|hundred|thousand)\b"
)
# What stands before a number that a program or a formula in a text holds: "`10`", "x == 0", "range(0, 10)".
_IN_CODE = re.compile(r"(?:[=!]= ?|`|\w[(\[](?:[\w.]{1,6}, ?){0,2})-?\Z")
_RETURN = re.compile(r"\breturn -?\Z")
_STATEMENT_END = re.compile(r";|[ \t]*(?:\n|\}|\Z)")
# A postcode between a house's number, or the line's begin, and a town: "Hauptstr. 5, 10115 Berlin".
_POSTCODE = re.compile(r"(?:(?<=\n)|(?<=\d, )|(?<=\d,\n)|(?<=\d[a-z], ))\d{5} [^\W\d_a-zà-öø-ÿ]\w")
# "The first", "my second": without such a word it is mostly an adverb ("first of all").
_BEFORE_ORDINAL = re.compile(
    r"(?:\b(?:the|an?|my|your|his|her|its|our|their|this|that|every|each|in|on)|'s) \Z"
)


def _is_other(text: str, lower: str, found: re.Match[str], kind: str) -> bool:
    """Return whether what looks like a quantity is a name's number, a street's, or a mere word."""
    begin, end = found.start(kind), found.end()
    before = lower[max(0, begin - 14) : begin]
    word = lower[begin:end]
    if kind == "ordinal":
        if not word[0].isdigit() and not _BEFORE_ORDINAL.search(before):
            return True
        return (
            text[found.end("ordinal") - len(word.split(" ")[-1])].isupper()
            and not text[begin:end].isupper()
        )
    if kind not in ("number", "count"):
        return False
    in_code = _IN_CODE.search(before) or (
        _RETURN.search(before) and _STATEMENT_END.match(text, end)
    )
    if kind == "number" and (in_code or _POSTCODE.match(text, begin)):
        return True
    if _NUMBERED.search(before) or (before.endswith("[") and lower[end : end + 1] == "]"):
        return True
    if kind == "number":
        if word == "one":
            return bool(_NO_COUNT_BEFORE_ONE.search(before)) or not _COUNT_AFTER_ONE.match(
                lower, end
            )
        if word.isdigit() and (len(word) > 5 or (len(word) > 1 and word[0] == "0")):
            return True
        if word.isdigit() and _STREET.match(text, end):
            return True
        name = _NAME_BEFORE.search(text[max(0, begin - 40) : begin])
        if name and name["inside"] and word.isdigit():
            return True
    return False
