"""What Lambda decides without looking at anything: retries, records, filters, batches, loops, words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sagebrush.access import function_references
from sagebrush.errors import AwsError
from sagebrush.services.lambda_ import (
    batches,
    configuration,
    filters,
    lineage,
    payloads,
    records,
    runtimes,
    serving,
)
from sagebrush.services.lambda_.records import Again, Ended, Event, Over

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
FUNCTION = {"FunctionArn": ARN, "Role": "arn:aws:iam::123456789012:role/r"}


@pytest.mark.parametrize(
    ("text", "qualifier", "account", "region", "given"),
    [
        ("f", None, "123456789012", "us-east-1", ""),
        ("f:live", None, "123456789012", "us-east-1", "live"),
        ("f", "$LATEST", "123456789012", "us-east-1", "$LATEST"),
        ("210987654321:function:f:3", None, "210987654321", "us-east-1", "3"),
        ("210987654321:f", None, "210987654321", "us-east-1", ""),
        (ARN, "7", "123456789012", "us-east-1", "7"),
        (
            "arn:aws:lambda:eu-west-1:210987654321:function:f:$LATEST",
            None, "210987654321", "eu-west-1", "$LATEST",
        ),
    ],
)  # fmt: skip
def test_a_function_is_named_in_every_form(
    text: str, qualifier: str | None, account: str, region: str, given: str
) -> None:
    found = function_references.parse(text, qualifier, "123456789012", "us-east-1")
    assert (found.account, found.region, found.name, found.qualifier) == (
        account, region, "f", given,
    )  # fmt: skip


def test_two_qualifiers_must_not_differ() -> None:
    with pytest.raises(AwsError, match="derived qualifier from the function name does not match"):
        function_references.parse("f:1", "2", "123456789012", "us-east-1")


# ---- payloads


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"9" * 5000, b"9" * 5000),
        (b'[1e999999, "\\ud800"]', b'[1e999999, "\\ud800"]'),
        (b'\xef\xbb\xbf{"a":1}', b'{"a":1}'),
        ('{"a":"\u00e9"}'.encode("utf-16"), '{"a":"\u00e9"}'.encode()),
        ('{"a":"\u00e9"}'.encode("utf-32-be"), '{"a":"\u00e9"}'.encode()),
    ],
)
def test_payloads_are_any_json_and_kept_in_utf_8(given: bytes, kept: bytes) -> None:
    assert payloads.checked(given) == kept


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b'{"a":[NaN]}', "Non-standard token 'NaN'"),
        (b"-Infinity", "Non-standard token '-Infinity'"),
        (b"[" * 100_000, "nesting depth"),
        (b'"\xed\xa0\x80"', "Invalid UTF-8 start byte 0xed"),
        (b"\xef\xbb\xbf", "Could not parse payload"),
    ],
)
def test_what_is_no_json_is_refused(given: bytes, words: str) -> None:
    with pytest.raises(AwsError, match=words) as caught:
        payloads.checked(given)
    assert caught.value.code == "InvalidRequestContentException"


def test_a_client_context_is_one_line_of_ascii() -> None:
    text = '{"custom":{"a":"1\\r\\nX-Y: z\\u0000","\u00e9":"\\ud800"}}'
    found = payloads.client_context(base64.b64encode(text.encode()).decode())
    assert found.isascii()
    assert found.isprintable()
    assert json.loads(found) == json.loads(text)


# ---- asynchronous invocations


def event(attempts: int, throttled: int = 0) -> Event:
    return Event("id", ARN, '{"a":1}', 1000.0, attempts, throttled)


def test_a_failed_event_is_tried_after_one_and_two_minutes_and_then_given_up() -> None:
    assert records.after_error(event(1), {}, 1000.0) == Again(60.0)
    assert records.after_error(event(2), {}, 1060.0) == Again(120.0)
    assert records.after_error(event(3), {}, 1180.0) == Over("RetriesExhausted")
    assert records.after_error(event(1), {"MaximumRetryAttempts": 0}, 1.0) == Over(
        "RetriesExhausted"
    )
    aged = {"MaximumEventAgeInSeconds": 60}
    assert records.after_error(event(1), aged, 1001.0) == Over("EventAgeExceeded")


def test_records_of_any_answer_can_be_sent() -> None:
    function = {**FUNCTION, "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:1:q"}}
    config = {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:1:q"}}}
    answers = (b'"\\ud800\\uffff"', b"[NaN]", b"[-1e999]", b"9" * 5000, b"[" * 100_000, b"\xff",
               b'{"errorMessage":"\\u0001\\ud800\\u00e9"}')  # fmt: skip
    for answer in answers:
        how = ("RetriesExhausted", Ended("Unhandled", answer, "1"))
        record, _ = records.deliveries(function, config, event(3), ARN, how, 1.0)
        assert "\uffff" not in record.payload
        assert record.payload.encode()
        found = json.loads(record.payload, parse_constant=pytest.fail)
        assert "responsePayload" in found
    _, letter = records.deliveries(
        function,
        config,
        event(3),
        ARN,
        ("RetriesExhausted", Ended("Unhandled", answers[-1], "1")),
        1.0,
    )
    words = letter.options["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert words == "\ufffd\ufffd\u00e9"


def test_a_throttled_event_waits_from_a_second_to_five_minutes_for_six_hours() -> None:
    pauses = [records.after_throttle(event(0, n), {}, 1000.0, 1.0) for n in (0, 1, 5, 30)]
    assert pauses == [Again(1.0), Again(2.0), Again(32.0), Again(300.0)]
    assert records.after_throttle(event(0), {}, 1000.0, 0.0) == Again(0.5)
    assert records.after_throttle(event(0, 9), {}, 1000.0 + 21500, 1.0) == Over("EventAgeExceeded")


def test_records_go_where_the_configuration_says() -> None:
    config = {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:1:q"}}}
    ended = Ended("Unhandled", b'{"errorMessage":"no","errorType":"E"}', "$LATEST")
    how = ("RetriesExhausted", ended)
    (sent,) = records.deliveries(FUNCTION, config, event(3), f"{ARN}:$LATEST", how, 1500.5)
    assert sent.role == FUNCTION["Role"]
    assert sent.principal == "lambda.amazonaws.com"
    assert json.loads(sent.payload) == {
        "version": "1.0",
        "timestamp": "1970-01-01T00:25:00.500Z",
        "requestContext": {
            "requestId": "id",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"a": 1},
        "responseContext": {
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "no", "errorType": "E"},
    }  # fmt: skip
    assert not records.deliveries(FUNCTION, config, event(1), ARN, ("Success", Ended()), 1.0)
    letters = {**FUNCTION, "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:1:dead"}}
    _, dead = records.deliveries(letters, config, event(3), ARN, how, 1.0)
    assert (dead.target, dead.payload) == ("arn:aws:sqs:us-east-1:1:dead", '{"a":1}')
    assert dead.options["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"


def test_the_client_context_is_json_in_base64() -> None:
    text = base64.b64encode(b'{"custom":\n{"a": "\xc3\xa9"}}').decode()
    assert payloads.client_context(text) == '{"custom":{"a":"\\u00e9"}}'
    assert payloads.client_context("") == ""
    long = base64.b64encode(json.dumps({"custom": "x" * 2700}).encode()).decode()
    with pytest.raises(AwsError, match="no more than 3583 bytes"):
        payloads.client_context(long)
    for bad in ("{}", "W10=", "bm8="):
        with pytest.raises(AwsError, match="valid Base64-encoded JSON object"):
            payloads.client_context(bad)


# ---- queues


def message(body: str, **more: Any) -> dict[str, Any]:
    return {"messageId": more.pop("uid", "m"), "body": body, **more}


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": {"k": ["v"]}}, '{"k": "v"}', True),
        ({"body": {"k": ["v"]}}, '{"k": ["w", "v"]}', True),
        ({"body": {"k": ["v"]}}, '{"k": "w"}', False),
        ({"body": {"k": ["v"]}}, "no json", False),
        ({"body": ["plain"]}, "plain", True),
        ({"body": {"n": [{"numeric": [">", 3, "<=", 5]}]}}, '{"n": 5}', True),
        ({"body": {"n": [{"numeric": [">", 3]}]}}, '{"n": "5"}', False),
        ({"body": {"k": [{"prefix": "a"}, {"suffix": "z"}]}}, '{"k": "bz"}', True),
        ({"body": {"k": [{"anything-but": ["v"]}]}}, '{"k": "w"}', True),
        ({"body": {"k": [{"anything-but": ["v"]}]}}, "{}", False),
        ({"body": {"k": [{"exists": False}]}}, "{}", True),
        ({"body": {"k": [None]}}, '{"k": null}', True),
        ({"body": {"k": [True]}}, '{"k": 1}', False),
        ({"body": {"$or": [{"a": [1]}, {"b": [2]}]}}, '{"b": 2}', True),
        ({"body": {"k": [{"equals-ignore-case": "V"}]}}, '{"k": "v"}', True),
        ({"body": {"k": [{"exists": False}]}}, "no json", False),
        ({"body": {"k": [{"wildcard": "a*z"}]}}, '{"k": "abz"}', True),
        ({"body": {"k": [{"cidr": "10.0.0.0/24"}]}}, '{"k": "10.0.0.5"}', True),
        ({"body": {"k": [{"anything-but": {"prefix": "a"}}]}}, '{"k": "abz"}', False),
        ({"$or": [{"body": {"k": [1]}}, {"messageId": ["m"]}]}, "no json", True),
    ],
)
def test_filters(pattern: dict[str, Any], body: str, passes: bool) -> None:
    parsed = filters.parse(json.dumps(pattern))
    assert filters.accepts([parsed], message(body)) is passes


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": []}', '{"a": [{"near": 1}]}', '{"a": [[1]]}', "[" * 9999]
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(filters.Unusable):
        filters.parse(text)


def test_only_what_the_function_has_done_is_deleted() -> None:
    found = [message("a", uid="1"), message("b", uid="2")]

    def left(answer: bytes, reports: bool = True) -> list[str]:
        return [each["messageId"] for each in batches.done(found, answer, reports)]

    assert left(b'{"batchItemFailures":[{"itemIdentifier":"1"}]}') == ["2"]
    assert left(b'{"batchItemFailures":[]}') == left(b"null") == left(b"{}") == ["1", "2"]
    assert left(b'{"batchItemFailures":[{"itemIdentifier":"9"}]}') == []
    assert left(b'{"batchItemFailures":[{"itemIdentifier":""}]}') == []
    assert left(b'{"batchItemFailures":[{}]}') == left(b'"text"') == left(b"no json") == []
    assert left(b'{"batchItemFailures":[{"itemIdentifier":"1"}]}', reports=False) == ["1", "2"]


# ---- invocations


def test_a_loop_is_counted_through_the_trace_header() -> None:
    trace, counts = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", list[int]()
    for _ in range(3):
        trace, count = lineage.onward(trace, ARN, 1000.0)
        counts.append(count)
    assert counts == [1, 2, 3]
    assert trace.startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")
    assert "Sampled=1" in trace
    _, other = lineage.onward(trace, f"{ARN}2", 1000.0)
    assert other == 1
    assert lineage.onward("junk;Lineage=zz:x|deadbeef", ARN, 1000.0)[1] == 1


def test_an_alias_with_routing_goes_by_weight() -> None:
    alias = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
    assert [serving.routed(alias, chance) for chance in (0.0, 0.24, 0.25, 0.99)] == [
        "2", "2", "1", "1",
    ]  # fmt: skip
    assert serving.routed({"FunctionVersion": "$LATEST"}, 0.0) == "$LATEST"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"not", "Unrecognized token 'not': was expecting"),
        (b"{'a': 1}", "Unexpected character ('''"),
        (b'{"a":', "Unexpected end-of-input"),
        (b"\xff", "Invalid UTF-8"),
        (b"[" * 100_000, "nesting depth"),
    ],
)
def test_a_payload_must_be_json(payload: bytes, words: str) -> None:
    with pytest.raises(AwsError) as caught:
        payloads.checked(payload)
    assert caught.value.code == "InvalidRequestContentException"
    assert caught.value.message.startswith("Could not parse request body into json: ")
    assert words in caught.value.message


def test_payloads_have_limits() -> None:
    assert payloads.checked(b"") == b"{}"
    payloads.check_size(bytes(6291456), event=False)
    with pytest.raises(AwsError, match="must be smaller than 6291456 bytes for the InvokeFunction"):
        payloads.check_size(bytes(6291457), event=False)
    with pytest.raises(AwsError) as caught:
        payloads.check_size(bytes(1048577), event=True)
    assert caught.value.code == "RequestTooLargeException"
    assert "1048577 byte payload is too large for the Event invocation type" in caught.value.message


# ---- configuration


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"Timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint"),
        ({"MemorySize": 10241}, "'MemorySize' value failed to satisfy constraint"),
        ({"EphemeralStorage": {"Size": 10241}}, "'ephemeralStorage.size' failed"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "contains reserved keys"),
        ({"Environment": {"Variables": {"X": "y" * 4096}}}, "exceeded the 4KB limit"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "does not support SnapStart"),
        ({"FileSystemConfigs": [{}]}, "does not support file systems"),
        ({"KMSKeyArn": "arn:aws:kms:k"}, "does not support encryption by AWS KMS"),
    ],
)
def test_what_a_configuration_must_not_have(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words):
        configuration.check(request_)


def test_runtimes_that_are_retired_unknown_or_not_here() -> None:
    runtimes.check("python3.12")
    runtimes.check("provided.al2023")
    with pytest.raises(
        AwsError, match=r"The runtime parameter of python3\.7 is no longer supported"
    ):
        runtimes.check("python3.7")
    with pytest.raises(AwsError, match=r"Value cobol1 at 'runtime' failed .* or be a valid ARN"):
        runtimes.check("cobol1")
    with pytest.raises(AwsError, match=r"does not support the runtime java21"):
        runtimes.check("java21")


def test_an_update_sets_what_it_names_and_removes_what_is_empty() -> None:
    doc = configuration.created("f", ARN, {"Runtime": "python3.12", "Role": "r", "Handler": "h.h"})
    assert doc["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    assert "Environment" not in doc
    one = configuration.updated(
        doc,
        {
            "Environment": {"Variables": {"A": "1"}},
            "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:1:q"},
            "LoggingConfig": {"LogFormat": "JSON"},
        },
    )
    assert one["Environment"] == {"Variables": {"A": "1"}}
    assert one["LoggingConfig"]["SystemLogLevel"] == "INFO"
    two = configuration.updated(
        one, {"Environment": {}, "DeadLetterConfig": {}, "LoggingConfig": {"LogFormat": "Text"}}
    )
    assert "Environment" not in two
    assert "DeadLetterConfig" not in two
    assert two["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    assert configuration.stamp(1767225600.1234) == "2026-01-01T00:00:00.123+0000"
