"""The weights of a linear chain, fitted by CRFsuite: L-BFGS with an L2 penalty (Okazaki 2007)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from ...program import Stopped

PENALTY = 0.3
"""Of the squares of the weights."""
MOST, LEAST = 100, 30
"""Iterations: as many as the work allows."""
WORK = 2e11
"""About so many multiplications in all, some minutes on one core."""
SMALLEST = 1e-3
"""Attributes without a weight of this size are left out."""


@dataclass(frozen=True)
class Row:
    """Words in a row with their tags."""

    attributes: Sequence[Sequence[str]]
    numbers: numpy.ndarray
    """[words, numbers]."""
    tags: Sequence[int]


@dataclass(frozen=True)
class Fitted:
    """Weights by attribute, number and transition, each for [.., tags]."""

    attributes: dict[str, int]
    surface: numpy.ndarray
    numbers: numpy.ndarray
    transitions: numpy.ndarray


def fit(given: Iterable[Row], tags: int, numbers: int, stopping: Callable[[], bool]) -> Fitted:
    """The weights that make the given tags the likeliest; the same for the same input. Raises Stopped."""
    import pycrfsuite  # pyright: ignore[reportMissingImports]  # of the environment of jobs alone

    class Trainer(pycrfsuite.Trainer):
        """A trainer that asks between two iterations whether to go on, and prints nothing."""

        def message(self, message: str) -> None:
            del message
            if stopping():
                raise Stopped

    trainer: Any = Trainer("lbfgs", verbose=False)
    names: dict[str, int] = {}
    words = 0
    for each in given:
        if stopping():
            raise Stopped
        words += len(each.tags)
        trainer.append(_items(each, names), [str(tag) for tag in each.tags])
    cost = words * (tags * tags + 60.0 * tags)
    iterations = int(min(MOST, max(LEAST, WORK / max(cost, 1.0))))
    trainer.set_params({
        "c1": 0.0,
        "c2": PENALTY,
        "max_iterations": iterations,
        "feature.possible_transitions": True,
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "chain.crfsuite")
        trainer.train(file)
        tagger: Any = pycrfsuite.Tagger()
        tagger.open(file)
        told = tagger.info()
        tagger.close()
    return _fitted(told, names, (tags, numbers))


def _items(each: Row, names: dict[str, int]) -> list[dict[str, float]]:
    """The words as CRFsuite takes them; attributes go by their numbers, so that none has a character
    that its files give a meaning to."""
    told = []
    for attributes, numbers in zip(each.attributes, each.numbers.tolist(), strict=True):
        item = {str(names.setdefault(name, len(names))): 1.0 for name in attributes}
        item.update({f"n{at}": value for at, value in enumerate(numbers)})
        told.append(item)
    return told


def _fitted(told: Any, names: dict[str, int], sizes: tuple[int, int]) -> Fitted:
    tags, numbers = sizes
    surface = numpy.zeros((len(names), tags), numpy.float32)
    of_numbers = numpy.zeros((numbers, tags), numpy.float32)
    transitions = numpy.zeros((tags, tags), numpy.float32)
    for (name, tag), weight in told.state_features.items():
        if name.startswith("n"):
            of_numbers[int(name[1:]), int(tag)] = weight
        else:
            surface[int(name), int(tag)] = weight
    for (before, after), weight in told.transitions.items():
        transitions[int(before), int(after)] = weight
    kept = numpy.flatnonzero(abs(surface).max(1) >= SMALLEST)
    places = {row: at for at, row in enumerate(kept.tolist())}
    chosen = {name: places[row] for name, row in names.items() if row in places}
    return Fitted(chosen, surface[kept], of_numbers, transitions)
