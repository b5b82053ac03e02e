"""BlazingText beside fastText's own package: accuracy, training time, model size, prediction time.

`python benchmarks/blazingtext.py [--data DIR] [SET ...]`: DIR (or SAGEBRUSH_EVAL_DATA) holds folders
with train.csv and valid.csv (or .csv.gz) with the columns text and label. Both learn the same
lower-cased, space-separated text with the same settings; accuracy is on valid.csv. fastText runs as
its `train_supervised` does without further options; ours runs as a training job does (a process of
its own, /opt/ml, model.bin). "In all" includes each one's start; the loop of fastText is what twice as
many epochs take longer, as it does not tell it apart. Predictions are CPU time, medians of rounds in
turns.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

import sagebrush.toolkit
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

SETTINGS = {
    "banking77": {"epochs": 20, "learning_rate": 0.5, "vector_dim": 50, "min_count": 1},
    "clinc150": {"epochs": 30, "learning_rate": 0.3, "vector_dim": 50, "min_count": 1},
    "dbpedia14": {"epochs": 20, "learning_rate": 0.5, "vector_dim": 100, "min_count": 1},
    "sst2": {"epochs": 20, "learning_rate": 0.05, "vector_dim": 100, "min_count": 1},
}
"""Settings by set, chosen on valid.csv and parts of train.csv; the others are BlazingText's defaults."""
OUTSIDE = {"clinc150": "oos"}
"""The label of texts that are outside of a set's classes: accuracy is that of the others."""

PEER = """
import json, sys, time
import fasttext
train, valid, target, options, more = sys.argv[1:6]
def seconds(**changed):
    start = time.monotonic()
    model = fasttext.train_supervised(train, wordNgrams=2, verbose=0, **{**json.loads(options), **changed})
    return time.monotonic() - start, model
each, model = seconds()
model.save_model(target)
# The loop alone: twice as many epochs take so much longer.
twice, _ = seconds(epoch=2 * json.loads(options)["epoch"]) if more == "loop" else (0, None)
print(json.dumps([model.test(valid)[1], twice - each]))
"""
PREDICT = """
import json, statistics, sys, time
sys.path.insert(0, sys.argv[1])
import pathlib, fasttext
from blazingtext import fasttext_model
texts = [line.split(" ", 1)[1].rstrip() for line in open(sys.argv[3], encoding="utf-8")][:1000]
times = []
start = time.perf_counter(); ours = fasttext_model.load(pathlib.Path(sys.argv[2]))
times.append(time.perf_counter() - start)
start = time.perf_counter(); theirs = fasttext.load_model(sys.argv[2])
times.append(time.perf_counter() - start)
def cpu(ask):
    start = time.thread_time()
    ask()
    return (time.thread_time() - start) / len(texts)
plain = statistics.median(cpu(lambda: [ours.predict(text) for text in texts]) for _ in range(7))
ours.compile()
assert ours._kernel is not None, "no machine code: sagebrush image build algorithms"
asked = (
    lambda: [ours.predict(text) for text in texts],
    lambda: [theirs.predict(text) for text in texts],
    lambda: ours.predict_many(texts),
    lambda: theirs.predict(texts),
)
# In turns: a processor's speed changes in between.
rounds = [[cpu(ask) for ask in asked] for _ in range(25)]
times += [plain, *map(statistics.median, zip(*rounds))]
print(json.dumps(times))
"""


def labelled(source: Path, target: Path) -> None:
    """`target` holds the rows of the CSV file as `__label__` lines."""
    opener = gzip.open if source.suffix == ".gz" else open
    with opener(source, "rt", encoding="utf-8") as rows, target.open("w") as out:
        for row in csv.DictReader(rows):
            words = re.findall(r"\w+|[^\w\s]", row["text"].lower())
            out.write(f"__label__{row['label'].replace(' ', '_')} {' '.join(words)}\n")


def found(folder: Path, name: str) -> Path:
    """The set's file of that name, packed or not."""
    plain = folder / f"{name}.csv"
    return plain if plain.exists() else folder / f"{name}.csv.gz"


def job(root: Path, python: Path, settings: dict[str, float]) -> tuple[float, float, float]:
    """(accuracy on the validation channel, seconds of the loop, seconds in all) of one training job
    in `root`."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    hyperparameters = {"mode": "supervised"} | {k: str(v) for k, v in settings.items()}
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    channel = {"TrainingInputMode": "File"}
    (config / "inputdataconfig.json").write_text(
        json.dumps({"train": channel, "validation": channel})
    )
    started = time.monotonic()
    done = subprocess.run(
        [str(python), str(Path(next(iter(sagebrush.toolkit.__path__))) / "training" / "train.py")],
        env={
            "PATH": os.defpath,
            "SAGEBRUSH_ML": str(root),
            "SAGEBRUSH_ALGORITHM": "blazingtext",
            **{k: v for k, v in os.environ.items() if k == "SAGEBRUSH_KERNELS"},
        },
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - started
    accuracy, loop = (
        float(re.findall(pattern, done.stdout)[0])
        for pattern in (r"#validation_accuracy: (\S+)", r"training time in seconds: (\S+)")
    )
    return accuracy, loop, seconds


def compare(folder: Path, base: Environment, settings: dict[str, float], work: Path) -> None:
    """Prints ours beside fastText on one set."""
    root = work / "ml"
    for channel, name in (("train", "train"), ("validation", "valid")):
        (root / "input" / "data" / channel).mkdir(parents=True)
        target = root / "input" / "data" / channel / "text.txt"
        labelled(found(folder, name), target)
        if channel == "train":  # fastText learns badly from a text sorted by label
            lines = target.read_text().splitlines(keepends=True)
            random.Random(0).shuffle(lines)
            target.write_text("".join(lines))
        if channel == "validation" and folder.name in OUTSIDE:
            lines = target.read_text().splitlines(keepends=True)
            left_out = f"__label__{OUTSIDE[folder.name]} "
            target.write_text("".join(line for line in lines if not line.startswith(left_out)))
    accuracy, loop, seconds = job(root, base.python, settings)
    names = {
        "epochs": "epoch",
        "learning_rate": "lr",
        "vector_dim": "dim",
        "min_count": "minCount",
    }
    options = {names[k]: v for k, v in settings.items()}
    texts = [str(root / "input" / "data" / c / "text.txt") for c in ("train", "validation")]
    peer = [str(base.python), "-c", PEER, *texts, str(work / "peer.bin"), json.dumps(options)]
    started = time.monotonic()
    subprocess.run([*peer, ""], capture_output=True, check=True)
    peer_seconds = time.monotonic() - started
    done = subprocess.run([*peer, "loop"], capture_output=True, text=True, check=True)
    peer_accuracy, peer_loop = json.loads(done.stdout)
    algorithms = Path(next(iter(sagebrush.toolkit.__path__))).parent / "algorithms"
    model = root / "model" / "model.bin"
    asked = [str(base.python), "-c", PREDICT, str(algorithms), str(model), texts[1]]
    predicted = subprocess.run(asked, capture_output=True, text=True, check=True)
    load, peer_load, plain, each, peer_each, many, peer_many = json.loads(predicted.stdout)
    words = len(Path(texts[0]).read_text().split()) * settings["epochs"] / 1e6
    rows = (
        ("accuracy on valid.csv, %", accuracy * 100, peer_accuracy * 100),
        ("training loop, M words/s", words / loop, words / max(peer_loop, 1e-3)),
        ("training in all, s", seconds, peer_seconds),
        ("model.tar.gz, MB", packed(model), packed(work / "peer.bin")),
        ("loading model.bin, ms", load * 1e3, peer_load * 1e3),
        ("one prediction, CPU us", each * 1e6, peer_each * 1e6),
        ("  before kernels load, us", plain * 1e6, peer_each * 1e6),
        ("one of 1,000 at once, us", many * 1e6, peer_many * 1e6),
    )
    print(f"\n{folder.name}: {settings}\n{'':26} {'Sagebrush':>10} {'fastText':>10}")
    for what, ours, theirs in rows:
        print(f"{what:26} {ours:10.1f} {theirs:10.1f}", flush=True)


def packed(model: Path) -> float:
    """Megabytes of the file packed as a model archive is."""
    size = 0
    with subprocess.Popen(["gzip", "-6c", str(model)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(1 << 20):
            size += len(block)
    return size / 1e6


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=os.environ.get("SAGEBRUSH_EVAL_DATA"))
    options.add_argument("sets", nargs="*", default=list(SETTINGS), metavar="SET")
    given = options.parse_args()
    if given.data is None:
        options.error("no data: give --data DIR or set SAGEBRUSH_EVAL_DATA")
    base = Environments(Settings.load(os.environ).environments).build("algorithms")
    for name in given.sets:
        with tempfile.TemporaryDirectory() as work:
            compare(Path(given.data) / name, base, SETTINGS.get(name, {}), Path(work))


if __name__ == "__main__":
    main()
