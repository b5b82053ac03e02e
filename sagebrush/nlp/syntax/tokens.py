"""English texts as tokens, by rules: words as Universal Dependencies' English Web Treebank cuts them.

Contractions are two tokens (do|n't, can|not, it|'s), compounds with hyphens are their parts with the
hyphens between, addresses, file names, smileys, @names, #tags, dates, times and telephone numbers stay
whole. Tokens are offsets into the text and hold all of its characters but spaces and signs that nobody
sees.
"""

from __future__ import annotations

import re
import unicodedata

_LAST = r"[^\s<>\"')\].,;:!?*]"
_ENDINGS = "html?|php|docx?|xlsx?|pdf|jpe?g|gif|exe|txt|pptx?|zip|mp3|wav"
_DOMAINS = "com|org|net|edu|gov|mil|uk|co|info|biz|tv"
_SHORT = """Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Rev|Gen|Col|Sgt|Capt|Lt|Maj|Hon|Gov|Sen|Rep|Pres|vs|etc|Inc|Ltd|Co
|Corp|No|Vol|Fig|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mt|Ft|Ave|Blvd|Rd|Dept|Assn|Bros|al|Cir|Ct
|Dist|approx|est|ext|Wed|Sat""".replace("\n", "")
_UNITS = "am|pm|k|mm|cm|m|kg|ft|hrs?|mg|gb|mb|x|yr|min|lbs?"

_TOKEN = re.compile(
    "|".join(
        (
            r"(?:https?://|ftp://|www\.)[^\s<>\"')\]]*" + _LAST,
            r"(?<![\w.+%-])[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*",
            rf"(?<![\w.-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}(?:{_DOMAINS})\b(?:/[^\s<>\"')\]]*{_LAST})?",
            rf"(?:(?<![\w#.-])[\w#-]{{1,64}}(?:\.[\w-]{{1,64}}){{0,4}})?\.(?i:{_ENDINGS})\b",
            r"(?:alt|comp|rec|sci|soc|talk|misc)(?:\.[a-z0-9-]+)+",
            r"(?:[<>]?[:;][-'o^]?[)(dDpP|*\\/]+|=-?[)(D]+|[xX]D+|\(?\^[_.-]?\^\)?|<3+)(?![A-Za-z0-9])",
            r"[@#][A-Za-z_]\w*",
            r"(?:\d-)?\d{3}[-./]\d{3}[-./]\d{4}|\d{3}-\d{4}(?!\d)",
            r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}(?!\d)|9/11\b",
            r"[eE]-(?:mail|Mail|MAIL)\w*\b|[bB]/c\b|[wW]/o?\b|PG&E\b|A&E\b|P&L\b",
            r"(?:[A-Za-z]\.){2,}(?![A-Za-z])",
            rf"(?:{_SHORT})\.(?=\s*[^\s.])",
            r"[A-Za-z]\.(?=\s?[A-Z])",
            r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)\b",
            rf"\.?\d+(?:[.,:]\d+)*(?=(?i:{_UNITS})\b|[^\w]|_|$)",
            r"['’](?:s|m|d|re|ve|ll)(?![\w'’])",
            r"\.{2,}|-{2,}|\*{2,}|={2,}|_{2,}|~{2,}|[!?]+|'{2}|’’|`{2}|>{2,}|<{2,}|\${2,}|#{2,}|\+{2,}|/{2,}",
        )
    )
)
"""What is not simply a run of letters and digits, or one sign."""
_CLITIC = re.compile(r"(?:n['’]t|['’](?:s|m|d|re|ve|ll))$", re.IGNORECASE)
_APOSTROPHES = "'’"

_JOINED = {
    "cannot": 3, "gonna": 3, "wanna": 3, "gotta": 3, "outta": 3, "lets": 3, "alot": 1, "thats": 4,
    "whats": 4, "theres": 5, "heres": 4, "youre": 3, "theyre": 4, "youve": 3, "theyve": 4, "im": 1,
    "ive": 1, "whos": 3, "hes": 2, "shes": 3, "itll": 2, "youll": 3, "gimme": 3, "lemme": 3,
    **{f"{each}nt": len(each) for each in
       ["ai", "are", "ca", "could", "did", "does", "do", "had", "has", "have", "is", "should", "was", "were", "wo", "would"]},
}  # fmt: skip
"""Words that are written together, and where the second begins."""


def tokens(text: str) -> list[tuple[int, int]]:
    """The offsets `[begin, end)` of the tokens, in order, in time linear in the text's length."""
    told: list[tuple[int, int]] = []
    for run in re.finditer(r"\S+", text):
        at, end = run.span()
        while at < end:
            found = _TOKEN.match(text, at)
            stop = found.end() if found is not None else _plain(text, at, end)
            if not _unseen(text, at, stop):
                told += _split(text, at, stop)
            at = stop
    return told


def _plain(text: str, at: int, end: int) -> int:
    """Where the run of letters and digits, or the sign with what modifies it, ends that begins at `at`."""
    place = at
    while place < end and _in_word(text, place):
        place += 1
        if (
            place < end - 1
            and text[place] in _APOSTROPHES
            and text[place - 1].isalpha()
            and text[place + 1].isalpha()
        ):
            place += 1
    stop = place
    while place > at and unicodedata.category(text[place - 1]) == "Cf":
        place -= 1
    if place > at:
        return place
    if (
        stop > at
    ):  # nothing but what nobody sees: as one, or a long run is read again at each of its signs
        return stop
    place = at + 1
    while place < end and (_modifies(text[place]) or text[place - 1] == "\u200d"):
        place += 1
    return place


def _in_word(text: str, place: int) -> bool:
    character = text[place]
    return character.isalnum() or (
        not character.isascii()
        and unicodedata.category(character) in ("Mn", "Mc", "Cf")
        and place > 0
        and (
            text[place - 1].isalnum() or unicodedata.category(text[place - 1]) in ("Mn", "Mc", "Cf")
        )
    )


def _modifies(character: str) -> bool:
    """Whether it belongs to the sign before it: joiners, variation selectors, tones of skin, marks."""
    return not character.isascii() and (
        unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")
        or 0x1F3FB <= ord(character) <= 0x1F3FF
    )


def _unseen(text: str, begin: int, end: int) -> bool:
    return all(unicodedata.category(each) in ("Cc", "Cf") for each in text[begin:end])


def _split(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """A word, or its two parts where it is two words written together."""
    if end - begin > 24:
        return [(begin, end)]
    word = text[begin:end]
    clitic = _CLITIC.search(word)
    at = clitic.start() if clitic is not None else _JOINED.get(word.lower(), 0)
    return [(begin, begin + at), (begin + at, end)] if at else [(begin, end)]
