"""Entities of a list, sought in documents."""

from __future__ import annotations

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers import entity_lists
from sagebrush.algorithms.comprehend.custom.recognizers.entity_lists import Entries
from sagebrush.algorithms.comprehend.failures import JobFailed
from sagebrush.nlp.custom.words import words
from tests.algorithms.comprehend.fake_s3 import Client
from tests.algorithms.comprehend.fake_s3 import storage as of

DATA = {"Documents": {"S3Uri": "s3://b/docs/"}, "EntityList": {"S3Uri": "s3://b/list.csv"}}


def found(types: dict[str, str], text: str) -> list[tuple[str, str]]:
    told = Entries(types, words).found(text)
    return [(text[each.begin : each.end], each.type) for each in told.mentions]


def test_the_example_of_the_guide() -> None:
    lines = (
        "Jo Brown is an engineer in the high tech industry.",
        "John Doe has been a engineer for 14 years.",
        "Emilio Johnson is a judge on the Washington Supreme Court.",
        "Our latest new employee, Jane Smith, has been a manager in the industry for 4 years.",
    )
    listed = "Text, Type\nJo Brown, ENGINEER\nJohn Doe, ENGINEER\nJane Smith, MANAGER\n"
    client = Client({"docs/documents.txt": "\n".join(lines).encode(), "list.csv": listed.encode()})
    sets = entity_lists.read(of(client), DATA, ("ENGINEER", "MANAGER"), words)
    told = [[(d.text[m.begin : m.end], m.type) for m in d.mentions] for d in sets.train]
    assert told == [
        [("Jo Brown", "ENGINEER")],
        [("John Doe", "ENGINEER")],
        [],
        [("Jane Smith", "MANAGER")],
    ]
    assert sets.test is None


def test_the_longest_entry_counts_and_the_shorter_one_elsewhere() -> None:
    types = {"Smith": "B", "Jane Smith": "A", "Jane": "C"}
    assert found(types, "Jane Smith met Smith, Jane.") == [
        ("Jane Smith", "A"),
        ("Smith", "B"),
        ("Jane", "C"),
    ]


def test_entries_are_whole_words_as_they_are_written() -> None:
    types = {"art": "A", "C++": "B", "it's": "C"}
    assert found(types, "part art Art arts C++ C+ it's") == [
        ("art", "A"),
        ("C++", "B"),
        ("it's", "C"),
    ]


def test_offsets_are_code_points() -> None:
    told = Entries({"Zoe\u0301": "A", "東京": "B"}, words).found("👩🏽‍💻 Zoe\u0301 は東京に")
    assert [(each.begin, each.end) for each in told.mentions] == [(5, 9), (11, 13)]


def test_of_a_text_that_is_listed_twice_the_first_counts_and_other_types_not() -> None:
    rows = [
        ("f", at, {"Text": text, "Type": kind})
        for at, (text, kind) in enumerate((("x", "C"), ("x", "A"), ("x", "B")))
    ]
    assert entity_lists.listed(rows, ("A", "B")) == {"x": "A"}


def test_an_entry_has_1_to_5000_characters() -> None:
    for text in ("", "a" * 5001):
        with pytest.raises(JobFailed, match="1 to 5000 characters"):
            entity_lists.listed([("f", 2, {"Text": text, "Type": "A"})], ("A",))


def test_quotes_hold_commas_and_must_end() -> None:
    def read(listed: str) -> list[tuple[str, str]]:
        client = Client({"docs/d": b"Ann, Inc. met Bob", "list.csv": listed.encode()})
        (told,) = entity_lists.read(of(client), DATA, ("A",), words).train
        return [(told.text[each.begin : each.end], each.type) for each in told.mentions]

    assert read('Type,Text\nA, "Ann, Inc."\n\nA,Bob\n') == [("Ann, Inc.", "A"), ("Bob", "A")]
    with pytest.raises(
        JobFailed, match=r"INVALID_CSV: Line \d of the file list.csv cannot be read"
    ):
        read('Text,Type\n"Ann,A\nBob,A\n')
