"""Which configurations are refused, and which events one wants."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.aws import models
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3.notifications import configuration, events

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"


def one(*names: str, prefix: str = "", suffix: str = "", **more: Any) -> Doc:
    rules = [{"Name": n, "Value": v} for n, v in (("prefix", prefix), ("suffix", suffix)) if v]
    found: Doc = {"QueueArn": QUEUE, "Events": [f"s3:{name}" for name in names], **more}
    return {**found, **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})}


def checked(*ones: Doc, **more: Any) -> Doc:
    return configuration.checked({"QueueConfigurations": list(ones), **more}, "us-east-1")


@pytest.mark.parametrize(
    ("names", "event", "expected"),
    [
        (["ObjectCreated:*"], events.PUT, True),
        (["ObjectCreated:*"], events.COMPLETED, True),
        (["ObjectCreated:Put"], events.COPY, False),
        (["ObjectRemoved:*", "ObjectCreated:Copy"], events.COPY, True),
        (["ObjectCreated:*"], events.DELETED, False),
        (["ObjectTagging:*"], events.TAGS_DELETED, True),
        (["ObjectRemoved:DeleteMarkerCreated"], events.DELETED, False),
    ],
)
def test_events_by_name_and_family(names: list[str], event: str, expected: bool) -> None:
    assert events.wanted(one(*names), event, "k") is expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [("in/a.csv", True), ("in/a.CSV", False), ("a/in/.csv", False), ("in/.csv", True)],
)
def test_events_by_key(key: str, expected: bool) -> None:
    assert events.wanted(one("ObjectCreated:*", prefix="in/", suffix=".csv"), events.PUT, key) is (
        expected
    )


@pytest.mark.parametrize(
    ("suffix", "expected"), [("b c.csv", True), ("b+c.csv", True), ("b%", False)]
)
def test_special_characters_of_a_filter_may_be_encoded(suffix: str, expected: bool) -> None:
    assert events.wanted(one("ObjectCreated:*", suffix=suffix), events.PUT, "a/b c.csv") is expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (one("ObjectCreated:*"), one("ObjectCreated:*"), True),
        (one("ObjectCreated:*"), one("ObjectCreated:Put"), True),
        (one("ObjectCreated:*"), one("ObjectRemoved:*"), False),
        (one("ObjectCreated:Put"), one("ObjectCreated:Copy"), False),
        (one("ObjectCreated:*", prefix="a"), one("ObjectCreated:*", prefix="ab"), True),
        (one("ObjectCreated:*", prefix="a"), one("ObjectCreated:*", prefix="b"), False),
        (one("ObjectCreated:*", suffix="g"), one("ObjectCreated:*", suffix="jpg"), True),
        (one("ObjectCreated:*", suffix="jpg"), one("ObjectCreated:*", suffix="png"), False),
        (one("ObjectCreated:*", prefix="a"), one("ObjectCreated:*", suffix="png"), True),
        (
            one("ObjectCreated:*", prefix="a", suffix="jpg"),
            one("ObjectCreated:*", prefix="a", suffix="png"),
            False,
        ),
    ],
)
def test_overlaps(a: Doc, b: Doc, expected: bool) -> None:
    assert events.overlap(a, b) is expected
    assert events.overlap(b, a) is expected


def test_what_is_kept() -> None:
    """Rules in S3's spelling (as it is seen to answer), and an id of its own."""
    given = one("ObjectCreated:*", prefix="notif-", suffix=".txt")
    given["Filter"]["Key"]["FilterRules"][0]["Name"] = "PREFIX"
    found = checked(given, EventBridgeConfiguration={})
    (kept,) = found["QueueConfigurations"]
    assert kept.pop("Id")
    assert kept == {
        "QueueArn": QUEUE,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {
            "Key": {
                "FilterRules": [
                    {"Name": "Prefix", "Value": "notif-"},
                    {"Name": "Suffix", "Value": ".txt"},
                ]
            }
        },
    }
    assert found["EventBridgeConfiguration"] == {}
    assert checked() == {}


def rule(name: str, value: str) -> Doc:
    return {**one("ObjectCreated:*"), "Filter": {"Key": {"FilterRules": [_rule(name, value)]}}}


def _rule(name: str, value: str) -> Doc:
    return {"Name": name, "Value": value}


TWO = {"Filter": {"Key": {"FilterRules": [_rule("prefix", "a"), _rule("Prefix", "b")]}}}


@pytest.mark.parametrize(
    ("given", "named", "says"),
    [
        ([one("ObjectCreated:*", QueueArn="q")], ("Queue", "q"), "The ARN could not be parsed"),
        ([one("ObjectCreated:*", QueueArn=TOPIC)], ("Queue", TOPIC), "The ARN could not be parsed"),
        (
            [one("ObjectCreated:*", QueueArn=QUEUE.replace("us-east-1", "eu-west-1"))],
            ("Queue", QUEUE.replace("us-east-1", "eu-west-1")),
            "region is not valid for the bucket location constraint",
        ),
        (
            [one("ObjectCreated:*", QueueArn=f"{QUEUE}.fifo")],
            ("Queue", f"{QUEUE}.fifo"),
            "FIFO SQS queues are not supported",
        ),
        ([one("ObjectMade:*")], ("Event", "s3:ObjectMade:*"), "not supported for notifications"),
        (
            [rule("INVALID", "x")],
            ("FilterRule.Name", "INVALID"),
            "filter rule name must be either prefix or suffix",
        ),
        ([rule("prefix", "")], ("FilterRule.Value", ""), "filter value cannot be empty"),
        ([rule("prefix", "é" * 513)], ("FilterRule.Value", "é" * 513), "1024 bytes"),
        (
            [{**one("ObjectCreated:*"), **TWO}],
            ("FilterRule.Name", "prefix"),
            "more than one prefix rule",
        ),
        (
            [one("ObjectCreated:Put", Id="i"), one("ObjectRemoved:*", Id="i")],
            ("Id", "i"),
            "must be unique",
        ),
        (
            [one("ObjectCreated:*"), one("ObjectCreated:Put")],
            None,
            "Configurations on the same bucket cannot share a common event type",
        ),
        (
            [one("ObjectCreated:*", suffix="g"), one("ObjectCreated:*", suffix="jpg")],
            None,
            "Cannot have overlapping suffixes",
        ),
        ([one("ObjectTagging:*", Id=str(n)) for n in range(101)], None, "up to 100"),
    ],
)
def test_what_is_refused(given: list[Doc], named: tuple[str, str] | None, says: str) -> None:
    with pytest.raises(AwsError) as caught:
        checked(*given)
    error = caught.value
    assert (error.code, error.status) == ("InvalidArgument", 400)
    assert says in error.message
    fields = {"ArgumentName": named[0], "ArgumentValue": named[1]} if named else {}
    assert error.fields == fields


def test_names_are_those_of_awss_model() -> None:
    shape: Any = models.model("s3").shape_for("Event")
    assert set(shape.enum) == events.NAMES


def test_no_events_are_no_configuration() -> None:
    with pytest.raises(AwsError, match="MalformedXML"):
        checked(one())
