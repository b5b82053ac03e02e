"""Texts with two opinions, made of two pieces: MIXED where one is positive and one negative.

The sets hold hardly a text that likes one thing and dislikes another. Here two pieces of known sentiment
are joined as people do ("X, but Y", "X. However, Y"): opinions about things by patterns, sentences of
product reviews (`products`; CC BY 4.0) and comments of GoEmotions (Apache-2.0). As many texts are made in
the same ways of two pieces that agree, or of an opinion and a plain statement, and keep their sentiment:
else the join itself would be learned. Film snippets are not used, of which each tells one verdict as a
whole.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .tasks import Example

SOURCE = "mixtures"
PATTERNS, SINGLE, PIECES = 2400, 1200, 1600
"""Texts by patterns, such of one opinion alone, and texts of pieces of sets."""
LONGEST = 14
"""Words of a piece of a set."""
WEIGHT = 0.7


@dataclass(frozen=True)
class Piece:
    """A clause or sentence, without a full stop, with its sentiment."""

    text: str
    label: str


def examples(
    opinions: Sequence[Example], comments: Sequence[Example], plain: Sequence[str]
) -> list[Example]:
    """Joined texts of patterns, of opinions about products, and of comments, with `plain` statements."""
    chance = random.Random(12)
    told = [_by_patterns(chance, plain) for _ in range(PATTERNS)]
    told += [_alone(chance) for _ in range(SINGLE)]
    for sources in (opinions, comments):
        pools = _pools(sources)
        if all(pools.values()):
            told += [_of_pieces(pools, chance, plain) for _ in range(PIECES // 2)]
    return [Example(text, (label,), weight=WEIGHT, source=SOURCE) for text, label in told]


def nameless(count: int, seed: int) -> list[str]:
    """Texts by patterns, in which nothing is named: what other tasks are shown, so that two opinions in one
    text mean nothing to them."""
    chance = random.Random(seed)
    return [_by_patterns(chance, ())[0] for _ in range(count)]


def _pools(examples: Sequence[Example]) -> dict[str, list[Piece]]:
    """Short texts of one sentence, by their sentiment."""
    told: dict[str, list[Piece]] = {"POSITIVE": [], "NEGATIVE": []}
    for each in examples:
        text = each.text.rstrip(" .!")
        short = 3 <= len(text.split()) <= LONGEST
        if short and not any(mark in text for mark in ".!?;[") and each.labels[0] in told:
            told[each.labels[0]].append(Piece(text, each.labels[0]))
    return told


def _by_patterns(chance: random.Random, plain: Sequence[str]) -> tuple[str, str]:
    first, second = _drawn(chance, plain)
    things = chance.sample(THINGS, 2)
    return _joined(
        _opinion(things[0], first, chance, plain),
        _opinion(things[1], second, chance, plain),
        chance,
    )


def _alone(chance: random.Random) -> tuple[str, str]:
    piece = _opinion(chance.choice(THINGS), chance.choice(("POSITIVE", "NEGATIVE")), chance, ())
    return _great(piece.text) + chance.choice((".", ".", "!", "")), piece.label


def _of_pieces(
    pools: dict[str, list[Piece]], chance: random.Random, plain: Sequence[str]
) -> tuple[str, str]:
    def piece(label: str) -> Piece:
        if label == "NEUTRAL":
            return Piece(chance.choice(plain).rstrip("."), label)
        return chance.choice(pools[label])

    first, second = _drawn(chance, plain)
    return _joined(piece(first), piece(second), chance)


def _drawn(chance: random.Random, plain: Sequence[str]) -> tuple[str, str]:
    """The sentiments of both pieces: different ones in half of the cases."""
    first, second = chance.sample(("POSITIVE", "NEGATIVE"), 2)
    drawn = chance.random()
    if drawn < 0.5:
        return first, second
    if drawn < 0.8 or not plain:
        return first, first
    return (first, "NEUTRAL") if drawn < 0.9 else ("NEUTRAL", first)


def _opinion(
    thing: tuple[str, str], label: str, chance: random.Random, plain: Sequence[str]
) -> Piece:
    if label == "NEUTRAL":
        return Piece(chance.choice(plain).rstrip("."), label)
    name, verb = thing
    if chance.random() < 0.3:
        return Piece(chance.choice(LUCKY if label == "POSITIVE" else UNLUCKY), label)
    said, felt = (GOOD, LIKED) if label == "POSITIVE" else (BAD, DISLIKED)
    if chance.random() < 0.3:
        return Piece(f"{chance.choice(felt)} the {name}", label)
    verb = chance.choice((verb, {"was": "is", "were": "are"}[verb]))
    return Piece(
        f"{chance.choice(('the', 'the', 'the', 'their'))} {name} {verb} {chance.choice(said)}",
        label,
    )


def _joined(first: Piece, second: Piece, chance: random.Random) -> tuple[str, str]:
    """Both pieces as one text, and its sentiment."""
    labels = {first.label, second.label} - {"NEUTRAL"}
    label = "MIXED" if len(labels) == 2 else labels.pop()
    if "NEUTRAL" in (first.label, second.label):
        joints = APART
    else:
        joints = AGAINST + APART if label == "MIXED" else ALONG + APART
    text = chance.choice(joints)
    for mark, piece in (("a", first), ("b", second)):
        text = text.replace(f"{{{mark}}}", _small(piece.text))
        text = text.replace(f"{{{mark.upper()}}}", _great(piece.text))
    return text, label


def _small(text: str) -> str:
    word = text.split()[0]
    plain = (word.istitle() and len(word) > 1) or word == "A"
    return text[0].lower() + text[1:] if plain and not word.startswith("I'") else text


def _great(text: str) -> str:
    return text[0].upper() + text[1:]


AGAINST = (
    "{A}, but {b}.", "{A} but {b}.", "{A}, but {b}.", "{A} but {b}", "{A}. But {b}.", "{A}. However, {b}.",
    "{A}; however, {b}.", "{A}, although {b}.", "Although {a}, {b}.", "While {a}, {b}.", "{A}, yet {b}.",
    "Even though {a}, {b}.", "{A}, though {b}.", "{A}. On the other hand, {b}.", "{A}. Still, {b}.",
    "{A}, while {b}.", "{A} and {b}.", "{A}, except that {b}.",
)  # fmt: skip
ALONG = (
    "{A} and {b}.", "{A}, and {b}.", "{A} and {b}", "{A}. Also, {b}.", "{A}. And {b}.", "{A}, {b}.",
    "{A} because {b}.", "{A}, plus {b}.", "{A} and also {b}.",
)  # fmt: skip
APART = ("{A}. {B}.", "{A}. {B}", "{A}! {B}.")
_ONE = (
    "room|hotel|breakfast|food|service|price|location|view|bed|delivery|packaging|battery|screen|camera|sound|"
    "keyboard|design|app|website|update|support|product|plot|acting|ending|story|film|book|music|course|teacher|"
    "driver|flight|weather|coffee|dessert|waiter|manager|team|work|salary|training|concert|game|beginning|"
    "picture quality|customer service|battery life|interface|installation|trip|beach|pizza"
)
_SEVERAL = "rooms|staff|seats|people|prices|graphics|instructions|colours|waiters|actors|songs|buttons|drinks|speakers"
THINGS = (
    *((name, "was") for name in _ONE.split("|")),
    *((name, "were") for name in _SEVERAL.split("|")),
)
"""What opinions are about, with its verb."""
_GOOD = (
    "great|good|very good|excellent|lovely|wonderful|fantastic|amazing|perfect|really nice|brilliant|outstanding|"
    "awesome|better than expected|top notch|impressive|a pleasure|beautiful|superb|just right|terrific"
)
GOOD = tuple(_GOOD.split("|"))
_BAD = (
    "terrible|bad|very bad|awful|poor|horrible|disappointing|a disaster|not good|dreadful|really bad|"
    "unacceptable|a letdown|below average|far too expensive|useless|boring|not what I expected|not great|"
    "the worst|a mess"
)
BAD = tuple(_BAD.split("|"))
LIKED = (
    "I loved",
    "I love",
    "I really liked",
    "I like",
    "I enjoyed",
    "I am happy with",
    "we loved",
    "I adore",
)
DISLIKED = (
    "I hated", "I hate", "I did not like", "I don't like", "I am disappointed by", "I was not happy with",
    "we were annoyed by", "I can't stand",
)  # fmt: skip
_LUCKY = (
    "everything arrived on time|it was delivered a day early|they fixed it in five minutes|"
    "everything worked at once|we won the match|I passed the exam|I got the place|"
    "they were welcoming to everyone|it runs without a hitch|I would buy it again|I would recommend it to anyone|"
    "we will be back|it does exactly what it says|they answered within minutes|the children had a lot of fun|"
    "I could not stop laughing|five stars|10 out of 10|thumbs up|it made my day|he helped me right away|"
    "she always has time for us|it saves me hours every week|it was worth every penny|nothing to complain about|"
    "my family loves it|it fits like a glove|we got a free upgrade|I am proud of my son|everyone was kind to us|"
    "my fever is gone|they gave me my money back without a question"
)
LUCKY = tuple(_LUCKY.split("|"))
_UNLUCKY = (
    "it broke after a week|it stopped working after a month|it never arrived|the parcel was damaged|"
    "it arrived broken|I want my money back|they never called back|nobody picked up the phone|"
    "we waited for an hour|we had to wait for ages|the train was late|the flight was delayed by five hours|"
    "our booking was lost|my card was charged twice|half of the parts were missing|it does not work|"
    "it won't turn on|it crashes every time|it keeps freezing|I would not buy it again|I cannot recommend it|"
    "we will not come back|one star|two out of ten|0 stars|thumbs down|the meat was raw|the coffee was cold|"
    "there was hair in the sink|the walls were thin and we could not sleep|they refused to refund me|"
    "my request was ignored|my cat died|my grandmother passed away|she lost her job|"
    "three people were killed in the crash|dozens were injured in the fire|thousands lost their homes|"
    "I feel sick|my head hurts|I failed the exam|we lost the match|someone stole my bike|I lost my wallet|"
    "it was a waste of time|nobody helped us|they were rude to my mother|it smells of smoke|it looks cheap"
)
UNLUCKY = tuple(_UNLUCKY.split("|"))
"""What went well, and what did not: told without a word of praise or blame."""
