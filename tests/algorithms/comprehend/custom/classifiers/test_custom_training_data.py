"""Training data from a bucket in memory: files, limits, the parts for training and test, and samples."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections import Counter
from typing import Any

import pytest

from sagebrush.algorithms.comprehend import package
from sagebrush.algorithms.comprehend.custom.classifiers import native, sampling, training_data
from sagebrush.algorithms.comprehend.custom.classifiers.examples import Example
from sagebrush.algorithms.comprehend.custom.classifiers.training_data import TrainingData
from sagebrush.algorithms.comprehend.failures import JobFailed
from tests.algorithms.comprehend.fake_s3 import Client, storage


def csv(**labels: int) -> bytes:
    return "".join(f"{k},text {k} {n}\n" for k, v in labels.items() for n in range(v)).encode()


def read(objects: dict[str, bytes], several: bool = False, **config: Any) -> TrainingData:
    config = {"S3Uri": "s3://b/in/", **config}
    return training_data.read(storage(Client(objects)), config, several)


def test_all_files_of_the_prefix_are_read_and_a_tenth_is_for_the_test() -> None:
    data = read({"in/a.csv": csv(A=60, B=15), "in/b.csv": csv(C=25), "other": b"broken"})
    assert data.labels == ("A", "B", "C")
    assert Counter(each.labels[0] for each in data.test) == {"A": 6, "B": 2, "C": 3}
    assert len(data.train) == 100 - 11
    assert not set(data.train) & set(data.test)
    again = read({"in/a.csv": csv(A=60, B=15), "in/b.csv": csv(C=25)})
    assert again == data


def test_test_data_of_their_own_are_used_and_all_others_trained_with() -> None:
    objects = {"in/a.csv": csv(A=20, B=10), "test.csv": csv(A=2, B=1)}
    data = read(objects, TestS3Uri="s3://b/test.csv")
    assert (len(data.train), len(data.test)) == (30, 3)
    for wrong in (csv(A=2), csv(A=1, B=1, C=1)):
        with pytest.raises(JobFailed, match="INVALID_TEST_DATA"):
            read({**objects, "test.csv": wrong}, TestS3Uri="s3://b/test.csv")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no labelled document"),
        (csv(A=30), "have 1 label; at least 2"),
        (csv(A=30, B=9, C=10), "1 of 3 labels have fewer than 10 training documents"),
        (csv(**{f"L{n}": 1 for n in range(1001)}), "INPUT_LIMIT_EXCEEDED.* 1000 labels"),
    ],
)
def test_labels_that_no_classifier_is_trained_on_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(JobFailed, match=words):
        read({"in/a.csv": body})


def test_fewer_labels_are_allowed_where_documents_have_several() -> None:
    with pytest.raises(JobFailed, match="more than 100 labels"):
        read({"in/a.csv": csv(**{f"L{n}": 10 for n in range(101)})}, several=True)


def test_inputs_over_the_limits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobFailed, match="NO_INPUT_DATA"):
        read({"other": csv(A=10, B=10)})
    monkeypatch.setattr(training_data, "LINES", 19)
    with pytest.raises(JobFailed, match="more than 19 lines"):
        read({"in/a.csv": csv(A=10, B=10)})
    monkeypatch.setattr(training_data, "BYTES", 100)
    with pytest.raises(JobFailed, match="more than 100 bytes"):
        read({"in/a.csv": csv(A=10, B=10)})


def test_manifests_are_for_training_or_for_the_test() -> None:
    def lines(count: int) -> bytes:
        told = [
            {"source": f"t{n}", "job": n % 2, "job-metadata": {"class-name": "AB"[n % 2]}}
            for n in range(count)
        ]
        return "\n".join(map(json.dumps, told)).encode()

    items = [
        {"S3Uri": "s3://b/one", "AttributeNames": ["job"]},
        {"S3Uri": "s3://b/two", "AttributeNames": ["job"], "Split": "TEST"},
    ]
    objects = {"one": lines(40), "two": lines(4)}
    data = read(objects, DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=items)
    assert (data.labels, len(data.train), len(data.test)) == (("A", "B"), 40, 4)
    data = read(objects, DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=items[:1])
    assert (len(data.train), len(data.test)) == (36, 4)
    with pytest.raises(JobFailed, match="more than 5 augmented manifest files"):
        read(objects, DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=items * 3)


# ---- documents in files of their own


def word(text: str) -> bytes:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
        archive.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>',
        )
    return file.getvalue()


def test_native_documents_are_read_and_those_that_cannot_be_are_told() -> None:
    package.nlp()
    names = [f"{label}{n}.docx" for label in "AB" for n in range(12)]
    rows = "".join(f"{name[0]},{name},1\n" for name in names)
    rows += "A,missing.pdf,1\nA,A0.docx,2\nB,picture.png,1\nA,plain.txt\n"
    objects = {f"docs/{name}": word(f"The text of {name}") for name in names}
    objects |= {"docs/picture.png": b"\x89PNG\r\n\x1a\n", "docs/plain.txt": b"Plain"}
    data = read(
        {"in/a.csv": rows.encode(), **objects},
        DocumentType="SEMI_STRUCTURED_DOCUMENT",
        Documents={"S3Uri": "s3://b/docs"},
    )
    texts = {each.text: each.labels for each in (*data.train, *data.test)}
    assert len(texts) == 25
    assert (texts["The text of B3.docx"], texts["Plain"]) == (("B",), ("A",))
    assert [(each.file, each.page, each.code) for each in data.skipped] == [
        ("missing.pdf", 1, "DOCUMENT_NOT_FOUND"),
        ("A0.docx", 2, "PAGE_NOT_FOUND"),
        ("picture.png", 1, "UNSUPPORTED_DOC_TYPE"),
    ]


def test_documents_that_cannot_be_read_are_not_told_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "SKIPPED", 5)
    package.nlp()
    with pytest.raises(JobFailed, match="More than 5 documents cannot be read"):
        read(
            {"in/a.csv": b"A,missing.pdf\n" * 6},
            DocumentType="SEMI_STRUCTURED_DOCUMENT",
            Documents={"S3Uri": "s3://b/docs"},
        )


# ---- samples


def of(label: str, count: int, size: int = 10) -> list[Example]:
    return [Example((label,), f"{n:0{size}}") for n in range(count)]


def test_a_sample_is_bounded_and_keeps_what_is_rare() -> None:
    everything = of("A", 3000) + of("B", 20)
    sample = sampling.sampled(iter(everything), documents=300, characters=10**9)
    kept = Counter(each.labels[0] for each in sample.examples)
    assert kept == {"A": 280, "B": 20}
    assert (sample.count, sample.labels) == (3020, Counter(A=3000, B=20))
    chosen = set(sample.examples)
    assert sample.examples == [each for each in everything if each in chosen]
    assert sampling.sampled(iter(everything), 300, 10**9) == sample
    # a sample, not a head of the file
    assert int(sample.examples[200].text) > 1000


def test_a_sample_is_bounded_by_characters_and_documents_are_cut() -> None:
    sample = sampling.sampled(iter(of("A", 300, 10_000)), 10**6, 200 * sampling.ENCODED)
    assert len(sample.examples) == 200


def test_of_a_document_is_kept_what_a_classifier_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    (cut,) = sampling.sampled(iter(of("A", 1, 20_005))).examples
    assert len(cut.text) == 20_000
    monkeypatch.setattr(importlib.import_module("nlp.custom.ngrams"), "READ", 30)
    (cut,) = sampling.sampled(iter(of("A", 1, 35))).examples
    assert len(cut.text) == 30


def test_an_input_within_the_bounds_is_used_whole() -> None:
    everything = of("A", 50) + of("B", 50)
    assert sampling.sampled(iter(everything)).examples == everything


def test_no_more_is_held_out_than_there_may_be() -> None:
    first, second = sampling.held_out(of("A", 500) + of("B", 500), 0.1, 40)
    assert (len(first), len(second)) == (960, 40)
    assert Counter(each.labels[0] for each in second) == {"A": 20, "B": 20}
