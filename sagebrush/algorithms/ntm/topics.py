"""What the log says of topics: their top words, and how unique and coherent they are.

Sources: Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling" (2018): TU; AWS's blog on NTM's
auxiliary vocabulary channel: the same, and the lines of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TOP = 20
"""Words of a topic in the log, and those that WETC and TU look at."""
Floats = npt.NDArray[np.floating]
Ids = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Scores:
    """The quality of each topic, in order."""

    tops: Ids
    """(topics, TOP): ids of the top words, best first."""
    uniqueness: Floats
    """TU: 1 where no other topic has a top word of this one."""
    coherence: Floats | None = None
    """WETC, where there is a vocabulary."""


def uniqueness(tops: Ids) -> Floats:
    """TU of each topic: the mean, over its top words, of 1 / (topics that have the word on top)."""
    _, where, counts = np.unique(tops, return_inverse=True, return_counts=True)
    return (1.0 / counts)[where].reshape(tops.shape).mean(1)


def softmax(weights: Floats) -> Floats:
    """The weights of each row as chances."""
    powers = np.exp(weights - weights.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def lines(found: Scores, words: Sequence[str] | None, epoch: str = "final") -> list[str]:
    """What the log says of the topics, in AWS's form: `[wetc, tu] word word …`."""
    mean = f"tu {found.uniqueness.mean():.2f}"
    if found.coherence is not None:
        mean = f"wetc {found.coherence.mean():.2f}, {mean}"
    said = [f"Topics from epoch:{epoch} (num_topics:{len(found.tops)}) [{mean}]:"]
    for topic, ids in enumerate(found.tops):
        marks = [found.uniqueness[topic]]
        if found.coherence is not None:
            marks.insert(0, found.coherence[topic])
        names = [str(i) if words is None else words[i] for i in ids.tolist()]
        said.append(f"[{', '.join(f'{mark:.2f}' for mark in marks)}] {' '.join(map(str, names))}")
    return said
