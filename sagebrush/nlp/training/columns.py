"""Files of words with tags (CoNLL: word, tab, O, B-label or I-label) as texts with spans.

A text is made in two ways: joined, with a space between all words, as such sets are mostly scored; and
written, with spaces where people write them, as texts come to the API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..spans import Span

Word = tuple[str, str]
"""A word and its tag."""
Naming = Callable[[str, str], str]
"""The label of what is named, by the set's label and the words."""

_BEFORE = frozenset("([“‘$£€#@")
"""No space follows these."""
_CLINGING = ". , ! ? : ; ) ] % ” … n't N'T n’t 's ’s 'S 'm ’m 're ’re 've ’ve 'll ’ll 'd ’d .. ... .... !! !!!"
_AFTER = frozenset(_CLINGING.split())
"""No space stands before these."""
_ENDINGS = frozenset(("s", "t", "m", "re", "ve", "ll", "d", "S", "T"))
_QUOTES = frozenset("'´’")


def sentences(file: Path) -> list[list[Word]]:
    """The sentences of a file, which empty lines part."""
    told: list[list[Word]] = []
    words: list[Word] = []
    for line in [*file.read_text(encoding="utf-8").split("\n"), ""]:
        word, tab, tag = line.rpartition("\t")
        if tab and word.strip():
            words.append((word, tag))
        elif words and not tab:
            told.append(words)
            words = []
    return told


def named(words: Sequence[Word]) -> list[tuple[int, int, str]]:
    """First word, last word and label of each span; I- without a beginning begins one."""
    told: list[tuple[int, int, str]] = []
    for at, (_, tag) in enumerate(words):
        kind, _, label = tag.partition("-")
        if kind == "I" and told and told[-1][1] == at - 1 and told[-1][2] == label:
            told[-1] = (told[-1][0], at, label)
        elif kind in ("B", "I"):
            told.append((at, at, label))
    return told


def joined(words: Sequence[Word], naming: Naming) -> tuple[str, tuple[Span, ...]]:
    """The words with a space between all of them, and what is named in this text."""
    return _text(words, [True] * len(words), naming)


def written(words: Sequence[Word], naming: Naming) -> tuple[str, tuple[Span, ...]]:
    """The words as people write them: "you 're ( here ) ." is "you're (here)."."""
    spaces = [True] * len(words)
    quoted = False
    for at, (word, _) in enumerate(words):
        before = words[at - 1][0] if at else ""
        if word in _AFTER or before in _BEFORE:
            spaces[at] = False
        elif word == '"':
            quoted = not quoted
            spaces[at] = quoted
        elif before == '"' and quoted:
            spaces[at] = False
        elif before in _QUOTES and word in _ENDINGS:
            spaces[at - 1] = spaces[at] = False
        elif before in (",", ".", ":") and at > 1 and _one_number(words[at - 2][0], before, word):
            spaces[at] = False
    return _text(words, spaces, naming)


def _one_number(first: str, mark: str, second: str) -> bool:
    """Whether 10 , 000 and 10 : 30 are one number."""
    return first[-1:].isdigit() and second[:1].isdigit() and (mark != "," or len(second) == 3)


def _text(
    words: Sequence[Word], spaces: Sequence[bool], naming: Naming
) -> tuple[str, tuple[Span, ...]]:
    text = ""
    places: list[tuple[int, int]] = []
    for (word, _), space in zip(words, spaces, strict=True):
        text += " " if text and space else ""
        places.append((len(text), len(text) + len(word)))
        text += word
    spans = []
    for first, last, label in named(words):
        begin, end = places[first][0], places[last][1]
        spans.append(Span(begin, end, naming(label, text[begin:end])))
    return text, tuple(spans)
