"""The items that files hold, however their bytes arrive."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.services.states.map_runs import readers, sources
from sagebrush.services.states.map_runs.readers import Unreadable


def pieces(text: str, size: int) -> Iterator[bytes]:
    data = text.encode()
    for at in range(0, len(data), size):
        yield data[at : at + size]


ARRAYS: list[Any] = [
    [],
    [1],
    [12, 345, -6.5e3, 0],
    ["ü", "a,b]", '"', "\\", ""],
    [{"a": [1, {"b": None}]}, [[]], True, False, None],
    list(range(500)),
    [2**70, 1.0],
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("array", ARRAYS)
def test_elements_of_an_array_are_read_as_they_arrive(array: Any, size: int) -> None:
    for text in (json.dumps(array), json.dumps(array, indent=2), f" \n{json.dumps(array)}\n"):
        assert list(readers.json_items(pieces(text, size), "")) == array


def test_an_array_is_not_held_in_memory() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield b"["
        while True:
            read += 1
            yield b'{"n": 1}, '

    found = readers.json_items(endless(), "")
    assert [next(found) for _ in range(100)] == [{"n": 1}] * 100
    assert read < 1_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "Attempting to map over non-iterable node."),
        ("", "The file is empty"),
        ("[1 2]", "ends unexpectedly"),
        ("[1,", "not valid JSON"),
        ("[1", "ends unexpectedly"),
        ("[x]", "not valid JSON"),
        ('["a', "not valid JSON"),
    ],
)
def test_what_is_no_array_of_json_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        list(readers.json_items(pieces(text, 2), ""))


def test_a_pointer_names_the_array() -> None:
    document = json.dumps({"a/b": [{"items": [1, 2]}], "n": 1})
    assert list(readers.json_items(pieces(document, 3), "/a~1b/0/items")) == [1, 2]
    with pytest.raises(Unreadable, match="non-iterable"):
        list(readers.json_items(pieces(document, 3), "/n"))
    with pytest.raises(Unreadable, match="could not be found"):
        list(readers.json_items(pieces(document, 3), "/nothing/here"))


def test_lines_of_json() -> None:
    text = '{"a": 1}\r\n\n"two"\n3'
    assert list(readers.json_lines(pieces(text, 4))) == [{"a": 1}, "two", 3]
    with pytest.raises(Unreadable, match="Line 2"):
        list(readers.json_lines(pieces("1\nx\n", 1)))


@pytest.mark.parametrize(
    ("text", "config", "rows"),
    [
        ("a,b\n1,2\n3\n4,5,6\n\n", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "4", "b": "5"}]),
        ("\ufeffa\n1\n", {"CSVHeaderLocation": "FIRST_ROW"}, [{"a": "1"}]),
        ("1|x y\n", {"CSVHeaderLocation": "GIVEN", "CSVHeaders": ["n", "t"], "CSVDelimiter": "PIPE"}, [{"n": "1", "t": "x y"}]),
        ('a;b\n"1;2";"x\ny ""z"""\n', {"CSVDelimiter": "SEMICOLON"}, [{"a": "1;2", "b": 'x\ny "z"'}]),
        ("a\tb\n1\t2\n", {"CSVDelimiter": "TAB"}, [{"a": "1", "b": "2"}]),
        ("a b\r\n1 2\r\n", {"CSVDelimiter": "SPACE"}, [{"a": "1", "b": "2"}]),
        ("a,a\n1,2\n", {}, [{"a": "2"}]),
        ("a,b\nC:\\\\x,1\\,2\n\\q,\\\"\n", {}, [{"a": "C:\\x", "b": "1,2"}, {"a": "q", "b": '"'}]),
        ("", {}, []),
    ],
)  # fmt: skip
def test_rows_of_delimited_text(text: str, config: Any, rows: Any) -> None:
    for size in (1, 5, 1000):
        assert list(readers.delimited(pieces(text, size), config)) == rows


def test_bytes_that_are_no_text_cannot_be_read() -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        list(readers.json_lines(iter([b"\xff\xfe1\n"])))


def test_the_manifest_of_a_query_names_files() -> None:
    """Amazon Athena's user guide, "UNLOAD": a URI a line."""
    text = 's3://out/a b/1.gz\n"s3://out/2.gz"\n\n'
    assert list(readers.athena(pieces(text, 5))) == [
        {"Bucket": "out", "Key": "a b/1.gz"},
        {"Bucket": "out", "Key": "2.gz"},
    ]
    with pytest.raises(Unreadable, match="no S3 URI"):
        list(readers.athena(pieces("a,b\n", 3)))


def test_an_inventory_lists_objects() -> None:
    """As Amazon S3's user guide has them: "Locating your inventory list"."""
    manifest = {
        "sourceBucket": "source", "destinationBucket": "arn:aws:s3:::there", "version": "2016-11-30",
        "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "inventory/data/one.csv.gz", "size": 1, "MD5checksum": "x"}],
    }  # fmt: skip
    bucket, keys, columns = readers.inventory(manifest)
    assert (bucket, keys, columns) == (
        "there", ["inventory/data/one.csv.gz"], ["Bucket", "Key", "Size"],
    )  # fmt: skip
    text = '"source","a%20b+c/d.txt","3"\n'
    assert list(readers.inventoried(pieces(text, 9), columns)) == [
        {"Bucket": "source", "Key": "a b c/d.txt", "Size": "3"}
    ]
    with pytest.raises(Unreadable, match="ORC"):
        readers.inventory({**manifest, "fileFormat": "ORC"})
    with pytest.raises(Unreadable, match="not one of an S3 inventory"):
        readers.inventory({"files": []})


@pytest.mark.parametrize("text", ["[NaN]", '[1, {"a": [Infinity]}]', "[1e999]", "[[" * 5_000])
def test_what_is_not_json_is_no_item(text: str) -> None:
    with pytest.raises(Unreadable, match="not valid JSON"):
        list(readers.items(pieces(text, 100), {}))


def test_a_long_field_is_read_and_an_endless_line_is_not() -> None:
    long = "x" * 200_000
    assert list(readers.items(pieces(f"a\n{long}\n", 65_536), {"InputType": "CSV"})) == [
        {"a": long}
    ]
    for kind in ("CSV", "JSONL", "JSON"):
        endless = iter([b"[", *[b"x" * 1_000_000] * 20])
        with pytest.raises(Unreadable):
            list(readers.items(endless, {"InputType": kind}))
        assert next(endless, None) is not None, "the rest is not read"


def test_packed_files() -> None:
    """All members of a file are read, in pieces, and one that was cut off is no file."""
    two = gzip.compress(b"a\n1\n") + gzip.compress(b"2\n") + b"\0" * 20
    for size in (1, 7, 1_000):
        parts = (two[at : at + size] for at in range(0, len(two), size))
        assert b"".join(sources.unpacked(parts)) == b"a\n1\n2\n"
    bomb = gzip.compress(bytes(20_000_000))
    assert max(map(len, sources.unpacked([bomb]))) <= sources.PIECE
    for broken in (two[:20], gzip.compress(b"x" * 99)[:-4], two[:26] + b"rest"):
        with pytest.raises(Unreadable, match="not packed as its name says"):
            list(sources.unpacked([broken]))
    assert list(sources.unpacked([b""])) == []
