"""Filters and joins of records and answers (DataProcessing), with the examples of AWS's page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.companion.transform import jsonpath, processing
from sagebrush.companion.transform.processing import CSV, JSON, LINES, Processing
from sagebrush.companion.transform.records import Payload


def job(before: str, after: str, join: bool, content: str = LINES, accept: str = "") -> Processing:
    accept = accept or content
    paths = jsonpath.parse(before, content == CSV), jsonpath.parse(after, accept == CSV)
    return Processing(content, accept, *paths, join)


def out(made: Processing, parts: list[bytes], answer: bytes) -> bytes:
    payload = Payload(b"", 1, len(parts), tuple(parts))
    return made.output(payload, answer, lambda: "id")


@pytest.mark.parametrize(
    ("path", "content", "record", "wanted"),
    [
        ("$[1:]", CSV, b"7,1,2", b"1,2"),
        ("$[1:]", CSV, b'7,"a,b",2\r', b'"a,b",2'),
        ("$[0]", CSV, b"7,1", b"7"),
        ("$[1]", CSV, b'7,"say ""x"""', b'"say ""x"""'),
        ("$", CSV, b"7,1", b"7,1"),
        ("$.features", LINES, b'{"id": 1, "features": [1.5, 2]}', b"[1.5,2]"),
        ("$['a','b']", JSON, '{"a": "é", "b": null, "c": 1}'.encode(), '{"a":"é","b":null}'.encode()),
    ],
)  # fmt: skip
def test_what_the_model_gets(path: str, content: str, record: bytes, wanted: bytes) -> None:
    assert job(path, "$", False, content).asked(record) == wanted


@pytest.mark.parametrize(
    ("made", "parts", "answer", "wanted"),
    [
        # the examples of "Associate Prediction Results with Input Records"
        (job("$", "$", True, JSON), [b'{"key":1}'], b'{"label":1}',
         b'{"key":1,"SageMakerOutput":{"label":1}}'),
        (job("$", "$", True, JSON), [b"[1,2]"], b'{"label":1}',
         b'{"SageMakerInput":[1,2],"SageMakerOutput":{"label":1}}'),
        (job("$", "$", True, CSV), [b"1,2,3"], b"1", b"1,2,3,1"),
        (job("$[1:]", "$[0,-1]", True, CSV), [b"7,1,2", b"8,3,4"], b"0.1\n0.2\n", b"7,0.1\n8,0.2"),
        (job("$.features", "$['id','SageMakerOutput']", True),
         [b'{"id":1,"features":[1],"x":2}'], b'{"p":0.5}\n', b'{"id":1,"SageMakerOutput":{"p":0.5}}'),
        (job("$", "$.SageMakerOutput.p", True), [b'{"id":1}', b'{"id":2}'], b'{"p":1}\n{"p":2}', b"1\n2"),
        (job("$", "$[0]", False, CSV), [b"1", b"2"], b"a,b\nc,d", b"a\nc"),
        (job("$", "$.p", False, CSV, LINES), [b"1"], b'{"p":1}', b"1"),
        (job("$", "$", True, CSV), [b'"a,b",2'], b'"x"', b'"a,b",2,x'),
        (job("$", "$", True), [b'{"SageMakerOutput":1}'], b"2", b'{"SageMakerOutput":2}'),
    ],
)  # fmt: skip
def test_what_the_output_is(
    made: Processing, parts: list[bytes], answer: bytes, wanted: bytes
) -> None:
    assert out(made, parts, answer) == wanted


@pytest.mark.parametrize(
    ("made", "answer", "wanted"),
    [
        (job("$", "$", False, CSV), b"0\n1", b"0,id,T\n1,id,T"),
        (job("$", "$", False), b'{"output":0}\n{"output":1}',
         b'{"output":0,"SageMakerInferenceId":"id","SageMakerInferenceTime":"T"}\n'
         b'{"output":1,"SageMakerInferenceId":"id","SageMakerInferenceTime":"T"}'),
        (job("$", "$", False), b"0\n1",
         b'{"SageMakerOutput":0,"SageMakerInferenceId":"id","SageMakerInferenceTime":"T"}\n'
         b'{"SageMakerOutput":1,"SageMakerInferenceId":"id","SageMakerInferenceTime":"T"}'),
    ],
)  # fmt: skip
def test_each_record_may_get_the_id_and_time_of_its_inference(
    made: Processing, answer: bytes, wanted: bytes
) -> None:
    assert out(replace(made, stamp="T"), [b"1", b"2"], answer) == wanted


@pytest.mark.parametrize(
    ("made", "parts", "answer", "why"),
    [
        (job("$", "$", True), [b"1", b"2"], b"1", "1 records for 2"),
        (job("$", "$", True), [b"1"], b"no json", "Failed to parse output from the algorithm as JSON"),
        (job("$", "$", True), [b"no json"], b"1", "Failed to parse input as JSON Lines"),
        (job("$", "$", True, CSV), [b"1"], b'"x', "Failed to parse output from the algorithm as CSV"),
        (job("$", "$", True, CSV), [b"1"], b"\xff", "Failed to parse output from the algorithm as CSV"),
        (job("$", "$[5]", True, CSV), [b"1"], b"2", "OutputFilter $[5]: index 5 is not within"),
        (job("$", "$.p", True), [b"1"], b"2", "has no attribute p"),
        (job("$", "$", True, JSON), [b"1", b"2"], b"[1, 2]", "use BatchStrategy SingleRecord"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined(
    made: Processing, parts: list[bytes], answer: bytes, why: str
) -> None:
    with pytest.raises(processing.Unusable) as caught:
        out(made, parts, answer)
    assert why in str(caught.value)


@pytest.mark.parametrize("record", [b"no json", b"{", b"\xff", b"[" * 100_000, b"{}"])
def test_records_that_the_filter_cannot_read(record: bytes) -> None:
    with pytest.raises(processing.Unusable):
        job("$.a", "$", False).asked(record)


@given(st.lists(st.text(alphabet='ab,"é ', max_size=5), min_size=2, max_size=5))
def test_rows_are_read_as_they_were_written(row: list[str]) -> None:
    assert processing.read(processing.written(row, CSV), CSV) == row


@pytest.mark.parametrize(
    ("given_type", "wanted"),
    [("text/csv; charset=utf-8", CSV), ("Application/JSON", JSON), (None, ""), ("", "")],
)
def test_media_types(given_type: str | None, wanted: str) -> None:
    assert processing.kind(given_type) == wanted
