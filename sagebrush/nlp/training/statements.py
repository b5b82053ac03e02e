"""Plain statements, questions and requests, which are NEUTRAL: what reviews and comments hold rarely.

| from | licence |
|---|---|
| sentences of Tatoeba (the English side of its pairs with German) | CC BY 2.0 FR |
| definitions of Open English WordNet | CC BY 4.0 and WordNet's licence |
| requests of CLINC150 (Larson et al. 2019) and Snips (Coucke et al. 2018) | CC BY 3.0, CC0 |
| texts of the task `pii`, most of them with synthetic personal data | as there |
| patterns of this module | |

People labelled none of them: a sentence counts as neutral if it holds no word of the opinion lexicon or
of VADER's, no negation, no word that strengthens and no exclamation mark.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

from . import lexicons, pii, sets
from .tasks import Example

WEIGHT = 0.4
SOURCE = "statements"
COUNTS = {"tatoeba": 3500, "wordnet": 800, "requests": 1200, "personal": 500, "patterns": 1500}
"""How many of each kind are drawn, at most."""
CHATTY = frozenset(
    ("goodbye", "thank_you", "greeting", "tell_joke", "fun_fact", "yes", "no", "maybe", "lost_luggage",
     "report_fraud", "damaged_card", "report_lost_card", "meaning_of_life")
)  # fmt: skip
"""CLINC150's intents that are no plain request."""
SLIGHT = 0.3
"""The strength of 4 from which a word of VADER's is one of feeling."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_TELLS = (
    "no not never nothing nobody none nor neither without cannot hardly barely so too very really such most only "
    "even quite rather finally unfortunately luckily still again enough than as wish hope should must alone cry "
    "cried crying tears laughed smile smiled died dead killed prison sick ill"
)
_TELLING = frozenset(_TELLS.split())


class Plainness:
    """Tells whether a text holds a word that may carry feeling."""

    def __init__(self, data: Path, wide: bool = True) -> None:
        """`wide`: by VADER's lexicon too, in which are such words as "please" and "want"."""
        told = set(lexicons.opinions(data))
        if wide:
            told |= {w for w, s in lexicons.strengths(data).items() if abs(s) >= SLIGHT}
        self._loaded = frozenset(told) | _TELLING

    def holds(self, text: str) -> bool:
        """Whether the text is plain."""
        words = _WORD.findall(text.lower())
        return (
            "!" not in text
            and bool(words)
            and not any(word in self._loaded or word.endswith("n't") for word in words)
        )


def examples(data: Path) -> list[Example]:
    """Some of each kind, the same ones each time."""
    chance = random.Random(11)
    plain, narrow = Plainness(data), Plainness(data, wide=False)
    kinds: dict[str, list[str]] = {
        "tatoeba": _some(sentences(data, plain), COUNTS["tatoeba"], chance),
        "wordnet": _some(definitions(data, plain, chance), COUNTS["wordnet"], chance),
        "requests": _some(requests(data, narrow), COUNTS["requests"], chance),
        "personal": _some(personal(data, plain), COUNTS["personal"], chance),
        "patterns": _some((pattern(chance) for _ in range(3 * COUNTS["patterns"])),
                          COUNTS["patterns"], chance),
    }  # fmt: skip
    return [
        Example(text, ("NEUTRAL",), weight=WEIGHT, source=SOURCE)
        for texts in kinds.values()
        for text in texts
    ]


def _some(texts: Iterable[str], count: int, chance: random.Random) -> list[str]:
    different = sorted(set(texts))
    return chance.sample(different, min(count, len(different)))


def sentences(data: Path, plain: Plainness) -> list[str]:
    """Tatoeba's everyday sentences of three words at least that are plain."""
    lines = sets.text(data / "tatoeba_en_de" / "train.en-de.tsv.gz").split("\n")
    texts = dict.fromkeys(line.split("\t")[0].strip() for line in lines)
    return [text for text in texts if text.count(" ") > 1 and plain.holds(text)]


def definitions(data: Path, plain: Plainness, chance: random.Random) -> list[str]:
    """WordNet's plain definitions of things and acts, half of them as a sentence."""
    told = []
    for row in sets.lines(data / "wordnet_oewn" / "synsets.jsonl.gz"):
        word, gloss = row["members"][0], row["definition"][0]
        if row["pos"] not in "nv" or not 3 < len(gloss.split()) < 20 or "(" in gloss:
            continue
        if not plain.holds(f"{word} {gloss}"):
            continue
        article = re.match(r"(?:an?|the) ", gloss)
        if row["pos"] == "n" and article and word.islower() and chance.random() < 0.5:
            told.append(f"{'An' if word[0] in 'aeiou' else 'A'} {word} is {gloss}.")
        else:
            told.append(gloss)
    return told


def requests(data: Path, plain: Plainness) -> list[str]:
    """What people ask an assistant for, in CLINC150 and Snips."""
    told = [
        row["text"]
        for row in sets.table(data / "clinc150" / "train.csv")
        if row["label"] not in CHATTY
    ]
    told += [
        row["text"]
        for row in sets.lines(data / "snips" / "train.jsonl.gz")
        if row["intent"] != "RateBook"
    ]
    return [text for text in told if plain.holds(text)]


def personal(data: Path, plain: Plainness) -> list[str]:
    """Texts with personal data that are plain."""
    return [each.text for each in pii.task(data).first if plain.holds(each.text)]


def pattern(chance: random.Random) -> str:
    """A statement by one of the patterns."""
    text = re.sub(
        r"\{(\w+)\}",
        lambda found: chance.choice(_WORDS[found[1]]),
        chance.choice(_PATTERNS),
    )
    text = re.sub(r"\ba (?=[aeio])", "an ", text)
    return text[0].upper() + text[1:]


_PATTERNS = (
    "It is a {thing}.", "This is a {thing}.", "That is my {thing}.", "There is a {thing} on the {place}.",
    "There are two {thing}s on the {place}.", "The {thing} is {colour}.", "The {thing} is on the {place}.",
    "The {event} starts at {time}.", "The {event} begins at {time} on {day}.", "The {event} is on {day}.",
    "The {event} takes place in {city}.", "The {event} was moved to {day}.", "The {ride} leaves at {time}.",
    "The {ride} to {city} leaves at {time}.", "The {ride} arrives at {time}.", "{who} works in {city}.",
    "{who} lives in {city}.", "{who} is from {city}.", "{who} works as a {job}.", "{who} is a {job}.",
    "{who} was born in {city} in {year}.", "{who} moved to {city} in {year}.", "{who} is {number} years old.",
    "{who} goes to {city} on {day}.", "{who} has a {colour} {thing}.", "{who} put the {thing} on the {place}.",
    "{who} called on {day}.", "{who} left at {time}.", "I live in {city}.", "I work as a {job} in {city}.",
    "I work in {city}.", "I am a {job}.", "I bought a {thing} on {day}.", "We have a {thing} and a {thing}.",
    "We met on {day} at {time}.", "We drove to {city} on {day}.", "I sent the {paper} on {day}.",
    "The {paper} is attached.", "The {paper} has {number} pages.", "The {paper} is due on {day}.",
    "The {paper} was written in {year}.", "Please send the {paper} by {day}.", "Here is the {paper}.",
    "Your order was shipped on {day}.", "The parcel arrived on {day}.", "The order number is {number}{number}.",
    "The shop is open from {time} to {time}.", "The shop is closed on {day}s.", "The shop is next to the station.",
    "The company has {number} employees.", "The company was founded in {year}.",
    "The company has an office in {city}.", "The building has {number} floors.", "The room has two windows.",
    "The bus stops in {city}.", "Where is the {thing}?", "When does the {event} start?",
    "Is the {event} on {day}?", "What time is it?", "Today is {day}.", "Tomorrow is {day}.",
    "It is {time}.", "{city} is a city.", "The {thing} weighs {number} kilograms.",
    "The {thing} costs {number} dollars.", "The temperature is {number} degrees.",
    "My name is {name}.", "My name is {name} and I live in {city}.", "This is {name} from {city}.",
    "{name} sent me the {paper}.", "{name} and {name} are in {city}.", "I had {food} for lunch.",
    "{who} eats {food} in the morning.", "The {food} is in the kitchen.", "I read the {paper} on {day}.",
    "It has {number} pages.", "It is made of {stuff}.", "The {thing} is made of {stuff}.",
    "The product comes in {colour} and {colour}.", "The phone has a {number}-inch screen.",
    "The film was made in {year}.", "The film is two hours long.", "The book has {number} chapters.",
    "The hotel is in {city}.", "The hotel has {number} rooms.", "Check-in is at {time}.",
    "i am at the station", "see you on {day}", "the {event} is at {time}", "on my way to {city}",
)  # fmt: skip
_WORDS: dict[str, tuple[str, ...]] = {
    name: tuple(words.split("|"))
    for name, words in {
        "thing": "table|chair|lamp|book|phone|laptop|key|cup|bottle|box|bag|clock|pen|bicycle|car|door|window|desk|"
        "shelf|map|camera|printer|umbrella|coat|shirt|apple|picture",
        "place": "table|desk|floor|shelf|chair|bed|roof|left|right|second floor",
        "colour": "red|blue|green|brown|black|white|grey|yellow|orange",
        "event": "meeting|lesson|course|conference|concert|match|lecture|appointment|interview|class|film|call|show",
        "ride": "train|bus|flight|ferry|plane|tram",
        "time": "nine|ten|noon|seven|eight o'clock|9 am|10:30|half past six|three in the afternoon|14:15|5 pm",
        "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
        "city": "Berlin|London|Paris|Boston|Chicago|Seattle|Madrid|Tokyo|Sydney|Toronto|Dublin|Vienna|Mumbai|Oslo|Austin",
        "who": "He|She|My brother|My sister|My neighbour|Anna|John|Maria|Mr. Brown|The manager|Her mother|David|Our teacher",
        "name": "Anna|John Miller|Maria Lopez|David|Susan Clark|Peter|Mei Chen|Omar|Laura|James Wright|Priya",
        "job": "teacher|nurse|driver|programmer|baker|lawyer|farmer|engineer|cook|clerk|writer|plumber",
        "year": "1968|1975|1989|1994|2001|2008|2015|2019|2021",
        "number": "2|3|6|7|12|18|24|31|40|45|60|85|120|300",
        "paper": "report|invoice|letter|contract|list|form|agenda|file|article|email|receipt|document",
        "food": "rice|soup|bread|eggs|pasta|salad|toast|fish|cereal|cheese",
        "stuff": "wood|steel|glass|plastic|cotton|stone|paper",
    }.items()
}
