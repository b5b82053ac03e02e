"""Topics by their words: the top ones, how unique they are, how far apart; and what the log says of them.

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
PLOTTED = 30
"""Words of a topic in topics.json."""
_WEIGHED = 10_000
"""Words of all topics by which the distances between topics are measured, about."""
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


def top(weights: Floats, count: int) -> Ids:
    """(topics, count): the ids of the largest weights of each column of `weights` (words, topics)."""
    count = min(count, weights.shape[0])
    part = np.argpartition(-weights, count - 1, axis=0)[:count]
    order = np.argsort(-np.take_along_axis(weights, part, 0), axis=0, kind="stable")
    return np.take_along_axis(part, order, 0).T


def uniqueness(tops: Ids) -> Floats:
    """TU of each topic: the mean, over its top words, of 1 / (topics that have the word on top)."""
    _, where, counts = np.unique(tops, return_inverse=True, return_counts=True)
    return (1.0 / counts)[where].reshape(tops.shape).mean(1)


def distances(weights: Floats) -> Floats:
    """(topics, topics): Jensen-Shannon distances, in [0, 1], of the topics' word distributions, over the
    words that matter to any; the others are taken together."""
    chances = softmax(weights)
    words = np.unique(top(weights, max(TOP, _WEIGHED // weights.shape[1])))
    rest = np.clip(1 - chances[words].sum(0), 0, None)
    each = np.vstack([chances[words], rest]).T.astype(np.float64)
    count = len(each)
    found = np.zeros((count, count))
    entropy = _entropy(each)
    for one in range(count):
        middle = _entropy((each[one] + each[one:]) / 2)
        divergence = middle - (entropy[one] + entropy[one:]) / 2
        found[one, one:] = found[one:, one] = np.sqrt(np.clip(divergence, 0, 1))
    np.fill_diagonal(found, 0)
    return found


def softmax(weights: Floats) -> Floats:
    """The weights of each column as chances."""
    powers = np.exp(weights - weights.max(0))
    return powers / powers.sum(0)


def document(
    weights: Floats, shares: Floats, npmi: Floats, words: Sequence[str] | None
) -> dict[str, object]:
    """What topics.json holds, for plots; `shares` are the topics' mean proportions."""
    chances, tops = softmax(weights), top(weights, PLOTTED)
    each = [
        {
            "words": [
                [_word(i, words), round(float(chances[i, topic]), 6)] for i in tops[topic].tolist()
            ],
            "share": round(float(shares[topic]), 6),
            "npmi": round(float(npmi[topic]), 4),
        }
        for topic in range(weights.shape[1])
    ]
    return {
        "algorithm": "ntm",
        "vocabulary": words is not None,
        "topics": each,
        "distances": distances(weights).round(4).tolist(),
    }


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


def _word(number: int, words: Sequence[str] | None) -> str:
    return words[number] if words is not None else f"#{number}"


def _entropy(chances: Floats) -> Floats:
    """In bits, of each row."""
    logs = np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    return -(chances * logs).sum(1)
