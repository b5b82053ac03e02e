"""How much memory training takes, so that too small an instance is refused before it begins."""

from __future__ import annotations

from contract.errors import ClientError

BASE = 250 * 2**20
"""Python, NumPy, SciPy and the machine code."""


def needed(topics: int, words: int, documents: int = 0, stored: int = 0, threads: int = 2) -> int:
    """Bytes that training takes at most, with `stored` counts other than 0."""
    tensors = 8 * topics**3 * 6 + 2 * 64 * 2**20
    bases = 8 * words * (topics + 10) * 6
    sweeps = 4 * words * topics * (threads + 6)
    mixtures = (8 + 8 + 4) * documents * topics
    return BASE + tensors + max(bases, sweeps) + mixtures + 12 * stored * 3


def check(
    limit: int, topics: int, words: int, documents: int = 0, stored: int = 0, threads: int = 2
) -> None:
    """Raises ClientError where the instance has less memory than that, and says what would fit."""
    need = needed(topics, words, documents, stored, threads)
    if need <= limit:
        return
    low, high = 0, topics
    while high - low > 1:
        middle = (low + high) // 2
        fits = needed(middle, words, documents, stored, threads) <= limit
        low, high = (middle, high) if fits else (low, middle)
    cure = f" or num_topics of at most {low}" if low else ""
    raise ClientError(
        f"Out of memory: training {topics} topics of {words} words"
        f"{f' on {documents} documents' if documents else ''} takes up to {need / 2**30:.1f} GiB, the"
        f" instance has {limit / 2**30:.1f} GiB. Please use an instance type with more memory{cure}."
    )
