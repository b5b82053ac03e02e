"""Wrong input of any kind is answered with an AwsError below 500, never with another exception."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.aws import models
from sagebrush.aws.check import check
from sagebrush.errors import AwsError
from sagebrush.protocol import reply, rest
from sagebrush.protocol.detect import CBOR, Target, detect, dialect
from sagebrush.protocol.message import Request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


def outcome(target: Target, request: Request) -> str:
    """The code of the error, or "" when the request passes; another exception fails the test."""
    op: Any = None

    def parse_and_check() -> None:
        nonlocal op
        op, params = rest.parse(target, request)
        check(op, params)

    error = refusal(parse_and_check)
    if error is None:
        return ""
    assert 400 <= error.status < 500, error
    assert reply.render_error(error, target.protocol, op, "r", target.service).body
    return error.code


def refusal(call: Callable[[], Any]) -> AwsError | None:
    """The AwsError that `call` raises, or None."""
    try:
        call()
    except AwsError as error:
        return error
    return None


def shaped(node: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Documents with the right member names and anything below them."""
    if node is None or node.type_name != "structure" or depth > 3 or not node.members:
        if node is not None and node.type_name == "list" and depth <= 3:
            return JSON | st.lists(shaped(node.member, depth + 1), max_size=2)
        return JSON
    parts = {name: shaped(member, depth + 1) for name, member in node.members.items()}
    return JSON | st.fixed_dictionaries({}, optional=parts)


TRAINING: Any = models.operation("sagemaker", "CreateTrainingJob")
METRICS: Any = models.operation("cloudwatch", "PutMetricData")


def json_request(body: bytes, name: str = "CreateTrainingJob") -> Request:
    return Request("POST", "/", [], {"x-amz-target": f"SageMaker.{name}"}, body)


@pytest.mark.costs("tries random bodies")
@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_json_bodies(body: bytes) -> None:
    assert outcome(Target("sagemaker", "json"), json_request(body))


@pytest.mark.costs("makes large random documents")
@given(shaped(TRAINING.input_shape))
def test_json_documents_of_the_right_names(value: Any) -> None:
    outcome(Target("sagemaker", "json"), json_request(json.dumps(value).encode()))


@pytest.mark.costs("tries random bodies")
@given(st.binary(max_size=200) | shaped(METRICS.input_shape).map(cbor2.dumps))
def test_cbor_bodies(body: bytes) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    outcome(Target("cloudwatch", CBOR), Request("POST", path, [], {}, body))


FIELDS = st.sampled_from(
    [
        "Namespace", "MetricData", "MetricData.member", "MetricData.member.1.Value",
        "MetricData.member.1.Timestamp", "MetricData.member.1.Dimensions.member.1.Name",
        "MetricData.member.x", "MetricData.member.99999999999.Value", "MetricData..1", "",
        "MetricData.member.1.StatisticValues.Sum", "StrictEntityValidation",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(FIELDS | st.text(max_size=9), st.text(max_size=9)), max_size=6))
def test_forms(fields: list[tuple[str, str]]) -> None:
    body = urlencode([("Action", "PutMetricData"), *fields], errors="replace").encode()
    outcome(Target("cloudwatch", "query"), Request("POST", "/", [], {}, body))


@given(st.binary(max_size=200))
def test_form_bodies(body: bytes) -> None:
    outcome(Target("iam", "query"), Request("POST", "/", [("Action", "CreateRole")], {}, body))


XML = st.recursive(
    st.sampled_from(["", "x", "&amp;", "1", "<Key/>", "<Quiet>maybe</Quiet>"]),
    lambda inner: st.tuples(st.sampled_from(["Object", "Delete", "Key", "Size", "a"]), inner).map(
        lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"
    ),
)


@given(st.binary(max_size=200) | XML.map(lambda text: f"<Delete>{text}</Delete>".encode()))
def test_xml_bodies(body: bytes) -> None:
    request = Request("POST", "/b", [("delete", "")], {}, body)
    assert outcome(Target("s3", "rest-xml"), request) or b"<Key" in body


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]),
    st.text(max_size=30).map(lambda text: "/" + text),
    st.lists(
        st.tuples(
            st.sampled_from(["uploadId", "partNumber", "max-keys", "versionId", "acl", "tagging"])
            | st.text(max_size=5),
            st.text(max_size=5),
        ),
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(
            ["if-modified-since", "x-amz-copy-source", "expires", "x-amz-object-attributes",
             "content-length", "x-amz-meta-a", "x-amz-mfa", "x-amz-object-lock-retain-until-date"]
        ),
        st.text(max_size=12),
        max_size=3,
    ),
    st.sampled_from(["s3", "lambda", "sagemaker-runtime"]),
)  # fmt: skip
def test_rest_requests(
    method: str, path: str, query: list[tuple[str, str]], headers: dict[str, str], service: str
) -> None:
    target = Target(service, models.protocols(service)[0])
    outcome(target, Request(method, path, query, headers, b""))


@given(
    st.text(max_size=20),
    st.dictionaries(
        st.sampled_from(
            ["authorization", "x-amz-target", "smithy-protocol", "content-type", "host"]
        ),
        st.text(max_size=30)
        | st.sampled_from(["application/x-www-form-urlencoded", "rpc-v2-cbor", "Credential=a/b/c/sts/d"]),
    ),
    st.binary(max_size=40),
)  # fmt: skip
def test_detection(path: str, headers: dict[str, str], body: bytes) -> None:
    request = Request("POST", "/" + path, [], headers, body)
    assert dialect(request) in models.PROTOCOLS
    error = refusal(lambda: detect(request))
    if error is None:
        outcome(detect(request), request)
    else:
        assert 400 <= error.status < 500


# ---- bodies made to hurt ---------------------------------------------------------------------

JSON_TARGET = Target("sagemaker", "json")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"Tags":[{"Key":' + b"[" * 5_000,
        b"9" * 10_000,
        b'{"StoppingCondition":{"MaxRuntimeInSeconds":' + b"9" * 5_000 + b"}}",
        b'{"StoppingCondition":{"MaxRuntimeInSeconds":1e999}}',
        b'{"StoppingCondition":{"MaxRuntimeInSeconds":NaN}}',
        b'{"TrainingJobName":"\\ud800"}',
        b'{"TrainingJobName":"\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'"text"',
        b"{} {}",
    ],
)
def test_hurtful_json(body: bytes) -> None:
    assert outcome(JSON_TARGET, json_request(body)) == "SerializationException"


@pytest.mark.parametrize(
    "body",
    [
        b"\x81" * 100_000,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        bytes.fromhex("d81c81d81d00"),  # a list that holds itself
        b"\xd8\x23" + cbor2.dumps("(a+)+$"),  # a regular expression
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",  # a decimal of 10^18 digits
        cbor2.dumps({"MetricData": [{"Timestamp": 1e300}]}),
        cbor2.dumps({1: 2, "MetricData": {}}),
    ],
)
def test_hurtful_cbor(body: bytes) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    request = Request("POST", path, [], {}, body)
    assert outcome(Target("cloudwatch", CBOR), request) == "SerializationException"


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE Delete [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<Delete><Object><Key>&b;</Key></Object></Delete>"""


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>',
        b"<Delete>" * 100_000,
        b"<Delete><Object><Key>a</Key></Object>",
        b"<Other/>",
        b"<Delete><Object><Key><b/></Key></Object></Delete>",
        b"<Delete><Quiet>perhaps</Quiet></Delete>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
    ],
)
def test_hurtful_xml(body: bytes) -> None:
    request = Request("POST", "/b", [("delete", "")], {}, body)
    assert outcome(Target("s3", "rest-xml"), request) == "MalformedXML"


@pytest.mark.parametrize(
    "body",
    [
        b"Tags" + b".a" * 100_000 + b"=1",
        b"MaxSessionDuration=ten",
        b"MaxSessionDuration=" + b"9" * 30,
        b"RoleName=%ff",
        b"&".join(b"a%d=1" % n for n in range(60_000)),
    ],
)
def test_hurtful_forms(body: bytes) -> None:
    request = Request("POST", "/", [("Action", "CreateRole")], {}, body)
    assert outcome(Target("iam", "query"), request) == "MalformedInput"


def test_numbers_in_s3_queries() -> None:
    for text in ("abc", "1.5", "9" * 30, "٣"):
        request = Request("GET", "/b", [("list-type", "2"), ("max-keys", text)], {})
        assert outcome(Target("s3", "rest-xml"), request) == "InvalidArgument"
    request = Request("GET", "/b", [("list-type", "2"), ("max-keys", "")], {})
    assert rest.parse(Target("s3", "rest-xml"), request)[1] == {"Bucket": "b"}


def test_a_compressed_body_is_read_and_a_bomb_is_not() -> None:
    headers = {"x-amz-target": "SageMaker.ListModels", "content-encoding": "gzip"}

    def parsed(body: bytes) -> Any:
        return rest.parse(JSON_TARGET, Request("POST", "/", [], headers, body))[1]

    assert parsed(gzip.compress(b'{"MaxResults": 5}')) == {"MaxResults": 5}
    for body in (b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b" " * (17 << 20))):
        with pytest.raises(AwsError, match="SerializationException"):
            parsed(body)
