"""What the kernels of word vectors do with rows: products with one vector, and their updates.

Four rows at a time, so that sums stay in registers and each part of the vector is loaded once: the
small dense products into which shared negative samples turn word2vec's updates (Ji, Satish, Li and
Dubey, "Parallelizing Word2Vec in Multi-Core and Many-Core Architectures", arXiv:1611.06172). Rows
are whole lanes wide; `places` are where they begin in their flat matrix, in fours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import compiled, simd
from .simd import Lanes

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

WIDEST = np.float32(8.0)
"""Scores beyond which the sigmoid is taken as that of this one, as fastText does."""


@compiled.part
def score(vector: Floats, matrix: Floats, places: Places, fours: int, scores: Floats) -> None:
    """`scores` are the products of `vector` with the rows."""
    for four in range(0, fours, 4):
        a, b, c, d = places[four], places[four + 1], places[four + 2], places[four + 3]
        first = simd.every(np.float32(0))
        second = third = fourth = first
        for n in range(0, vector.shape[0], simd.LANES):
            part = simd.load(vector, n)
            first = simd.multiplied(part, simd.load(matrix, a + n), first)
            second = simd.multiplied(part, simd.load(matrix, b + n), second)
            third = simd.multiplied(part, simd.load(matrix, c + n), third)
            fourth = simd.multiplied(part, simd.load(matrix, d + n), fourth)
        scores[four] = simd.total(first)
        scores[four + 1] = simd.total(second)
        scores[four + 2] = simd.total(third)
        scores[four + 3] = simd.total(fourth)


@compiled.part
def four_sums(a: Lanes, b: Lanes, c: Lanes, d: Lanes) -> Lanes:
    """In each quarter, the sums over that quarter of the four."""
    return simd.joined2(simd.joined1(a, b), simd.joined1(c, d))


@compiled.part
def score_tile(
    vectors: Floats, first: int, width: int, matrix: Floats, places: Places, at: int, scores: Floats
) -> None:
    """Sixteen `scores` are the products of four vectors, from number `first` on, with the four rows at
    `places[at:]`: those of one vector after those of another."""
    a, b, c, d = places[at], places[at + 1], places[at + 2], places[at + 3]
    aa = simd.every(np.float32(0))
    ab = ac = ad = ba = bb = bc = bd = ca = cb = cc = cd = da = db = dc = dd = aa
    for n in range(0, width, simd.LANES):
        row_a, row_b = simd.load(matrix, a + n), simd.load(matrix, b + n)
        row_c, row_d = simd.load(matrix, c + n), simd.load(matrix, d + n)
        part = simd.load(vectors, first * width + n)
        aa, ab = simd.multiplied(part, row_a, aa), simd.multiplied(part, row_b, ab)
        ac, ad = simd.multiplied(part, row_c, ac), simd.multiplied(part, row_d, ad)
        part = simd.load(vectors, (first + 1) * width + n)
        ba, bb = simd.multiplied(part, row_a, ba), simd.multiplied(part, row_b, bb)
        bc, bd = simd.multiplied(part, row_c, bc), simd.multiplied(part, row_d, bd)
        part = simd.load(vectors, (first + 2) * width + n)
        ca, cb = simd.multiplied(part, row_a, ca), simd.multiplied(part, row_b, cb)
        cc, cd = simd.multiplied(part, row_c, cc), simd.multiplied(part, row_d, cd)
        part = simd.load(vectors, (first + 3) * width + n)
        da, db = simd.multiplied(part, row_a, da), simd.multiplied(part, row_b, db)
        dc, dd = simd.multiplied(part, row_c, dc), simd.multiplied(part, row_d, dd)
    one, two = four_sums(aa, ab, ac, ad), four_sums(ba, bb, bc, bd)
    three, four = four_sums(ca, cb, cc, cd), four_sums(da, db, dc, dd)
    simd.store(scores, 0, simd.joined4(simd.joined4(one, two), simd.joined4(three, four)))


@compiled.part
def update_tile(
    vectors: Floats,
    first: int,
    width: int,
    matrix: Floats,
    places: Places,
    steps: Floats,
    errors: Floats,
) -> None:
    """The rows at `places` are moved along four vectors, from number `first` on, by `steps`, which lie
    as `score_tile` writes them; each vector's error grows by its steps along what the rows were."""
    for n in range(0, width, simd.LANES):
        a, b = first * width + n, (first + 1) * width + n
        c, d = (first + 2) * width + n, (first + 3) * width + n
        vector_a, vector_b = simd.load(vectors, a), simd.load(vectors, b)
        vector_c, vector_d = simd.load(vectors, c), simd.load(vectors, d)
        error_a, error_b = simd.load(errors, a), simd.load(errors, b)
        error_c, error_d = simd.load(errors, c), simd.load(errors, d)
        for number in range(places.shape[0]):
            at = ((number & ~3) << 2) + (number & 3)
            row = simd.load(matrix, places[number] + n)
            of_a, of_b = simd.every(steps[at]), simd.every(steps[at + 4])
            of_c, of_d = simd.every(steps[at + 8]), simd.every(steps[at + 12])
            error_a, error_b = (
                simd.multiplied(of_a, row, error_a),
                simd.multiplied(of_b, row, error_b),
            )
            error_c, error_d = (
                simd.multiplied(of_c, row, error_c),
                simd.multiplied(of_d, row, error_d),
            )
            row = simd.multiplied(of_a, vector_a, simd.multiplied(of_b, vector_b, row))
            row = simd.multiplied(of_c, vector_c, simd.multiplied(of_d, vector_d, row))
            simd.store(matrix, places[number] + n, row)
        simd.store(errors, a, error_a)
        simd.store(errors, b, error_b)
        simd.store(errors, c, error_c)
        simd.store(errors, d, error_d)


@compiled.part
def weigh(scores: Floats, labels: Floats, weights: Floats, rate: float, fours: int) -> None:
    """`scores` become the steps along the gradient of the logistic loss: (label - sigmoid) * weight.

    The sigmoid is by tanh's continued fraction, whose error is below 1e-4 there.
    """
    for n in range(fours):
        half = np.float32(0.5) * min(max(scores[n], -WIDEST), WIDEST)
        square = half * half
        above = half * (
            np.float32(135135) + square * (np.float32(17325) + square * (np.float32(378) + square))
        )
        below = np.float32(135135) + square * (
            np.float32(62370) + square * (np.float32(3150) + square * np.float32(28))
        )
        sigmoid = np.float32(0.5) + np.float32(0.5) * above / below
        scores[n] = (labels[n] - sigmoid) * weights[n] * np.float32(rate)


@compiled.part
def update(
    vector: Floats, matrix: Floats, places: Places, fours: int, steps: Floats, error: Floats
) -> None:
    """Each row is moved by its step along `vector`; `error` is the sum of steps along what the rows
    were."""
    for n in range(0, vector.shape[0], simd.LANES):
        simd.store(error, n, simd.every(np.float32(0)))
    for four in range(0, fours, 4):
        a, b, c, d = places[four], places[four + 1], places[four + 2], places[four + 3]
        of_a, of_b = simd.every(steps[four]), simd.every(steps[four + 1])
        of_c, of_d = simd.every(steps[four + 2]), simd.every(steps[four + 3])
        for n in range(0, vector.shape[0], simd.LANES):
            part, total = simd.load(vector, n), simd.load(error, n)
            row_a, row_b = simd.load(matrix, a + n), simd.load(matrix, b + n)
            row_c, row_d = simd.load(matrix, c + n), simd.load(matrix, d + n)
            total = simd.multiplied(of_b, row_b, simd.multiplied(of_a, row_a, total))
            total = simd.multiplied(of_d, row_d, simd.multiplied(of_c, row_c, total))
            simd.store(matrix, a + n, simd.multiplied(of_a, part, row_a))
            simd.store(matrix, b + n, simd.multiplied(of_b, part, row_b))
            simd.store(matrix, c + n, simd.multiplied(of_c, part, row_c))
            simd.store(matrix, d + n, simd.multiplied(of_d, part, row_d))
            simd.store(error, n, total)


@compiled.part
def add(vector: Floats, matrix: Floats, place: int) -> None:
    """The row has `vector` added to it."""
    one = simd.every(np.float32(1))
    for n in range(0, vector.shape[0], simd.LANES):
        row = simd.load(matrix, place + n)
        simd.store(matrix, place + n, simd.multiplied(simd.load(vector, n), one, row))


@compiled.part
def collect(vector: Floats, matrix: Floats, place: int) -> None:
    """`vector` has the row added to it."""
    one = simd.every(np.float32(1))
    for n in range(0, vector.shape[0], simd.LANES):
        row = simd.load(matrix, place + n)
        simd.store(vector, n, simd.multiplied(simd.load(vector, n), one, row))


@compiled.part
def scale(vector: Floats, by: float) -> None:
    """`vector` is multiplied by that number."""
    factor, none = simd.every(np.float32(by)), simd.every(np.float32(0))
    for n in range(0, vector.shape[0], simd.LANES):
        simd.store(vector, n, simd.multiplied(simd.load(vector, n), factor, none))


@compiled.part
def clear(vector: Floats) -> None:
    """`vector` is zero."""
    for n in range(0, vector.shape[0], simd.LANES):
        simd.store(vector, n, simd.every(np.float32(0)))


@compiled.part
def expect(matrix: Floats, place: int, width: int) -> None:
    """The row is on its way to the cache."""
    for n in range(0, width, simd.LANES):
        simd.coming(matrix, place + n)
