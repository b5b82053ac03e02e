"""The loops over documents: one step of expectation maximisation, and a document's topics by variational
inference. Each takes the documents of a span of rows and may run beside itself on others.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from blazingtext.kernels import compiled

TINY = 1e-30
Floats = npt.NDArray[np.float32]
Text = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Floats]
"""Where the documents end, their words, and these words' counts."""
Span = tuple[int, int]
Sums = tuple[Floats, npt.NDArray[np.float64]]


@compiled.part
def digamma(x: float) -> float:
    """The derivative of the logarithm of the gamma function, for x > 0, to 1e-9."""
    below = 0.0
    while x < 6.0:
        below -= 1.0 / x
        x += 1.0
    r = 1.0 / x
    s = r * r
    series = s * (1 / 12.0 - s * (1 / 120.0 - s * (1 / 252.0 - s * (1 / 240.0 - s / 132.0))))
    return below + math.log(x) - 0.5 * r - series


@compiled.cached(
    "void(Tuple((int64[::1], int32[::1], float32[::1])), UniTuple(int64, 2), float32[:,::1],"
    " float32[:,::1], float32[::1], int64, Tuple((float32[:,::1], float64[::1])))"
)
def expect(
    text: Text, span: Span, mixtures: Floats, chances: Floats, prior: Floats, steps: int, sums: Sums
) -> None:
    """`mixtures` (documents, topics) are one or more steps better; `sums` have the expected counts (words,
    topics) added, and the log-likelihood and the words.

    `chances` is (words, topics), `prior` the pseudo-counts of topics in a document.
    """
    ends, words, counts = text
    gathered, result = sums
    topics = chances.shape[1]
    share = np.empty(topics, np.float32)
    own = np.empty(topics, np.float32)
    likelihood = 0.0
    total = 0.0
    for d in range(span[0], span[1]):
        for step in range(steps):
            own[:] = np.float32(0)
            for j in range(ends[d], ends[d + 1]):
                w = words[j]
                chance = np.float32(0)
                for t in range(topics):
                    x = mixtures[d, t] * chances[w, t]
                    share[t] = x
                    chance += x
                chance = max(chance, np.float32(TINY))
                scale = counts[j] / chance
                if step == steps - 1:
                    for t in range(topics):
                        x = share[t] * scale
                        own[t] += x
                        gathered[w, t] += x
                    likelihood += counts[j] * math.log(chance)
                    total += counts[j]
                else:
                    for t in range(topics):
                        own[t] += share[t] * scale
            mass = np.float32(0)
            for t in range(topics):
                own[t] += prior[t]
                mass += own[t]
            for t in range(topics):
                mixtures[d, t] = own[t] / mass
    result[0] += likelihood
    result[1] += total


@compiled.part
def divergence(posterior: npt.NDArray[np.float64], prior: npt.NDArray[np.float64]) -> float:
    """The Kullback-Leibler divergence of one Dirichlet distribution from another."""
    mass = posterior.sum()
    middle = digamma(mass)
    total = math.lgamma(mass) - math.lgamma(prior.sum())
    for t in range(len(prior)):
        total += (posterior[t] - prior[t]) * (digamma(posterior[t]) - middle)
        total += math.lgamma(prior[t]) - math.lgamma(posterior[t])
    return total


@compiled.cached(
    "void(Tuple((int64[::1], int32[::1], float32[::1])), UniTuple(int64, 2), float32[:,::1],"
    " float64[::1], Tuple((int64, float64)), Tuple((float32[:,::1], float64[::1])))"
)
def infer(
    text: Text,
    span: Span,
    chances: Floats,
    alpha: npt.NDArray[np.float64],
    limits: tuple[int, float],
    sums: Sums,
) -> None:
    """`sums` have the means of the documents' variational posteriors (documents, topics), and the lower
    bound of the log-likelihood and the words added. `limits` are steps, and the mean change that ends them.

    Source: Blei, Ng, Jordan, "Latent Dirichlet Allocation", JMLR 3 (2003), section 5.
    """
    ends, words, counts = text
    steps, tolerance = limits
    mixtures, result = sums
    topics = chances.shape[1]
    posterior = np.empty(topics, np.float64)
    new = np.empty(topics, np.float64)
    weight = np.empty(topics, np.float32)
    gain = np.empty(topics, np.float32)
    for d in range(span[0], span[1]):
        length = 0.0
        for j in range(ends[d], ends[d + 1]):
            length += counts[j]
        for t in range(topics):
            posterior[t] = alpha[t] + length / topics
        fit = 0.0
        for _step in range(steps):
            for t in range(topics):
                weight[t] = math.exp(digamma(posterior[t]))
            gain[:] = np.float32(0)
            fit = 0.0
            for j in range(ends[d], ends[d + 1]):
                w = words[j]
                chance = np.float32(0)
                for t in range(topics):
                    chance += weight[t] * chances[w, t]
                chance = max(chance, np.float32(TINY))
                scale = counts[j] / chance
                for t in range(topics):
                    gain[t] += scale * chances[w, t]
                fit += counts[j] * math.log(chance)
            change = 0.0
            for t in range(topics):
                new[t] = alpha[t] + weight[t] * gain[t]
                change += abs(new[t] - posterior[t])
            # The bound below is that of `posterior`, whose weights `fit` was computed with.
            if change < tolerance * topics:
                break
            for t in range(topics):
                posterior[t] = new[t]
        mass = posterior.sum()
        for t in range(topics):
            mixtures[d, t] = posterior[t] / mass
        result[0] += fit - length * digamma(mass) - divergence(posterior, alpha)
        result[1] += length
