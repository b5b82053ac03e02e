"""Documents of known topics, and LDA's jobs on them."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contract import record_protobuf, recordio
from contract.record_protobuf import Record, Tensor

from tests.needs import ROOT

ALGORITHMS = ROOT / "sagebrush" / "algorithms"
Floats = npt.NDArray[np.float64]
JOBS = """
import os, sys
from contract import job
from lda.train import train
for root in sys.argv[1:]:
    os.environ["SAGEBRUSH_ML"] = root
    print(f"status {job.run(train)} of {root}", flush=True)
"""
"""Several jobs in one process, which is started once."""


@dataclass(frozen=True)
class Bars:
    """The documents of Griffiths and Steyvers (2004), as AWS's notebooks generate them: the words are the
    pixels of 5 x 5 images, the topics are the rows and columns."""

    topics: Floats
    mixtures: Floats
    counts: Floats


def bars(documents: int, length: int = 100, seed: int = 0) -> Bars:
    """Ten topics of five words each."""
    random = np.random.default_rng(seed)
    images = np.zeros((10, 5, 5))
    for place in range(5):
        images[place, :, place] = random.dirichlet([100] * 5)
        images[5 + place, place, :] = random.dirichlet([100] * 5)
    topics = images.reshape(10, 25)
    mixtures = random.dirichlet([0.1] * 10, documents)
    chances = mixtures @ topics
    chances /= chances.sum(1, keepdims=True)
    lengths = random.poisson(length, documents)
    counts = [random.multinomial(n, p) for n, p in zip(lengths, chances, strict=True)]
    return Bars(topics, mixtures, np.array(counts, np.float64))


def matched(known: Floats, found: Floats) -> list[int]:
    """For each known topic the found one that is nearest."""
    return np.abs(known[:, None] - found[None]).sum(2).argmin(1).tolist()


def records(counts: Floats, sparse: bool = True) -> bytes:
    """The documents as recordIO-protobuf."""
    out = io.BytesIO()
    for row in counts:
        if sparse:
            keys = np.flatnonzero(row)
            tensor = Tensor(row[keys].astype(np.float32), keys.astype(np.uint64), (len(row),))
        else:
            tensor = Tensor(row.astype(np.float32))
        recordio.write(out, record_protobuf.encode(Record({"values": tensor}, {})))
    return out.getvalue()


def table(counts: Sequence[Sequence[float]] | Floats) -> bytes:
    """The documents as CSV."""
    return "".join(",".join(f"{n:g}" for n in row) + "\n" for row in counts).encode()


def written(
    root: Path, hyperparameters: Mapping[str, object], *channels: tuple[str, str, bytes]
) -> Path:
    """/opt/ml of a job at `root`; a channel is (name, content type, content)."""
    config: dict[str, Any] = {}
    for name, kind, content in channels:
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / ("vocab.txt" if name == "auxiliary" else "data")).write_bytes(content)
        config[name] = {"TrainingInputMode": "File", "ContentType": kind}
    place = root / "input" / "config"
    place.mkdir(parents=True)
    (place / "inputdataconfig.json").write_text(json.dumps(config))
    strings = {name: str(value) for name, value in hyperparameters.items()}
    (place / "hyperparameters.json").write_text(json.dumps(strings))
    return root


def run(
    python: Path, *arguments: str, timeout: float = 100, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Python with the algorithms on its path, as jobs have it; for `timeout` seconds at most."""
    own = {"PATH": os.defpath, "PYTHONPATH": str(ALGORITHMS), "OMP_NUM_THREADS": "2", **environ}
    return subprocess.run(
        [str(python), *arguments],
        env=own,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
