"""Topics of words, as LDA and NTM find them: the words' names, and topics.json in output.tar.gz, which
`sagebrush jobs plot` draws. The file is ours, not AWS's.

Sources: Amazon SageMaker AI Developer Guide, "Neural Topic Model (NTM) Algorithm", for vocab.txt; Bouma
(2009), and Lau, Newman, Baldwin, "Machine Reading Tea Leaves" (2014), for the coherence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import errors
from .channels import Channel
from .errors import ClientError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

FILE = "topics.json"
VOCABULARY = "vocab.txt"
"""The file of the channel `auxiliary`: one word a line."""
PLOTTED, COHERENT = 30, 10
"""Words of a topic in the file, and those that its coherence is measured on."""
WEIGHED = 2000
"""Words that distances are measured on one by one; the others count as one."""
Floats = npt.NDArray[Any]
Ids = npt.NDArray[Any]


def vocabulary(channel: Channel, size: int) -> list[str]:
    """The words of vocab.txt, in the order of their numbers; raises ClientError where they are not
    `size`."""
    if channel.content_type not in ("", "text/plain"):
        raise errors.misconfigured(
            f"The ContentType of the auxiliary channel must be text/plain, not {channel.content_type}"
        )
    named = [
        source.read() for name, source in channel.files() if channel.streamed or name == VOCABULARY
    ]
    if len(named) != 1:
        raise errors.misconfigured(f"The auxiliary channel must contain a file named {VOCABULARY}")
    try:
        text = named[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.unreadable(channel.name, "text/plain", f"{VOCABULARY}: {error}") from None
    # Not splitlines: a word may hold U+2028, which ends no line of the file.
    words = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
    if len(words) != size:
        raise ClientError(
            f"The vocabulary file {VOCABULARY} has {len(words)} words, but feature_dim is {size}: it must"
            " have one line for each word, in the order of the integer IDs in the data"
        )
    return words


def write(
    file: Path,
    algorithm: str,
    chances: Floats,
    shares: Floats,
    documents: csr_matrix,
    words: Sequence[str] | None,
) -> None:
    """The file holds the topics: their top words, shares of the text, coherence and distances.

    `chances` is (topics, words), each row of them a distribution; `documents` are (documents, words).
    """
    coherence = npmi(top(chances, COHERENT), documents)
    content = document(algorithm, chances, shares, coherence, words)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def document(
    algorithm: str, chances: Floats, shares: Floats, coherence: Floats, words: Sequence[str] | None
) -> dict[str, Any]:
    """What the file holds."""
    each = [
        {
            "words": [
                [words[i] if words is not None else f"#{i}", round(float(chances[topic, i]), 6)]
                for i in ids
            ],
            "share": round(float(shares[topic]), 6),
            "npmi": round(float(coherence[topic]), 4),
        }
        for topic, ids in enumerate(top(chances, PLOTTED).tolist())
    ]
    return {
        "algorithm": algorithm,
        "vocabulary": words is not None,
        "topics": each,
        "distances": distances(chances).round(4).tolist(),
    }


def top(weights: Floats, count: int) -> Ids:
    """(topics, count): the ids of the largest weights of each row of `weights` (topics, words), largest
    first."""
    count = min(count, weights.shape[1])
    found = np.empty((len(weights), count), np.int64)
    for topic, row in enumerate(weights):
        part = np.sort(np.argpartition(-row, count - 1)[:count])
        found[topic] = part[np.argsort(-row[part], kind="stable")]
    return found


def npmi(tops: Ids, documents: csr_matrix) -> Floats:
    """The normalised pointwise mutual information of each topic's words: the mean over all pairs, with
    documents as windows; -1 for a pair that never meets."""
    words, where = np.unique(tops, return_inverse=True)
    present: Any = documents.tocsc()[:, words].astype(np.float64)
    present.data = np.where(present.data > 0, 1.0, 0.0)
    together = np.asarray((present.T @ present).todense()) / max(len(documents.indptr) - 1, 1)
    single = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(together / np.outer(single, single)) / -np.log(together)
    value = np.where(together > 0, np.where(together < 1, value, 1.0), -1.0)
    first, second = np.triu_indices(tops.shape[1], 1)
    if not len(first):
        return np.ones(len(tops))
    ids = where.reshape(tops.shape)
    return value[ids[:, first], ids[:, second]].mean(1)


def distances(chances: Floats) -> Floats:
    """(topics, topics): the Jensen-Shannon distances of the topics, in [0, 1]; base 2."""
    heavy = np.sort(np.argsort(-chances.max(0), kind="stable")[:WEIGHED])
    rest = np.clip(1 - chances[:, heavy].sum(1, keepdims=True), 0, None)
    each = np.hstack([chances[:, heavy], rest]).astype(np.float64)
    entropy = _entropy(each)
    found = np.zeros((len(each), len(each)))
    for one in range(len(each)):
        middle = _entropy((each[one] + each[one:]) / 2)
        divergence = middle - (entropy[one] + entropy[one:]) / 2
        found[one, one:] = found[one:, one] = np.sqrt(np.clip(divergence, 0, 1))
    np.fill_diagonal(found, 0)
    return found


def _entropy(chances: Floats) -> Floats:
    """In bits, of each row."""
    logs = np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    return -(chances * logs).sum(1)
