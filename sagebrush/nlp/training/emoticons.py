"""Emoticons and emoji with their sentiment: alone, and after a plain statement.

Emoticons are those of VADER's lexicon (Hutto and Gilbert 2014; MIT). It has no emoji: the table here names
those that people use most and whose feeling is clear. The encoder reads an emoji as the words of its
Unicode name (`nlp.text.rewriting`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

from . import lexicons
from .tasks import Example

SOURCE = "emoticons"
WEIGHT = 0.6
SHORT = 3
"""Characters of the emoticons that are used most."""
OFTEN, SELDOM = 10, 2
"""How often a short emoticon or an emoji comes after a statement, and a longer emoticon."""
EMOJI = {
    "POSITIVE": "😀😃😄😁😊😍🥰😘❤💕💖👍👏🎉🥳🤗😎💯✨🙌😂🤣😆😇🌟😻💚💙💜😋😌☺🙂♥🏆🤩💪💐😺👌",
    "NEGATIVE": "😡😠🤬😢😭😞😔😟😕🙁☹😣😖😫😩😤😨😰😱👎💔🤮🤢😒🙄😑🤦😓😥😿💩🥺😾😦😧",
    "NEUTRAL": "📅☕🚗📦🏠✈📞📧📍🕒🚌📖💻🔑📷🌧🍎🐟",
}


def examples(data: Path, plain: Sequence[str]) -> list[Example]:
    """Each emoticon and emoji alone, doubled, and after some of the `plain` statements."""
    chance = random.Random(13)
    told: list[tuple[str, str]] = []
    for mark, label in emoticons(data).items():
        told += _uses(mark, label, OFTEN if len(mark) <= SHORT else SELDOM, plain, chance)
    for label, marks in EMOJI.items():
        for mark in marks:
            told += _uses(mark, label, OFTEN, plain, chance)
            told.append((mark * chance.choice((2, 3)), label))
    return [Example(text, (label,), weight=WEIGHT, source=SOURCE) for text, label in told]


def emoticons(data: Path) -> dict[str, str]:
    """The marks of VADER's lexicon, without its abbreviations, with their label."""
    return {
        word: label
        for word, label in lexicons.clear(data).items()
        if re.search(r"[^\w\s]", word) and not re.search(r"[A-Za-z]{2}", word)
    }


def _uses(
    mark: str, label: str, count: int, plain: Sequence[str], chance: random.Random
) -> list[tuple[str, str]]:
    texts = [mark, mark]
    for text in chance.sample(plain, min(count, len(plain))):
        kept = text if chance.random() < 0.5 else text.rstrip(".")
        texts.append(f"{kept} {mark}")
    return [(text, label) for text in texts]
