"""How much memory a training of word vectors takes, known once the vocabulary is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .parameters import ClientError, WordParameters

FLOAT = 4
"""Bytes of one number of a matrix."""
LANES = 16
"""Numbers that a row is padded to a multiple of."""
PLACES = 40
"""Bytes for each n-gram while their buckets are found."""
TABLES = 256 << 20
"""Bytes that Python, NumPy, the compiled loops and the table of negative samples take."""
LEAST = {"vector_dim": 10, "buckets": 10_000, "negative_samples": 1, "window_size": 1}
"""The smallest values that are worth proposing."""
USUAL = {"negative_samples": 1000, "window_size": 1000}
"""Values up to which it is not these that take the memory."""


@dataclass(frozen=True)
class Size:
    """A text: words of the vocabulary, character n-grams of all of them, words of the whole text."""

    words: int
    ngrams: int
    tokens: int


def size(words: Sequence[bytes], tokens: int, wanted: WordParameters) -> Size:
    """The size of a text with this vocabulary; n-grams are counted as if each byte was a character."""
    if not wanted.subwords:
        return Size(len(words), 0, tokens)
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
    sizes = range(wanted.min_char, min(wanted.max_char, int(lengths.max(initial=0))) + 1)
    return Size(len(words), sum(int(np.maximum(lengths - n + 1, 0).sum()) for n in sizes), tokens)


def needed(text: Size, wanted: WordParameters, hosts: int = 1) -> int:
    """Bytes that the training takes at most: the matrix of words and of the buckets that their
    n-grams use, that of contexts, the text as word numbers, the vectors as they are written, and with
    several hosts a copy of both matrices to compare with; with sub-words the places of all n-grams,
    and the matrix of all buckets as it is written.
    """
    row = -(-wanted.vector_dim // LANES) * LANES * FLOAT
    buckets = min(wanted.buckets, text.ngrams)
    matrices = (2 * text.words + buckets) * row * (2 if hosts > 1 else 1)
    written = text.words * row
    if wanted.subwords:
        written += (text.words + wanted.buckets) * wanted.vector_dim * FLOAT
        written += text.ngrams * FLOAT
    # Finding the n-grams' places takes more than learning; it is over before matrices are made.
    finding = text.ngrams * PLACES
    window = 0 if wanted.mode == "cbow" else 2 * wanted.window_size
    gathered = (wanted.negative_samples + window) * row  # by each thread, of one window
    return max(matrices + written, finding) + gathered + 2 * text.tokens * FLOAT + TABLES


def check(text: Size, wanted: WordParameters, available: int, hosts: int = 1) -> None:
    """Raises ClientError for a training that `available` bytes do not hold, with what they hold."""
    asked = needed(text, wanted, hosts)
    if asked <= available:
        return
    raise ClientError(
        f"Out of memory: {text.words} words"
        + (f" and {wanted.buckets} buckets" if wanted.subwords else "")
        + f" of {wanted.vector_dim} dimensions take {told(asked)}, and the instance has "
        f"{told(available)}. {_cure(text, wanted, available, hosts)}"
    )


def _cure(text: Size, wanted: WordParameters, available: int, hosts: int) -> str:
    """What would fit, of the hyperparameters that make the model smaller."""
    room = []
    for name, least in LEAST.items():
        if name == "buckets" and not wanted.subwords:
            continue
        if getattr(wanted, name) <= USUAL.get(name, 0):
            continue

        def fits(value: int, name: str = name) -> bool:
            changed = WordParameters(**{**wanted.__dict__, name: value})
            return needed(text, changed, hosts) <= available

        if (value := largest(fits, getattr(wanted, name))) >= least:
            room.append(f"{name}={value}")
    if room:
        return (
            f"It holds {' or '.join(room)}; a larger instance type or a larger min_count helps too"
        )
    return "Use a larger instance type, or a larger min_count"


def largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` of which `fits` is true, 0 where there is none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def told(size: int) -> str:
    """The bytes as a person reads them."""
    if size >= 1 << 30:
        return f"{size / 2**30:.1f} GiB"
    return f"{size / 2**20:.0f} MiB" if size >= 100 << 20 else f"{size / 2**20:.3g} MiB"
