"""Generated documents of known topics, and the /opt/ml of NTM's training jobs on them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import sagebrush.toolkit

ALGORITHMS = Path(next(iter(sagebrush.toolkit.__path__))).parent / "algorithms"
TOPICS, WORDS = 4, 24
VOCABULARY = "".join(f"{'abcd'[word // 6]}{word % 6}\n" for word in range(WORDS))
"""Words of one topic begin with one letter."""
HYPERPARAMETERS = {
    "feature_dim": str(WORDS), "num_topics": str(TOPICS), "mini_batch_size": "64",
    "optimizer": "adam", "learning_rate": "0.02", "epochs": "15",
}  # fmt: skip
CODE = """
import os, sys
from contract import job
from ntm import train
for root in sys.argv[1:]:
    os.environ["SAGEBRUSH_ML"] = root
    print("STATUS", job.run(train.train), flush=True)
"""


def documents(count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """(count, WORDS): word counts of documents of 40 words, each of few topics."""
    random = np.random.default_rng(seed)
    chances = np.full((TOPICS, WORDS), 0.005)
    for topic in range(TOPICS):
        chances[topic, topic * 6 : topic * 6 + 6] = 0.15
    mixtures = random.dirichlet([0.1] * TOPICS, count) @ chances
    return np.array([random.multinomial(40, each / each.sum()) for each in mixtures])


def csv(rows: npt.NDArray[np.int64]) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


def prepare(
    root: Path,
    channels: Mapping[str, Mapping[str, str]],
    changed: Mapping[str, str] | None = None,
    hosts: Sequence[str] = ("algo-1",),
) -> Path:
    """The /opt/ml of a job: `channels` are their files, CSV or, of `auxiliary`, text."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    described = {}
    for name, files in channels.items():
        kind = "text/plain" if name == "auxiliary" else "text/csv"
        described[name] = {"ContentType": kind, "TrainingInputMode": "File"}
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_text(content)
    (config / "hyperparameters.json").write_text(json.dumps({**HYPERPARAMETERS, **(changed or {})}))
    (config / "inputdataconfig.json").write_text(json.dumps(described))
    resources = {"current_host": hosts[0], "hosts": sorted(hosts)}
    (config / "resourceconfig.json").write_text(json.dumps(resources))
    return root


def start(python: Path, *roots: Path) -> subprocess.Popen[str]:
    """The jobs run, one after another, in one process."""
    return subprocess.Popen(
        [str(python), "-c", CODE, *map(str, roots)],
        env={"PATH": os.defpath, "PYTHONPATH": str(ALGORITHMS), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
