"""A processing job: clean texts become three parts, two of them in BlazingText's format."""

from __future__ import annotations

import csv
import random
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent
"""/opt/ml/processing, whose folder code this file is in."""
SHARES = {"test": 0.2, "validation": 0.1}
"""What is left is learned from."""


def main() -> None:
    """train, validation and test have their files."""
    rows = []
    for file in sorted((PLACE / "texts").glob("*.csv")):
        with file.open(newline="", encoding="utf-8") as opened:
            rows += [(row["label"], row["text"]) for row in csv.DictReader(opened)]
    random.Random(2026).shuffle(rows)
    parts, begin = {}, 0
    for name, share in SHARES.items():
        end = begin + round(len(rows) * share)
        parts[name], begin = rows[begin:end], end
    parts["train"] = rows[begin:]
    for name, part in parts.items():
        folder = PLACE / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"__label__{label} {text}\n" for label, text in part)
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        print(f"{name}: {len(part)} texts")


if __name__ == "__main__":
    main()
