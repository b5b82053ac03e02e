"""Supervised learning as fastText does it (Joulin et al. 2016), over sentences as rows of a matrix.

One step per sentence: the mean of its rows, a softmax over the labels, one step of gradient descent.
What makes it fast: tokens were split and hashed once; rows of n-grams that occur lie next to those of
their sentence; sums run in vector registers (fastText's products wait for one addition after the
other); each thread has its own copy of the labels' matrix, as two processors that write the same
lines of memory mostly wait for each other.
What makes it more accurate than fastText's from the same text: half of a sentence's rows are left out
at random in each step, so that no row leans on others (Iyyer et al. 2015, Deep Unordered Composition
Rivals Syntactic Methods, "word dropout"), and rare rows learn faster, by the square of their inverse
document frequency, which is what weighting the text by TF-IDF comes to. The model is fastText's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import compiled
from .labelled import Array


@compiled.part
def softmax(scores: Array, bits: Array, powers: Array) -> None:
    """The scores become probabilities; `bits` and `powers` are room for as many, the same memory as
    integers and floats.

    The exponential is Cephes' polynomial, which vector registers can do: exp(x) = 2**k * exp(rest).
    """
    count = len(scores)
    highest = scores[0]
    for i in range(1, count):
        highest = max(highest, scores[i])
    for i in range(count):
        x = max(scores[i] - highest, np.float32(-87))
        k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        x = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * x + np.float32(1.3981999507e-3)
        p = p * x + np.float32(8.3334519073e-3)
        p = p * x + np.float32(4.1665795894e-2)
        p = p * x + np.float32(1.6666665459e-1)
        p = p * x + np.float32(5.0000001201e-1)
        scores[i] = p * x * x + x + np.float32(1)
        bits[i] = (np.int32(k) + np.int32(127)) << np.int32(23)
    total = np.float32(0)
    for i in range(count):
        scores[i] *= powers[i]
        total += scores[i]
    share = np.float32(1) / total
    for i in range(count):
        scores[i] *= share


@compiled.part
def mean(rows: Array, first: int, last: int, size: int, entry: Array, hidden: Array) -> None:
    """`hidden` is the sum of the rows from `first` to `last`, divided by `size`."""
    dim = len(hidden)
    hidden[:] = np.float32(0)
    for i in range(first, last):
        row = rows[i]
        for d in range(dim):
            hidden[d] += entry[row, d]
    share = np.float32(1) / np.float32(size)
    for d in range(dim):
        hidden[d] *= share


@compiled.part
def scored(output: Array, hidden: Array, scores: Array) -> None:
    """`scores` are the products of the output's rows with `hidden`."""
    dim = len(hidden)
    for c in range(len(scores)):
        score = np.float32(0)
        for d in range(dim):
            score += output[c, d] * hidden[d]
        scores[c] = score


@compiled.part
def merge(shared: Array, own: Array, base: Array) -> None:
    """What was learnt in `own` since `base` is in `shared`, and what others learnt is in `own`."""
    for c in range(shared.shape[0]):
        for d in range(shared.shape[1]):
            value = shared[c, d] + (own[c, d] - base[c, d])
            shared[c, d] = value
            own[c, d] = value
            base[c, d] = value


@compiled.part
def chance(state: np.uint64) -> np.uint64:
    """The next number of Marsaglia's xorshift."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@compiled.part
def half(rows: Array, first: int, last: int, picked: Array, state: np.uint64) -> tuple[Any, Any]:
    """(how many, the next state): half of the rows, at random, are in `picked`; of none, all."""
    count, bits = 0, np.uint64(0)
    for i in range(first, last):
        if (i - first) % 64 == 0:
            state = chance(state)
            bits = state
        picked[count] = rows[i]
        count += np.int64(bits & np.uint64(1))
        bits >>= np.uint64(1)
    if count == 0:
        for i in range(first, last):
            picked[count] = rows[i]
            count += 1
    return count, state


@compiled.cached(
    "(int32[::1], int64[::1], int32[::1], int64[::1], int64[::1], float32[::1], float32[:,::1], "
    "float32[:,::1], float64, float64, int64, int64)"
)
def learn(
    rows: Array,
    bounds: Array,
    labels: Array,
    label_bounds: Array,
    order: Array,
    speeds: Array,
    entry: Array,
    shared: Array,
    rate: float,
    change: float,
    seed: int,
    alone: int,
) -> None:
    """The sentences of `order` have been learnt, each in one step.

    The step is `rate`, and by `change` more with every sentence; a row's is `speeds` times as long. Of
    several labels one is taken at random, as fastText does. Threads may learn into the same matrices
    at once, without locks (Recht et al. 2011, Hogwild); what one learns of the labels others see
    after `alone` sentences.
    """
    dim, count = entry.shape[1], shared.shape[0]
    output, base = shared.copy(), shared.copy()
    hidden, gradient = np.empty(dim, np.float32), np.empty(dim, np.float32)
    scores, bits = np.empty(count, np.float32), np.empty(count, np.int32)
    powers = bits.view(np.float32)
    longest = np.int64(0)
    for at in range(len(order)):
        longest = max(longest, bounds[order[at] + 1] - bounds[order[at]])
    picked = np.empty(longest + 1, np.int32)
    state = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x2545F4914F6CDD1D)
    for at in range(len(order)):
        s = order[at]
        if at and at % alone == 0:
            merge(shared, output, base)
        several = label_bounds[s + 1] - label_bounds[s]
        if bounds[s] == bounds[s + 1] or several == 0:
            continue
        size, state = half(rows, bounds[s], bounds[s + 1], picked, state)
        mean(picked, 0, size, size, entry, hidden)
        scored(output, hidden, scores)
        softmax(scores, bits, powers)
        label = labels[label_bounds[s]]
        if several > 1:
            state = chance(state)
            label = labels[
                label_bounds[s] + np.int64((state >> np.uint64(33)) % np.uint64(several))
            ]
        step = np.float32(rate + change * at)
        gradient[:] = np.float32(0)
        for c in range(count):
            error = -step * scores[c]
            if c == label:
                error += step
            for d in range(dim):
                gradient[d] += error * output[c, d]
                output[c, d] += error * hidden[d]
        share = np.float32(1) / np.float32(size)
        for i in range(size):
            row = picked[i]
            speed = share * speeds[row]
            for d in range(dim):
                entry[row, d] += speed * gradient[d]
    merge(shared, output, base)


@compiled.cached(
    "(int32[::1], int64[::1], int32[::1], int32[::1], int64[::1], int64, int64, float32[:,::1], "
    "float32[:,::1])"
)
def right(
    rows: Array,
    bounds: Array,
    sizes: Array,
    labels: Array,
    label_bounds: Array,
    start: int,
    end: int,
    entry: Array,
    output: Array,
) -> int:
    """Of the sentences from `start` to `end`, how many have their most probable label."""
    hidden = np.empty(entry.shape[1], np.float32)
    scores = np.empty(output.shape[0], np.float32)
    found = 0
    for s in range(start, end):
        if sizes[s] == 0:
            continue
        mean(rows, bounds[s], bounds[s + 1], sizes[s], entry, hidden)
        scored(output, hidden, scores)
        best = np.argmax(scores)
        for each in range(label_bounds[s], label_bounds[s + 1]):
            if labels[each] == best:
                found += 1
                break
    return found
