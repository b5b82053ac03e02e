"""Pretrained token embeddings: a vocabulary file and a file of vectors in the auxiliary channel.

The guide names the files and not their forms; AWS's notebooks (object2vec_sentence_similarity,
object2vec_multilabel_genre_classification) give a JSON object from token to id, and GloVe's text form:
a token and its values on each line. The vectors.txt of word2vec, fastText and BlazingText has that form
behind a first line of two numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from contract import log, vectors_text
from contract.errors import ClientError

from .parameters import Encoder


@dataclass(frozen=True)
class Vectors:
    """Vectors for some ids of a vocabulary."""

    ids: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    """(ids, dim)"""
    vocabulary: int
    """Tokens that the vocabulary file names."""


def read(folder: Path, encoder: Encoder, which: str) -> Vectors:
    """The vectors of the encoder's tokens. Raises ClientError for a missing file, and where the files do
    not fit the hyperparameters or each other."""
    vocabulary = _vocabulary(
        _file(folder, encoder.vocab_file, f"{which}_vocab_file"), encoder, which
    )
    name = f"{which}_pretrained_embedding_file"
    file = _file(folder, encoder.pretrained_embedding_file, name)
    ids, rows = [], []
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            # By its first token most of a file of millions of lines is passed over unread.
            token, _, rest = line.partition(b" ")
            index = vocabulary.get(token)
            if index is None:
                continue
            values = _values(rest)
            if values is None or len(values) != encoder.token_embedding_dim:
                if (number == 1 and vectors_text.header(line)) or (
                    values is None and _continues(rest, encoder.token_embedding_dim)
                ):
                    continue
                found = "no vector" if values is None else f"a vector of {len(values)} values"
                raise ClientError(
                    f"{file.name}, line {number} has {found}, but {which}_token_embedding_dim is"
                    f" {encoder.token_embedding_dim}"
                )
            if not np.isfinite(values).all():
                raise ClientError(f"{file.name}, line {number}: a value is NaN or infinite")
            ids.append(index)
            rows.append(values)
    if not ids:
        raise ClientError(
            f"{file.name} has a vector for none of the {len(vocabulary)} tokens of {encoder.vocab_file}"
        )
    return Vectors(np.array(ids), np.stack(rows), len(vocabulary))


def _file(folder: Path, name: str, hyperparameter: str) -> Path:
    """The file of that name in the channel, in whatever folder it lies; raises ClientError."""
    found = sorted(each for each in folder.rglob(name) if each.is_file())
    if not found:
        raise ClientError(
            f"The channel 'auxiliary' holds no file {name!r}, which {hyperparameter} names"
        )
    return found[0]


def _vocabulary(file: Path, encoder: Encoder, which: str) -> Mapping[bytes, int]:
    """Token -> id; raises ClientError where it is none.

    Ids beyond the vocabulary's size are passed over, and told: AWS's notebook on movie genres numbers
    unknown words one above the size that it gives.
    """
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{file.name} is not JSON ({error})") from None
    if not isinstance(found, dict) or not all(type(each) is int for each in found.values()):
        raise ClientError(f'{file.name} must be a JSON object of tokens and ids, like {{"the": 4}}')
    least = min(found.values(), default=0)
    if least < 0:
        raise ClientError(
            f'Inconsistent vocab in {file.name} found. Vocab id "{least}" is negative'
        )
    beyond = [token for token, index in found.items() if index >= encoder.vocab_size]
    if beyond:
        log.info(
            f"{file.name}: {len(beyond)} of {len(found)} tokens are left out, {beyond[0]!r} first:"
            f" their ids are not less than {which}_vocab_size={encoder.vocab_size}"
        )
    return {
        token.encode("utf-8", "surrogatepass"): index
        for token, index in found.items()
        if index < encoder.vocab_size
    }


def _values(text: bytes) -> npt.NDArray[np.float32] | None:
    """The numbers of a line, None where something else is among them."""
    try:
        return np.array(text.split(), dtype=np.float32)
    except ValueError:
        return None


def _continues(rest: bytes, dim: int) -> bool:
    """Whether the token goes on after its first blank, as a few of GloVe's 840B do (`. . .`)."""
    return len(rest.split()) > dim
