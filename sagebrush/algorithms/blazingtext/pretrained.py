"""Word vectors with which mode `supervised` begins, from a channel of the job.

AWS's guide has no such channel; fastText has the option (`-pretrainedVectors`), whose form this is:
`vectors.txt` as BlazingText writes it, or a model.tar.gz that holds one.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from contract import vectors_text
from contract.channels import Channel
from contract.errors import ClientError

CHANNEL = "pretrained_vectors"
MEMBER = "vectors.txt"
"""The file of a model.tar.gz."""


@dataclass(frozen=True)
class Vectors:
    """Words and a row of numbers for each."""

    rows: Mapping[bytes, int]
    matrix: npt.NDArray[np.float32]


def read(channel: Channel, dim: int, available: int) -> Vectors:
    """The channel's vectors, a word's first where it has several. Raises ClientError for more or fewer
    than one file, for vectors that are not of `dim` numbers each or not finite, and for more than
    `available` bytes of memory hold."""
    files = channel.paths()
    if channel.streamed or len(files) != 1:
        raise ClientError(
            f"The channel {CHANNEL!r} takes one file in File mode, a {MEMBER} or a model.tar.gz that"
            f" holds one; it has {len(files)}"
        )
    rows: dict[bytes, int] = {}
    found: list[npt.NDArray[np.float32]] = []
    with _opened(files[0]) as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and (told := vectors_text.header(line)):
                _fits(*told, dim, available)
                continue
            word, *values = line.split() or [b""]
            if word and word not in rows:
                rows[word] = len(found)
                found.append(_numbers(values, dim, f"{files[0].name}, line {number}"))
                _fits(len(found), dim, dim, available)
    if not found:
        raise ClientError(f"The channel {CHANNEL!r}: {files[0].name} holds no vector")
    return Vectors(rows, np.stack(found))


def _numbers(values: list[bytes], dim: int, where: str) -> npt.NDArray[np.float32]:
    try:
        numbers = np.array(values, np.float32)
    except ValueError:
        raise ClientError(f"{where}: not a word and numbers") from None
    if len(numbers) != dim:
        raise ClientError(f"{where} has {len(numbers)} numbers, but vector_dim is {dim}")
    if not np.isfinite(numbers).all():
        raise ClientError(f"{where}: a number is NaN or infinite")
    return numbers


def _fits(count: int, size: int, dim: int, available: int) -> None:
    if size != dim:
        raise ClientError(
            f"The channel {CHANNEL!r} has vectors of {size} numbers, but vector_dim is {dim}"
        )
    if available and 3 * 4 * count * dim > available:  # as read, stacked, and in the model
        raise ClientError(
            f"Out of memory: {count} or more pretrained vectors of {dim} numbers take"
            f" {3 * 4 * count * dim >> 20} MiB, and the instance has {available >> 20} MiB. Use a larger"
            " instance type or fewer vectors"
        )


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if not file.name.endswith((".tar.gz", ".tgz")):
        with file.open("rb") as lines:
            yield lines
        return
    try:
        with tarfile.open(file) as archive:
            members = [each for each in archive if Path(each.name).name == MEMBER]
            lines = archive.extractfile(members[0]) if members else None
            if lines is None:
                raise ClientError(f"{file.name} holds no {MEMBER}")
            yield lines
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ClientError(f"{file.name} cannot be read: {error}") from None
