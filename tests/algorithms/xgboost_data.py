"""Small tables for XGBoost's jobs, in each format, and jobs that read them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("run_xgboost.py")
Row = list[float]


def rows(count: int, seed: int = 0, classes: int = 2) -> list[Row]:
    """[label, five features]: the label says in which part the first two features' sum lies."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        features = [round(chance.random(), 4) for _ in range(5)]
        made.append([float(int((features[0] + features[1]) / 2 * classes)), *features])
    return made


def csv(table: Sequence[Row]) -> bytes:
    """The rows as CSV."""
    return "".join(",".join(f"{cell:g}" for cell in row) + "\n" for row in table).encode()


def libsvm(table: Sequence[Row], queries: int = 0) -> bytes:
    """The rows as libsvm, in that many queries of a ranking."""
    lines = []
    for number, (label, *features) in enumerate(table):
        query = f" qid:{number * queries // len(table)}" if queries else ""
        cells = " ".join(f"{place}:{cell:g}" for place, cell in enumerate(features))
        lines.append(f"{label:g}{query} {cells}\n")
    return "".join(lines).encode()


def stage(
    root: Path,
    channels: Mapping[str, tuple[str, Mapping[str, bytes]]],
    hyperparameters: Mapping[str, str],
    resources: Mapping[str, Any] | None = None,
) -> Path:
    """/opt/ml of a job at `root`: channel -> (content type, file -> content)."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    described = {}
    for name, (kind, files) in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        described[name] = {"TrainingInputMode": "File"} | ({"ContentType": kind} if kind else {})
    (config / "inputdataconfig.json").write_text(json.dumps(described))
    (config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)))
    if resources:
        (config / "resourceconfig.json").write_text(json.dumps(dict(resources)))
    return root


def run(python: Path, script: Path, *words: str) -> str:
    """What a script prints in an environment; fails where it fails."""
    done = subprocess.run(
        [str(python), str(script), *words],
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_all(python: Path, roots: Sequence[Path]) -> list[tuple[int, str, int]]:
    """(exit status, log, rounds of the model) of each job."""
    return [tuple(each) for each in json.loads(run(python, SCRIPT, *map(str, roots)))]
