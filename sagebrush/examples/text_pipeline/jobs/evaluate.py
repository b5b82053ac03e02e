"""A processing job: the model's answers for texts that it never saw, counted.

BlazingText's model is a file of fastText's, whose library AWS's scikit-learn image lacks. What a model
of single words needs of it is little: read here with NumPy.
"""

from __future__ import annotations

import json
import struct
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np

PLACE = Path(__file__).resolve().parent.parent
"""/opt/ml/processing, whose folder code this file is in."""
PREFIX = "__label__"
END = "</s>"
"""fastText's mark of a text's end, a word like others."""


def main() -> None:
    """evaluation.json has the accuracy, that of always the largest label, and each label's."""
    with tarfile.open(PLACE / "model" / "model.tar.gz") as archive:
        member = archive.extractfile("model.bin")
        assert member is not None
        model = Model(member.read())
    right: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for line in (PLACE / "test" / "test.txt").read_text(encoding="utf-8").splitlines():
        label, _, text = line.partition(" ")
        there[label] += 1
        right[label] += model.label(text) == label
    count = sum(there.values())
    found = {
        "texts": count,
        "accuracy": sum(right.values()) / count,
        "majority": max(there.values()) / count,
        "labels": {name[len(PREFIX) :]: right[name] / there[name] for name in sorted(there)},
    }
    folder = PLACE / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(found))
    print(json.dumps(found))


class Model:
    """A supervised model of fastText's, version 12 of its format: two int32 (a mark, the version), the
    arguments, the dictionary, then a matrix of words and one of labels."""

    def __init__(self, data: bytes) -> None:
        arguments = struct.unpack_from("<12i", data, 8)
        assert arguments[5] == 1, "word_ngrams must be 1"
        at = 8 + struct.calcsize("<12id")
        size, _, _, _, _ = struct.unpack_from("<3i2q", data, at)
        at += struct.calcsize("<3i2q")
        names: tuple[list[str], list[str]] = [], []
        for _ in range(size):
            end = data.index(0, at)
            kind = data[end + 9]  # after the count: 0 for a word, 1 for a label
            names[kind].append(data[at:end].decode("utf-8", "replace"))
            at = end + 10
        self.words = {word: row for row, word in enumerate(names[0])}
        self.labels = names[1]
        self.input, at = _matrix(data, at)
        self.output, at = _matrix(data, at)

    def label(self, text: str) -> str:
        """The most probable label: that whose row is nearest to the mean of the words' rows."""
        rows = [self.words[word] for word in [*text.split(), END] if word in self.words]
        if not rows:
            return self.labels[0]
        return self.labels[int(np.argmax(self.output @ self.input[rows].mean(axis=0)))]


def _matrix(data: bytes, at: int) -> tuple[np.ndarray, int]:
    """The matrix that begins there, after the mark that it is not quantised; what follows it."""
    assert data[at] == 0, "a quantised model"
    rows, columns = struct.unpack_from("<2q", data, at + 1)
    found = np.frombuffer(data, "<f4", rows * columns, at + 17).reshape(rows, columns)
    return found, at + 17 + found.nbytes


if __name__ == "__main__":
    main()
