"""Made training data: letters of two kinds that a person tells apart at once."""

from __future__ import annotations

import random

KITCHEN = [
    "simmer",
    "butter",
    "garlic",
    "onion",
    "pepper",
    "sauce",
    "oven",
    "flour",
    "sugar",
    "recipe",
    "pan",
    "dough",
]
SAILING = [
    "anchor",
    "mast",
    "rudder",
    "harbour",
    "tide",
    "keel",
    "rope",
    "captain",
    "wave",
    "breeze",
    "deck",
    "hull",
]


def letters(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """(label, text) of that many letters of each kind."""
    chosen = random.Random(seed)
    found = []
    for label, words in (("KITCHEN", KITCHEN), ("SAILING", SAILING)):
        for _ in range(count):
            first, second, third, fourth = chosen.sample(words, 4)
            found.append(
                (
                    label,
                    f"We talked about the {first} and the {second}, then the {third} near a {fourth}.",
                )
            )
    chosen.shuffle(found)
    return found


def csv(count: int, seed: int = 1) -> bytes:
    """The letters as COMPREHEND_CSV."""
    return "".join(f'{label},"{text}"\n' for label, text in letters(count, seed)).encode()
