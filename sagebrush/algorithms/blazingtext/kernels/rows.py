"""What the kernels of word vectors do with rows: products with vectors, and their updates.

Four rows at a time, so that sums stay in registers and each part of a vector is loaded once: the
small dense products into which shared negative samples turn word2vec's updates (Ji, Satish, Li and
Dubey, "Parallelizing Word2Vec in Multi-Core and Many-Core Architectures", arXiv:1611.06172). Rows
are whole lanes wide; `places` are where they begin in their flat matrix, in fours.

`work` is a thread's own: scores from its beginning on, then whatever the kernel has; a vector in it,
of `width` floats from `at` on, is followed by its error. One array and offsets, since every slice of
an array would cost two atomic additions.
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
def score(work: Floats, at: int, width: int, matrix: Floats, places: Places, fours: int) -> None:
    """The first scores are the products of the vector with the rows."""
    for four in range(0, fours, 4):
        a, b, c, d = places[four], places[four + 1], places[four + 2], places[four + 3]
        first = simd.every(np.float32(0))
        second = third = fourth = first
        for n in range(0, width, simd.LANES):
            part = simd.load(work, at + n)
            first = simd.multiplied(part, simd.load(matrix, a + n), first)
            second = simd.multiplied(part, simd.load(matrix, b + n), second)
            third = simd.multiplied(part, simd.load(matrix, c + n), third)
            fourth = simd.multiplied(part, simd.load(matrix, d + n), fourth)
        work[four] = simd.total(first)
        work[four + 1] = simd.total(second)
        work[four + 2] = simd.total(third)
        work[four + 3] = simd.total(fourth)


@compiled.part
def four_sums(a: Lanes, b: Lanes, c: Lanes, d: Lanes) -> Lanes:
    """In each quarter, the sums over that quarter of the four."""
    return simd.joined2(simd.joined1(a, b), simd.joined1(c, d))


@compiled.part
def score_tile(work: Floats, at: int, width: int, matrix: Floats, places: Places, row: int) -> None:
    """Sixteen scores, from 4 * row on, are the products of four vectors with the four rows at
    `places[row:]`: those of one vector after those of another."""
    a, b, c, d = places[row], places[row + 1], places[row + 2], places[row + 3]
    aa = simd.every(np.float32(0))
    ab = ac = ad = ba = bb = bc = bd = ca = cb = cc = cd = da = db = dc = dd = aa
    for n in range(0, width, simd.LANES):
        row_a, row_b = simd.load(matrix, a + n), simd.load(matrix, b + n)
        row_c, row_d = simd.load(matrix, c + n), simd.load(matrix, d + n)
        part = simd.load(work, at + n)
        aa, ab = simd.multiplied(part, row_a, aa), simd.multiplied(part, row_b, ab)
        ac, ad = simd.multiplied(part, row_c, ac), simd.multiplied(part, row_d, ad)
        part = simd.load(work, at + 2 * width + n)
        ba, bb = simd.multiplied(part, row_a, ba), simd.multiplied(part, row_b, bb)
        bc, bd = simd.multiplied(part, row_c, bc), simd.multiplied(part, row_d, bd)
        part = simd.load(work, at + 4 * width + n)
        ca, cb = simd.multiplied(part, row_a, ca), simd.multiplied(part, row_b, cb)
        cc, cd = simd.multiplied(part, row_c, cc), simd.multiplied(part, row_d, cd)
        part = simd.load(work, at + 6 * width + n)
        da, db = simd.multiplied(part, row_a, da), simd.multiplied(part, row_b, db)
        dc, dd = simd.multiplied(part, row_c, dc), simd.multiplied(part, row_d, dd)
    one, two = four_sums(aa, ab, ac, ad), four_sums(ba, bb, bc, bd)
    three, four = four_sums(ca, cb, cc, cd), four_sums(da, db, dc, dd)
    simd.store(work, 4 * row, simd.joined4(simd.joined4(one, two), simd.joined4(three, four)))


@compiled.part
def step(score: float, label: float) -> np.float32:
    """label - sigmoid(score), by tanh's continued fraction: its error is below 1e-4 up to WIDEST."""
    half = np.float32(0.5) * min(max(score, -WIDEST), WIDEST)
    square = half * half
    above = half * (
        np.float32(135135) + square * (np.float32(17325) + square * (np.float32(378) + square))
    )
    below = np.float32(135135) + square * (
        np.float32(62370) + square * (np.float32(3150) + square * np.float32(28))
    )
    return np.float32(label) - np.float32(0.5) - np.float32(0.5) * above / below


@compiled.part
def weigh(work: Floats, first: int, last: int, label: float, rate: float) -> None:
    """These scores become steps along the gradient of the logistic loss."""
    for n in range(first, last):
        work[n] = step(work[n], label) * np.float32(rate)


@compiled.part
def weigh_each(work: Floats, count: int, weights: int, rate: float) -> None:
    """The first scores become the steps of negative samples, each with its weight, which lie from
    `weights` on."""
    for n in range(count):
        work[n] = step(work[n], np.float32(0)) * work[weights + n] * np.float32(rate)


@compiled.part
def update(work: Floats, at: int, width: int, matrix: Floats, places: Places, fours: int) -> None:
    """Each row is moved by its step, which its score has become, along the vector, whose error grows
    by the steps along what the rows were."""
    for four in range(0, fours, 4):
        a, b, c, d = places[four], places[four + 1], places[four + 2], places[four + 3]
        of_a, of_b = simd.every(work[four]), simd.every(work[four + 1])
        of_c, of_d = simd.every(work[four + 2]), simd.every(work[four + 3])
        for n in range(at, at + width, simd.LANES):
            part, total = simd.load(work, n), simd.load(work, n + width)
            row_a, row_b = simd.load(matrix, a), simd.load(matrix, b)
            row_c, row_d = simd.load(matrix, c), simd.load(matrix, d)
            total = simd.multiplied(of_b, row_b, simd.multiplied(of_a, row_a, total))
            total = simd.multiplied(of_d, row_d, simd.multiplied(of_c, row_c, total))
            simd.store(matrix, a, simd.multiplied(of_a, part, row_a))
            simd.store(matrix, b, simd.multiplied(of_b, part, row_b))
            simd.store(matrix, c, simd.multiplied(of_c, part, row_c))
            simd.store(matrix, d, simd.multiplied(of_d, part, row_d))
            simd.store(work, n + width, total)
            a, b, c, d = a + simd.LANES, b + simd.LANES, c + simd.LANES, d + simd.LANES


@compiled.part
def update_tile(work: Floats, at: int, width: int, matrix: Floats, places: Places) -> None:
    """All rows are moved along four vectors by the steps, which lie as `score_tile` writes scores; the
    error of each vector grows by its steps along what the rows were."""
    for n in range(0, width, simd.LANES):
        a, b, c, d = at + n, at + 2 * width + n, at + 4 * width + n, at + 6 * width + n
        vector_a, vector_b = simd.load(work, a), simd.load(work, b)
        vector_c, vector_d = simd.load(work, c), simd.load(work, d)
        error_a, error_b = simd.load(work, a + width), simd.load(work, b + width)
        error_c, error_d = simd.load(work, c + width), simd.load(work, d + width)
        for number in range(places.shape[0]):
            one = ((number & ~3) << 2) + (number & 3)
            row = simd.load(matrix, places[number] + n)
            of_a, of_b = simd.every(work[one]), simd.every(work[one + 4])
            of_c, of_d = simd.every(work[one + 8]), simd.every(work[one + 12])
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
        simd.store(work, a + width, error_a)
        simd.store(work, b + width, error_b)
        simd.store(work, c + width, error_c)
        simd.store(work, d + width, error_d)


@compiled.part
def add(work: Floats, at: int, width: int, matrix: Floats, place: int) -> None:
    """The row has what lies from `at` on added to it."""
    one = simd.every(np.float32(1))
    for n in range(0, width, simd.LANES):
        row = simd.load(matrix, place + n)
        simd.store(matrix, place + n, simd.multiplied(simd.load(work, at + n), one, row))


@compiled.part
def collect(work: Floats, at: int, width: int, matrix: Floats, place: int) -> None:
    """The vector has the row added to it."""
    one = simd.every(np.float32(1))
    for n in range(0, width, simd.LANES):
        row = simd.load(matrix, place + n)
        simd.store(work, at + n, simd.multiplied(simd.load(work, at + n), one, row))


@compiled.part
def scale(work: Floats, at: int, width: int, by: float) -> None:
    """The vector is multiplied by that number."""
    factor, none = simd.every(np.float32(by)), simd.every(np.float32(0))
    for n in range(at, at + width, simd.LANES):
        simd.store(work, n, simd.multiplied(simd.load(work, n), factor, none))


@compiled.part
def clear(work: Floats, at: int, width: int) -> None:
    """The vector and its error are zero."""
    for n in range(at, at + 2 * width, simd.LANES):
        simd.store(work, n, simd.every(np.float32(0)))


@compiled.part
def expect(matrix: Floats, place: int, width: int) -> None:
    """The row is on its way to the cache."""
    for n in range(0, width, simd.LANES):
        simd.coming(matrix, place + n)
