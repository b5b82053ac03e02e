"""LDA's parameters from the moments of the documents: whitening, decomposition, and back.

With v_i and l_i the terms of the whitened third moment: beta_i is proportional to B v_i, B being the
inverse of the whitening, and alpha_i to 1 / l_i**2. Source: Anandkumar et al., JMLR 15 (2014), theorem
3.5 and section 4.3. Estimates may be negative in words that a topic lacks: they are cut at 0, and rows sum
to 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

from . import decomposition, moments
from .decomposition import Limits
from .model import Model

Floats = npt.NDArray[np.float64]
LEAST = 1e-3
"""The least alpha of a topic, as a share of the mean."""
BLUR = 0.5
"""The share of all words in a topic that is begun from one document."""


@dataclass(frozen=True)
class Estimate:
    """What the moments say."""

    model: Model
    found: int
    """Topics that the second moment distinguishes; the others begin as single documents."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time by step, under the names of AWS's log."""


def estimate(
    documents: csr_matrix,
    topics: int,
    alpha0: float,
    limits: Limits,
    report: Callable[[str], None] = lambda _line: None,
) -> Estimate:
    """The model of the documents (one a row, of counts); alpha sums to alpha0. At least one document
    must have three words."""
    clock = [time.monotonic()]
    corpus = moments.corpus(documents)
    mean = corpus.mean()
    whitened = moments.whitening(corpus, topics, alpha0)
    clock.append(time.monotonic())
    found = len(whitened.values)
    if found:
        tensor = moments.third(corpus, whitened, alpha0)
        clock.append(time.monotonic())
        terms = decomposition.decompose(tensor, limits, report)
        beta = _chances(whitened.back @ terms.vectors, mean)
        alpha = 1 / np.maximum(terms.weights, 1e-6 * terms.weights.max()) ** 2
        alpha = np.maximum(alpha, LEAST * alpha.mean())
    else:
        clock.append(time.monotonic())
        beta, alpha = np.zeros((0, len(mean))), np.ones(0)
    if found < topics:
        more = _from_documents(corpus.counts, mean, topics - found)
        beta = np.vstack([beta, more])
        alpha = np.concatenate([alpha, np.full(len(more), alpha.min() if found else 1.0)])
    clock.append(time.monotonic())
    names = ("rand_svd.time", "whiten_m3.time", "CPDecomposition.time")
    seconds = {name: clock[i + 1] - clock[i] for i, name in enumerate(names)}
    return Estimate(Model(alpha * (alpha0 / alpha.sum()), beta), found, seconds)


def _chances(columns: Floats, mean: Floats) -> Floats:
    """(topics, words) from the topics' directions: the sign by which they sum to more than 0."""
    signed = columns * np.where(columns.sum(0) < 0, -1.0, 1.0)
    kept = np.clip(signed, 0, None).T
    kept[kept.sum(1) <= 0] = mean
    return kept / kept.sum(1, keepdims=True)


def _from_documents(counts: Any, mean: Floats, topics: int) -> Floats:
    """Topics that are one document each, mixed with all words."""
    random = np.random.default_rng(2)
    rows = random.choice(counts.shape[0], topics, replace=counts.shape[0] < topics)
    chosen = np.asarray(counts[rows].todense(), np.float64)
    return BLUR * mean / mean.sum() + (1 - BLUR) * chosen / chosen.sum(1, keepdims=True)
