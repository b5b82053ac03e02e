"""fastText's model.bin: read, written, and predicted from with NumPy alone.

The format and the arithmetic are fastText's own (version 12 of the format; Joulin et al. 2016, Bag
of Tricks for Efficient Text Classification), so that each reads the other's files.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC = 793712314
VERSION = 12
EOS = "</s>"
HIERARCHICAL, NEGATIVE, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
SUPERVISED = 3

Matrix = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Answer = tuple[list[str], list[float]]
"""Labels and their probabilities."""
_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_FACTOR = np.uint64(116049371)
PIECE = 1 << 20
"""Bytes of a matrix that are written at a time."""
SPARSE = 20
"""Buckets, of which one is hit, from which on they are written one by one, with holes between."""
VECTOR = 16
"""Number of words from which NumPy hashes n-grams faster than Python does."""
WORTH = 2000
"""Predictions of a model from which on a compiled kernel answers."""
KEPT_HASHES = 1 << 18
"""Tokens whose hashes a model keeps: some 30 MB at most."""
_SPACES = str.maketrans(dict.fromkeys("\n\r\t\v\f\0", " "))


class BadModel(ValueError):
    """The file is not a model that can be predicted from; the text says why."""


@dataclass(frozen=True)
class Arguments:
    """What a model was trained with, in the order of the file."""

    dim: int = 100
    ws: int = 5
    epoch: int = 5
    min_count: int = 1
    neg: int = 5
    word_ngrams: int = 1
    loss: int = SOFTMAX
    model: int = SUPERVISED
    bucket: int = 2_000_000
    minn: int = 0
    maxn: int = 0
    lr_update_rate: int = 100
    t: float = 1e-4

    def packed(self) -> bytes:
        """As they stand in the file."""
        return struct.pack("<12id", *(getattr(self, name) for name in self.__dataclass_fields__))


@dataclass
class Model:
    """A trained classifier. `words` and `labels` name the rows of `input` and `output`."""

    args: Arguments
    words: Sequence[str]
    labels: Sequence[str]
    word_counts: Sequence[int]
    label_counts: Sequence[int]
    tokens: int
    input: Matrix
    """(words + buckets, dim)"""
    output: Matrix
    """(labels, dim)"""
    _ids: dict[str, int] = field(init=False, repr=False)
    _hashes: dict[str, int] = field(init=False, repr=False, default_factory=dict)
    _asked: int = field(init=False, repr=False, default=0)
    _kernel: Any = field(init=False, repr=False, default=None)
    _tree: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = field(
        init=False, repr=False, default=None
    )

    def __post_init__(self) -> None:
        self._ids = {word: row for row, word in enumerate(self.words)}
        if self.args.loss == HIERARCHICAL:
            self._tree = _huffman(self.label_counts)

    def predict(self, text: str, k: int = 1) -> Answer:
        """The `k` most probable labels of one line of space-separated tokens, best first, with their
        probabilities; ([], []) for a text without a known word. As fastText's predict, whose
        probabilities are 1e-5 too large; these never exceed 1.
        """
        if k == 1 and self._kernel is not None:
            return self._kernel.one(text)
        return self.predict_many([text], k)[0]

    def predict_many(self, texts: Sequence[str], k: int = 1) -> list[Answer]:
        """`predict` of each text. Once WORTH have been asked for, by a compiled kernel where that is
        possible: to load it costs what some ten thousand answers do, so it is loaded beside."""
        if self._kernel is not None:
            return self._kernel.predict(texts, k)
        if self._asked <= WORTH < self._asked + len(texts):
            threading.Thread(target=self.compile, daemon=True).start()
        self._asked += len(texts)
        return [self._predict(text, k) for text in texts]

    def compile(self) -> None:
        """Further predictions are the compiled kernel's, where it is there."""
        from . import fast_prediction

        if fast_prediction.possible(self):
            with contextlib.suppress(ImportError):  # an environment without numba
                self._kernel = fast_prediction.Kernel(self)

    def _predict(self, text: str, k: int) -> Answer:
        rows = self.features(text)
        if not rows:
            return [], []
        # Not take: it copies the whole of a matrix that lies unaligned in its file.
        hidden = np.add.reduce(self.input[rows]) / np.float32(len(rows))
        scores = self._probabilities(hidden)
        k = min(k, len(scores))
        if k == 1:
            best: Iterable[int] = (int(scores.argmax()),)
        else:
            best = np.argsort(-scores, kind="stable")[:k].tolist()
        best = list(best)
        return [self.labels[i] for i in best], [min(float(scores[i]) + 1e-5, 1.0) for i in best]

    def features(self, text: str) -> list[int]:
        """The rows of `input` that stand for the text: words, their parts, word n-grams."""
        tokens = [token for token in text.translate(_SPACES).split(" ") if token]
        if EOS in tokens:  # the end of the sentence, wherever it stands
            del tokens[tokens.index(EOS) :]
        tokens.append(EOS)
        found = [self._ids.get(token) for token in tokens]
        rows = [row for row in found if row is not None]
        if len(rows) < len(tokens):
            tokens = [
                token
                for token, row in zip(tokens, found, strict=True)
                if row is not None or not token.startswith("__label__")
            ]
        if self.args.maxn > 0:
            rows.extend(row for token in tokens if token != EOS for row in self._subwords(token))
        longest, kept = self.args.word_ngrams, self._hashes
        if longest > 1 and len(tokens) > 1:
            hashes = [kept.get(token) or self._hash(token) for token in tokens]
            rows.extend(ngrams(hashes, longest, self.args.bucket, len(self.words)))
        return rows

    def _hash(self, token: str) -> int:
        """The token's hash; kept, as most come again."""
        found = token_hash(token.encode("utf-8", "surrogateescape"))
        if len(self._hashes) < KEPT_HASHES:
            self._hashes[token] = found
        return found

    def _subwords(self, token: str) -> list[int]:
        """Rows of the token's character n-grams of minn to maxn characters, `<` and `>` its ends."""
        args, rows = self.args, []
        characters = [c.encode("utf-8", "surrogateescape") for c in f"<{token}>"]
        last = len(characters)
        for start in range(last):
            for size in range(max(args.minn, 1), min(args.maxn, last - start) + 1):
                if size == 1 and (start == 0 or start + size == last):
                    continue
                part = b"".join(characters[start : start + size])
                rows.append(len(self.words) + (token_hash(part) & _MASK32) % args.bucket)
        return rows

    def _probabilities(self, hidden: Matrix) -> Matrix:
        scores = self.output @ hidden
        if self.args.loss == SOFTMAX:
            scores -= scores.max()
            np.exp(scores, out=scores)
            scores /= np.add.reduce(scores)
            return scores
        if self._tree is None:
            # fastText's own table: 512 steps from -8 to 8, 0 and 1 outside.
            steps = ((scores + 8) * 512 / 8 / 2).astype(np.int64)
            sigmoid = 1 / (1 + np.exp(-(np.clip(steps, 0, 511) * 16 / 512 - 8)))
            return np.where(scores < -8, 0, np.where(scores > 8, 1, sigmoid)).astype(np.float32)
        return _leaves(*self._tree, 1 / (1 + np.exp(-scores)), len(self.labels))

    def save(self, file: Path) -> None:
        """The file is a model.bin that fastText reads. Rows of zeros take no room on the disk."""
        save(file, self)


def save(file: Path, model: Model, buckets: Ints | None = None) -> None:
    """`file` is the model's model.bin, which fastText reads; rows of zeros take no room on the disk.

    With `buckets`, the rows of `model.input` behind the words' are those of these buckets, and the
    others are zeros.
    """
    words, dim = len(model.words), model.args.dim
    with file.open("wb") as out:
        out.write(struct.pack("<2i", MAGIC, VERSION) + model.args.packed())
        sizes = words + len(model.labels), words, len(model.labels)
        out.write(struct.pack("<3i2q", *sizes, model.tokens, -1))
        for names, counts, kind in (
            (model.words, model.word_counts, 0),
            (model.labels, model.label_counts, 1),
        ):
            out.writelines(
                name.encode("utf-8", "surrogateescape") + struct.pack("<xqb", count, kind)
                for name, count in zip(names, counts, strict=True)
            )
        if buckets is None:
            out.write(struct.pack("<?2q", False, *model.input.shape))
            _write_sparsely(out, model.input)
        else:
            out.write(struct.pack("<?2q", False, words + model.args.bucket, dim))
            out.write(model.input[:words].data)
            _write_buckets(out, model.input[words:], buckets, model.args.bucket)
        out.write(struct.pack("<?2q", False, *model.output.shape))
        _write_sparsely(out, model.output)


def load(file: Path) -> Model:
    """The model in `file`, its matrices mapped from it: pages are read when first used.

    Raises BadModel for a file that is none, is cut off, is quantized, or is not supervised.
    """
    with file.open("rb") as source:
        try:
            return _load(source, file)
        except (struct.error, EOFError, IndexError) as error:
            raise BadModel(f"{file.name} is cut off") from error


def _load(source: BinaryIO, file: Path) -> Model:
    magic, version = _read(source, "<2i")
    if magic != MAGIC or not 11 <= version <= VERSION:
        raise BadModel(f"{file.name} is not a fastText model of version 11 or 12")
    args = Arguments(*_read(source, "<12id"))
    if args.model != SUPERVISED:
        raise BadModel(f"{file.name} holds word vectors; text classification needs mode=supervised")
    if version == 11:
        args = Arguments(**{**args.__dict__, "maxn": 0})
    size, n_words, n_labels, tokens, pruned = _read(source, "<3i2q")
    if pruned >= 0:
        raise BadModel(f"{file.name} is quantized; host the .bin file it was made from")
    words, word_counts, labels, label_counts = [], [], [], []
    for name, count, kind in _entries(source, size):
        (labels if kind else words).append(name)
        (label_counts if kind else word_counts).append(count)
    if (len(words), len(labels)) != (n_words, n_labels):
        raise BadModel(f"{file.name}: the dictionary is not as its sizes say")
    matrices = []
    for _ in range(2):
        (quantized,) = _read(source, "<?")
        if quantized:
            raise BadModel(f"{file.name} is quantized; host the .bin file it was made from")
        rows, columns = _read(source, "<2q")
        offset = source.tell()
        if offset + rows * columns * 4 > file.stat().st_size:
            raise EOFError
        shape = (rows, columns)
        matrices.append(np.memmap(file, np.float32, mode="r", offset=offset, shape=shape))
        source.seek(rows * columns * 4, 1)
    output = np.array(matrices[1])
    entry = np.asarray(matrices[0])
    return Model(args, words, labels, word_counts, label_counts, tokens, entry, output)


def _entries(source: BinaryIO, size: int) -> Iterable[tuple[str, int, int]]:
    """The dictionary's (name, count, kind), read in blocks: there may be millions."""
    block, at = b"", 0
    for _ in range(size):
        while True:
            end = block.find(b"\0", at)
            if end >= 0 and end + 10 <= len(block):
                break
            more = source.read(1 << 20)
            if not more:
                raise EOFError
            block, at = block[at:] + more, 0
        count, kind = struct.unpack_from("<qb", block, end + 1)
        yield block[at:end].decode("utf-8", "surrogateescape"), count, kind
        at = end + 10
    source.seek(at - len(block), 1)


def _read(source: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, source.read(struct.calcsize(layout)))


def _write_sparsely(out: BinaryIO, matrix: Matrix) -> None:
    """The matrix at the file's end; blocks of zeros become holes."""
    step = max(1, 4096 // max(1, matrix.shape[1] * 4))
    for start in range(0, matrix.shape[0], step):
        block = matrix[start : start + step]
        if block.any():
            out.write(block.tobytes())
        else:
            out.seek(block.nbytes, 1)
    out.truncate(out.tell())


def _write_buckets(out: BinaryIO, rows: Matrix, buckets: Ints, count: int) -> None:
    """All `count` rows of buckets, of which `rows` are those in `buckets`; the rest become holes."""
    order = np.argsort(buckets)
    wide = rows.shape[1] * rows.itemsize
    step = max(1, PIECE // wide)
    edges = np.searchsorted(buckets[order], np.arange(0, count + step, step))
    for number, start in enumerate(range(0, count, step)):
        size = min(step, count - start)
        here = order[edges[number] : edges[number + 1]]
        if len(here) * SPARSE < size:
            place = out.tell()
            for row, bucket in zip(here.tolist(), buckets[here].tolist(), strict=True):
                out.seek(place + (bucket - start) * wide)
                out.write(rows[row].data)
            out.seek(place + size * wide)
            continue
        piece = np.zeros((size, rows.shape[1]), rows.dtype)
        piece[buckets[here] - start] = rows[here]
        out.write(piece.data)
    out.truncate(out.tell())


def token_hash(token: bytes) -> int:
    """fastText's hash of the bytes: FNV-1a in 32 bits over *signed* characters, as a signed int."""
    h = 2166136261
    for byte in token:
        # A negative char widens to 0xFFFFFF..: its upper bits are flipped in too.
        h = ((h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & _MASK32
    return h - 0x100000000 if h & 0x80000000 else h


def ngrams(hashes: Sequence[int], longest: int, bucket: int, offset: int) -> list[int]:
    """Rows of all word n-grams of 2 to `longest` words, from the words' hashes; buckets start at row
    `offset`.
    """
    if len(hashes) > VECTOR:
        plain = np.array(hashes, np.int64).view(np.uint64)
        running, rows = plain, []
        for n in range(1, min(longest, len(hashes))):
            running = running[:-1] * _FACTOR + plain[n:]
            rows += (running % np.uint64(bucket) + np.uint64(offset)).tolist()
        return rows
    rows = []
    for i, h in enumerate(hashes):
        for following in hashes[i + 1 : i + longest]:
            h = (h * 116049371 + following) & _MASK64
            rows.append(h % bucket + offset)
    return rows


def _huffman(counts: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Left and right child of each inner node of fastText's tree over labels (most frequent first);
    inner node i is number `len(counts) + i`, the last one the root.
    """
    size = len(counts)
    weight = [*counts, *[10**15] * (size - 1)]
    left, right = np.zeros(size - 1, np.int64), np.zeros(size - 1, np.int64)
    leaf, node = size - 1, size
    for i in range(size, 2 * size - 1):
        chosen = []
        for _ in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                chosen.append(leaf)
                leaf -= 1
            else:
                chosen.append(node)
                node += 1
        left[i - size], right[i - size] = chosen
        weight[i] = weight[chosen[0]] + weight[chosen[1]]
    return left, right


def _leaves(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], turn: npt.NDArray, labels: int
) -> Matrix:
    """The probability of each label: the product of the turns on its way from the root."""
    score = np.zeros(2 * labels - 1, np.float64)
    for i in range(labels - 2, -1, -1):
        score[left[i]] = score[labels + i] + np.log(1 - turn[i] + 1e-5)
        score[right[i]] = score[labels + i] + np.log(turn[i] + 1e-5)
    # `predict` adds the 1e-5 of fastText's logarithm, which is in the turns here already.
    return (np.exp(score[:labels]) - 1e-5).astype(np.float32)
