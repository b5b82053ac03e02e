"""Augmented manifests of Ground Truth: of plain text, of chained jobs, and of annotated PDF pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers import ground_truth
from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Sets
from sagebrush.algorithms.comprehend.failures import JobFailed
from tests.algorithms.comprehend.fake_s3 import Client
from tests.algorithms.comprehend.fake_s3 import storage as of

UNREAD = (
    "An augmented manifest file in your request is an invalid JSON lines file. Amazon Comprehend is unable"
    " to parse line 1 in the file m. Correct the file and try again."
)


def line(text: str, *jobs: tuple[str, list[tuple[int, int, str]]]) -> dict[str, Any]:
    told: dict[str, Any] = {"source": text}
    for name, entities in jobs:
        marks = [{"startOffset": a, "endOffset": b, "label": c} for a, b, c in entities]
        told[name] = {"annotations": {"entities": marks}}
        told[f"{name}-metadata"] = {"type": "groundtruth/text-span"}
    return told


def read(
    objects: dict[str, Any], *manifests: dict[str, Any], types: tuple[str, ...] = ("A", "B")
) -> Sets:
    bodies = {
        name: each.encode() if isinstance(each, str) else json.dumps(each).encode()
        for name, each in objects.items()
    }
    data = {
        "AugmentedManifests": [
            {"S3Uri": "s3://b/m", "AttributeNames": ["j"], **m} for m in manifests
        ]
    }
    return ground_truth.read(of(Client(bodies)), data, types)


def jsonl(*lines: object) -> str:
    return "\n".join(json.dumps(each) for each in lines) + "\n"


def named(sets: Sets) -> list[list[tuple[str, str]]]:
    return [[(d.text[m.begin : m.end], m.type) for m in d.mentions] for d in sets.train]


def test_entities_of_the_named_jobs_and_types_are_read() -> None:
    manifest = jsonl(
        line("Ann and Bob", ("j", [(0, 3, "A")]), ("k", [(8, 11, "B"), (0, 3, "A")])),
        line("Ann and Bob", ("j", [(8, 11, "C")]), ("k", [(0, 3, "A")])),
    )
    assert named(read({"m": manifest}, {})) == [[("Ann", "A")], []]
    both = read({"m": manifest}, {"AttributeNames": ["j", "k"]})
    assert named(both) == [[("Ann", "A"), ("Bob", "B")], [("Ann", "A")]]


def test_a_manifest_of_split_test_is_test_data() -> None:
    manifests = {"m": jsonl(line("Ann", ("j", []))), "t": jsonl(line("Bob", ("j", [(0, 3, "A")])))}
    sets = read(manifests, {"Split": "TRAIN"}, {"S3Uri": "s3://b/t", "Split": "TEST"})
    assert [[each.text for each in part or ()] for part in (sets.train, sets.test)] == [
        ["Ann"],
        ["Bob"],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        "{secret",
        "[]",
        json.dumps({"j": {}}),
        json.dumps({"source": "x"}),
        json.dumps({"source": "x", "j": 3}),
        json.dumps({"source": "x", "j": {"annotations": {"entities": [{"label": "A"}]}}}),
        '{"source": "x", "j": {"annotations": {"entities":'
        ' [{"label": "A", "startOffset": 0, "endOffset": 1e999}]}}}',
        '{"source": "x", "j": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_lines_that_are_something_else_are_refused_as_aws_does(wrong: str) -> None:
    with pytest.raises(JobFailed) as caught:
        read({"m": jsonl(line("Ann", ("j", []))) + wrong}, {})
    assert str(caught.value) == UNREAD


def page(*lines: str, entities: list[tuple[str, list[tuple[int, int, int]]]]) -> dict[str, Any]:
    blocks = [{"BlockType": "PAGE", "Id": "p"}]
    for at, text in enumerate(lines):
        blocks += [
            {"BlockType": "LINE", "Id": f"l{at}", "Text": text},
            {"BlockType": "WORD", "Id": f"w{at}", "Text": text.split()[0]},
        ]
    marks = [
        {
            "Type": kind,
            "Text": "",
            "BlockReferences": [
                {"BlockId": f"l{at}", "BeginOffset": begin, "EndOffset": end, "ChildBlocks": []}
                for at, begin, end in places
            ],
        }
        for kind, places in entities
    ]
    return {
        "Version": "2021-04-15",
        "DocumentType": "NativePDF",
        "Blocks": blocks,
        "Entities": marks,
    }


def test_pages_of_pdf_files_are_read_by_their_annotations() -> None:
    annotated = page(
        "Invoice of Acme",
        "Holding Ltd, due",
        "May 3",
        entities=[("A", [(0, 11, 15), (1, 0, 11)]), ("B", [(2, 0, 5)]), ("C", [(0, 0, 7)])],
    )
    manifest = jsonl(
        {"source-ref": "s3://b/x.pdf", "page": "1", "j": {"annotation-ref": "s3://b/a/1"}}
    )
    objects = {"m": manifest, "a/1": annotated}
    for more in ({}, {"AnnotationDataS3Uri": "s3://b/a/"}):
        sets = read(objects, {"DocumentType": ground_truth.PDF, **more})
        assert named(sets) == [[("Acme\nHolding Ltd", "A"), ("May 3", "B")]]
        assert sets.train[0].text == "Invoice of Acme\nHolding Ltd, due\nMay 3"


def test_annotations_of_pages_in_another_format_are_refused() -> None:
    manifest = jsonl({"source-ref": "s3://b/x.pdf", "j": {"annotation-ref": "s3://b/a/1"}})
    with pytest.raises(JobFailed, match=r"INVALID_ANNOTATION.* file 1 "):
        read({"m": manifest, "a/1": {"Blocks": "secret"}}, {"DocumentType": ground_truth.PDF})
    with pytest.raises(JobFailed, match="NO_INPUT_DATA"):
        read({"m": manifest}, {"DocumentType": ground_truth.PDF})
    infinite = page("Acme", entities=[("A", [(0, 0, 1)])])
    infinite["Entities"][0]["BlockReferences"][0]["EndOffset"] = float("inf")
    for body in (infinite, "[" * 100_000 + "]" * 100_000):
        with pytest.raises(JobFailed, match="INVALID_ANNOTATION"):
            read({"m": manifest, "a/1": body}, {"DocumentType": ground_truth.PDF})


@pytest.mark.parametrize("reference", ["secret", "s3://No Bucket/a", "s3:///", "s3://b/\ud800"])
def test_s3_is_not_asked_for_what_is_no_place_in_it(reference: str) -> None:
    first = {"source-ref": "s3://b/x.pdf", "j": {"annotation-ref": "s3://b/a/1"}}
    manifest = jsonl(first, {"source-ref": "s3://b/x.pdf", "j": {"annotation-ref": reference}})
    annotated = page("Acme", entities=[("A", [(0, 0, 4)])])
    with pytest.raises(JobFailed) as caught:
        read({"m": manifest, "a/1": annotated}, {"DocumentType": ground_truth.PDF})
    assert str(caught.value) == UNREAD


def test_halves_of_surrogate_pairs_are_replaced_in_place() -> None:
    manifest = jsonl(line("\ud83d\udca5 \ud800 Ann", ("j", [(4, 7, "A")])))
    sets = read({"m": manifest}, {})
    assert sets.train[0].text == "\U0001f4a5 \ufffd Ann"
    assert named(sets) == [[("Ann", "A")]]
    annotated = page("\udc00 Acme", entities=[("A", [(0, 2, 6)])])
    manifest = jsonl({"source-ref": "s3://b/x.pdf", "j": {"annotation-ref": "s3://b/a/1"}})
    sets = read({"m": manifest, "a/1": annotated}, {"DocumentType": ground_truth.PDF})
    assert sets.train[0].text == "\ufffd Acme"
    assert named(sets) == [[("Acme", "A")]]
