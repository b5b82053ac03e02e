"""Classifiers that are trained in the environment `comprehend`: `classification_probe.py MODELS [DATA NAME]`.

Without data, on made texts over states that count letters, and over the real encoder where MODELS has one;
with data, on a set's own. What it found is printed as JSON.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import importlib
import io
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from sagebrush.algorithms.comprehend import package
from sagebrush.algorithms.comprehend.custom.classifiers import classification, training_data
from sagebrush.algorithms.comprehend.custom.order import Order
from sagebrush.algorithms.comprehend.program import Stopped
from tests.algorithms.comprehend.fake_s3 import Client, storage

TOPICS = {
    "billing": ("invoice", "refund", "charge", "payment", "price"),
    "travel": ("flight", "hotel", "luggage", "airport", "ticket"),
    "cooking": ("recipe", "oven", "butter", "salt", "soup"),
}


def made(several: bool) -> bytes:
    """Rows of a CSV file: sentences about one topic, or about two."""
    names, rows = list(TOPICS), []
    for number in range(240):
        about = [names[number % 3]]
        if several and number % 2:
            about.append(names[(number + 1) % 3])
        words = [TOPICS[each][(number // 3 + at) % 5] for at, each in enumerate(about)]
        rows.append(["|".join(about), f"Number {number}: please,\nabout the {' and '.join(words)}"])
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def letters(texts: Sequence[str]) -> numpy.ndarray:
    """States that count letters."""
    rows = [[text.count(each) for each in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    return numpy.array(rows, numpy.float32)


def fits(several: bool) -> dict[str, Any]:
    """What is learned of the made texts, and whether it is the same again."""
    bucket = storage(Client({"train.csv": made(several)}))
    data = training_data.read(bucket, {"S3Uri": "s3://b/train.csv"}, several)
    one, two = (classification.fitted(data, several, letters, lambda: False) for _ in range(2))
    same = all(
        numpy.array_equal(getattr(one, each.name), getattr(two, each.name))
        for each in dataclasses.fields(one)
        if each.name not in ("labels", "several")
    )
    truth = classification._truth(data.test, data.labels).astype(bool)
    told = classification._told(one, data.test, letters, lambda: False)
    stopped = False
    try:
        classification.fitted(data, several, letters, lambda: True)
    except Stopped:
        stopped = True
    return {"same": same, "right": float((truth == told).all(1).mean()), "stopped": stopped}


def trained(models: Path, mode: str, objects: dict[str, bytes]) -> dict[str, Any]:
    """What a whole training with the real encoder gives, and what the model that was kept answers."""
    config = {"S3Uri": "s3://b/train.csv"}
    if "test.csv" in objects:
        config["TestS3Uri"] = "s3://b/test.csv"
    order = Order("document-classifier", "en", mode, config, None, "", "")
    start = time.perf_counter()
    found = classification.train(order, storage(Client(objects)), models, lambda: False)
    seconds = time.perf_counter() - start
    encoder = importlib.import_module("nlp.encoder").Encoder(models)
    with tempfile.TemporaryDirectory() as folder:
        for name, body in found.model.items():
            (Path(folder) / name).write_bytes(body)
        model = importlib.import_module("nlp.custom.model").load(Path(folder), encoder)
    return {
        "metadata": found.metadata,
        "outputs": {name: json.loads(body) for name, body in found.outputs.items()},
        "answers": model.answer(["Where is my luggage?", "the soup needs salt", ""]),
        "bytes": sum(map(len, found.model.values())),
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def of_set(folder: Path, several: bool) -> dict[str, bytes]:
    """The set's parts for training and validation as CSV files."""
    found: dict[str, bytes] = {}
    for part, name in (("train", "train.csv"), ("valid", "test.csv")):
        path = next(each for each in sorted(folder.iterdir()) if each.name.startswith(part))
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        told = io.StringIO()
        for row in rows:
            if row.get("label") != "oos":  # clinc150's texts that are of no intent
                csv.writer(told).writerow([row["labels" if several else "label"], row["text"]])
        found[name] = told.getvalue().encode()
    return found


def main() -> None:
    """Prints what was found."""
    package.nlp()
    models = Path(sys.argv[1])
    found: dict[str, Any]
    if len(sys.argv) > 2:
        several = sys.argv[3] == "goemotions"
        mode = "MULTI_LABEL" if several else "MULTI_CLASS"
        found = trained(models, mode, of_set(Path(sys.argv[2]) / sys.argv[3], several))
    else:
        found = {"one": fits(False), "several": fits(True)}
        if (models / "encoder.onnx").is_file():
            for mode in ("MULTI_CLASS", "MULTI_LABEL"):
                found[mode] = trained(models, mode, {"train.csv": made(mode == "MULTI_LABEL")})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
