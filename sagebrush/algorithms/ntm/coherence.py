"""How coherent topics are, by the documents that their words share. NumPy and SciPy.

AWS's WETC reads GloVe's vectors of 50 dimensions, which its image holds. Here no pretrained vectors are: the
vectors are those of the training documents themselves (positive pointwise mutual information of words that
share documents, reduced to 50 dimensions by a singular value decomposition). The scores are therefore
comparable only with one another, and not with AWS's.

Sources: Ding, Nallapati, Xiang, "Coherence-Aware Neural Topic Modeling" (2018): pairwise WETC; Levy and
Goldberg, "Neural Word Embedding as Implicit Matrix Factorization" (2014): the vectors.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse  # pyright: ignore[reportMissingImports]
from scipy.sparse import linalg  # pyright: ignore[reportMissingImports]

from .topics import Floats, Ids

DIMENSIONS = 50
DOCUMENTS = 20_000
"""Of the training documents that co-occurrences are counted in, evenly taken."""
CONTEXTS = 5_000
"""The most frequent words, with which co-occurrences are counted."""


def sample(documents: sparse.csr_matrix) -> sparse.csr_matrix:
    """At most DOCUMENTS of the documents, evenly taken, as presence (1) of words."""
    count = documents.shape[0]
    if count > DOCUMENTS:
        documents = documents[np.linspace(0, count - 1, DOCUMENTS).astype(np.int64)]
    present = documents.astype(np.float32)
    present.data = np.ones_like(present.data)
    return present


def unknown(documents: sparse.csr_matrix) -> int:
    """How many words of the vocabulary no document has: they have no vector."""
    return int((np.bincount(documents.indices, minlength=documents.shape[1]) == 0).sum())


def wetc(tops: Ids, present: sparse.csr_matrix) -> Floats:
    """WETC of each topic: the mean cosine of all pairs of its top words' vectors.

    A word without a vector has the zero vector: its cosine with any other is 0."""
    words, where = np.unique(tops, return_inverse=True)
    vectors = _vectors(present, words)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    each = unit[where.reshape(tops.shape)]
    known = np.linalg.norm(each, axis=2).round().sum(1)
    pairs = tops.shape[1] * (tops.shape[1] - 1)
    if not pairs:
        return np.ones(len(tops))
    return ((each.sum(1) ** 2).sum(1) - known) / pairs


def _vectors(present: sparse.csr_matrix, words: Ids) -> Floats:
    """(words, DIMENSIONS): the vectors of `words`."""
    frequent = np.asarray(present.sum(0)).ravel()
    contexts = np.argsort(-frequent, kind="stable")[:CONTEXTS]
    contexts = contexts[frequent[contexts] > 0]
    columns = present.tocsc()
    together = (columns[:, words].T @ columns[:, contexts]).tocoo()
    expected = frequent[words][together.row] * frequent[contexts][together.col]
    value = np.log(together.data * present.shape[0] / expected)
    # A word always meets itself, which says nothing.
    kept = (value > 0) & (words[together.row] != contexts[together.col])
    mutual = sparse.csr_matrix(
        (value[kept], (together.row[kept], together.col[kept])), (len(words), len(contexts))
    )
    size = min(DIMENSIONS, min(mutual.shape) - 1)
    if size < 1 or not mutual.nnz:
        return np.zeros((len(words), 1))
    start = np.ones(min(mutual.shape), mutual.dtype)
    left, values, _ = linalg.svds(mutual.astype(np.float64), k=size, v0=start.astype(np.float64))
    return left * np.sqrt(values)
