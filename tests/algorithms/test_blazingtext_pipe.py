"""BlazingText's channels in Pipe mode: as they come out of a FIFO."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from contract import channels
from contract.channels import Channel

from sagebrush.algorithms.blazingtext import labelled_text, pipe
from sagebrush.algorithms.blazingtext.parameters import ClientError
from sagebrush.companion import recordio

PIPE = {"TrainingInputMode": "Pipe", "RecordWrapperType": "None"}
RECORDS = {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"}
Read = Callable[..., bytes]


def channel(data: Path, config: dict[str, str]) -> Channel:
    """The channel `train` of the job whose data are in that folder."""
    return channels.read({"train": config}, data)["train"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What BlazingText trains on, given the bytes of the FIFO."""

    def one(body: bytes, config: dict[str, str]) -> bytes:
        os.mkfifo(tmp_path / "train_0")
        writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(body,))
        writer.start()
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        found = pipe.as_files(channel(tmp_path, config), scratch)
        writer.join(10)
        return bytes(labelled_text.content(found.paths()))

    return one


def records(*some: bytes) -> bytes:
    return b"".join(b"".join(recordio.record(each)) for each in some)


def test_a_folder_is_read_where_it_is(tmp_path: Path) -> None:
    there = channel(tmp_path, {"TrainingInputMode": "FastFile"})
    assert pipe.as_files(there, tmp_path) == there
    assert there.folder == tmp_path / "train"


def test_lines_as_they_come(read: Read) -> None:
    body = b"__label__a one\n__label__b two\n"
    assert read(body, PIPE) == body + b"\n"


def test_whole_texts_in_records(read: Read) -> None:
    body = records(b"__label__a one\n__label__b two", b"__label__c three\n")
    assert read(body, RECORDS) == b"__label__a one\n__label__b two\n__label__c three\n\n"


def test_an_augmented_manifests_sentences_and_labels(read: Read) -> None:
    body = records(
        b"one", b"1", b"two", json.dumps([1, "x"]).encode(), b"three", b"true", "vié".encode(), b"s"
    )
    found = read(body, RECORDS).decode().rstrip().splitlines()
    assert found == [
        "__label__1 one", "__label__1 __label__x two", "__label__true three", "__label__s vié",
    ]  # fmt: skip


def test_sentences_without_labels_are_lines_each(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train_0")
    body = records(b"one two", b"three\n", "vi\u00e9".encode())
    writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(body,))
    writer.start()
    found = pipe.as_files(channel(tmp_path, RECORDS), tmp_path, labelled=False)
    writer.join(10)
    (file,) = found.paths()
    assert file.read_text() == "one two\nthree\nvi\u00e9\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"__label__a one\n", "not RecordIO"),
        (records(b"one", b"1")[:-4], "ends early"),
        (records(b"one", b"1", b"two"), "no label"),
    ],
)
def test_streams_that_are_none_are_told(read: Read, body: bytes, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        read(body, RECORDS)
