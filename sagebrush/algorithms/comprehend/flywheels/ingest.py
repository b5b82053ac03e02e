"""The documents of a data set, in the data lake: read in whatever form a user has them, stored in one.

Run as `python -m comprehend.flywheels.ingest ARGUMENTS`. A label or type of entities that the flywheel does
not know is left out (developer guide, "Flywheel overview"), and so is a document of a classifier that has no
other label.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .. import failures, package
from ..custom.classifiers import examples
from ..custom.classifiers.examples import Example
from ..custom.recognizers import annotations, entity_lists, ground_truth, inputs
from ..failures import JobFailed
from ..storage import Storage
from . import pool, task
from .gather import CLASSIFIER
from .pool import Labelled
from .task import Task

MANIFEST = "AUGMENTED_MANIFEST"
BYTES, LINES = 5 << 30, 1_000_000
"""Of a classifier's data at most (developer guide, "Guidelines and quotas")."""
NONE = (
    "INSUFFICIENT_DATA: The dataset has no document with a label or an entity type of the flywheel."
)


def work(given: Task) -> Mapping[str, Any]:
    """The documents are in the lake; the result is their number, and the labels or types that they have.
    Raises JobFailed."""
    told = given.told
    read = _classified if told["Kind"] == CLASSIFIER else _annotated
    file, seen = given.folder / pool.NAME, dict[str, None]()
    count = pool.write(_noted(read(given.storage, told), seen), file)
    if not count or not seen:
        raise JobFailed(NONE)
    given.put(f"{told['To']}{pool.NAME}", file)
    return {"NumberOfDocuments": count, "Labels": sorted(seen)}


def _noted(documents: Iterable[Labelled], seen: dict[str, None]) -> Iterator[Labelled]:
    """The same documents; `seen` has their labels, and their entities' types."""
    for each in documents:
        seen.update(dict.fromkeys(each.labels))
        seen.update(dict.fromkeys(mention.type for mention in each.mentions))
        yield each


def _classified(storage: Storage, told: Mapping[str, Any]) -> Iterator[Labelled]:
    """The documents of a classifier that have a known label. Raises JobFailed."""
    known, several = {*told["Known"]}, told["Mode"] == "MULTI_LABEL"
    for count, each in enumerate(_examples(storage, told["InputDataConfig"], several), 1):
        if count > LINES:
            raise failures.too_much("lines", LINES)
        labels = tuple(label for label in each.labels if not known or label in known)
        if labels:
            yield Labelled(each.text, labels)


def _examples(storage: Storage, data: Mapping[str, Any], several: bool) -> Iterator[Example]:
    if data["DataFormat"] == MANIFEST:
        for manifest in data["AugmentedManifests"]:
            for name, blocks in _files(storage, manifest["S3Uri"]):
                names: Sequence[str] = manifest["AttributeNames"]
                yield from examples.of_manifest(name, blocks, names, several)
        return
    delimiter = data.get("LabelDelimiter", examples.PIPE) if several else None
    for name, blocks in _files(storage, data["S3Uri"]):
        yield from examples.of_csv(name, blocks, delimiter)


def _files(storage: Storage, uri: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The name and the content of each file that the URI begins. Raises JobFailed."""
    bucket, found = inputs.files(storage, uri)
    if sum(each.size for each in found) > BYTES:
        raise failures.too_much("bytes", BYTES)
    for each in found:
        yield inputs.name(uri, each.key), storage.blocks(bucket, each)


def _annotated(storage: Storage, told: Mapping[str, Any]) -> list[Labelled]:
    """The documents of a recognizer. Raises JobFailed."""
    data, types = told["InputDataConfig"], told["Known"]
    if data["DataFormat"] == MANIFEST:
        found = ground_truth.read(storage, data, types)
    elif data.get("Annotations"):
        found = annotations.read(storage, data, types)
    else:
        package.nlp()
        words = importlib.import_module("nlp.custom.words").words
        found = entity_lists.read(storage, data, types, words)
    return [Labelled(each.text, mentions=each.mentions) for each in found.train]


if __name__ == "__main__":
    task.run(work, sys.argv[1:])
