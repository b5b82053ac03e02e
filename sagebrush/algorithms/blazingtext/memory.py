"""How much memory a training of word vectors takes, known once the vocabulary is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from .parameters import ClientError, WordParameters

FLOAT = 4
"""Bytes of one number of a matrix."""
SPARE = 200 << 20
"""Bytes that Python, NumPy and the compiled loops take."""


def needed(words: int, tokens: int, wanted: WordParameters, hosts: int = 1) -> int:
    """Bytes that the training takes at most: the matrix of words and buckets, that of contexts, the
    text as word numbers, the vectors as they are written, and with several hosts a copy of both
    matrices to compare with.
    """
    buckets = wanted.buckets if wanted.subwords else 0
    matrices = (2 * words + buckets) * wanted.vector_dim * FLOAT
    vectors = words * wanted.vector_dim * FLOAT if wanted.subwords else 0
    copies = 2 if hosts > 1 else 1
    return matrices * copies + vectors + 2 * tokens * FLOAT + SPARE


def limit(environ: Mapping[str, str]) -> int:
    """Bytes that this job may use: its instance type's, else what the machine has."""
    given = environ.get("SAGEBRUSH_MEMORY", "")
    if given.isdigit() and int(given):
        return int(given)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check(words: int, tokens: int, wanted: WordParameters, available: int, hosts: int = 1) -> None:
    """Raises ClientError for a training that `available` bytes do not hold, with what they hold."""
    asked = needed(words, tokens, wanted, hosts)
    if asked <= available:
        return
    raise ClientError(
        f"Out of memory: {words} words"
        + (f" and {wanted.buckets} buckets" if wanted.subwords else "")
        + f" of {wanted.vector_dim} dimensions take {_told(asked)}, and the instance has "
        f"{_told(available)}. {_cure(words, tokens, wanted, available, hosts)}"
    )


def _cure(words: int, tokens: int, wanted: WordParameters, available: int, hosts: int) -> str:
    """What would fit, of the hyperparameters that make the model smaller."""
    changed = {**wanted.__dict__}

    def fits(**other: int) -> bool:
        return needed(words, tokens, WordParameters(**{**changed, **other}), hosts) <= available

    room = []
    for name, least in (("vector_dim", 10), ("buckets", 10_000 if wanted.subwords else 1 << 62)):
        largest = _largest(lambda value, name=name: fits(**{name: value}), getattr(wanted, name))
        if largest >= least:
            room.append(f"{name}={largest}")
    if room:
        return f"It holds {' or '.join(room)}; a larger instance type or a larger min_count helps too"
    return "Use a larger instance type, or a larger min_count"


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` of which `fits` is true, 0 where there is none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _told(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"
