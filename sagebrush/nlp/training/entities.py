"""What is named in a text, in AWS's types, from sets of licence tier A.

| set | licence | annotates |
|---|---|---|
| WNUT-17 (Derczynski et al. 2017) | CC BY 4.0 | PERSON, LOCATION, ORGANIZATION, COMMERCIAL_ITEM, TITLE |
| Broad Twitter Corpus (Derczynski et al. 2016) | CC BY 4.0 | PERSON, LOCATION, ORGANIZATION |
| WikiGold (Balasuriya et al. 2009) | CC BY 4.0 | all; its MISC is told apart by rules |
| Snips (Coucke et al. 2018), its works and places | CC0 | LOCATION, TITLE |

A set does not tell about types that it does not annotate: there a word outside of its spans may be of
one of these (`Example.known`). DATE and QUANTITY are found by rules (`sagebrush.nlp.grammar`).
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from ..entities import HEAD, LABELS
from ..spans import Span
from . import columns, mixtures, sets, variations
from .tasks import Example, Kind, Task

WNUT = {
    "person": "PERSON",
    "location": "LOCATION",
    "corporation": "ORGANIZATION",
    "group": "ORGANIZATION",
    "product": "COMMERCIAL_ITEM",
    "creative-work": "TITLE",
}
SHORT = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}
SLOTS = {
    **dict.fromkeys(("city", "state", "country", "geographic_poi"), "LOCATION"),
    **dict.fromkeys(("movie_name", "object_name", "track", "album"), "TITLE"),
}
"""Snips' slots that are one of the types."""
UNSURE = frozenset(
    (
        *("artist", "entity_name", "location_name", "party_size_description", "playlist", "poi"),
        *("restaurant_name", "service", "served_dish", "cuisine"),
    )
)
"""Slots that hold names of several types: utterances with one of them are left out."""
HELD_BACK = 6
"""Every sixth document of WikiGold, which has no validation part, is not trained on."""

NAMELESS = 2500
"""Texts with two opinions and without a name."""
FEW = frozenset(("TITLE", "COMMERCIAL_ITEM"))

_EVENT = re.compile(
    r"\b(battle|battles|war|wars|campaign|siege|operation|olympics|games|cup|cups|festival|awards?|day|"
    r"championships?|revolution|open|grand prix|uprising|holocaust|tour|masters|trophy|final|"
    r"sunday|ultimatum|plebiscites|emigration|poker|challenge|world tour|rally|race)\b",
    re.IGNORECASE,
)
_MADE = re.compile(r"\b[A-Z]{1,3}-?\d+|\d+ ?mm\b")
_PEOPLE = re.compile(
    r"(?:[\w-]+ )*[\w-]*(?:ish|ese|ans?|ch|ics?|ews?|[Gg]oths?|oles?|ots?|ists?|ants|ans|erbs|acens|enses|"
    r"otes|h?ets|fets|fos|isms?|lamized|Greek|Latin|ptera|anity)"
)


def of_wikigold(label: str, words: str) -> str:
    """The type of a name in WikiGold; what its MISC is, is told by the words.

    Battles, matches and prizes are EVENT, models of machines are COMMERCIAL_ITEM, peoples and languages
    are OTHER; what is left are mostly books, songs and films.
    """
    if label != "MISC":
        return SHORT[label]
    if _MADE.search(words):
        return "COMMERCIAL_ITEM"
    if _EVENT.search(words):
        return "EVENT"
    return "OTHER" if _PEOPLE.fullmatch(words) else "TITLE"


def task(data: Path) -> Task:
    """The task with its sets below `data`: every text once joined, and once as people write it, varied.

    Sentences with a title or a thing to buy, which are few, are there twice more, with other names.
    """
    chance = random.Random(4)
    joined = [*wnut(data, "train"), *btc(data, "train"), *wikigold(data, "train")]
    written = [each for read in (wnut, btc, wikigold) for each in read(data, "train", natural=True)]
    commands = snips(data)
    names = variations.names_of([*written, *commands])
    train = [*joined, *(variations.varied(each, names, chance) for each in written)]
    rare = [each for each in joined if {span.label for span in each.spans} & FEW]
    train += [variations.swapped(each, names, chance) for each in 2 * rare]
    valid = [*wnut(data, "valid"), *btc(data, "valid"), *wikigold(data, "valid")]
    first = [*train, *commands]
    plain = [Example(text, source=mixtures.SOURCE) for text in mixtures.nameless(NAMELESS, 15)]
    return Task(HEAD, Kind.TOKENS, LABELS, [*first, *plain], valid, sampling=2.5, first=first)


def wnut(data: Path, part: str, natural: bool = False) -> list[Example]:
    """Posts with emerging and rare names."""
    known = frozenset(WNUT.values())
    rows = columns.sentences(data / "wnut17" / f"{part}.conll")
    return [_example(row, lambda label, _: WNUT[label], known, "wnut17", natural) for row in rows]


def btc(data: Path, part: str, natural: bool = False) -> list[Example]:
    """Tweets; of "@ name", as this set parts it, both words are a span each, in text with spaces alone.

    As people write it, "@name" names nothing: WNUT-17 says so, and many posts there are like that.
    """
    known = frozenset(SHORT.values())
    told = []
    for row in columns.sentences(data / "btc" / f"{part}.conll"):
        chosen = row
        if natural:
            at = [at for at, (word, _) in enumerate(row) if word == "@"]
            callers = {*at, *(each + 1 for each in at)}
            chosen = [(word, "O" if n in callers else tag) for n, (word, tag) in enumerate(row)]
        told.append(_example(chosen, lambda label, _: SHORT[label], known, "btc", natural))
    return told


def wikigold(data: Path, part: str, natural: bool = False) -> list[Example]:
    """Sentences of Wikipedia; "valid" is the last sixth of the visible part."""
    rows = columns.sentences(data / "wikigold" / "train.conll")
    cut = len(rows) - len(rows) // HELD_BACK
    chosen = rows[:cut] if part == "train" else rows[cut:]
    return [_example(row, of_wikigold, None, "wikigold", natural) for row in chosen]


def _example(
    row: list[columns.Word],
    naming: columns.Naming,
    known: frozenset[str] | None,
    source: str,
    natural: bool,
) -> Example:
    text, spans = (columns.written if natural else columns.joined)(row, naming)
    return Example(text, spans=spans, known=known, source=source)


def snips(data: Path, count: int = 2500) -> list[Example]:
    """Commands to an assistant that hold names of works and places, or none, drawn at random."""
    rows = sets.lines(data / "snips" / "train.jsonl.gz")
    chosen = [row for row in rows if not UNSURE & {slot for _, _, slot in row["entities"]}]
    random.Random(1).shuffle(chosen)
    return [
        Example(
            row["text"],
            spans=tuple(
                Span(begin, end, SLOTS[slot])
                for begin, end, slot in sorted(row["entities"])
                if slot in SLOTS
            ),
            known=frozenset(("LOCATION", "TITLE", "PERSON")),
            weight=0.5,
            source="snips",
        )
        for row in chosen[:count]
    ]
