"""What is known of a text, as people read it: in colours on a terminal, marked in brackets elsewhere."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from sagebrush.commands.analysis.answers import Answers, Found

ENTITY = {
    "PERSON": "bold black on bright_cyan",
    "LOCATION": "bold black on bright_green",
    "ORGANIZATION": "bold black on bright_yellow",
    "COMMERCIAL_ITEM": "bold black on bright_magenta",
    "EVENT": "bold white on blue",
    "DATE": "bold black on cyan",
    "QUANTITY": "bold black on green",
    "TITLE": "bold black on magenta",
    "OTHER": "bold black on white",
}
PII = "underline"
PHRASE = "italic"
MOOD = {"Positive": "green", "Negative": "red", "Neutral": "white", "Mixed": "yellow"}
WIDTH = 24
"""Characters of the longest bar."""
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160))} | {
    9: "\t",
    10: "\n",
    13: "\n",
}
"""What is shown of the characters by which a text would steer the terminal, one for each."""
_RETURNS = re.compile(r"\r(?=\n)")
NAMES = {"entities": "entities", "pii": "personal", "phrases": "phrases", "sentiment": "sentiment"}


def show(console: Console, told: Answers) -> None:
    """The text with what was found in it, then a summary, are printed."""
    terminal = console.is_terminal
    console.print(_marked(told, terminal), end="" if told.text.endswith("\n") else "\n")
    console.print()
    languages = ", ".join(f"{code} {of:.2f}" for code, of in told.languages)
    known = Text(languages) if languages else Text("none", "dim")
    if told.read_as not in [code for code, _ in told.languages[:1]]:
        known.append(f"  (read as {told.read_as})", "dim")
    _row(console, "language", known)
    if told.sentiment:
        _mood(console, told)
    for part, found in told.places.items():
        shown = _listed(told.text, found) if part == "phrases" else _counted(part, found)
        _row(console, NAMES[part], shown)
    for part, why in told.refused.items():
        _row(console, NAMES[part], Text(why, "dim"))


def _row(console: Console, name: str, words: Text) -> None:
    console.print(Text.assemble((f"{name:<10} ", "bold"), words))


def _mood(console: Console, told: Answers) -> None:
    best = max(told.sentiment, key=told.sentiment.__getitem__)
    parts = f"  (mean of {told.sentiments} parts)" if told.sentiments > 1 else ""
    _row(console, "sentiment", Text.assemble((best.upper(), f"bold {MOOD[best]}"), parts))
    for name, score in sorted(told.sentiment.items(), key=lambda each: -each[1]):
        bar = "█" * max(round(score * WIDTH), 1 if score >= 0.01 else 0)
        _row(console, "", Text.assemble((f"{bar:<{WIDTH}}", MOOD[name]), f" {score:.2f} {name}"))


def _listed(text: str, found: Sequence[Found]) -> Text:
    """The words of each place, once."""
    words = (" ".join(text[each.begin : each.end].split()) for each in found)
    joined = ", ".join(dict.fromkeys(words)).translate(CONTROLS)
    return Text(joined, PHRASE) if joined else Text("none", "dim")


def _counted(part: str, found: Sequence[Found]) -> Text:
    if not found:
        return Text("none", "dim")
    counts = Counter(each.label for each in found).most_common()
    words = Text()
    for label, count in counts:
        if words:
            words.append("  ")
        words.append(f" {label} " if part == "entities" else label, _style(part, label))
        words.append(f" {count}")
    return words


def _style(part: str, label: str) -> str:
    if part == "entities":
        return ENTITY.get(label, ENTITY["OTHER"])
    return PII if part == "pii" else PHRASE


def _marked(told: Answers, terminal: bool) -> Text:
    """The text: its places in colours, the types of entities and of personal data after them."""
    if terminal:
        # rich leaves carriage returns out by itself, and offsets count them
        gone = [found.start() for found in _RETURNS.finditer(told.text)]
        words = Text(_RETURNS.sub("", told.text).translate(CONTROLS))
        for part in ("phrases", "entities", "pii"):
            for each in told.places.get(part, ()):
                begin, end = (at - bisect_left(gone, at) for at in (each.begin, each.end))
                words.stylize(_style(part, each.label), begin, end)
        return words
    labels = dict[tuple[int, int], list[str]]()
    for part in ("entities", "pii"):
        for each in told.places.get(part, ()):
            labels.setdefault((each.begin, each.end), []).append(each.label)
    words, at = Text(), 0
    for begin, end in sorted(labels, key=lambda place: (place[0], -place[1])):
        if begin < at:  # inside of what is marked
            continue
        words.append(told.text[at:begin])
        words.append(f"[{told.text[begin:end]} {'/'.join(labels[begin, end])}]")
        at = end
    words.append(told.text[at:])
    return words
