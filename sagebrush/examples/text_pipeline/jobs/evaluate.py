"""A processing job: the model's answers for texts that it never saw, counted.

BlazingText's model is one of fastText's, whose library AWS's scikit-learn image lacks: it is installed
there first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

PLACE = Path("/opt/ml/processing")
PREFIX = "__label__"


def main() -> None:
    """evaluation.json has the accuracy, that of always the largest label, and each label's."""
    with tarfile.open(PLACE / "model" / "model.tar.gz") as archive:
        archive.extractall(PLACE / "model", filter="data")
    model = library().load_model(str(PLACE / "model" / "model.bin"))
    right: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for line in (PLACE / "test" / "test.txt").read_text(encoding="utf-8").splitlines():
        label, _, text = line.partition(" ")
        there[label] += 1
        right[label] += model.predict(text)[0][0] == label
    count = there.total()
    found = {
        "texts": count,
        "accuracy": right.total() / count,
        "majority": max(there.values()) / count,
        "labels": {name.removeprefix(PREFIX): right[name] / there[name] for name in sorted(there)},
    }
    folder = PLACE / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(found))
    print(json.dumps(found))


def library() -> Any:
    """fastText's module."""
    try:
        import fasttext
    except ImportError:
        pip = [sys.executable, "-m", "pip", "install", "-q", "fasttext-numpy2"]
        subprocess.run(pip, check=True)
        import fasttext
    return fasttext


if __name__ == "__main__":
    main()
