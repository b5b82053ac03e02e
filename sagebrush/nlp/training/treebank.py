"""The English Web Treebank as texts with tokens, parts of speech and noun phrases (CoNLL-U)."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MODIFIERS = frozenset(
    [
        "det",
        "amod",
        "compound",
        "nummod",
        "nmod:poss",
        "nmod:desc",
        "flat",
        "goeswith",
        "det:predet",
        "punct",
    ]
)
"""What belongs to a noun phrase beside its head; what follows a preposition or is a clause does not."""
_HEADS = frozenset(("NOUN", "PROPN", "NUM", "SYM"))
_WITHIN = frozenset(["compound", "flat", "nummod", "nmod:desc", "goeswith", "fixed", "amod"])


@dataclass(frozen=True)
class Word:
    """`text[begin:end]` with its part of speech; `head` is the index of its governor, -1 at the root."""

    begin: int
    end: int
    tag: str
    head: int
    relation: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences of one paragraph joined by spaces, and its words in order."""

    text: str
    words: tuple[Word, ...]


def paragraphs(file: Path) -> list[Paragraph]:
    """The paragraphs of a treebank's file; a sentence without a paragraph goes to the one before."""
    told: list[Paragraph] = []
    for fresh, text, rows in _sentences(gzip.decompress(file.read_bytes()).decode("utf-8")):
        before = None if fresh or not told else told.pop()
        start = len(before.text) + 1 if before else 0
        count = len(before.words) if before else 0
        words = tuple(_words(text, rows, start, count))
        if before:
            told.append(Paragraph(f"{before.text} {text}", before.words + words))
        else:
            told.append(Paragraph(text, words))
    return told


def _sentences(content: str) -> Iterator[tuple[bool, str, list[list[str]]]]:
    for block in content.split("\n\n"):
        fresh, text, rows = False, "", []
        for line in block.split("\n"):
            if line.startswith("# text = "):
                text = line.removeprefix("# text = ")
            elif line.startswith(("# newpar", "# newdoc")):
                fresh = True
            elif line and line[0] != "#":
                columns = line.split("\t")
                if "." not in columns[0]:
                    rows.append(columns)
        if rows:
            yield fresh, text, rows


def _words(text: str, rows: Iterable[list[str]], start: int, count: int) -> Iterator[Word]:
    """Words with offsets from `start`. Those of a multiword token make up its letters, one by one."""
    at = 0
    for columns in rows:
        if "-" in columns[0]:
            continue
        at = text.index(columns[1], at)
        head = int(columns[6]) - 1
        yield Word(
            start + at,
            start + at + len(columns[1]),
            "O" if columns[3] == "X" else columns[3],
            count + head if head >= 0 else -1,
            columns[7],
        )
        at += len(columns[1])


def noun_phrases(words: Sequence[Word]) -> list[tuple[int, int]]:
    """`[first, last)` of the base noun phrases: a noun, name or number with determiners and modifiers.

    Of two that overlap the longer one is told. Clauses, and what follows a preposition, are others.
    """
    children: dict[int, list[int]] = {}
    for at, word in enumerate(words):
        children.setdefault(word.head, []).append(at)
    found = []
    for at, word in enumerate(words):
        counted = any(words[child].relation == "nummod" for child in children.get(at, ()))
        if word.tag in _HEADS and word.relation not in _WITHIN and (word.tag != "SYM" or counted):
            inside = _inside(words, children, at)
            first = last = at
            while first - 1 in inside:
                first -= 1
            while last + 1 in inside:
                last += 1
            found.append(_trimmed(words, first, last + 1))
    told: list[tuple[int, int]] = []
    for first, last in sorted(found, key=lambda each: each[0] - each[1]):
        if first < last and all(last <= a or b <= first for a, b in told):
            told.append((first, last))
    return sorted(told)


def _inside(words: Sequence[Word], children: dict[int, list[int]], at: int) -> set[int]:
    """The words of the phrase around a head."""
    told, waiting = {at}, [at]
    while waiting:
        top = waiting.pop()
        for child in children.get(top, ()):
            relation = words[child].relation
            after = top == at and child > at
            if after and relation not in _AFTER:
                continue
            if (
                relation in MODIFIERS
                or (top == at and relation == "nmod:unmarked" and _dates(words, child, at))
                or (
                    top != at
                    and relation in _DEEPER
                    and (relation != "case" or words[child].tag == "PART")
                )
            ):
                told.add(child)
                waiting.append(child)
    return told


_AFTER = frozenset(
    ["flat", "compound", "nummod", "nmod:desc", "nmod:unmarked", "goeswith", "punct"]
)
_DEEPER = frozenset(("case", "cc", "conj", "fixed", "advmod", "obl:unmarked"))
_EDGES = frozenset(("PUNCT", "CCONJ", "ADP", "SCONJ"))


def _dates(words: Sequence[Word], child: int, head: int) -> bool:
    """Whether they are parts of a date: a month before its day, a year after either."""
    if child < head:
        return words[child].tag == "PROPN" and words[head].tag in ("NUM", "NOUN")
    return words[child].tag == "NUM" and words[head].tag in ("NUM", "NOUN", "PROPN")


def _trimmed(words: Sequence[Word], first: int, last: int) -> tuple[int, int]:
    """Without punctuation and conjunctions at either end."""
    while first < last and words[first].tag in _EDGES:
        first += 1
    while first < last and words[last - 1].tag in _EDGES:
        last -= 1
    return first, last
