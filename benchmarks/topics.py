"""Topic models beside gensim's LDA on the same documents: coherence, diversity, time, memory.

`python benchmarks/topics.py [--data DIR] [--topics 50] [--held-out] [NAME ...]`: DIR (or
SAGEBRUSH_EVAL_DATA) holds `20news_bow/train.feat.gz` (lines of `label word:count ...`, words from 1).
NAMEs are of RUNS; all by default. Ours run as training jobs do (a process of their own, /opt/ml,
recordIO-protobuf, topics.json); gensim runs in the environment `nlp`. Times include each one's start and
reading of its input, and "training" is what the log or gensim's call took.

Coherence is the mean normalised pointwise mutual information of all pairs of a topic's ten top words,
counted in the documents that the model was trained on (-1 for a pair that never meets); diversity is
the share of different words among all topics' ten. With --held-out every tenth document is kept from
training, and the variational bound of their words' log-likelihood is printed, for the alpha and beta of
each, by the same code.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sagebrush.toolkit
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

ROOT = Path(next(iter(sagebrush.toolkit.__path__))).parent
sys.path.insert(0, str(ROOT / "algorithms"))

from contract import ndarrays, record_protobuf, recordio  # noqa: E402
from contract.record_protobuf import Record, Tensor  # noqa: E402

SET = "20news_bow"
TOP = 10
Document = tuple[Sequence[int], Sequence[int]]
"""Words, from 0, and their counts."""


@dataclass(frozen=True)
class Run:
    """One algorithm of ours with its settings."""

    environment: str
    folder: str
    hyperparameters: Mapping[str, object]
    training: str
    """What matches the milliseconds of training in its log."""


RUNS: Mapping[str, Run] = {
    "lda": Run("algorithms", "lda", {}, r'"LDA\.update\.time": \{"sum": ([\d.]+)'),
    "lda, decomposition alone": Run(
        "algorithms", "lda", {"refinement_sweeps": 0}, r'"LDA\.update\.time": \{"sum": ([\d.]+)'
    ),
    "ntm": Run(
        "pytorch",
        "ntm",
        {"optimizer": "adam", "learning_rate": 0.01, "epochs": 25},
        r'"epoch\.time": \{"sum": ([\d.]+)',
    ),
}
GENSIM = "gensim LdaModel, 10 passes"
PEER = """
import json, sys, time
from gensim.models import LdaModel
given = json.load(open(sys.argv[1]))
train = [list(zip(*each)) for each in given["train"]]
words = {n: str(n) for n in range(given["words"])}
start = time.perf_counter()
model = LdaModel(train, num_topics=given["topics"], passes=10, id2word=words, random_state=0)
seconds = time.perf_counter() - start
tops = (-model.get_topics()).argsort(1)[:, :10].tolist()
import numpy
numpy.savez(sys.argv[2], alpha=model.alpha, beta=model.get_topics())
print(json.dumps({"tops": tops, "seconds": seconds}))
"""


@dataclass(frozen=True)
class Outcome:
    """What one run gave."""

    tops: Sequence[Sequence[int]]
    seconds: float
    training: float
    bound: float | None
    memory: float
    """Peak, in MB."""


def documents(folder: Path) -> tuple[list[Document], int]:
    """(the set's documents, the number of its words)."""
    found = []
    with gzip.open(folder / "train.feat.gz", "rt") as lines:
        for line in lines:
            pairs: dict[int, int] = {}
            for pair in line.split()[1:]:
                word, count = pair.split(":")
                pairs[int(word) - 1] = pairs.get(int(word) - 1, 0) + int(count)
            found.append((list(pairs), list(pairs.values())))
    return found, len((folder / "vocab.txt").read_text().splitlines())


def presence(found: Sequence[Document], words: int) -> np.ndarray:
    """(documents, words): whether a document has a word."""
    made = np.zeros((len(found), words), bool)
    for row, (ids, _) in enumerate(found):
        made[row, ids] = True
    return made


def coherence(tops: Sequence[Sequence[int]], present: np.ndarray) -> float:
    """The mean over topics of their words' normalised pointwise mutual information."""
    values = []
    for ids in tops:
        columns = present[:, list(ids)].astype(np.float64)
        together = columns.T @ columns / len(present)
        for i in range(len(ids)):
            for j in range(i):
                both = together[i, j]
                if both in (0, 1):
                    values.append(-1.0 if both == 0 else 1.0)
                    continue
                mutual = np.log(both / (together[i, i] * together[j, j]))
                values.append(float(mutual / -np.log(both)))
    return float(np.mean(values))


def records(found: Sequence[Document], words: int) -> bytes:
    """The documents as sparse recordIO-protobuf."""
    out = io.BytesIO()
    for ids, counts in found:
        order = np.argsort(ids)
        keys = np.array(ids, np.uint64)[order]
        tensor = Tensor(np.array(counts, np.float32)[order], keys, (words,))
        recordio.write(out, record_protobuf.encode(Record({"values": tensor}, {})))
    return out.getvalue()


def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of the logarithm of the gamma function, for x > 0."""
    below, x = np.zeros_like(x), x.copy()
    for _ in range(6):
        small = x < 6
        below[small] -= 1 / x[small]
        x[small] += 1
    r = 1 / x**2
    return below + np.log(x) - 0.5 / x - r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r / 240)))


def bound(alpha: np.ndarray, beta: np.ndarray, found: Sequence[Document]) -> float:
    """The variational lower bound of the log-likelihood of a word (Blei, Ng, Jordan, 2003)."""
    counts = np.zeros((len(found), beta.shape[1]))
    for row, (ids, numbers) in enumerate(found):
        counts[row, ids] = numbers
    alpha, beta = alpha.astype(np.float64), beta.astype(np.float64)
    posterior = alpha + counts.sum(1, keepdims=True) / len(alpha)
    for _ in range(100):
        weights = np.exp(digamma(posterior))
        chances = np.maximum(weights @ beta, 1e-30)
        posterior = alpha + weights * ((counts / chances) @ beta.T)
    expected = digamma(posterior) - digamma(posterior.sum(1, keepdims=True))
    log_gamma = np.vectorize(math.lgamma)
    total = (counts * np.log(np.maximum(np.exp(expected) @ beta, 1e-30))).sum()
    total += ((alpha - posterior) * expected + log_gamma(posterior) - log_gamma(alpha)).sum()
    total += (math.lgamma(alpha.sum()) - log_gamma(posterior.sum(1))).sum()
    return float(total / counts.sum())


def timed(command: Sequence[str], environ: Mapping[str, str]) -> tuple[str, float, float]:
    """(output, seconds, peak MB) of a process; its last words end this one, where it fails."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.monotonic()
        process = subprocess.Popen(command, env=dict(environ), stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise SystemExit(said[-3000:])
    return said, seconds, used.ru_maxrss / 1024


def ours(
    run: Run, work: Path, parts: Mapping[str, Sequence[Document]], topics: int, words: int
) -> Outcome:
    """A training job of ours."""
    config = work / "input" / "config"
    config.mkdir(parents=True)
    channels = {}
    for name, each in parts.items():
        if each:
            folder = work / "input" / "data" / name
            folder.mkdir(parents=True)
            (folder / "data.pbr").write_bytes(records(each, words))
            channels[name] = {"ContentType": "application/x-recordio-protobuf"}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    size = len(parts["train"]) if run.folder == "lda" else 256
    asked = {"num_topics": topics, "feature_dim": words, "mini_batch_size": size}
    given = {name: str(value) for name, value in {**asked, **run.hyperparameters}.items()}
    (config / "hyperparameters.json").write_text(json.dumps(given))
    python = Environments(Settings.load(os.environ).environments).build(run.environment).python
    environ = {"PATH": os.defpath, "SAGEBRUSH_ML": str(work), "SAGEBRUSH_ALGORITHM": run.folder}
    said, seconds, memory = timed(
        [str(python), str(ROOT / "toolkit" / "training" / "train.py")], environ
    )
    told = json.loads((work / "output" / "data" / "topics.json").read_text())
    tops = [[int(word[1:]) for word, _ in topic["words"][:TOP]] for topic in told["topics"]]
    training = sum(float(value) for value in re.findall(run.training, said)) / 1000
    likely = None
    if parts["test"] and run.folder == "lda":
        model = ndarrays.load(work / "model" / "model_algo-1")
        assert isinstance(model, list)
        likely = bound(model[0], model[1], parts["test"])
    return Outcome(tops, seconds, training, likely, memory)


def gensims(
    work: Path, parts: Mapping[str, Sequence[Document]], topics: int, words: int
) -> Outcome:
    """gensim's LDA in the environment of notebooks."""
    file = work / "documents.json"
    file.write_text(json.dumps({**parts, "topics": topics, "words": words}))
    python = Environments(Settings.load(os.environ).environments).build("nlp").python
    model = work / "model.npz"
    command = [str(python), "-c", PEER, str(file), str(model)]
    said, seconds, memory = timed(command, os.environ)
    told = json.loads(said.splitlines()[-1])
    likely = None
    if parts["test"]:
        with np.load(model) as arrays:
            likely = bound(arrays["alpha"], arrays["beta"], parts["test"])
    return Outcome(told["tops"], seconds, told["seconds"], likely, memory)


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=os.environ.get("SAGEBRUSH_EVAL_DATA"))
    options.add_argument("--topics", type=int, default=50)
    options.add_argument("--held-out", action="store_true")
    options.add_argument("names", nargs="*", default=[*RUNS, GENSIM], metavar="NAME")
    given = options.parse_args()
    if given.data is None:
        options.error("no data: give --data DIR or set SAGEBRUSH_EVAL_DATA")
    found, words = documents(Path(given.data) / SET)
    test = found[::10] if given.held_out else []
    train = [each for n, each in enumerate(found) if not given.held_out or n % 10]
    present = presence(train, words)
    print(f"{SET}: {len(train)} documents, {words} words, {given.topics} topics")
    heads = ("NPMI", "diversity", "training s", "whole s", "peak MB", "bound")
    print(f"{'':30}" + "".join(f"{head:>11}" for head in heads))
    for name in given.names:
        with tempfile.TemporaryDirectory() as work:
            parts = {"train": train, "test": test}
            place = Path(work)
            if name == GENSIM:
                got = gensims(place, parts, given.topics, words)
            else:
                got = ours(RUNS[name], place, parts, given.topics, words)
        different = len({word for ids in got.tops for word in ids}) / (TOP * len(got.tops))
        bound = "" if got.bound is None else f"{got.bound:.3f}"
        print(
            f"{name:30}{coherence(got.tops, present):11.3f}{different:11.2f}{got.training:11.1f}"
            f"{got.seconds:11.1f}{got.memory:11.0f}{bound:>11}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
