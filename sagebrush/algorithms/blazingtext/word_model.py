"""A model of word vectors in fastText's binary format: written, read and asked, with NumPy alone.

Sources: fastText's src/fasttext.cc (saveModel, getWordVector) and src/dictionary.cc
(computeSubwords), version 12 of the format; Amazon SageMaker AI Developer Guide, BlazingText, "Model
Artifacts for the Word2Vec Algorithm": fastText and BlazingText read each other's vectors.bin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from .fasttext_model import EOS, MAGIC, NEGATIVE, VERSION, Arguments, BadModel

CBOW, SKIPGRAM = 1, 2
Matrix = npt.NDArray[np.float32]
_MASK = 0xFFFFFFFF
_ENTRY = struct.Struct("<qb")
_BLOCK = 1 << 22
"""Bytes of the dictionary that are read at a time."""
_CHUNK = 1 << 23
"""Bytes of rows that are written at a time."""
_WINDOW = 30_000
"""Bytes within which numbers must repeat for gzip to see it, less what headers take."""


@dataclass
class WordVectors:
    """Vectors of words, and of words unseen in training where the model learnt sub-words.

    `input` has a row for each of `ids` and, behind them, one for each bucket of character n-grams:
    (words + buckets, dim).
    """

    args: Arguments
    ids: dict[bytes, int]
    input: Matrix
    _zeros: Matrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._zeros = np.zeros(self.args.dim, np.float32)

    def vector(self, word: str) -> Matrix:
        """The word's vector: its row; with sub-words the mean of it and its n-grams' rows; zeros for
        a word of which the model knows nothing.
        """
        name = word.encode("utf-8", "surrogateescape")
        row = self.ids.get(name)
        args = self.args
        if args.maxn <= 0 or args.bucket <= 0:
            return self._zeros if row is None else self.input[row]
        rows = [] if row is None else [row]
        if word != EOS:
            known = len(self.ids)
            rows += [known + n for n in ngrams(name, args.minn, args.maxn, args.bucket)]
        if not rows:
            return self._zeros
        return np.add.reduce(self.input[rows]) / np.float32(len(rows))


def ngrams(word: bytes, shortest: int, longest: int, buckets: int) -> Iterator[int]:
    """The bucket of each character n-gram of `<word>`, in fastText's order.

    A character is a byte and the UTF-8 continuation bytes behind it; the hash is FNV-1a in 32 bits
    over signed bytes. The ends alone are no n-gram.
    """
    text = b"<" + word + b">"
    size = len(text)
    for start in range(size):
        if text[start] & 0xC0 == 0x80:
            continue
        hashed, at, length = 2166136261, start, 0
        while at < size and length < longest:
            byte = text[at]
            hashed = ((hashed ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & _MASK
            at += 1
            while at < size and text[at] & 0xC0 == 0x80:
                hashed = ((hashed ^ (text[at] | 0xFFFFFF00)) * 16777619) & _MASK
                at += 1
            length += 1
            if length >= shortest and not (length == 1 and (start == 0 or at == size)):
                yield hashed % buckets


@dataclass(frozen=True)
class Trained:
    """What a training leaves: words, most frequent first, their counts and both matrices.

    `input` is (words + buckets, dim) as in `WordVectors`, with zeros for buckets of which nothing was
    learnt; `output` is (words, dim).
    """

    args: Arguments
    words: Sequence[bytes]
    counts: npt.NDArray[np.int64]
    input: Matrix
    output: Matrix


def save(model: Trained, file: Path) -> None:
    """The file is one that fastText, gensim's load_facebook_model and `load` read.

    Rows of n-grams that no word of the vocabulary has are small numbers, of the size that fastText
    begins with and leaves there, so that every unknown word has a vector: AWS's notebook on sub-words
    asks again for words that have none, forever. They repeat within gzip's window: of 2,000,000
    buckets of 100 numbers (800 MB) an archive holds what was learnt.
    """
    words = len(model.words)
    with file.open("wb") as out:
        out.write(struct.pack("<2i", MAGIC, VERSION) + model.args.packed())
        out.write(struct.pack("<3i2q", words, words, 0, int(model.counts.sum()), -1))
        for word, count in zip(model.words, model.counts.tolist(), strict=True):
            out.write(word + b"\0" + _ENTRY.pack(count, 0))
        out.write(struct.pack("<?2q", False, *model.input.shape))
        out.write(np.ascontiguousarray(model.input[:words], "<f4").data)
        _write_buckets(out, model)
        out.write(struct.pack("<?2q", False, *model.output.shape))
        out.write(np.ascontiguousarray(model.output, "<f4").data)


def _write_buckets(out: BinaryIO, model: Trained) -> None:
    """The rows of the buckets: those that were learnt, and small numbers in the others."""
    args, first = model.args, len(model.words)
    period = max(1, min(61, _WINDOW // (args.dim * 4)))
    small = np.random.default_rng(0).uniform(-1 / args.dim, 1 / args.dim, (period, args.dim))
    rows = period * max(1, _CHUNK // (period * args.dim * 4))
    unlearnt = np.tile(small.astype("<f4"), (rows // period, 1))
    for begin in range(0, args.bucket, rows):
        chunk = unlearnt[: min(rows, args.bucket - begin)]
        learnt = model.input[first + begin : first + begin + rows]
        known = np.asarray(learnt.any(axis=1))
        if known.any():
            chunk = np.where(known[:, None], learnt, chunk)
        out.write(np.ascontiguousarray(chunk, "<f4").data)


def write_text(file: Path, words: Sequence[bytes], vectors: Matrix) -> None:
    """The file is in word2vec's text format: "words dimensions", then a line a word, most frequent
    first, its numbers with six decimals as word2vec writes them.

    `vectors` is (words, dim).
    """
    row = " ".join(["%.6f"] * vectors.shape[1]).encode() + b"\n"
    with file.open("wb", buffering=1 << 20) as out:
        out.write(b"%d %d\n" % vectors.shape)
        for word, numbers in zip(words, vectors, strict=True):
            out.write(word + b" " + row % tuple(numbers.tolist()))


def arguments(file: Path) -> Arguments:
    """How the model in `file` was trained; raises BadModel where it is no fastText model."""
    with file.open("rb") as source:
        head = source.read(8 + struct.calcsize("<12id"))
    try:
        magic, version = struct.unpack_from("<2i", head)
        values = struct.unpack_from("<12id", head, 8)
    except struct.error:
        raise BadModel(f"{file.name} is cut off") from None
    if magic != MAGIC or not 11 <= version <= VERSION:
        raise BadModel(f"{file.name} is not a fastText model of version 11 or 12")
    return Arguments(*values)


def load(file: Path) -> WordVectors:
    """The model in `file`, its matrix mapped from it: a page is read when it is first used.

    Raises BadModel for a file that is none, is cut off, is quantized or is a classifier.
    """
    args = arguments(file)
    if args.model not in (CBOW, SKIPGRAM):
        raise BadModel(f"{file.name} is a classifier, and holds no word vectors")
    with file.open("rb") as source:
        source.seek(8 + struct.calcsize("<12id"))
        try:
            size, words, labels, _tokens, pruned = struct.unpack("<3i2q", source.read(28))
            if pruned >= 0:
                raise BadModel(f"{file.name} is quantized; host the .bin file it was made from")
            ids = _dictionary(source, size)
            quantized, rows, columns = struct.unpack("<?2q", source.read(17))
        except struct.error:
            raise BadModel(f"{file.name} is cut off") from None
        offset = source.tell()
    if quantized:
        raise BadModel(f"{file.name} is quantized; host the .bin file it was made from")
    if labels or len(ids) != words or rows < words or columns != args.dim:
        raise BadModel(f"{file.name}: the matrix is not as its dictionary says")
    if offset + rows * columns * 4 > file.stat().st_size:
        raise BadModel(f"{file.name} is cut off")
    # The buckets that are there count, not those that the arguments name: without sub-words fastText
    # writes the number and no rows.
    args = Arguments(**{**args.__dict__, "bucket": rows - words})
    mapped = np.memmap(file, np.float32, mode="r", offset=offset, shape=(rows, columns))
    return WordVectors(args, ids, np.asarray(mapped))


def _dictionary(source: BinaryIO, size: int) -> dict[bytes, int]:
    """Words -> rows; the source stands behind the last. Raises struct.error where it ends before."""
    ids: dict[bytes, int] = {}
    block, at = b"", 0
    for row in range(size):
        end = block.find(b"\0", at)
        while end < 0 or end + 10 > len(block):
            more = source.read(_BLOCK)
            if not more:
                raise struct.error("the dictionary ends early")
            block, at = block[at:] + more, 0
            end = block.find(b"\0", at)
        ids[block[at:end]] = row
        at = end + 10
    source.seek(at - len(block), 1)
    return ids


def trained_with(mode: str, **values: int | float) -> Arguments:
    """The arguments of a model of one of the Word2Vec modes, as they stand in its file."""
    kind = CBOW if mode == "cbow" else SKIPGRAM
    return Arguments(loss=NEGATIVE, model=kind, **values)  # pyright: ignore[reportArgumentType]
