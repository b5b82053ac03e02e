"""The labelled texts of a classifier's training: from S3, within AWS's limits, apart from those for its test.

Sources: Amazon Comprehend Developer Guide, "Guidelines and quotas" (document classification), "Preparing
classifier training data" and "Test the training data".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ... import failures
from ...failures import JobFailed
from ...storage import Found, Storage, located
from . import examples, native, sampling
from .examples import Example
from .native import Skipped

BYTES, LINES, MANIFESTS = 5 << 30, 1_000_000, 5
"""Of all files of a training, at most."""
LEAST_LABELS, LEAST_DOCUMENTS = 2, 10
"""Labels, and training documents of each, at least."""
CLASSES, MULTI_LABELS = 1000, 100
"""Labels at most, where a document has one and where it may have several."""
SHARE, TESTED = 0.1, 10_000
"""What is held out of the training documents for the test: the share, and how many at most."""
NATIVE = "SEMI_STRUCTURED_DOCUMENT"


@dataclass(frozen=True)
class TrainingData:
    """The texts that are trained with, and those that the model is tested with."""

    labels: tuple[str, ...]
    train: list[Example]
    test: list[Example]
    skipped: tuple[Skipped, ...]
    """Documents that could not be read."""


def read(storage: Storage, config: Mapping[str, Any], several: bool) -> TrainingData:
    """The data that the InputDataConfig names; `several` labels for each document in multi-label mode.
    Raises JobFailed."""
    skipped: list[Skipped] = []
    reader = _Reader(storage, config, several, skipped)
    sample = sampling.sampled(reader.train())
    labels = tuple(sorted(sample.labels))
    _check(sample.labels)
    testing = reader.test()
    if testing is None:
        train, test = sampling.held_out(sample.examples, SHARE, TESTED)
    else:
        train = sample.examples
        tested = sampling.sampled(testing, documents=TESTED)
        test = tested.examples
        if tested.labels.keys() != sample.labels.keys():
            raise JobFailed(
                "INVALID_TEST_DATA: The test data must include at least one example for each unique label"
                " in the training dataset, and no other label."
            )
    return TrainingData(labels, train, test, tuple(skipped))


def _check(labels: Counter[str]) -> None:
    """Raises JobFailed for labels that no classifier can be trained on."""
    if not labels:
        raise JobFailed("INSUFFICIENT_TRAINING_DATA: The training data have no labelled document.")
    if len(labels) < LEAST_LABELS:
        raise JobFailed(
            f"INSUFFICIENT_TRAINING_DATA: The training data have {len(labels)} label; at least"
            f" {LEAST_LABELS} are needed."
        )
    few = sum(count < LEAST_DOCUMENTS for count in labels.values())
    if few:
        raise JobFailed(
            f"INSUFFICIENT_TRAINING_DATA: {few} of {len(labels)} labels have fewer than"
            f" {LEAST_DOCUMENTS} training documents each. (In a CSV file the label comes before the text, and"
            " a line of headings would be a document.)"
        )


class _Reader:
    """The examples of an InputDataConfig; what cannot be read of documents goes into `skipped`."""

    def __init__(
        self,
        storage: Storage,
        config: Mapping[str, Any],
        several: bool,
        skipped: list[Skipped],
    ) -> None:
        self._storage = storage
        self._config = config
        self._several = several
        self._skipped = skipped
        self._most = MULTI_LABELS if several else CLASSES
        self._size = 0

    def train(self) -> Iterator[Example]:
        """All training documents. Raises JobFailed."""
        if self._manifests():
            return self._bounded(self._of_manifests("TRAIN"))
        return self._bounded(self._of_csv(self._config["S3Uri"], "S3Uri"))

    def test(self) -> Iterator[Example] | None:
        """The test documents; None where there are none. Raises JobFailed."""
        if self._manifests():
            tests = any(each.get("Split") == "TEST" for each in self._config["AugmentedManifests"])
            return self._bounded(self._of_manifests("TEST")) if tests else None
        uri = self._config.get("TestS3Uri")
        return self._bounded(self._of_csv(uri, "TestS3Uri")) if uri else None

    def _manifests(self) -> bool:
        return self._config.get("DataFormat") == "AUGMENTED_MANIFEST"

    def _bounded(self, found: Iterable[Example]) -> Iterator[Example]:
        """The same, as long as there are no more lines and labels than there may be."""
        labels: set[str] = set()
        for count, example in enumerate(found, 1):
            labels.update(example.labels)
            if count > LINES:
                raise failures.too_much("lines", LINES)
            if len(labels) > self._most:
                raise failures.too_much("labels", self._most)
            yield example

    def _of_manifests(self, split: str) -> Iterator[Example]:
        wanted: Sequence[Mapping[str, Any]] = self._config["AugmentedManifests"]
        if len(wanted) > MANIFESTS:
            raise failures.too_much("augmented manifest files", MANIFESTS)
        for each in wanted:
            if each.get("Split", "TRAIN") != split:
                continue
            for name, blocks in self._files(each["S3Uri"]):
                yield from examples.of_manifest(name, blocks, each["AttributeNames"], self._several)

    def _of_csv(self, uri: str, which: str) -> Iterator[Example]:
        delimiter = self._config.get("LabelDelimiter", examples.PIPE) if self._several else None
        for name, blocks in self._files(uri):
            if self._config.get("DocumentType") == NATIVE:
                places = examples.places_of_csv(name, blocks, delimiter)
                folder = located(self._config["Documents"][which])
                yield from native.read(self._storage, folder, places, self._skipped)
            else:
                yield from examples.of_csv(name, blocks, delimiter)

    def _files(self, uri: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The name and the content of each file whose key begins with the URI's. Raises JobFailed."""
        bucket, prefix = located(uri)
        there = False
        for found in self._storage.listed(bucket, prefix):
            there = True
            self._size += found.size
            if self._size > BYTES:
                raise failures.too_much("bytes", BYTES)
            yield _name(found), self._storage.blocks(bucket, found)
        if not there:
            raise JobFailed(failures.NOTHING)


def _name(found: Found) -> str:
    return found.key.rpartition("/")[2]
