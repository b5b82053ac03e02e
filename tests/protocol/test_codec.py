"""Values between the wire and parameters: types, names, and the words for what does not fit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sagebrush.aws import models
from sagebrush.errors import AwsError
from sagebrush.protocol import rest
from sagebrush.protocol.detect import Target
from sagebrush.protocol.message import Request
from sagebrush.store.spool import Spooled


def json_params(name: str, body: str) -> dict[str, Any]:
    request = Request("POST", "/", [], {"x-amz-target": f"SageMaker.{name}"}, body.encode())
    return rest.parse(Target("sagemaker", "json"), request)[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"MaxResults": "5"}', "STRING_VALUE can not be converted to an Integer"),
        ('{"MaxResults": 1.5}', "NUMBER_VALUE can not be converted to an Integer"),
        ('{"MaxResults": 2147483648}', "NUMBER_VALUE can not be converted to an Integer"),
        ('{"MaxResults": true}', "TRUE_VALUE can not be converted to an Integer"),
        ('{"NameContains": 5}', "NUMBER_VALUE can not be converted to a String"),
        ('{"NameContains": false}', "FALSE_VALUE can not be converted to a String"),
        ('{"NameContains": {}}', "Start of structure or map found where not expected."),
        ('{"NameContains": []}', "Start of list found where not expected"),
        ('{"CreationTimeAfter": "noon"}', "STRING_VALUE can not be converted to a Timestamp"),
        ('{"CreationTimeAfter": 1e300}', "NUMBER_VALUE can not be converted to a Timestamp"),
    ],
)
def test_a_type_that_does_not_fit_is_named(body: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        json_params("ListTrainingJobs", body)
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


def test_times_are_read_in_every_form_that_clients_send() -> None:
    noon = datetime(2024, 5, 6, 12, tzinfo=UTC)
    for text in ("1714996800", "1714996800.0", '"2024-05-06T12:00:00Z"', '"2024-05-06T14:00:00+02:00"',
                 '"1714996800"', '"Mon, 06 May 2024 12:00:00 GMT"'):  # fmt: skip
        params = json_params("ListTrainingJobs", f'{{"CreationTimeAfter": {text}}}')
        assert params == {"CreationTimeAfter": noon}, text


def test_nulls_and_strange_members_are_left_out() -> None:
    body = '{"NameContains": null, "Strange": 1, "MaxResults": 5.0}'
    assert json_params("ListTrainingJobs", body) == {"MaxResults": 5}
    assert json_params("ListTrainingJobs", "") == {}


def test_unknown_operations_are_named() -> None:
    for target, request, status in (
        (Target("sagemaker", "json"),
         Request("POST", "/", [], {"x-amz-target": "SageMaker.MakeCoffee"}), 400),
        (Target("iam", "query"), Request("POST", "/", [], {}, b"Action=MakeCoffee"), 400),
        (Target("lambda", "rest-json"), Request("GET", "/MakeCoffee", [], {}), 404),
        (Target("cloudwatch", "smithy-rpc-v2-cbor"),
         Request("POST", "/service/GraniteServiceVersion20100801/operation/MakeCoffee", [], {}), 404),
    ):  # fmt: skip
        with pytest.raises(AwsError, match="MakeCoffee") as caught:
            rest.parse(target, request)
        assert caught.value.status == status


def s3(method: str, path: str, query: Any = (), headers: Any = None, body: Any = b"") -> Any:
    return rest.parse(
        Target("s3", "rest-xml"), Request(method, path, list(query), headers or {}, body)
    )


def test_a_spooled_body_is_handed_on_untouched() -> None:
    body = Spooled(5, "md5")
    assert s3("PUT", "/b/k", body=body)[1]["Body"] is body
    assert "Body" not in s3("PUT", "/b/k")[1]


def test_headers_become_parameters() -> None:
    params = s3(
        "GET",
        "/b/k",
        headers={
            "range": "bytes=0-1",
            "if-modified-since": "not a date",
            "if-unmodified-since": "Mon, 06 May 2024 12:00:00 GMT",
            "x-amz-checksum-mode": "ENABLED",
        },
    )[1]
    assert params == {
        "Bucket": "b",
        "Key": "k",
        "Range": "bytes=0-1",
        "IfUnmodifiedSince": datetime(2024, 5, 6, 12, tzinfo=UTC),
        "ChecksumMode": "ENABLED",
    }


def test_metadata_and_an_expires_that_is_no_date() -> None:
    headers = {"x-amz-meta-a": "1", "x-amz-meta-b-c": "caf\udce9", "expires": "0x"}
    params = s3("PUT", "/b/k", headers=headers)[1]
    assert params["Metadata"] == {"a": "1", "b-c": "café"}
    assert params["Expires"] == "0x"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ETag,Checksum", ["ETag", "Checksum"]),
        (" ETag , Checksum ", ["ETag", "Checksum"]),
        ('"a,b",c', ["a,b", "c"]),
        ('"say \\"hi\\"", c', ['say "hi"', "c"]),
    ],
)
def test_lists_in_headers(text: str, parts: list[str]) -> None:
    assert rest.split_header(text) == parts


def test_a_form_may_number_its_entries_with_gaps_and_in_any_order() -> None:
    body = (
        b"Action=TagRole&RoleName=r&Tags.member.7.Key=b&Tags.member.7.Value=2&Tags.member.2.Key=a"
    )
    request = Request("POST", "/", [], {}, body)
    params = rest.parse(Target("iam", "query"), request)[1]
    assert params == {"RoleName": "r", "Tags": [{"Key": "a"}, {"Key": "b", "Value": "2"}]}


def test_every_service_has_snake_names_for_its_operations() -> None:
    assert models.known("sagemaker")["create_training_job"] == "CreateTrainingJob"
    assert models.known("s3")["list_objects_v2"] == "ListObjectsV2"
    for service in models.SERVICES:
        assert set(models.known(service).values()) == set(models.names(service))
    assert models.operation("s3", "MakeCoffee") is None
    with pytest.raises(KeyError):
        models.model("dynamodb")
