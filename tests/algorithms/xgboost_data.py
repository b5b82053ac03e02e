"""Small tables for XGBoost's jobs, in each format, and jobs that read them."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contract import record_protobuf
from contract import recordio as records
from contract.record_protobuf import Record, Tensor

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


def recordio(table: Sequence[Row]) -> bytes:
    """The rows as recordIO-protobuf, every second one sparse."""
    out = io.BytesIO()
    for number, (label, *features) in enumerate(table):
        values = np.array(features, np.float32)
        tensor = Tensor(values)
        if number % 2:
            keys = np.flatnonzero(values).astype(np.uint64)
            tensor = Tensor(values[values != 0], keys, (len(values),))
        wanted = Record({"values": tensor}, {"values": Tensor(np.array([label], np.float32))})
        records.write(out, record_protobuf.encode(wanted))
    return out.getvalue()


def parquet(python: Path, table: Sequence[Row], file: Path) -> None:
    """The rows are the Parquet file, as pandas of that environment writes it."""
    script = (
        "import json, sys, pandas; pandas.DataFrame(json.load(sys.stdin)).to_parquet(sys.argv[1])"
    )
    named = [{f"c{n}": cell for n, cell in enumerate(row)} for row in table]
    command = [str(python), "-c", script, str(file)]
    subprocess.run(command, input=json.dumps(named), text=True, timeout=100, check=True)


def piped(root: Path, content: bytes) -> None:
    """The staged job reads its channel `train` in Pipe mode: the content, once."""
    config = root / "input" / "config" / "inputdataconfig.json"
    channels = json.loads(config.read_text())
    channels["train"]["TrainingInputMode"] = "Pipe"
    config.write_text(json.dumps(channels))
    fifo = root / "input" / "data" / "train_0"
    os.mkfifo(fifo)
    # A daemon: where the job fails before it opens the channel, nobody reads.
    threading.Thread(target=fifo.write_bytes, args=(content,), daemon=True).start()


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
