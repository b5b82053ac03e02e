"""A chain fitted by CRFsuite: what it learned, whether twice the same, and how soon it stops; as JSON."""

from __future__ import annotations

import json
import random
import time

import numpy

from sagebrush.algorithms.comprehend.custom.recognizers import chain_fit
from sagebrush.algorithms.comprehend.custom.recognizers.chain_fit import Row
from sagebrush.algorithms.comprehend.program import Stopped
from sagebrush.nlp.custom.chain import Chain, spans_of

TAGS = 3
CODES = ("a: b -->", "0", "n1", "\u2028", "n0")
"""Attributes of words that are codes; the names are such as CRFsuite's own files give a meaning to."""


def rows(count: int, seed: int) -> list[Row]:
    """Words of which codes, and numbers above 0.5, are entities; of two in a row one entity."""
    chosen = random.Random(seed)
    told = []
    for _ in range(count):
        codes = [chosen.random() < 0.3 for _ in range(10)]
        names = [
            ["bias", chosen.choice(CODES) if code else f"w{chosen.randrange(50)}"] for code in codes
        ]
        tags = [0] * 10
        for at, code in enumerate(codes):
            if code:
                tags[at] = 2 if at and codes[at - 1] else 1
        numbers = numpy.array([[chosen.random()] for _ in codes], numpy.float32)
        told.append(Row(names, numbers, tags))
    return told


def found(fitted: chain_fit.Fitted, row: Row) -> list[tuple[int, int, int]]:
    scores = numpy.array(row.numbers @ fitted.numbers)
    for at, names in enumerate(row.attributes):
        for name in names:
            if name in fitted.attributes:
                scores[at] += fitted.surface[fitted.attributes[name]]
    return spans_of(Chain(fitted.transitions).best(scores))


def main() -> None:
    """Prints what was found."""
    first, second = (chain_fit.fit(rows(200, 1), TAGS, 1, lambda: False) for _ in range(2))
    tests = rows(50, 2)
    right = [found(first, each) == spans_of(each.tags) for each in tests]
    same = (
        first.attributes == second.attributes
        and (first.surface == second.surface).all()
        and (first.numbers == second.numbers).all()
        and (first.transitions == second.transitions).all()
    )
    asked = 0

    def soon() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3005

    start = time.process_time()
    try:
        chain_fit.fit(rows(3000, 3), TAGS, 1, soon)
        stopped = False
    except Stopped:
        stopped = True
    print(
        json.dumps(
            {
                "right": sum(right) / len(right),
                "same": bool(same),
                "stopped": stopped,
                "asked": asked,
                "seconds": time.process_time() - start,
            }
        )
    )


if __name__ == "__main__":
    main()
