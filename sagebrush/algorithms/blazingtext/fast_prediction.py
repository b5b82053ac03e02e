"""Predictions by a compiled kernel: for models that are asked often enough that loading it pays."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .fasttext_model import EOS, SOFTMAX, Answer, Ints, Matrix, Model
from .kernels import compiled

ADDED = 1e-5
"""What fastText's predict adds to a probability."""
_MODULE = "blazingtext.kernels.prediction"
CELLS = 1 << 20
"""Probabilities that are computed at a time."""


def possible(model: Model) -> bool:
    """Whether the kernel can answer for the model, and its machine code is there."""
    args, shape = model.args, model.input.shape
    # The kernel reads rows unchecked: a file may lie about them.
    sound = (
        shape == (len(model.words) + args.bucket, args.dim) and shape[1] == model.output.shape[1]
    )
    sound = sound and (args.word_ngrams < 2 or args.bucket > 0)
    return sound and args.loss == SOFTMAX and args.maxn == 0 and compiled.folder(_MODULE).is_dir()


class Kernel:
    """The kernel with a model's words in its table. Raises ImportError where numba is missing."""

    def __init__(self, model: Model) -> None:
        from .kernels import prediction

        self._probabilities = prediction.probabilities
        names = [word.encode("utf-8", "surrogateescape") for word in model.words]
        joined = np.frombuffer(b"".join(names) or b" ", np.uint8)
        starts = np.zeros(len(names) + 1, np.int64)
        np.cumsum([len(name) for name in names], out=starts[1:])
        table = np.full(2 << max(len(names), 1).bit_length(), -1, np.int32)
        prediction.fill(joined, starts, table)
        last = model.words.index(EOS) if EOS in model.words else -1
        args = model.args
        self._words = joined, starts, table, last, args.word_ngrams, max(args.bucket, 1)
        self._entry = model.input.view()
        self._entry.flags.writeable = False
        self._output = np.array(model.output, np.float32, order="C")
        self._model = model
        self._room = threading.local()
        self.predict(["a"], 1)  # the machine code is loaded

    def predict(self, texts: Sequence[str], k: int) -> list[Answer]:
        """For each text its `k` most probable labels, best first, with their probabilities."""
        if k == 1:
            return self._best(texts)
        names: Sequence[str] = self._model.labels
        step = max(1, CELLS // max(1, len(self._output)))
        answers: list[Answer] = []
        for start in range(0, len(texts), step):
            some = texts[start : start + step]
            shares = np.empty((len(some), len(self._output)), np.float32)
            known, _ = self._ask(some, shares)
            best = np.argsort(-shares, axis=1, kind="stable")[:, :k]
            values = np.minimum(np.take_along_axis(shares, best, 1) + ADDED, 1)
            rows = zip(best.tolist(), values.tolist(), known.tolist(), strict=True)
            for labels, probabilities, one in rows:
                answers.append(
                    ([names[int(i)] for i in labels], probabilities) if one >= 0 else ([], [])
                )
        return answers

    def one(self, text: str) -> Answer:
        """The most probable label of one text: as `predict`, with room that each thread keeps."""
        room = getattr(self._room, "arrays", None)
        if room is None:
            shares = np.empty((1, len(self._output)), np.float32)
            room = self._entry, self._output, shares, np.empty(1, np.int64), np.empty(1, np.float32)
            self._room.arrays = room
        if "\n" in text:
            text = text.replace("\n", " ")
        line = np.frombuffer((text + "\n").encode("utf-8", "surrogateescape"), np.uint8)
        self._probabilities(line, *self._words, *room)
        label = int(room[3][0])
        if label < 0:
            return [], []
        return [self._model.labels[label]], [min(float(room[4][0]) + ADDED, 1.0)]

    def _best(self, texts: Sequence[str]) -> list[Answer]:
        names = self._model.labels
        best, highest = self._ask(texts, np.empty((1, len(self._output)), np.float32))
        return [
            ([names[int(label)]], [min(share + ADDED, 1.0)]) if label >= 0 else ([], [])
            for label, share in zip(best.tolist(), highest.tolist(), strict=True)
        ]

    def _ask(self, texts: Sequence[str], shares: Matrix) -> tuple[Ints, npt.NDArray[np.float32]]:
        lines = [text.replace("\n", " ") if "\n" in text else text for text in texts]
        text = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        best, highest = np.empty(len(texts), np.int64), np.empty(len(texts), np.float32)
        self._probabilities(
            np.frombuffer(text, np.uint8),
            *self._words,
            self._entry,
            self._output,
            shares,
            best,
            highest,
        )
        return best, highest
