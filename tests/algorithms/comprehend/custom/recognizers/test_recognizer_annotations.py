"""Annotations of a CSV file beside documents: what stands where, and what is refused in whose words."""

from __future__ import annotations

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers import annotations
from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Annotated
from sagebrush.algorithms.comprehend.failures import JobFailed
from tests.algorithms.comprehend.fake_s3 import Client
from tests.algorithms.comprehend.fake_s3 import storage as of

HEAD = "File, Line, Begin Offset, End Offset, Type\n"
TYPES = ("ENGINEER", "MANAGER")
DATA = {"Documents": {"S3Uri": "s3://b/docs/"}, "Annotations": {"S3Uri": "s3://b/marks/a.csv"}}
BY_FILE = {**DATA, "Documents": {"S3Uri": "s3://b/docs/", "InputFormat": "ONE_DOC_PER_FILE"}}


def read(
    documents: dict[str, str], marks: str, data: dict[str, dict[str, str]] = DATA
) -> list[Annotated]:
    objects = {f"docs/{name}": text.encode() for name, text in documents.items()}
    client = Client({**objects, "marks/a.csv": marks.encode()})
    return annotations.read(of(client), data, TYPES).train


def named(documents: list[Annotated]) -> list[list[tuple[str, str]]]:
    return [[(each.text[m.begin : m.end], m.type) for m in each.mentions] for each in documents]


def refused(documents: dict[str, str], marks: str, data: dict[str, dict[str, str]] = DATA) -> str:
    with pytest.raises(JobFailed) as caught:
        read(documents, marks, data)
    return str(caught.value)


def test_the_example_of_the_guide() -> None:
    lines = (
        "Diego Ramirez is an engineer in the high tech industry.",
        "Emilio Johnson has been an engineer for 14 years.",
        "J Doe is a judge on the Washington Supreme Court.",
        "Our latest new employee, Mateo Jackson, has been a manager in the industry for 4 years.",
    )
    marks = (
        "documents.txt, 0, 0, 13, ENGINEER\n"
        "documents.txt, 1, 0, 15, ENGINEER\n"
        "documents.txt, 3, 25, 38, MANAGER\n"
    )
    found = read({"documents.txt": "\n".join(lines) + "\n"}, HEAD + marks)
    assert [each.text for each in found] == list(lines)
    # The guide's own offsets: 15 is a space too far, which is no part of a name.
    assert named(found) == [
        [("Diego Ramirez", "ENGINEER")],
        [("Emilio Johnson", "ENGINEER")],
        [],
        [("Mateo Jackson", "MANAGER")],
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_offsets_are_code_points_of_the_line_whatever_ends_it(ending: str) -> None:
    text = ending.join(("👩🏽‍💻 Zoe\u0301", "", "x Max")) + ending
    found = read({"d": text}, HEAD + "d,0,5,9,ENGINEER\nd,2,2,5,MANAGER\n")
    assert named(found) == [[("Zoe\u0301", "ENGINEER")], [("Max", "MANAGER")]]


def test_an_empty_line_is_no_document_and_a_mark_of_byte_order_is_a_character() -> None:
    found = read({"d": "\ufeffAnn\n\n"}, "\ufeff" + HEAD + "d,0,1,4,ENGINEER\n")
    assert named(found) == [[("Ann", "ENGINEER")]]


def test_other_types_count_for_nothing_and_an_annotation_counts_once() -> None:
    marks = "d,0,0,3,ENGINEER\nd,0,0,3,ENGINEER\nd,0,0,3,JUDGE\n"
    assert named(read({"d": "Ann sits"}, HEAD + marks)) == [[("Ann", "ENGINEER")]]


def test_a_file_is_a_document_with_offsets_from_its_beginning_or_from_a_line() -> None:
    documents = {"sub/a": "one\r\nAnn\n", "b": "Bob"}
    without = "File,Begin Offset,End Offset,Type\nsub/a,5,8,ENGINEER\nb,0,3,MANAGER\n"
    wanted = [[("Bob", "MANAGER")], [("Ann", "ENGINEER")]]
    assert named(read(documents, without, BY_FILE)) == wanted
    lined = HEAD + "a,1,0,3,ENGINEER\nb,0,0,3,MANAGER\n"
    assert named(read(documents, lined, BY_FILE)) == wanted


def test_an_offset_beyond_the_line_is_refused_as_aws_does() -> None:
    assert refused({"d": "Ann\nBob and more"}, HEAD + "d,0,0,4,ENGINEER\n") == (
        "An offset exceeds the maximum length in the file d on line 0. The offset begins at position 0 and"
        " ends at position 4. An offset can be up to 3 in length."
    )


def test_an_end_before_its_beginning_is_refused_as_aws_does() -> None:
    assert "End Offset cannot be less than Begin Offset." in refused(
        {"d": "Ann"}, HEAD + "d,0,2,1,ENGINEER\n"
    )


@pytest.mark.parametrize("marks", ["d,0,1,1,ENGINEER", "d,0,3,5,ENGINEER"])
def test_an_annotation_without_text_is_refused(marks: str) -> None:
    assert "It has no text." in refused({"d": "Ann  Bob"}, HEAD + marks)


def test_annotations_that_overlap_are_refused_as_aws_does() -> None:
    message = refused({"d": "Ann Lee"}, HEAD + "d,0,0,7,ENGINEER\nd,0,4,7,MANAGER\n")
    assert message == (
        "Overlapping annotations are located in the file d on line 0. Annotations must not overlap. The"
        " annotations are: ENGINEER and MANAGER."
    )


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ("secret,0,0,3,ENGINEER", "The documents have no file of that name."),
        ("d,7,0,3,ENGINEER", "The documents have no such line."),
        ("d,,0,3,ENGINEER", "The documents have no such line."),
        ("d,0,,3,ENGINEER", "It has no offsets."),
        ("d,0,-1,3,ENGINEER", "whole numbers from 0"),
        ("d,0,0,secret,ENGINEER", "whole numbers from 0"),
        ("d,0,0", "has too few columns"),
    ],
)
def test_wrong_rows_are_refused_with_their_line_and_without_their_words(
    marks: str, words: str
) -> None:
    message = refused({"d": "Ann"}, HEAD + marks)
    assert words in message
    assert "ine 2" in message
    assert "secret" not in message


def test_a_header_must_have_its_columns() -> None:
    assert "must have the columns File, Begin Offset, End Offset, Type" in refused(
        {"d": "Ann"}, "File,Type\nd,ENGINEER\n"
    )


def test_a_document_may_have_5000_bytes() -> None:
    read({"d": "a" * 5000}, HEAD)
    assert refused({"d": "a" * 5001}, HEAD) == (
        "A document exceeds the maximum size in the file d on line 0. Each document can be up to 5000"
        " bytes."
    )


def test_the_uri_of_an_object_is_that_object_alone() -> None:
    data = {**DATA, "Documents": {"S3Uri": "s3://b/docs/d"}}
    assert len(read({"d": "Ann", "d.bak": "Bob"}, HEAD, data)) == 1


def test_documents_that_are_not_there_are_said_to_be_missing() -> None:
    assert refused({}, HEAD).startswith("NO_INPUT_DATA")


def test_test_data_are_read_where_both_parts_are_given() -> None:
    client = Client(
        {"docs/d": b"Ann", "marks/a.csv": HEAD.encode(), "t/d": b"Bob", "m/a": HEAD.encode()}
    )
    data = {
        "Documents": {"S3Uri": "s3://b/docs/", "TestS3Uri": "s3://b/t/"},
        "Annotations": {"S3Uri": "s3://b/marks/", "TestS3Uri": "s3://b/m/"},
    }
    sets = annotations.read(of(client), data, TYPES)
    assert [each.text for each in sets.test or ()] == ["Bob"]
