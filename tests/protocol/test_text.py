"""Text of any kind crosses every protocol unchanged, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.aws import models
from sagebrush.protocol import reply, rest
from sagebrush.protocol.detect import CBOR, Target
from tests.protocol.samples import parsed_reply, request_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.just("\n"),
    min_size=1,
    max_size=30,
)


def sent(service: str, protocol: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that arrive when botocore sends `params`."""
    op: Any = models.operation(service, name)
    found, got = rest.parse(Target(service, protocol), request_of(op, protocol, params))
    assert found.name == name
    return got


def answered(service: str, protocol: str, name: str, result: dict[str, Any]) -> dict[str, Any]:
    """The result that botocore reads when `result` is answered."""
    op: Any = models.operation(service, name)
    parsed = parsed_reply(op, protocol, reply.render(op, protocol, result, "r"))
    del parsed["ResponseMetadata"]
    return parsed


@given(TEXT)
def test_json_cbor_and_forms(text: str) -> None:
    tags = {"ResourceArn": text, "Tags": [{"Key": text, "Value": text}]}
    assert sent("sagemaker", "json", "AddTags", tags) == tags
    metrics = {"Namespace": text, "MetricData": [{"MetricName": text, "Unit": text}]}
    for protocol in ("json", "query", CBOR):
        assert sent("cloudwatch", protocol, "PutMetricData", metrics) == metrics
    listed = {"Tags": [{"Key": text, "Value": text}], "NextToken": text}
    assert answered("sagemaker", "json", "ListTags", listed) == listed
    listed = {"Metrics": [{"Namespace": text}], "NextToken": text}
    for protocol in ("json", CBOR):
        assert answered("cloudwatch", protocol, "ListMetrics", listed) == listed


@given(XML_TEXT)
def test_xml(text: str) -> None:
    tags = {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": [{"Key": text, "Value": text}]}}
    assert sent("s3", "rest-xml", "PutObjectTagging", tags) == tags
    listed = {"Prefix": text, "Contents": [{"Key": text}]}
    assert answered("s3", "rest-xml", "ListObjectsV2", listed) == listed
    listed = {"Metrics": [{"Namespace": text}], "NextToken": text}
    assert answered("cloudwatch", "query", "ListMetrics", listed) == listed


@given(TEXT)
def test_keys_and_prefixes_of_s3(text: str) -> None:
    assert sent("s3", "rest-xml", "GetObject", {"Bucket": "b", "Key": text})["Key"] == text
    params = {"Bucket": "b", "Prefix": text}
    assert sent("s3", "rest-xml", "ListObjectsV2", params) == params


@given(TEXT)
def test_what_xml_cannot_hold_never_breaks_an_answer(text: str) -> None:
    listed = {"Contents": [{"Key": text + "\x00\x1f\ud800\uffff"}]}
    (entry,) = answered("s3", "rest-xml", "ListObjectsV2", listed)["Contents"]
    assert entry["Key"].endswith("\ufffd" * 4)


def test_the_users_own_models_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sts" / "2999-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"metadata": {}, "operations": {}, "shapes": {}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))
    fresh: Any = models.model.__wrapped__("sts")
    assert fresh.api_version == "2011-06-15"
