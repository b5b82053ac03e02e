"""The data of a model version: put together, parted, in the forms that training reads."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers import annotations
from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Mention
from sagebrush.algorithms.comprehend.failures import JobFailed
from sagebrush.algorithms.comprehend.flywheels import gather, pool, task
from sagebrush.algorithms.comprehend.flywheels.pool import Labelled
from sagebrush.algorithms.comprehend.flywheels.task import Task
from sagebrush.algorithms.comprehend.program import Stopped
from tests.algorithms.comprehend.fake_s3 import Client, storage

LAKE = "s3://b/lake/"


def stored(objects: dict[str, bytes], name: str, documents: list[Labelled], folder: Path) -> str:
    """The URI of a data set of the documents."""
    file = folder / f"{name}.jsonl"
    pool.write(documents, file)
    objects[f"lake/datasets/{name}/{pool.NAME}"] = file.read_bytes()
    return f"{LAKE}datasets/{name}/"


def gathered(
    objects: dict[str, bytes], folder: Path, train: list[str], test: list[str], **changes: Any
) -> dict[str, Any]:
    """The result of the program."""
    told = {
        "Kind": "document-classifier",
        "Mode": "MULTI_CLASS",
        "Train": train,
        "Test": test,
        "To": f"{LAKE}model-datasets/v/",
        **changes,
    }
    given = Task(told, storage(Client(objects)), folder, lambda: False)
    return dict(gather.work(given))


def rows(objects: dict[str, bytes], part: str, file: str = "documents.csv") -> list[list[str]]:
    text = objects[f"lake/model-datasets/v/{part}/{file}"].decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_classifiers_data_sets_are_put_together(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    one = stored(
        objects, "one", [Labelled('say "a", b', ("ham",)), Labelled("x\r\ny", ("spam",))], tmp_path
    )
    two = stored(objects, "two", [Labelled("été 👍", ("ham",))], tmp_path)
    test = stored(objects, "test", [Labelled("last", ("spam",))], tmp_path)
    found = gathered(objects, tmp_path, [one, two], [test])
    assert found == {"Training": 3, "Test": 1, "LabelDelimiter": "|", "Tests": False}
    assert rows(objects, "training") == [["ham", 'say "a", b'], ["spam", "x  y"], ["ham", "été 👍"]]
    assert rows(objects, "test") == [["spam", "last"]]
    (again,) = pool.read(written(objects, "test/documents.jsonl", tmp_path))
    assert again == Labelled("last", ("spam",))


def written(objects: dict[str, bytes], name: str, folder: Path) -> Path:
    file = folder / "back"
    file.write_bytes(objects[f"lake/model-datasets/v/{name}"])
    return file


def test_labels_are_parted_by_a_sign_that_none_has(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    one = stored(objects, "one", [Labelled("a", ("x|y", "z")), Labelled("b", ("p~q",))], tmp_path)
    test = stored(objects, "test", [Labelled("c", ("z",))], tmp_path)
    found = gathered(objects, tmp_path, [one], [test], Mode="MULTI_LABEL")
    assert found["LabelDelimiter"] == "!"
    assert rows(objects, "training") == [["x|y!z", "a"], ["p~q", "b"]]
    every = [Labelled("a", (gather.DELIMITERS,))]
    one = stored(objects, "one", every, tmp_path)
    with pytest.raises(JobFailed, match="INVALID_LABELS"):
        gathered(objects, tmp_path, [one], [test], Mode="MULTI_LABEL")


def test_without_test_data_the_same_tenth_is_always_held_out(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    documents = [Labelled(f"text {number}", ("ham",)) for number in range(400)]
    one = stored(objects, "one", documents[:200], tmp_path)
    two = stored(objects, "two", documents, tmp_path)
    found = gathered(objects, tmp_path, [one], [])
    assert found["Training"] + found["Test"] == 200
    first = {text for _, text in rows(objects, "test")}
    assert 10 <= len(first) <= 30
    gathered(objects, tmp_path, [two], [])
    held = {text for _, text in rows(objects, "test")}
    assert first <= held
    assert held.isdisjoint(text for _, text in rows(objects, "training"))


def test_every_label_is_in_what_is_held_out(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    documents = [
        Labelled(f"text {label} {number}", (label,))
        for label in "abcdefghij"
        for number in range(12)
    ]
    uri = stored(objects, "one", documents[::2], tmp_path)
    assert gathered(objects, tmp_path, [uri], [])["Tests"]
    assert {label for label, _ in rows(objects, "test")} == set("abcdefghij")
    trained = {text for _, text in rows(objects, "training")}
    more = stored(objects, "two", documents[1::2], tmp_path)
    assert gathered(objects, tmp_path, [uri, more], [])["Tests"]
    later = {text for _, text in rows(objects, "test")}
    assert trained.isdisjoint(later)
    assert {label for label, _ in rows(objects, "training")} == set("abcdefghij")


def test_a_recognizers_documents_are_lines_whose_offsets_stay(tmp_path: Path) -> None:
    text = "A spade\r\nand 👍 a\nfern."
    begin = text.index("fern")
    objects: dict[str, bytes] = {}
    spade, fern = Mention(2, 7, "TOOL"), Mention(begin, begin + 4, "PLANT")
    one = stored(
        objects, "one", [Labelled("none"), Labelled(text, mentions=(spade, fern))], tmp_path
    )
    test = stored(
        objects, "test", [Labelled("a rake", mentions=(Mention(2, 6, "TOOL"),))], tmp_path
    )
    found = gathered(objects, tmp_path, [one], [test], Kind="entity-recognizer", Mode="")
    assert (found["Training"], found["Test"]) == (2, 1)
    folder = "s3://b/lake/model-datasets/v/"
    data = {
        "Documents": {
            "S3Uri": f"{folder}training/documents/",
            "TestS3Uri": f"{folder}test/documents/",
        },
        "Annotations": {
            "S3Uri": f"{folder}training/annotations.csv",
            "TestS3Uri": f"{folder}test/annotations.csv",
        },
    }  # as the training of recognizers reads them
    sets = annotations.read(storage(Client(objects)), data, ["TOOL", "PLANT"])
    assert [each.text for each in sets.train] == [
        "none",
        text.replace("\r", " ").replace("\n", " "),
    ]
    assert sets.train[1].mentions == (spade, fern)
    assert sets.train[1].text[begin : begin + 4] == "fern"
    assert sets.test is not None
    assert sets.test[0].mentions == (Mention(2, 6, "TOOL"),)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_documents(count: int, tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    one = stored(objects, "one", [Labelled("text", ("ham",))] * count, tmp_path)
    with pytest.raises(JobFailed, match="INSUFFICIENT_DATA"):
        gathered(objects, tmp_path, [one], [])


def test_new_test_data_alone_need_no_training_data(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    test = stored(objects, "test", [Labelled("a", ("ham",))], tmp_path)
    assert gathered(objects, tmp_path, [], [test])["Test"] == 1


def test_a_program_is_told_by_the_lake_and_tells_it(tmp_path: Path) -> None:
    objects = {"lake/staging/x/order.json": b'{"A": 1}', "lake/staging/x/order.jsonl": b"no"}
    arguments = {"Bucket": "b", "Folder": "lake/staging/x/", "Models": {"Trained": "http://u"}}
    text = base64.urlsafe_b64encode(json.dumps(arguments).encode()).decode()
    seen: list[Task] = []

    def work(given: Task) -> dict[str, Any]:
        seen.append(given)
        return {"B": 2}

    pieces = [text[:7], text[7:]]
    task.done(work, pieces, storage(Client(objects)), tmp_path, lambda: False)
    assert json.loads(objects["lake/staging/x/result.json"]) == {"B": 2}
    assert (seen[0].told, seen[0].urls) == ({"A": 1}, {"Trained": "http://u"})
    with pytest.raises(Stopped):
        task.done(work, pieces, storage(Client(objects)), tmp_path, lambda: True)
    del objects["lake/staging/x/order.json"]
    with pytest.raises(JobFailed, match="NO_READ_ACCESS"):
        task.done(work, pieces, storage(Client(objects)), tmp_path, lambda: False)
