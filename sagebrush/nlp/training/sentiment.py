"""The sentiment of a text: POSITIVE, NEGATIVE, NEUTRAL or MIXED, from sets of licence tier A.

Snippets and documents of film reviews (Pang and Lee 2004, 2005; CC BY 4.0), comments with emotions
(GoEmotions, Demszky et al. 2020; Apache-2.0), sentences of news with the sentiment towards a person
(NewsMTSC, Hamborg and Donnay 2021; MIT), sentences about products (`products`), words (`lexicons`), and what
is made of these and other texts: `statements`, `mixtures`, `emoticons`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from . import emoticons, lexicons, mixtures, products, sets, statements
from .tasks import Example, Kind, Task

LABELS = ("POSITIVE", "NEGATIVE", "NEUTRAL", "MIXED")
POSITIVE = frozenset(
    {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy",
     "love", "optimism", "pride", "relief"}
)  # fmt: skip
NEGATIVE = frozenset(
    {"anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear",
     "grief", "nervousness", "remorse", "sadness"}
)  # fmt: skip
"""GoEmotions' own groups; what is in neither (neutral, curiosity, confusion, realization, surprise) is
NEUTRAL, and a comment of both is MIXED."""
PLAIN = 0.4
"""The weight of a comment without emotions, of which there are more than of all others: else what is
mildly good or bad becomes NEUTRAL."""
SEEN = 2
"""How often a snippet is seen in a pass as it is, beside once as a treebank and once as people write it."""
FIRST = 3
"""How often the first of two learnings sees a snippet, as it is, in a pass."""
_JOINED = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b", re.IGNORECASE)
WINDOW = 90
"""Words of a piece of a long review."""


def of_emotions(emotions: frozenset[str]) -> str:
    """The sentiment of a comment with these emotions."""
    good, bad = emotions & POSITIVE, emotions & NEGATIVE
    if good and bad:
        return "MIXED"
    return "POSITIVE" if good else "NEGATIVE" if bad else "NEUTRAL"


def task(data: Path) -> Task:
    """The task with its sets below `data`."""
    shown, spoken = snippets(data, "train"), comments(data, "train")
    opinions, words = products.opinions(data), lexicons.examples(data)
    before, after = [*reviews(data, "train"), *spoken], [*news(data), *opinions, *words]
    facts = statements.examples(data)
    plain = [each.text for each in facts if each.text.endswith(".")]
    train = [*shown * SEEN, *before]
    train += [replace(each, text=split(each.text)) for each in shown]
    train += [replace(each, text=written(each.text)) for each in shown]
    train += [*after, *facts]
    train += mixtures.examples(opinions, spoken, plain) + emoticons.examples(data, plain)
    return Task(
        "sentiment",
        Kind.SINGLE,
        LABELS,
        train,
        snippets(data, "valid") + comments(data, "valid"),
        sampling=1.2,
        smoothing=0.05,
        first=[*shown * FIRST, *before, *after],
    )


def snippets(data: Path, part: str) -> list[Example]:
    """Sentences of reviews, which are written in lower case and with spaces around punctuation."""
    rows = sets.table(data / "sentence_polarity" / f"{part}.csv")
    return [
        Example(_repaired(row["text"]), (row["label"].upper(),), source="sentence_polarity")
        for row in rows
    ]


def split(text: str) -> str:
    """A snippet as treebanks split it ("it 's", "does n't"), without its full stop."""
    text = re.sub(r'"([^"]*)"', r"`` \1 ''", _JOINED.sub(r" \1", text))
    return re.sub(r" +", " ", text).removesuffix(" .").strip()


def written(text: str) -> str:
    """A snippet as people write it: with a capital, and without spaces before marks."""
    text = re.sub(r" +([.,;:!?)%])", r"\1", re.sub(r"([(]) +", r"\1", text))
    text = re.sub(r'" ([^"]*?) ?"', r'"\1"', text)
    text = re.sub(r"\bi\b", "I", text)
    return text[:1].upper() + text[1:]


def _repaired(text: str) -> str:
    """Text whose UTF-8 was read as Latin-1 once, as it was."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def reviews(data: Path, part: str) -> list[Example]:
    """The first and the last piece of each long review, where its verdict mostly stands."""
    file = data / "movie_reviews" / ("train.jsonl.gz" if part == "train" else f"{part}.jsonl")
    told = []
    for row in sets.lines(file):
        label: str = row["label"].upper()
        label = {"POS": "POSITIVE", "NEG": "NEGATIVE"}.get(label, label)
        sentences = [each.strip() for each in row["text"].split("\n") if each.strip()]
        for pieces in (sentences, sentences[::-1]):
            chosen: list[str] = []
            for sentence in pieces:
                if sum(map(_count, chosen)) + _count(sentence) > WINDOW and chosen:
                    break
                chosen.append(sentence)
            ordered = chosen if pieces is sentences else chosen[::-1]
            told.append(Example(" ".join(ordered), (label,), weight=0.5, source="movie_reviews"))
    return told


def _count(text: str) -> int:
    return len(re.findall(r"\S+", text))


def comments(data: Path, part: str) -> list[Example]:
    """Comments with emotions."""
    rows = sets.table(data / "goemotions" / ("train.csv.gz" if part == "train" else f"{part}.csv"))
    told = []
    for row in rows:
        label = of_emotions(frozenset(row["labels"].split("|")))
        weight = PLAIN if label == "NEUTRAL" else 1.0
        told.append(Example(row["text"], (label,), weight=weight, source="goemotions"))
    return told


def news(data: Path) -> list[Example]:
    """Sentences of news with one target each, whose sentiment is taken for the sentence's."""
    rows = sets.lines(data / "newsmtsc" / "train.jsonl.gz")
    seen: dict[str, set[str]] = {}
    for row in rows:
        seen.setdefault(row["sentence"], set()).add(row["polarity"].upper())
    return [
        Example(text, tuple(labels), weight=0.5, source="newsmtsc")
        for text, labels in seen.items()
        if len(labels) == 1
    ]


def judged(data: Path) -> list[Example]:
    """Sets of tier C that figures are given for, and of which nothing is learned: SST-2's and SemEval's
    validation parts."""
    told = []
    for name in ("sst2", "twitter_sentiment"):
        told += [
            Example(row["text"], (row["label"].upper(),), source=name)
            for row in sets.table(data / name / "valid.csv")
        ]
    return told
