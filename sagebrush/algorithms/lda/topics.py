"""topics.json in output.tar.gz: the topics as `sagebrush jobs plot` draws them. Ours, not AWS's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contract.errors import ClientError
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

FILE = "topics.json"
VOCABULARY = "vocab.txt"
"""The file of the channel `auxiliary`, as AWS's NTM has it: one word a line."""
PLOTTED, COHERENT = 30, 10
"""Words of a topic in the file, and those that its coherence is measured on."""
WEIGHED = 2000
"""Words that distances are measured on one by one; the others count as one."""
Floats = npt.NDArray[Any]
Ids = npt.NDArray[Any]


def vocabulary(folder: Path, size: int) -> list[str]:
    """The words of the channel `auxiliary`; raises ClientError where they are not `size`."""
    file = folder / VOCABULARY
    if not file.is_file():
        raise ClientError(f"The channel 'auxiliary' must hold the file {VOCABULARY}")
    try:
        lines = file.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ClientError(f"{VOCABULARY} is not UTF-8: {error}") from None
    words = [line.strip() for line in lines]
    while words and not words[-1]:
        words.pop()
    if len(words) != size:
        raise ClientError(
            f"{VOCABULARY} has {len(words)} words, feature_dim is {size}: it must have one line for each"
            " feature"
        )
    return words


def write(
    file: Path, beta: Floats, shares: Floats, documents: csr_matrix, words: Sequence[str] | None
) -> None:
    """The file holds the topics, their shares of all words, coherence and distances."""
    tops = top(beta, PLOTTED)
    coherence = npmi(tops[:, :COHERENT], documents)
    each = [
        {
            "words": [[words[i] if words else f"#{i}", round(float(beta[t, i]), 6)] for i in ids],
            "share": round(float(shares[t]), 6),
            "npmi": round(float(coherence[t]), 4),
        }
        for t, ids in enumerate(tops)
    ]
    content = {
        "algorithm": "lda",
        "vocabulary": words is not None,
        "topics": each,
        "distances": distances(beta).round(4).tolist(),
    }
    file.write_text(json.dumps(content), encoding="utf-8")


def top(beta: Floats, count: int) -> Ids:
    """(topics, count): the words with the largest chances, largest first."""
    return np.argsort(-beta, axis=1, kind="stable")[:, :count]


def npmi(tops: Ids, documents: csr_matrix) -> Floats:
    """The normalised pointwise mutual information of each topic's words: the mean over all pairs, with
    documents as windows; -1 for a pair that never meets. Source: Bouma (2009); Lau, Newman, Baldwin,
    "Machine Reading Tea Leaves" (2014)."""
    words, where = np.unique(tops, return_inverse=True)
    present = documents.tocsc()[:, words].astype(np.float64)
    present.data = np.where(present.data > 0, 1.0, 0.0)
    together = np.asarray((present.T @ present).todense()) / max(documents.shape[0], 1)
    single = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(together / np.outer(single, single)) / -np.log(together)
    value = np.where(together > 0, np.where(together < 1, value, 1.0), -1.0)
    first, second = np.triu_indices(tops.shape[1], 1)
    if not len(first):
        return np.ones(len(tops))
    ids = where.reshape(tops.shape)
    return value[ids[:, first], ids[:, second]].mean(1)


def distances(beta: Floats) -> Floats:
    """(topics, topics): the Jensen-Shannon distances of the topics, in [0, 1]; base 2."""
    heavy = np.sort(np.argsort(-beta.max(0), kind="stable")[:WEIGHED])
    rest = np.clip(1 - beta[:, heavy].sum(1, keepdims=True), 0, None)
    each = np.hstack([beta[:, heavy], rest])
    entropy = _entropy(each)
    found = np.zeros((len(each), len(each)))
    for one in range(len(each)):
        middle = _entropy((each[one] + each[one:]) / 2)
        divergence = middle - (entropy[one] + entropy[one:]) / 2
        found[one, one:] = found[one:, one] = np.sqrt(np.clip(divergence, 0, 1))
    np.fill_diagonal(found, 0)
    return found


def _entropy(chances: Floats) -> Floats:
    logs = np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    return -(chances * logs).sum(1)
