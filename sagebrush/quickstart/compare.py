"""A baseline and a plot, run by the interpreter of the `base` environment, where scikit-learn is.

compare.py FOLDER reads `data.json` (train and test as [label, text], predicted labels) and writes
`baseline.json` and `confusion.png`. A program of its own: the server has neither package.
"""

# pyright: reportMissingImports=false
# (the packages are those of the base environment)

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LARGEST_PLOT = 40
"""Labels beyond this many make an unreadable plot; the most frequent ones are shown."""


def baseline(train: Sequence[Sequence[str]], test: Sequence[Sequence[str]]) -> dict[str, float]:
    """Accuracy of TF-IDF (words and pairs) + linear SVM on `test`, and its seconds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    started = time.monotonic()
    vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"\S+")
    features = vectors.fit_transform([text for _, text in train])
    machine = LinearSVC(random_state=0).fit(features, [label for label, _ in train])
    guessed = machine.predict(vectors.transform([text for _, text in test]))
    right = sum(label == guess for (label, _), guess in zip(test, guessed, strict=True))
    return {"accuracy": right / len(test), "seconds": time.monotonic() - started}


def plot(truth: Sequence[str], guessed: Sequence[str], accuracy: float, file: Path) -> None:
    """A confusion matrix in shares of each true label, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot
    from sklearn.metrics import confusion_matrix

    names, counts = np.unique(np.asarray(truth), return_counts=True)
    shown = sorted(names[np.argsort(-counts, kind="stable")[:LARGEST_PLOT]])
    matrix = confusion_matrix(truth, guessed, labels=shown)
    of_label = dict(zip(names, counts, strict=True))
    shares = matrix / np.array([[of_label[name]] for name in shown])
    side = max(5.0, 0.42 * len(shown) + 2.5)
    figure, axes = pyplot.subplots(figsize=(side, side), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(shown)), shown, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(shown)), shown)
    axes.set_xlabel("said by the endpoint")
    axes.set_ylabel("true label")
    rest = f" ({len(shown)} of {len(names)} labels shown)" if len(shown) < len(names) else ""
    axes.set_title(f"Unseen texts: {accuracy:.1%} right{rest}\npercent of each true label")
    for row, column in np.argwhere(shares >= 0.01):
        share = shares[row, column]
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, size=8)
    figure.savefig(file, dpi=120)


def main(folder: Path) -> None:
    """Writes both files into `folder`."""
    data = json.loads((folder / "data.json").read_text())
    measured = baseline(data["train"], data["test"])
    truth = [label for label, _ in data["test"]]
    right = sum(a == b for a, b in zip(truth, data["predicted"], strict=True)) / len(truth)
    plot(truth, data["predicted"], right, folder / "confusion.png")
    (folder / "baseline.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
