"""Predictions by a compiled kernel: for models that are asked often enough that loading it pays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .fasttext_model import EOS, SOFTMAX, Matrix, Model
from .kernels import compiled

CELLS = 1 << 20
"""Probabilities that are computed at a time."""


def possible(model: Model) -> bool:
    """Whether the kernel can answer for the model, and its machine code is there."""
    args = model.args
    return args.loss == SOFTMAX and args.maxn == 0 and compiled.folder().is_dir()


class Kernel:
    """The kernel with a model's words in its table. Raises ImportError where numba is missing."""

    def __init__(self, model: Model) -> None:
        from .kernels import prediction

        self._probabilities = prediction.probabilities
        names = [word.encode("utf-8", "surrogateescape") for word in model.words]
        self._names = np.frombuffer(b"".join(names) or b" ", np.uint8)
        self._starts = np.zeros(len(names) + 1, np.int64)
        np.cumsum([len(name) for name in names], out=self._starts[1:])
        self._table = np.full(2 << max(len(names), 1).bit_length(), -1, np.int32)
        prediction.fill(self._names, self._starts, self._table)
        self._last = model.words.index(EOS) if EOS in model.words else -1
        self._entry = model.input.view()
        self._entry.flags.writeable = False
        self._output = np.array(model.output, np.float32, order="C")
        self._model = model
        self.probabilities(["a"])  # the machine code is loaded

    def probabilities(self, texts: Sequence[str]) -> tuple[Matrix, npt.NDArray[np.int64]]:
        """(texts, labels) and how many rows stand for each text: where none does, nothing is known."""
        lines = [text.replace("\n", " ") if "\n" in text else text for text in texts]
        text = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        shares = np.empty((len(texts), len(self._output)), np.float32)
        sizes = np.empty(len(texts), np.int64)
        args = self._model.args
        self._probabilities(
            np.frombuffer(text, np.uint8),
            self._names,
            self._starts,
            self._table,
            self._last,
            args.word_ngrams,
            max(args.bucket, 1),
            self._entry,
            self._output,
            shares,
            sizes,
        )
        return shares, sizes

    def predict(self, texts: Sequence[str], k: int) -> list[tuple[list[str], list[float]]]:
        """For each text its `k` most probable labels, best first, with their probabilities."""
        names, step = self._model.labels, max(1, CELLS // max(1, len(self._output)))
        answers: list[tuple[list[str], list[float]]] = []
        for start in range(0, len(texts), step):
            shares, sizes = self.probabilities(texts[start : start + step])
            if k == 1:
                best = shares.argmax(1)[:, None]
            else:
                best = np.argsort(-shares, axis=1, kind="stable")[:, :k]
            values = np.minimum(np.take_along_axis(shares, best, 1) + np.float32(1e-5), 1)
            rows = zip(best.tolist(), values.tolist(), sizes.tolist(), strict=True)
            answers += [([names[i] for i in b], v) if size else ([], []) for b, v, size in rows]
        return answers
