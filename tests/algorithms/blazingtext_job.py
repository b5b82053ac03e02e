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

ROOT = Path(__file__).resolve().parents[2]
TRAIN = Path(next(iter(sagebrush.toolkit.__path__))) / "training" / "train.py"
JOBS = """
import os, sys
import sagebrush.algorithms as package
sys.path.insert(0, next(iter(package.__path__)))
from contract.job import run
from blazingtext.train import train
for root in sys.argv[1:]:
    os.environ["SAGEBRUSH_ML"] = root
    print("status", run(train), "of", root, flush=True)
"""
"""Runs the jobs at the given roots, one after another, in one process: starting one is most of a job."""
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
        self.configure(**hyperparameters)
        return _run(self.python, str(TRAIN), SAGEBRUSH_ML=str(self.root))

    def configure(self, **hyperparameters: str) -> None:
        """The job has these hyperparameters, and is ready to run."""
        config = self.root / "input" / "config"
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))

    @property
    def model(self) -> Path:
        return self.root / "model" / "model.bin"

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()


def run_all(jobs: list[TrainingJob]) -> subprocess.CompletedProcess[str]:
    """Configured jobs ran to their ends in one process, without the toolkit."""
    roots = [str(job.root) for job in jobs]
    return _run(jobs[0].python, "-c", JOBS, *roots, PYTHONPATH=str(ROOT))


def _run(python: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.defpath, "SAGEBRUSH_ALGORITHM": "blazingtext", "OMP_NUM_THREADS": "2"}
    return subprocess.run(
        [str(python), *words],
        env={**own, "PYTHONUNBUFFERED": "1", **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
