"""Key phrases: noun phrases of English texts, as Amazon Comprehend's DetectKeyPhrases gives them.

A key phrase is "a string containing a noun phrase that describes a particular thing", a noun with the
modifiers that distinguish it, and its determiner: "a beautiful day" (Developer Guide, "Key phrases").
Comprehend gives all of a text in its order; `ranked` says which of them a text is about.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from . import grammar
from .pii.candidates import Read
from .pii.phones import phones
from .spans import Span
from .syntax.analysis import Analysis, Token

LABEL = "KEY_PHRASE"
LEAST = 0.1
"""A noun phrase is told from this score on."""
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_BARE = frozenset(("DET", "PRON", "PUNCT", "PART", "ADP", "NUM", "SYM"))


def key_phrases(text: str, analysis: Analysis) -> list[Span]:
    """The key phrases of a text in its order, with the score that each is a noun phrase.

    Punctuation at either end is left out, and what follows a bracket that does not close within; so are
    articles alone. The pieces of one number, date, time or telephone number are one phrase, and a plus that
    stands at a name is its part ("Disney+").
    """
    told: list[Span] = []
    phrase_begins = frozenset(each.begin for each in analysis.phrases)
    for phrase, tokens in _with_tokens(analysis):
        inside = _closed(text, tokens)
        if not inside or phrase.score < LEAST:
            continue
        if len(inside) == 1 and text[inside[0].begin : inside[0].end].lower() in _ARTICLES:
            continue
        end = _with_name_s_end(text, analysis.tokens, inside[-1], phrase_begins)
        found = Span(inside[0].begin, _with_sign(text, end), LABEL, phrase.score)
        if told and _goes_on(text, told[-1], found):
            before = told.pop()
            found = Span(before.begin, found.end, LABEL, max(before.score, found.score))
        told.append(found)
    if not any(each.isdigit() for each in text):
        return _whole(told, _nominal(text, grammar.dates(text)))
    numbers = [each for each in phones(Read(text)) if each.sure]
    wholes = [
        *_nominal(text, grammar.dates(text)),
        *(Span(each.begin, each.end, LABEL) for each in numbers),
    ]
    return _whole(told, wholes)


def _with_name_s_end(
    text: str, tokens: Sequence[Token], last: Token, phrase_begins: Collection[int]
) -> int:
    """The end of a phrase that a name ends, with the word of that name behind it: "Breaking Bad".

    It has a capital, as the word before, is no verb, begins no phrase, and no further one follows, as in
    headlines.
    """
    at = bisect_left(tokens, last.end, key=lambda each: each.begin)
    near = tokens[at : at + 2]
    if last.tag != "PROPN" or not near or near[0].begin in phrase_begins:
        return last.end
    word = near[0]
    if word.tag not in _IN_NAMES or not _CAPITAL.fullmatch(text, word.begin, word.end):
        return last.end
    capitals = _CAPITAL.fullmatch(text, last.begin, last.end) is not None
    further = (
        len(near) > 1 and text[word.end : word.end + 1] == " " and text[near[1].begin].isupper()
    )
    apart = text[last.end : word.begin] != " "
    return last.end if apart or further or not capitals else word.end


_IN_NAMES = frozenset(("ADJ", "NOUN", "PROPN"))
_CAPITAL = re.compile(r"[^\W\d_a-zà-öø-ÿ][^\W\d_A-ZÀ-ÖØ-Þ]+")


def _with_sign(text: str, end: int) -> int:
    """The end of a phrase with the plus or hash that stands at its last word: "Disney+", "C++", "C#"."""
    sign = _SIGN.match(text, end)
    return sign.end() if sign and text[end - 1].isalnum() else end


_SIGN = re.compile(r"(?:\+{1,2}|#)(?![\w+#])")


def _nominal(text: str, dates: Sequence[Span]) -> list[Span]:
    """The dates' parts that are a noun phrase each, as the treebank that the tagger learnt from parts them.

    "today" and "10 a.m." of "today at 10 a.m.", "a week" of "a week ago", "Tuesday" and "May 5" of "Tuesday May 5".
    """
    parts = []
    for date in dates:
        adverb = _ADVERB.match(text, date.begin, date.end)
        begin = adverb.end() if adverb else date.begin
        for cut in _BETWEEN_NOUNS.finditer(text, begin, date.end):
            parts.append(Span(begin, cut.start(), LABEL))
            begin = cut.end()
        if begin < date.end:
            parts.append(Span(begin, date.end, LABEL))
    return parts


_ADVERB = re.compile(r"(?:later|earlier) ", re.IGNORECASE)
_BETWEEN_NOUNS = re.compile(
    r" (?:(?:at|on|from|by|to|through|until|till|around|about|of|in|and)(?: the)? "
    r"|(?=\d{1,2}(?::\d\d| ?[ap]\.?m\b))"
    r"|(?<=day )(?=(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? \d)"
    r"|(?:ago|later|earlier|prior|previously|before|after|hence)\b)",
    re.IGNORECASE,
)


def _whole(told: Sequence[Span], wholes: Sequence[Span]) -> list[Span]:
    """The phrases, those that lie within one date or number as one that is all of it.

    What a phrase has besides stays its own, and so does a date of which no phrase has anything.
    """
    order = sorted(wholes)
    begins = [each.begin for each in order]
    kept: list[Span] = []
    for phrase in told:
        at = bisect_right(begins, phrase.begin) - 1
        near = order[at : at + 1] if at >= 0 else []
        whole = next((each for each in near if phrase.end <= each.end), None)
        if whole is None:
            kept.append(phrase)
        elif kept and kept[-1].end > whole.begin:
            before = kept.pop()
            end, score = max(before.end, whole.end), max(before.score, phrase.score)
            kept.append(replace(before, end=end, score=score))
        else:
            kept.append(replace(phrase, begin=whole.begin, end=whole.end))
    return kept


_ARTICLES = frozenset(("a", "an", "the"))
_GLUE = re.compile(r"[-./:_+]{0,2}")
_HALF = re.compile(r"[ap]\.?m\.?", re.IGNORECASE)


def _goes_on(text: str, one: Span, other: Span) -> bool:
    """Whether the second is the rest of a number or time that the first ends with ("123" of "123-45", "10:45"
    of "10:45 AM")."""
    between = text[one.end : other.begin]
    last, first = text[one.end - 1], text[other.begin]
    if last.isdigit() and between in ("", " ") and _HALF.fullmatch(text, other.begin, other.end):
        return True
    numbers = first.isdigit() and (last.isdigit() or last in "-./:" or between != "")
    return numbers and _GLUE.fullmatch(between) is not None


def _with_tokens(analysis: Analysis) -> Iterator[tuple[Span, list[Token]]]:
    """Each phrase with its tokens, in time linear in the text's length."""
    begins = [each.begin for each in analysis.tokens]
    for phrase in analysis.phrases:
        first, last = bisect_left(begins, phrase.begin), bisect_left(begins, phrase.end)
        yield phrase, list(analysis.tokens[first:last])


def _closed(text: str, tokens: list[Token]) -> list[Token]:
    """The tokens up to a bracket without its other half, without punctuation at either end."""
    open_, kept = [], len(tokens)
    for at, token in enumerate(tokens):
        word = text[token.begin : token.end]
        if word in _BRACKETS:
            open_.append(at)
        elif word in _BRACKETS.values():
            if not open_:
                kept = at
                break
            open_.pop()
    kept = min([kept, *open_])
    first = 0
    while first < kept and tokens[first].tag == "PUNCT":
        first += 1
    while first < kept and tokens[kept - 1].tag == "PUNCT":
        kept -= 1
    return tokens[first:kept]


def ranked(text: str, analysis: Analysis) -> list[tuple[str, float]]:
    """(words, weight) of what a text is about, the weightiest first, each only once.

    A candidate is a noun phrase without determiners, numbers and punctuation before it. Its weight is
    the sum of its words' weights, the logarithm of how often each is among nouns' words of the text
    and one more, times how early it first stands (1 at the text's begin, 1/2 at its end) and its score.
    """
    candidates: dict[str, tuple[float, int, str]] = {}
    counts: dict[str, int] = {}
    found: list[tuple[list[str], int, str, float]] = []
    for phrase, tokens in _with_tokens(analysis):
        inside = _content(_closed(text, tokens))
        if not inside:
            continue
        words = [text[each.begin : each.end].lower() for each in inside]
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        found.append((words, inside[0].begin, text[inside[0].begin : inside[-1].end], phrase.score))
    for words, begin, string, score in found:
        weight = sum(math.log1p(counts[word]) for word in words if re.search(r"\w", word))
        weight *= (1 - 0.5 * begin / max(1, len(text))) * score
        key = " ".join(words)
        if key not in candidates or candidates[key][0] < weight:
            candidates[key] = (weight, begin, string)
    order = sorted(candidates.values(), key=lambda each: (-each[0], each[1]))
    return [(string, weight) for weight, _, string in order]


def _content(tokens: Sequence[Token]) -> list[Token]:
    """A phrase's tokens without what only determines it at its begin, or closes it."""
    first, last = 0, len(tokens)
    while first < last and tokens[first].tag in _BARE:
        first += 1
    while first < last and tokens[last - 1].tag in ("PUNCT", "PART"):
        last -= 1
    return list(tokens[first:last])
