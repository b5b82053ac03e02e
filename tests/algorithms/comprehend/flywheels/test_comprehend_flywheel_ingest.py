"""Data sets in every form that a user may have them in, stored in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Mention
from sagebrush.algorithms.comprehend.failures import JobFailed
from sagebrush.algorithms.comprehend.flywheels import ingest, pool
from sagebrush.algorithms.comprehend.flywheels.pool import Labelled
from sagebrush.algorithms.comprehend.flywheels.task import Task
from tests.algorithms.comprehend.fake_s3 import Client, storage

CSV: dict[str, Any] = {"DataFormat": "COMPREHEND_CSV", "S3Uri": "s3://b/in/"}
MANIFEST: dict[str, Any] = {
    "DataFormat": "AUGMENTED_MANIFEST",
    "AugmentedManifests": [{"S3Uri": "s3://b/in/a", "AttributeNames": ["job"], "Split": "TRAIN"}],
}


def ingested(
    folder: Path, objects: dict[str, bytes], data: dict[str, Any], **changes: Any
) -> tuple[dict[str, Any], list[Labelled]]:
    """The result of the program, and the documents that it stored."""
    told = {
        "Kind": "document-classifier",
        "Mode": "MULTI_CLASS",
        "Known": [],
        "InputDataConfig": data,
        "To": "s3://b/lake/datasets/d/1/",
        **changes,
    }
    result = dict(ingest.work(Task(told, storage(Client(objects)), folder, lambda: False)))
    file = folder / "back"
    file.write_bytes(objects["lake/datasets/d/1/documents.jsonl"])
    return result, list(pool.read(file))


def test_labelled_texts_of_several_files(tmp_path: Path) -> None:
    objects = {
        "in/a.csv": 'ham,"a ""good"" day,\nall of it"\nspam,buy 👍 \u2028now\n'.encode(),
        "in/b.csv": b"ham,more\r\n",
    }
    result, found = ingested(tmp_path, objects, CSV)
    assert result == {"NumberOfDocuments": 3, "Labels": ["ham", "spam"]}
    assert found == [
        Labelled('a "good" day,\nall of it', ("ham",)),
        Labelled("buy 👍 \u2028now", ("spam",)),
        Labelled("more", ("ham",)),
    ]


def test_labels_that_the_flywheel_does_not_know_are_left_out(tmp_path: Path) -> None:
    objects = {"in/a.csv": b"a|b,one\nb,two\nc|a,three\n"}
    result, found = ingested(tmp_path, objects, CSV, Mode="MULTI_LABEL", Known=["a", "c"])
    assert result == {"NumberOfDocuments": 2, "Labels": ["a", "c"]}
    assert found == [Labelled("one", ("a",)), Labelled("three", ("c", "a"))]
    with pytest.raises(JobFailed, match="INSUFFICIENT_DATA"):
        ingested(tmp_path, objects, CSV, Mode="MULTI_LABEL", Known=["z"])


def test_a_manifest_of_classes(tmp_path: Path) -> None:
    line = {"source": "one", "job": 1, "job-metadata": {"class-name": "ham"}}
    objects = {"in/a": json.dumps(line).encode()}
    _, found = ingested(tmp_path, objects, MANIFEST)
    assert found == [Labelled("one", ("ham",))]


RECOGNIZER = {"Kind": "entity-recognizer", "Mode": "", "Known": ["TOOL"]}
SPADE = Labelled("A spade.", mentions=(Mention(2, 7, "TOOL"),))


def test_annotated_documents(tmp_path: Path) -> None:
    objects = {
        "in/a.txt": b"A spade.\nNothing here.\n",
        "marks.csv": b"File,Line,Begin Offset,End Offset,Type\na.txt,0,2,7,TOOL\na.txt,1,0,7,NONE\n",
    }
    data = {
        "DataFormat": "COMPREHEND_CSV",
        "Documents": {"S3Uri": "s3://b/in/"},
        "Annotations": {"S3Uri": "s3://b/marks.csv"},
    }
    result, found = ingested(tmp_path, objects, data, **RECOGNIZER)
    assert result == {"NumberOfDocuments": 2, "Labels": ["TOOL"]}
    assert found == [SPADE, Labelled("Nothing here.")]


def test_a_list_of_entities(tmp_path: Path) -> None:
    objects = {
        "in/a.txt": b"A spade.\nA fern.\n",
        "list.csv": b"Text,Type\nspade,TOOL\nfern,PLANT\n",
    }
    data = {
        "DataFormat": "COMPREHEND_CSV",
        "Documents": {"S3Uri": "s3://b/in/"},
        "EntityList": {"S3Uri": "s3://b/list.csv"},
    }
    _, found = ingested(tmp_path, objects, data, **RECOGNIZER)
    assert found == [SPADE, Labelled("A fern.")]


def test_a_manifest_of_entities(tmp_path: Path) -> None:
    entities = [
        {"startOffset": 2, "endOffset": 7, "label": "TOOL"},
        {"startOffset": 0, "endOffset": 1, "label": "ARTICLE"},
    ]
    line = {"source": "A spade.", "job": {"annotations": {"entities": entities}}}
    objects = {"in/a": json.dumps(line).encode()}
    _, found = ingested(tmp_path, objects, MANIFEST, **RECOGNIZER)
    assert found == [SPADE]


def test_data_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="NO_INPUT_DATA"):
        ingested(tmp_path, {}, CSV)
