"""How word vectors agree with people on the similarity of word pairs: eval.json and `#mean_rho`.

AWS's container evaluates on WS-353, whose files come without a licence that would let them be
shipped. Here the pairs are the user's, in the channel `evaluation`: with WS-353's three files in it
eval.json is AWS's.

Sources: Amazon SageMaker AI Developer Guide, BlazingText, "Model Artifacts for the Word2Vec
Algorithm" and "Tune a BlazingText Model"; the logs of public jobs, for the form of eval.json.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from contract.channels import Channel

from .parameters import ClientError

CHANNEL = "evaluation"
METRIC = "train:mean_rho"
MISSING = (
    "there are no word pairs to compare with: AWS's WS-353 may not be shipped with Sagebrush. Put "
    "files of lines `word1 word2 score` (WS-353's own, or yours) into a channel 'evaluation'"
)
_COLUMNS = re.compile(r"[\t,; ]+")
_LEAST = 2
"""Pairs below which there is no rank correlation."""


@dataclass(frozen=True)
class Pair:
    """Two words and how similar people find them."""

    first: str
    second: str
    score: float


def read(channel: Channel) -> dict[str, list[Pair]]:
    """The pairs of each file of the channel, by its name; raises ClientError for a channel without
    pairs, and for a line that holds none.

    A line is two words and a number, between tabs, commas, semicolons or spaces. Lines that begin
    with `#`, and a first line without a number (column names), are passed over.
    """
    found: dict[str, list[Pair]] = {}
    for file in channel.paths():
        pairs = _pairs(file)
        if pairs:
            found[file.relative_to(channel.folder).as_posix()] = pairs
    if not found:
        raise ClientError(f"The channel {CHANNEL!r} holds no pair: a line is `word1 word2 score`")
    return found


def _pairs(file: Path) -> list[Pair]:
    pairs = []
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [each.strip('"') for each in _COLUMNS.split(line.strip())]
        try:
            first, second, score = columns[0], columns[1], float(columns[2])
        except (IndexError, ValueError):
            if number == 1:
                continue
            raise ClientError(
                f"{file.name}, line {number}: not a pair; a line is `word1 word2 score`"
            ) from None
        if not math.isfinite(score):
            raise ClientError(f"{file.name}, line {number}: the score is {columns[2]}")
        pairs.append(Pair(first.lower(), second.lower(), score))
    return pairs


def evaluate(
    sets: Mapping[str, Sequence[Pair]],
    words: Sequence[bytes],
    vectors: npt.NDArray[np.float32],
) -> dict[str, object]:
    """eval.json's content: for each set Spearman's rank correlation between the people's scores and
    the cosines of the words' vectors, how many pairs there are and how many of them name a word that
    has no vector; and the mean of the correlations, None where no set has one.

    `vectors` is (words, dim).
    """
    # Upper and lower case are one, as in AWS's; of two spellings the more frequent counts.
    rows = {words[row].lower(): row for row in range(len(words) - 1, -1, -1)}
    result: dict[str, object] = {}
    found = []
    for name in sorted(sets):
        pairs, known = sets[name], []
        for pair in pairs:
            first, second = rows.get(pair.first.encode()), rows.get(pair.second.encode())
            if first is not None and second is not None:
                known.append((pair.score, _cosine(vectors[first], vectors[second])))
        rho = spearman(known)
        result[name] = {
            "not_found": len(pairs) - len(known),
            "spearmans_rho": rho,
            "total_pairs": len(pairs),
        }
        if rho is not None:
            found.append(rho)
    result["mean_rho"] = sum(found) / len(found) if found else None
    return result


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation of pairs of figures, ties sharing their rank's mean; None for
    fewer than two pairs and where one side is all the same.
    """
    if len(pairs) < _LEAST:
        return None
    one, other = (_ranks(np.array(side)) for side in zip(*pairs, strict=True))
    spread = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread else None


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count - 1) / 2)[place]


def _cosine(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    length = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.dot(one, other)) / length if length else 0.0


def told(result: Mapping[str, object]) -> str:
    """The result as AWS's container prints and stores it."""
    return json.dumps(result, indent=4)


def required(wanted: bool, tuned: str, given: bool) -> None:
    """Raises ClientError where a tuning job would wait in vain for `train:mean_rho`.

    `wanted` is the hyperparameter `evaluation`, `tuned` the objective that the tuning job looks for,
    `given` whether there is a channel of pairs.
    """
    if tuned != METRIC:
        return
    if not wanted:
        raise ClientError(f"The tuning job's objective {METRIC} needs evaluation=True")
    if not given:
        raise ClientError(f"The tuning job's objective {METRIC} cannot be measured: {MISSING}")
