"""Labelled texts in CSV and augmented manifests: what is read, and what is refused in which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom.classifiers import examples
from sagebrush.algorithms.comprehend.custom.classifiers.examples import Example, Place
from sagebrush.algorithms.comprehend.failures import JobFailed


def blocks(body: bytes, size: int = 7) -> Iterator[bytes]:
    """The body in small pieces, as it may come."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def rows(text: str, delimiter: str | None = None) -> list[Example]:
    return list(examples.of_csv("f.csv", blocks(text.encode()), delimiter))


def test_texts_may_be_quoted_have_lines_of_their_own_and_any_script() -> None:
    text = '\ufeffSPAM, "Paulo, your ""$1000""\r\nawaits"\r\n\r\nHAM,Grüße aus 東京\nnot sure,x'
    assert rows(text) == [
        Example(("SPAM",), 'Paulo, your "$1000"\r\nawaits'),
        Example(("HAM",), "Grüße aus 東京"),
        Example(("not sure",), "x"),
    ]


def test_labels_are_parted_by_the_delimiter_alone() -> None:
    assert rows("A|B| A,x", "|") == [Example(("A", "B"), "x")]
    assert rows("A|B,x", ";") == [Example(("A|B",), "x")]
    assert rows("A|B,x") == [Example(("A|B",), "x")]
    assert rows("A\tB,x", "\t") == [Example(("A", "B"), "x")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A,x\nB,secret,text", "Line 2 of f.csv has 3 columns"),
        ("A,x\nsecret", "Line 2 of f.csv has 1 column:"),
        ('A,x\nB,"secret\nB,secret', "Line 3 of f.csv is not CSV"),
        ("A,x\nA, ", "Line 2 of f.csv has no text"),
        (" ,secret", "Line 1 of f.csv has no label"),
        ("A" * 5001 + ",secret", "has a label of more than 5000 characters"),
    ],
)
def test_a_row_that_is_no_example_is_told_by_its_line_alone(text: str, words: str) -> None:
    with pytest.raises(JobFailed, match=words) as raised:
        rows(text)
    assert str(raised.value).startswith("INVALID_TRAINING_DATA: ")
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(JobFailed, match=r"Line 2 of f\.csv is not in UTF-8"):
        list(examples.of_csv("f.csv", blocks(b"A,x\nB,\xff\xfe"), None))


def test_a_quote_that_never_ends_is_refused_before_it_fills_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examples, "LONGEST", 1000)
    with pytest.raises(JobFailed, match="is not CSV, or holds too large a document"):
        rows('A,"' + "secret\n" * 1000)


def test_native_documents_are_named_with_their_pages() -> None:
    text = 'A,one.pdf,3\nB|C,"folder/two, or more.docx"\nA,three.png,\n'
    assert list(examples.places_of_csv("f", blocks(text.encode()), "|")) == [
        Place(("A",), "one.pdf", 3),
        Place(("B", "C"), "folder/two, or more.docx", None),
        Place(("A",), "three.png", None),
    ]


@pytest.mark.parametrize("text", ["A,x.pdf,0", "A,x.pdf,-1", "A,x.pdf,one", "A,x,1,2", "A", "A,,1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(JobFailed, match=r"INVALID_TRAINING_DATA: Line 1 of f "):
        list(examples.places_of_csv("f", blocks(text.encode()), None))


# The guide's own examples: "Multi-class mode" and "Multi-label mode", augmented manifest files.
ONE = {
    "source": "Document 1 text",
    "MultiClassJob": 0,
    "MultiClassJob-metadata": {"confidence": 0.62, "class-name": "not_spam"},
}
SEVERAL = {
    "source": "A band of misfit teens",
    "MultiLabelJob": [3, 8],
    "MultiLabelJob-metadata": {"class-map": {"3": "comedy", "8": "mystery", "9": "teen"}},
}


def manifest(*lines: Any, names: tuple[str, ...], several: bool) -> list[Example]:
    body = "\n".join(json.dumps(line) for line in lines).encode()
    return list(examples.of_manifest("m", blocks(body), names, several))


def test_an_augmented_manifest_tells_classes_by_their_names() -> None:
    assert manifest(ONE, names=("MultiClassJob",), several=False) == [
        Example(("not_spam",), "Document 1 text")
    ]
    assert manifest(SEVERAL, names=("MultiLabelJob",), several=True) == [
        Example(("comedy", "mystery"), "A band of misfit teens")
    ]


def test_a_chained_job_has_the_labels_of_all_its_attributes() -> None:
    both = {**ONE, **SEVERAL}
    names = ("MultiClassJob", "MultiLabelJob")
    assert manifest(both, names=names, several=True)[0].labels == ("not_spam", "comedy", "mystery")
    assert manifest(both, names=names, several=False)[0].labels == ("not_spam",)


def test_what_nobody_labelled_is_left_out() -> None:
    assert manifest({"source": "x"}, ONE, names=("MultiClassJob",), several=False)[0].text == (
        "Document 1 text"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"{", "is not JSON"), (b"[1]", "has no text"), (b'{"a": 1}', "has no text")],
)
def test_a_line_that_is_no_manifest_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(JobFailed, match=f"Line 1 of m {words}"):
        list(examples.of_manifest("m", [body], ("a",), False))


def test_halves_of_surrogate_pairs_are_replaced_in_texts_and_labels() -> None:
    body = b'{"source": "a \\ud800", "a": 1, "a-metadata": {"class-name": "x\\udc00"}}\n'
    found = list(examples.of_manifest("m", [body], ("a",), False))
    assert found == [Example(("x\ufffd",), "a \ufffd")]
