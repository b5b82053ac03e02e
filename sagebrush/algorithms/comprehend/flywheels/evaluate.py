"""Models beside each other on the same test data, and what came of it in the data lake.

Run as `python -m comprehend.flywheels.evaluate ARGUMENTS`. Below the iteration's place each model has a
folder with `metrics.json`; `manifest.json` tells of both. What the new version has is among its statistics
too.
"""

from __future__ import annotations

import heapq
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import package
from ..custom import downloads
from ..failures import JobFailed
from ..program import Stopping, say
from . import measures, pool, task
from .gather import CLASSIFIER
from .measures import Model
from .pool import Labelled
from .task import Task

NEW = "Trained"
"""What is told of the version that the iteration trained."""
MOST = 10_000
"""Test documents that models are evaluated with, as many as training tests with."""
Load = Callable[[str, Path], Model]
"""(signed URL, folder for its files): the model. Raises JobFailed."""


def work(given: Task) -> Mapping[str, Any]:
    """The metrics of each model are in the lake, and the averages of each are the result."""
    return compared(given, _loader())


def _loader() -> Load:
    encoder = package.encoder()
    models = importlib.import_module("nlp.custom.model")

    def load(url: str, folder: Path) -> Model:
        try:
            return models.load(downloads.model(url, folder), encoder)
        except models.OtherEncoder as error:
            words = "MODEL_NOT_AVAILABLE: A model version was trained with other models than this server has."
            raise JobFailed(words) from error

    return load


def compared(given: Task, load: Load) -> Mapping[str, Any]:
    """As `work`, by models that `load` loads. Raises JobFailed."""
    told = given.told
    tested, count = sampled(pool.read(given.fetch(told["Test"], "test")))
    found: dict[str, dict[str, float]] = {}
    manifest: dict[str, Any] = {"TestDataS3Uri": told["Test"], "NumberOfTestDocuments": len(tested)}
    if count > len(tested):
        manifest["NumberOfDocumentsLeftOut"] = count - len(tested)
    for whom, url in given.urls.items():
        folder = given.folder / whom
        folder.mkdir(exist_ok=True)
        figures = measured(load(url, folder), told, tested, given.stopping)
        place = f"{told['To']}{whom.lower()}-model/metrics.json"
        given.write(place, json.dumps(figures, indent=1))
        if whom == NEW:
            given.write(f"{told['Statistics']}metrics.json", json.dumps(figures, indent=1))
        found[whom] = measures.averages(figures["EvaluationMetrics"])
        arn = told["Models"][whom]
        manifest[f"{whom}Model"] = {"ModelArn": arn, "MetricsS3Uri": place, "Metrics": found[whom]}
        say(f"The {whom.lower()} model was evaluated with {len(tested)} documents")
    given.write(f"{told['To']}manifest.json", json.dumps(manifest, indent=1))
    return found


def sampled(documents: Iterable[Labelled]) -> tuple[list[Labelled], int]:
    """The documents, MOST of them at most, and how many there are; the same for the same documents."""
    count = 0

    def counted() -> Iterator[Labelled]:
        nonlocal count
        for each in documents:
            count += 1
            yield each

    kept = heapq.nsmallest(MOST, counted(), key=lambda each: each.place)
    return kept, count


def measured(
    model: Model, told: Mapping[str, Any], tested: Sequence[Labelled], stopping: Stopping
) -> Mapping[str, Any]:
    """ClassifierMetadata's or RecognizerMetadata's members about the test."""
    if told["Kind"] == CLASSIFIER:
        return measures.of_classifier(model, told["Mode"], tested, stopping)
    return measures.of_recognizer(model, tested, stopping)


if __name__ == "__main__":
    task.run(work, sys.argv[1:])
