"""The list of common nouns with their types is made: those of Open English WordNet that texts here hold.

Data: `wordnet_oewn` (CC BY 4.0 and the WordNet licence) for the types, and texts of tier A for which nouns
are worth their place: each is there at least LEAST times.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..nouns import FILE, Nouns, save
from . import products, sentiment, sets

LEAST = 3
TYPES = {
    "noun.act": "ATTRIBUTE",
    "noun.artifact": "COMMERCIAL_ITEM",
    "noun.attribute": "ATTRIBUTE",
    "noun.body": "ATTRIBUTE",
    "noun.cognition": "ATTRIBUTE",
    "noun.communication": "ATTRIBUTE",
    "noun.event": "EVENT",
    "noun.feeling": "ATTRIBUTE",
    "noun.food": "COMMERCIAL_ITEM",
    "noun.location": "LOCATION",
    "noun.person": "PERSON",
    "noun.possession": "ATTRIBUTE",
    "noun.shape": "ATTRIBUTE",
    "noun.state": "ATTRIBUTE",
}
"""WordNet's files of nouns -> types; nouns of other files (animals, times, groups …) are left out."""
UNDER = (
    ("movie", "MOVIE"),
    ("music", "MUSIC"),
    ("musical composition", "MUSIC"),
    ("album", "MUSIC"),
    ("publication", "BOOK"),
    ("software", "SOFTWARE"),
    ("game", "GAME"),
    ("people", "PERSON"),
    ("family", "PERSON"),
    ("organization", "ORGANIZATION"),
    ("gathering", "EVENT"),
    ("structure", "FACILITY"),
    ("war", "EVENT"),
    ("contest", "EVENT"),
)  # fmt: skip
"""What is a kind of the first sense of these nouns has this type instead; the first that holds counts."""
READ = {
    "app": "SOFTWARE",
    "audience": "PERSON",
    "battery": "COMMERCIAL_ITEM",
    "cast": "PERSON",
    "church": "FACILITY",
    "country": "LOCATION",
    "crew": "PERSON",
    "crowd": "PERSON",
    "culture": "ATTRIBUTE",
    "flight": "EVENT",
    "folks": "PERSON",
    "food": "COMMERCIAL_ITEM",
    "gallery": "FACILITY",
    "line": "ATTRIBUTE",
    "meeting": "EVENT",
    "men": "PERSON",
    "nation": "LOCATION",
    "outfit": "COMMERCIAL_ITEM",
    "parade": "EVENT",
    "party": "EVENT",
    "sequence": "ATTRIBUTE",
    "series": "MOVIE",
    "staff": "PERSON",
    "subway": "FACILITY",
    "traffic": "ATTRIBUTE",
    "trilogy": "MOVIE",
    "van": "COMMERCIAL_ITEM",
    "viewers": "PERSON",
    "village": "LOCATION",
}
"""Nouns whose first sense is not the one that reviews are about, or is left out."""
_WORD = re.compile(r"[a-z]+")
CARD = """\
# The list of common nouns
English nouns with the type that DetectTargetedSentiment tells of each: `nouns.txt`, one line for a type.
No model is learned: a noun's type follows from the file of WordNet that its first sense is in, or from
what that is a kind of, and for {read} nouns from a list by hand, since reviews mean another sense.

## Made of
| what | licence | source |
|---|---|---|
| Open English WordNet: senses, forms | CC BY 4.0, WordNet's licence | McCrae et al. 2020, Fellbaum 1998 |
| texts that sentiment is learned from: which nouns are there at least {least} times | see `encoder.md` | |

## Known weaknesses
- A noun has one type, whatever it means in a sentence. Animals, plants and times are left out, and so are
  nouns that the texts do not have.
- There is no set with such types at hand to measure them by.

## File
`nouns.txt`: {count} forms; SHA-256 `{digest}`.

| type | forms |
|---|---|
{types}
"""


def train(data: Path, out: Path, say: Callable[[str], None] = print) -> Mapping[str, float]:
    """`nouns.txt` and its card in the folder `out`; how many nouns each type has."""
    wordnet = data / "wordnet_oewn"
    synsets = {each["id"]: each for each in sets.lines(wordnet / "synsets.jsonl.gz")}
    entries = [
        each
        for each in sets.lines(wordnet / "entries.jsonl.gz")
        if each["pos"] == "n" and _WORD.fullmatch(each["lemma"])
    ]
    first = {each["lemma"]: each["synsets"][0] for each in entries}
    of = _types(first, synsets)
    counts = Counter(word for text in _texts(data) for word in _WORD.findall(text.lower()))
    kept: dict[str, str] = {}
    for entry in entries:
        kind = READ.get(entry["lemma"]) or of(first[entry["lemma"]])
        forms = [
            entry["lemma"],
            *(form for form in entry.get("forms", ()) if _WORD.fullmatch(form)),
        ]
        if kind and sum(counts[form] + counts[f"{form}s"] for form in forms) >= LEAST:
            kept |= dict.fromkeys(forms, kind)
    out.mkdir(parents=True, exist_ok=True)
    save(out / FILE, Nouns(kept))
    say(f"nouns: {len(kept)} of {len(entries)}")
    types = dict(sorted(Counter(kept.values()).items()))
    card = CARD.format(
        read=len(READ),
        least=LEAST,
        count=len(kept),
        digest=hashlib.sha256((out / FILE).read_bytes()).hexdigest(),
        types="\n".join(f"| {kind} | {count} |" for kind, count in types.items()),
    )
    (out / "nouns.md").write_text(card, encoding="utf-8")
    return {kind: float(count) for kind, count in types.items()}


def _types(first: Mapping[str, str], synsets: Mapping[str, Any]) -> Callable[[str], str]:
    """The type of a synset, "" for none."""
    roots = {first[name]: kind for name, kind in UNDER if name in first}
    known: dict[str, str] = {}

    def of(synset: str) -> str:
        if synset not in known:
            known[synset] = ""  # while its kinds are looked at, for circles
            above = [synset, *_kinds(synset, synsets)]
            special = [kind for root, kind in roots.items() if root in above]
            known[synset] = special[0] if special else TYPES.get(synsets[synset]["lexfile"], "")
        return known[synset]

    return of


def _kinds(synset: str, synsets: Mapping[str, Any]) -> list[str]:
    """All synsets that this one is a kind of."""
    told: list[str] = []
    left = list(synsets[synset].get("hypernym", ()))
    while left:
        one = left.pop()
        if one in synsets and one not in told:
            told.append(one)
            left += synsets[one].get("hypernym", ())
    return told


def _texts(data: Path) -> Iterator[str]:
    """Texts of tier A: snippets of reviews and whole ones, comments, news, features of products."""
    for part in (sentiment.snippets, sentiment.reviews, sentiment.comments):
        yield from (example.text for example in part(data, "train"))
    yield from (example.text for example in (*sentiment.news(data), *products.opinions(data)))
