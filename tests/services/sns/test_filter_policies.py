"""Filter policies by the developer guide's examples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.services.sns import filter_policies


def text(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


ATTRIBUTES = {
    "customer_interests": text("soccer"),
    "price": text("210.75", "Number"),
    "colours": text('["red", "blue", null, 3]', "String.Array"),
    "data": {"DataType": "Binary", "BinaryValue": b"x"},
    "ip": text("10.1.2.3"),
}


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        ({}, True),
        ({"customer_interests": ["rugby", "soccer"]}, True),
        ({"customer_interests": ["rugby"]}, False),
        ({"missing": ["x"]}, False),
        ({"customer_interests": ["soccer"], "price": [100]}, False),
        ({"price": [210.75]}, True),
        ({"price": ["210.75"]}, False),
        ({"price": [{"numeric": ["=", 2.1075e2]}]}, True),
        ({"price": [{"numeric": [">", 0, "<=", 210.75]}]}, True),
        ({"price": [{"numeric": ["<", 210.75]}]}, False),
        ({"customer_interests": [{"prefix": "so"}]}, True),
        ({"customer_interests": [{"suffix": "er"}, "x"]}, True),
        ({"customer_interests": [{"prefix": "er"}]}, False),
        ({"customer_interests": [{"equals-ignore-case": "SOCCER"}]}, True),
        ({"customer_interests": [{"anything-but": ["rugby", "tennis"]}]}, True),
        ({"customer_interests": [{"anything-but": "soccer"}]}, False),
        ({"customer_interests": [{"anything-but": {"prefix": "so"}}]}, False),
        ({"price": [{"anything-but": [210.75]}]}, False),
        ({"missing": [{"anything-but": ["x"]}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"data": [{"exists": True}]}, True),
        ({"data": [{"exists": False}]}, False),
        ({"data": ["x"]}, False),
        ({"ip": [{"cidr": "10.0.0.0/8"}]}, True),
        ({"ip": [{"cidr": "10.1.2.4/32"}, {"cidr": "::/0"}]}, False),
        ({"customer_interests": [{"cidr": "0.0.0.0/0"}]}, False),
        ({"colours": ["blue"]}, True),
        ({"colours": [3]}, True),
        ({"colours": [None]}, True),
        ({"colours": ["green"]}, False),
        ({"$or": [{"missing": ["x"]}, {"customer_interests": ["soccer"]}]}, True),
        ({"$or": [{"missing": ["x"]}, {"price": [1]}]}, False),
        ({"$or": [{"price": [210.75]}], "customer_interests": ["rugby"]}, False),
    ],
)
def test_accepting(policy: dict[str, Any], passes: bool) -> None:
    known = filter_policies.parse(json.dumps(policy))
    assert filter_policies.accepts(known, ATTRIBUTES) is passes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "parse"),
        ("[]", "object"),
        ('{"a": "b"}', "array"),
        ('{"a": [["b"]]}', "Match value"),
        ('{"a": [{"prefix": "b", "suffix": "c"}]}', "Only one key"),
        ('{"a": [{"prefix": 1}]}', "prefix"),
        ('{"a": [{"exists": "yes"}]}', "exists"),
        ('{"a": [{"numeric": ["~", 1]}]}', "numeric"),
        ('{"a": [{"numeric": ["<", "1"]}]}', "numeric"),
        ('{"a": [{"numeric": ["<", 1e10]}]}', "numeric"),
        ('{"a": [{"wildcard": "x*"}]}', "wildcard"),
        ('{"a": [{"cidr": "10.0.0.0/80"}]}', "cidr"),
        ('{"$or": {"a": ["b"]}}', r"\$or"),
        ('{"a": {"b": ["c"]}}', "MessageAttributes does not support nested"),
        ('{"a": ["1"], "b": ["1"], "c": ["1"], "d": ["1"], "e": ["1"], "f": ["1"]}', "5 keys"),
        (json.dumps({key: list("abcdef") for key in "xyz"}), "too complex"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(text: str, says: str) -> None:
    with pytest.raises(filter_policies.Unusable, match=says):
        filter_policies.parse(text)


@pytest.mark.parametrize(
    "policy",
    ["[" * 100_000, '{"a":' + "[" * 100_000, '{"a": [{"anything-but": {"prefix": 5}}]}'],
)
def test_what_no_message_could_be_compared_with_is_refused(policy: str) -> None:
    with pytest.raises(filter_policies.Unusable):
        filter_policies.parse(policy)


def test_hostile_values_pass_nothing_and_stop_nobody() -> None:
    policy = filter_policies.parse('{"a": [1' + "0" * 400 + "]}")
    for value in (text("5", "Number"), text("1e999", "Number"), text("[" * 5000, "String.Array")):
        assert not filter_policies.accepts(policy, {"a": value})


BODY = {
    "store": "example",
    "price": 210.75,
    "details": {"item": {"kind": "ball"}, "tags": ["red", ["blue"]]},
    "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
    "note": None,
}


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        ({"store": ["example"]}, True),
        ({"details": {"item": {"kind": ["ball", "bat"]}}}, True),
        ({"details": {"item": {"kind": ["bat"]}}}, False),
        ({"details": {"tags": ["blue"]}}, True),
        ({"lines": {"sku": ["b"]}}, True),
        ({"lines": {"sku": ["c"]}}, False),
        ({"lines": {"n": [{"numeric": [">", 1]}]}}, True),
        ({"note": [None]}, True),
        ({"missing": {"x": [{"exists": False}]}}, True),
        ({"missing": {"x": [{"exists": True}]}}, False),
        ({"details": {"$or": [{"none": ["x"]}, {"tags": ["red"]}]}}, True),
        ({"store": [{"anything-but": ["other"]}], "price": [{"numeric": ["<", 300]}]}, True),
        ({"store": {"x": ["y"]}}, False),
        ({"details": [{"exists": True}]}, True),
        ({"details": [{"anything-but": ["x"]}]}, False),  # no value
        ({"price": [210.7500000001]}, True),  # six digits after the point are compared
        ({"price": [{"numeric": [">", 210.75, "<", 300]}]}, False),
    ],
)
def test_accepting_by_the_body(policy: dict[str, Any], passes: bool) -> None:
    known = filter_policies.parse(json.dumps(policy), filter_policies.BODY)
    assert filter_policies.accepts_body(known, json.dumps(BODY)) is passes


def test_a_body_that_is_no_object_passes_nothing() -> None:
    policy = filter_policies.parse('{"a": [{"exists": false}]}', filter_policies.BODY)
    assert filter_policies.accepts_body(policy, "{}")
    for body in ("", "text", "[1]", '"a"', "[" * 5000):
        assert not filter_policies.accepts_body(policy, body)


def test_values_count_once_for_each_level() -> None:
    deep = {"a": {"b": {"c": ["1", "2", "3", "4"]}}, "x": {"y": ["1", "2", "3"]}}  # 3*4 * 2*3
    filter_policies.parse(json.dumps(deep), filter_policies.BODY)
    deep["x"]["z"] = ["1", "2"]  # times 2*2
    with pytest.raises(filter_policies.Unusable, match="too complex"):
        filter_policies.parse(json.dumps(deep), filter_policies.BODY)
