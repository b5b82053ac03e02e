"""Names of events by rules: wars, matches and festivals, of which little annotated text is free.

Only names that say by themselves what they are ("Battle of Gettysburg", "2024 Summer Olympics"); no word
that is also common. The rules are the same in all text, so they answer only where a tagger is silent.
"""

from __future__ import annotations

import re

from .spans import Span

SCORE = 0.9
"""A rule's confidence: it is not fitted, since no set annotates events."""

_WORD = r"[A-Z][\w'’-]{0,39}+"
"""Of so many characters at most, since one begins behind every hyphen and apostrophe of another."""
_NAME = rf"{_WORD}(?: (?:(?:of|de|la|the|del|von) ){{0,3}}{_WORD}){{0,3}}"
_YEAR = r"(?:(?:19|20)\d\d )"
_RULES = (
    r"(?:First |Second |Third )?(?:Battle|Siege|Raid|Massacre|Storming|Fall|Treaty|Congress) of (?:the )?"
    + _NAME,
    r"(?:World|Vietnam|Korean|Gulf|Iraq|Falklands|Civil|American Civil|English Civil|Spanish Civil|Cold|"
    r"Crimean|Boer|Opium|Peloponnesian|Trojan|Punic|Napoleonic|Revolutionary|Winter|Six-Day|Yom Kippur|"
    r"First World|Second World|Great|Thirty Years['’]|Hundred Years['’]) Wars?"
    r"(?: (?:I{1,3}|One|Two|[123])\b)?",
    r"(?:French|Russian|American|Cuban|Iranian|Industrial|Glorious|October|Cultural|Orange) Revolution",
    _YEAR + r"?(?:Summer |Winter )?(?:Olympic Games|Olympics|Paralympic Games|Paralympics)",
    _YEAR + r"?(?:FIFA |Rugby |Cricket |ICC |Women['’]s )*World Cup(?: (?:19|20)\d\d)?",
    r"Super Bowl(?: [IVXL]+\b| \d+)?",
    _YEAR + r"?" + _NAME + r" (?:Grand Prix|Film Festival|Music Festival|Jazz Festival|Book Fair)",
    r"(?:Stanley Cup|Davis Cup|Ryder Cup|World Series|Tour de France|Giro d['’]Italia|Kentucky Derby|"
    r"Grand National|Boston Marathon|London Marathon|Academy Awards|Oscars|Emmys|Grammys|Grammy Awards|Golden Globe Awards|"
    r"Burning Man|Oktoberfest|Comic-Con|Mardi Gras|Holocaust|Great Depression|Black Death)",
    r"(?:Hurricane|Cyclone|Typhoon|Tropical Storm) [A-Z][a-z]+",
)
_EVENTS = re.compile(r"(?<![\w@#])(?:" + "|".join(_RULES) + r")(?!\w)")


def events(text: str) -> list[Span]:
    """The names of events in the text, from left to right."""
    return [Span(found.start(), found.end(), "EVENT", SCORE) for found in _EVENTS.finditer(text)]
