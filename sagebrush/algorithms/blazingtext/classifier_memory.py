"""How much memory the training of a classifier takes, and what would fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .memory import FLOAT, largest, told
from .parameters import ClientError, Parameters

SPARE = 200 << 20
"""Bytes that Python, NumPy and the kernels take."""
TEXT = 5
"""Bytes that a byte of text takes at most, with the numbers of its tokens."""


def check_file(parameters: Parameters, available: int) -> None:
    """Raises ClientError for a model.bin that `available` bytes of memory do not hold; known before
    the text is read."""
    if parameters.word_ngrams == 1 or _file(parameters) <= available:
        return
    raise _too_large(
        f"{parameters.buckets} buckets of {parameters.vector_dim} dimensions take "
        f"{told(_file(parameters))} in model.bin",
        available,
        parameters,
        lambda other: _file(other) <= available,
    )


def _file(parameters: Parameters) -> int:
    return parameters.buckets * parameters.vector_dim * FLOAT


def check_text(size: int, parameters: Parameters, available: int) -> None:
    """Raises ClientError for texts of `size` bytes that `available` bytes of memory do not hold."""
    if (needed := TEXT * size * max(1, parameters.word_ngrams - 1) + SPARE) > available:
        raise ClientError(
            f"Out of memory: texts of {told(size)} take up to {told(needed)} with "
            f"word_ngrams={parameters.word_ngrams}, and the instance has {told(available)}. "
            "Use a larger instance type, fewer word_ngrams or a smaller text"
        )


def check_matrix(words: int, buckets: int, held: int, wanted: Parameters, available: int) -> None:
    """Raises ClientError for rows of `words` and of the `buckets` that the text hits that, beside
    `held` bytes of numbers, `available` bytes of memory do not hold."""

    def needed(parameters: Parameters) -> int:
        # The best epoch's weights are kept beside those in training.
        copies = 2 if parameters.early_stopping else 1
        rows = words + min(buckets, parameters.buckets)
        return held + copies * rows * parameters.vector_dim * FLOAT + SPARE

    if needed(wanted) <= available:
        return
    raise _too_large(
        f"{words} words and {buckets} n-grams of {wanted.vector_dim} dimensions take "
        f"{told(needed(wanted))}",
        available,
        wanted,
        lambda other: needed(other) <= available,
    )


def _too_large(
    what: str, available: int, wanted: Parameters, fits: Callable[[Parameters], bool]
) -> ClientError:
    dim = largest(lambda n: fits(replace(wanted, vector_dim=n)), wanted.vector_dim)
    buckets = largest(lambda n: fits(replace(wanted, buckets=n)), wanted.buckets)
    room = [
        f"{n}={v}"
        for n, v, least in (("vector_dim", dim, 2), ("buckets", buckets, 1000))
        if v >= least
    ]
    cure = (
        f"It holds {' or '.join(room)}"
        if room
        else "Use a larger instance type or a larger min_count"
    )
    return ClientError(f"Out of memory: {what}, and the instance has {told(available)}. {cure}")
