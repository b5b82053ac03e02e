"""A BlazingText training job in a temporary /opt/ml, and small texts for it."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sagebrush.toolkit

TRAIN = Path(next(iter(sagebrush.toolkit.__path__))) / "training" / "train.py"
TOPICS = {
    "sport": "match goal team player coach league score stadium win season",
    "food": "bread soup cheese dinner recipe oven salt sweet taste kitchen",
    "music": "guitar song band drum melody concert voice album rhythm piano",
}
COMMON = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "was",
    "it",
    "with",
    "for",
    "on",
    "this",
    "that",
    "very",
    "more",
    "some",
]


def sentences(count: int, seed: int = 0, topics: Mapping[str, str] = TOPICS) -> list[str]:
    """Labelled lines that word counts tell apart; no two seeds give the same."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        topic = chance.choice(sorted(topics))
        words = chance.choices(topics[topic].split(), k=3) + chance.choices(COMMON, k=5)
        chance.shuffle(words)
        lines.append(f"__label__{topic} {' '.join(words)}")
    return lines


class TrainingJob:
    """One job: channels put in, run, output looked at."""

    def __init__(self, root: Path, python: Path) -> None:
        self.root, self.python = root, python
        self.channels: dict[str, Any] = {}
        (root / "input" / "config").mkdir(parents=True)

    def channel(self, name: str, lines: list[str] | bytes, file: str = "data.txt") -> None:
        """The channel has one more file."""
        folder = self.root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        content = lines if isinstance(lines, bytes) else "".join(f"{s}\n" for s in lines).encode()
        (folder / file).write_bytes(content)
        self.channels[name] = {"TrainingInputMode": "File"}

    def run(self, **hyperparameters: str) -> subprocess.CompletedProcess[str]:
        """The job ran to its end, through the toolkit as in production."""
        config = self.root / "input" / "config"
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        return subprocess.run(
            [str(self.python), str(TRAIN)],
            env={
                "PATH": os.defpath,
                "SAGEBRUSH_ML": str(self.root),
                "SAGEBRUSH_ALGORITHM": "blazingtext",
                "OMP_NUM_THREADS": "2",
                "PYTHONUNBUFFERED": "1",
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    @property
    def model(self) -> Path:
        return self.root / "model" / "model.bin"

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()
