"""A sample of examples that fits into memory and time, the same for the same input."""

from __future__ import annotations

import heapq
import importlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ... import package
from .examples import Example

DOCUMENTS, CHARACTERS = 60_000, 16_000_000
"""What a training uses at most: documents, and characters that the encoder reads of all of them."""
ENCODED = 4_000
"""Characters of a document that the encoder reads."""
RARE = 50
"""Examples of a label that no sample leaves out."""


@dataclass(frozen=True)
class Sample:
    """Some of the examples, in their order, and what was there."""

    examples: list[Example]
    count: int
    labels: Counter[str]
    """Label -> all of its examples."""


def kept() -> int:
    """How many characters are kept of a document: as many as a classifier reads."""
    package.nlp()
    return importlib.import_module("nlp.custom.ngrams").READ


def sampled(
    found: Iterable[Example], documents: int = DOCUMENTS, characters: int = CHARACTERS
) -> Sample:
    """All examples, or as many as the bounds allow, chosen at random; those of rare labels stay. What is
    held is never more than the bounds and RARE examples of each label."""
    chance = random.Random(15)
    heap: list[tuple[float, int, Example]] = []
    safe: list[tuple[float, int, Example]] = []
    held: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    count = size = 0
    most = kept()
    for example in found:
        example = Example(example.labels, example.text[:most])
        labels.update(example.labels)
        held.update(example.labels)
        heapq.heappush(heap, (chance.random(), count, example))
        count, size = count + 1, size + min(len(example.text), ENCODED)
        while heap and (size > characters or len(heap) + len(safe) > documents):
            least = heapq.heappop(heap)
            if any(held[label] <= RARE for label in least[2].labels):
                safe.append(least)
                continue
            held.subtract(least[2].labels)
            size -= min(len(least[2].text), ENCODED)
    chosen = sorted(heap + safe, key=lambda each: each[1])
    return Sample([each[2] for each in chosen], count, labels)


def held_out(
    examples: list[Example], share: float, most: int
) -> tuple[list[Example], list[Example]]:
    """The examples in two parts, the second with `share` of each label, `most` at most. Those of a label
    that has too few for that are all in the first."""
    frequency = Counter(label for each in examples for label in each.labels)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(examples):
        groups[min(each.labels, key=lambda label: (frequency[label], label))].append(place)
    share = min(share, most / max(1, len(examples)))
    chance, second = random.Random(15), set[int]()
    for label in sorted(groups):
        places = groups[label]
        chance.shuffle(places)
        second.update(places[: int(len(places) * share + 0.5)])
    first = [each for place, each in enumerate(examples) if place not in second]
    return first, [examples[place] for place in sorted(second)]
