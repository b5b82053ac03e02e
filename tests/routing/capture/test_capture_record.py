"""What is captured of a request, as AWS's JSON Lines have it."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from sagebrush.errors import Doc
from sagebrush.routing.capture import record
from sagebrush.routing.capture.record import Exchange

AT = 1574292792.5
"""2019-11-20T23:33:12.500Z"""


def config(**more: Any) -> Doc:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://bucket/prefix/",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
        **more,
    }


def exchange(asked: bytes, asked_type: str, answered: bytes, answered_type: str) -> Exchange:
    return Exchange(asked, asked_type, answered, answered_type, AT, "i-1", "trace=1")


def captured(exchange: Exchange, **more: Any) -> Doc:
    rule = record.rule(config(**more), "role")
    assert rule is not None
    text = record.line(rule, exchange)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    return json.loads(text)


def test_a_line_is_as_aws_shows_it() -> None:
    found = captured(
        exchange(b"132,25\n", "text/csv", b'[0.5, "\xc3\xa9"]', "application/json; x=1")
    )
    metadata = found["eventMetadata"]
    assert len(metadata.pop("eventId")) == 36
    assert found == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "132,25\n",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "application/json; x=1",
                "mode": "OUTPUT",
                "data": '[0.5, "é"]',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "customAttributes": ["trace=1"],
            "inferenceId": "i-1",
            "inferenceTime": "2019-11-20T23:33:12Z",
        },
        "eventVersion": "0",
    }


@pytest.mark.parametrize(
    ("body", "kind"), [(b"\x93NUMPY", "application/x-npy"), (b"\xff\xfe", "text/csv")]
)
def test_anything_else_is_base64(body: bytes, kind: str) -> None:
    part = captured(exchange(body, kind, b"", "text/csv"))["captureData"]["endpointInput"]
    assert (part["encoding"], base64.b64decode(part["data"])) == ("BASE64", body)


def test_without_content_types_all_is_base64() -> None:
    found = captured(exchange(b"1", "text/csv", b"2", "text/csv"), CaptureContentTypeHeader={})
    assert {p["encoding"] for p in found["captureData"].values()} == {"BASE64"}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_what_the_options_name(options: list[str], parts: set[str]) -> None:
    chosen = [{"CaptureMode": each} for each in options]
    found = captured(exchange(b"1", "text/csv", b"2", "text/csv"), CaptureOptions=chosen)
    assert set(found["captureData"]) == parts


def test_a_configuration_may_capture_nothing() -> None:
    assert record.rule(None, "") is None
    assert record.rule(config(EnableCapture=False), "") is None
    rule = record.rule(config(), "r")
    assert rule is not None
    assert (rule.destination, rule.share, rule.role) == ("s3://bucket/prefix", 0.5, "r")


def test_a_file_lies_below_its_hour() -> None:
    found = record.key("e", "v", AT)
    assert found.startswith("e/v/2019/11/20/23/33-12-500-")
    assert found.endswith(".jsonl")


def test_any_text_is_written_so_that_json_reads_it() -> None:
    text = 'a "quoted"\\ \n\r\t\0 é \u2028 \U0001f600 </script>'
    found = captured(
        Exchange(text.encode(), "text/csv", text.encode(), f"text/csv;{text}", 0.0, text, text)
    )
    assert found["captureData"]["endpointInput"]["data"] == text
    assert found["captureData"]["endpointOutput"]["observedContentType"] == f"text/csv;{text}"
    assert found["eventMetadata"]["customAttributes"] == [text]
    assert found["eventMetadata"]["inferenceId"] == text
    assert uuid.UUID(found["eventMetadata"]["eventId"]).version == 4
