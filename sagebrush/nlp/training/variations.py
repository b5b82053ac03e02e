"""Variations of examples: other names in the same places, other capitals.

Names that a tagger meets are mostly none that it was taught, and people write them as they like. A
sentence with another name of the same type teaches what stands around names.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..spans import Span
from .tasks import Example

Names = Mapping[str, Sequence[str]]
"""Names by their label."""
_THINGS = (
    "iPhone 7|iPhone X|iPad Pro|MacBook Air|Apple Watch|AirPods|Galaxy S8|Galaxy Note 4|Pixel 2|Nexus 5|Kindle|"
    "Echo Dot|Fire TV|PlayStation 4|PS5|PS Vita|Xbox One|Xbox 360|Nintendo Switch|Wii U|Game Boy|Raspberry Pi|"
    "Windows 10|Windows Phone|Photoshop|Excel|PowerPoint|Final Cut|Google Maps|Google Drive|Chrome|Firefox|"
    "Safari|Android|iOS 9|Ubuntu|WordPress|MySQL|Snapchat|Instagram|WhatsApp|Facebook|Twitter|YouTube|Tumblr|"
    "Skype|Spotify|Netflix|Tinder|Uber|Siri|Alexa|GoPro Hero 5|Canon 5D|Nikon D850|Sony a7|Leica M10|Mavic Pro|"
    "DJI Phantom|Corolla|Civic Type R|Mustang GT|Model S|Model 3|Prius|Camaro|F-150|Golf GTI|Mini Cooper|"
    "Vespa|Harley Sportster|Boeing 747|A380|AK-47|Glock 19|Coke Zero|Diet Pepsi|Red Bull|Nutella|Oreo|Big Mac|"
    "Happy Meal|Whopper|Frappuccino|Doritos|Skittles|Kit Kat|Marmite|Jack Daniels|Bud Light|Guinness|Heineken|"
    "Air Jordan 1|Yeezy|Converse|Crocs|Ray-Bans|Levi's 501|Vans|Uggs|Chanel No. 5|Old Spice|Tide|Febreze|"
    "Dyson V8|Roomba|KitchenAid|Instant Pot|Tupperware|Post-it|Sharpie|Lego|Barbie|Nerf|Rubik's Cube|Monopoly|"
    "Tylenol|Advil|Xanax|Adderall|Viagra|Prozac|Botox|GTX 1080|Ryzen 7|Core i7|ThinkPad|Surface Pro|Arduino"
)
THINGS = tuple(_THINGS.split("|"))
"""Things that are sold, of which the sets name few."""


def names_of(examples: Sequence[Example]) -> dict[str, list[str]]:
    """The names in the examples by their label, each as often as it occurs, and THINGS."""
    told: dict[str, list[str]] = {"COMMERCIAL_ITEM": list(THINGS)}
    for example in examples:
        for span in example.spans:
            name = example.text[span.begin : span.end]
            if name[0] not in "@#" and any(each.isalpha() for each in name):
                told.setdefault(span.label, []).append(name)
    return told


def varied(example: Example, names: Names, chance: random.Random) -> Example:
    """The example as it is, with other names, or without capitals, or all in capitals."""
    drawn = chance.random()
    if drawn < 0.3:
        return swapped(example, names, chance)
    if drawn < 0.45:
        return cased(example, example.text.lower())
    if drawn < 0.5:
        return cased(example, example.text.upper())
    return example


def cased(example: Example, text: str) -> Example:
    """The example with this text, which is as long; as it is where the text is longer or shorter."""
    return replace(example, text=text) if len(text) == len(example.text) else example


def swapped(example: Example, names: Names, chance: random.Random) -> Example:
    """The example with other names of the same types, written as the names there were: in small or in
    capital letters. What begins with "@" or "#" stays."""
    text = ""
    spans: list[Span] = []
    at = 0
    for span in sorted(example.spans):
        text += example.text[at : span.begin]
        at = span.end
        name = example.text[span.begin : span.end]
        if name[0] not in "@#" and names.get(span.label):
            name = _written_as(name, chance.choice(names[span.label]))
        spans.append(replace(span, begin=len(text), end=len(text) + len(name)))
        text += name
    return replace(example, text=text + example.text[at:], spans=tuple(spans))


def _written_as(before: str, name: str) -> str:
    if before.islower():
        return name.lower()
    return name.upper() if before.isupper() and len(before) > 3 else name
