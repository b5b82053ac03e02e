"""Listings through boto3, compared with a plain model of what S3 lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.s3.listing import after_prefix

BUCKET = "listed-bucket"
KEYS = sorted(
    [
        "a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "b/c/d/e", "boo/bar", "boo/baz/x",
        "c", "d+e f", "z\n", "zz/ü/1", "zz/日本/2", "\U0001f600/1", "\uffee", "\U0010ffff\U0010ffff",
    ],
    key=str.encode,
)  # fmt: skip


@pytest.fixture(scope="module")
def s3(client: Callable[..., Any]) -> Any:
    made = client("s3")
    made.create_bucket(Bucket=BUCKET)
    for key in KEYS:
        made.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    return made


def model(prefix: str, delimiter: str, after: str) -> list[str]:
    """What S3 lists of KEYS after `after`: keys, and common prefixes in their place."""
    found: list[str] = []
    for key in KEYS:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if entry.encode() > after.encode() and entry not in found:
            found.append(entry)
    return found


def entries(page: dict[str, Any]) -> list[str]:
    keys = [entry["Key"] for entry in page.get("Contents", [])]
    prefixes = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=str.encode)


AFTER = ("", "a", "a/", "a/1", "a/b", "boo/", "boo/bar", "zzz", "\uffee")
CASES = [
    (prefix, delimiter)
    for prefix in ("", "a", "a/", "boo/", "zz/", "none", "\U0001f600", "\U0010ffff")
    for delimiter in ("", "/", "oo", "b/")
]


@pytest.mark.parametrize(("prefix", "delimiter"), CASES)
def test_v2_lists_what_the_model_lists(s3: Any, prefix: str, delimiter: str) -> None:
    for after in AFTER:
        check_pages(s3, prefix, delimiter, after)


def check_pages(s3: Any, prefix: str, delimiter: str, after: str) -> None:
    given: dict[str, Any] = {"Prefix": prefix, "StartAfter": after}
    if delimiter:
        given["Delimiter"] = delimiter
    whole = model(prefix, delimiter, after)
    assert entries(s3.list_objects_v2(Bucket=BUCKET, **given)) == whole
    found, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=2, **given, **token)
        assert page["KeyCount"] == len(entries(page)) <= 2
        found += entries(page)
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == whole


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "a/", "zz/"])
def test_v1_pages_through_everything(s3: Any, prefix: str, delimiter: str) -> None:
    given = {"Delimiter": delimiter} if delimiter else {}
    pages = s3.get_paginator("list_objects").paginate(
        Bucket=BUCKET, Prefix=prefix, PaginationConfig={"PageSize": 3}, **given
    )
    assert [e for page in pages for e in entries(page)] == model(prefix, delimiter, "")


def test_v1_tells_the_next_marker_only_with_a_delimiter(s3: Any) -> None:
    assert "NextMarker" not in s3.list_objects(Bucket=BUCKET, MaxKeys=2)
    page = s3.list_objects(Bucket=BUCKET, MaxKeys=2, Delimiter="/")
    assert page["NextMarker"] == entries(page)[-1]
    assert page["Contents"][0]["Owner"]["ID"]


def test_members_of_an_answer(s3: Any) -> None:
    page = s3.list_objects_v2(
        Bucket=BUCKET, Prefix="a/", Delimiter="/", MaxKeys=1000, FetchOwner=True
    )
    assert (page["Name"], page["Prefix"], page["Delimiter"]) == (BUCKET, "a/", "/")
    assert (page["MaxKeys"], page["KeyCount"], page["IsTruncated"]) == (1000, 4, False)
    entry = page["Contents"][0]
    assert entry["Size"] == 1
    assert entry["ETag"] == '"c4ca4238a0b923820dcc509a6f75849b"'
    assert entry["StorageClass"] == "STANDARD"
    assert entry["Owner"]["ID"]
    assert "Owner" not in s3.list_objects_v2(Bucket=BUCKET, MaxKeys=1)["Contents"][0]


def test_max_keys(s3: Any) -> None:
    page = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page["MaxKeys"]) == (0, False, 0)
    assert s3.list_objects_v2(Bucket=BUCKET, MaxKeys=5000)["MaxKeys"] == 1000


def test_encoding_type_url(server: Any, s3: Any) -> None:
    given = {"Bucket": BUCKET, "Prefix": "d+", "EncodingType": "url"}
    found = server.world.service_ctx().call("s3", "ListObjectsV2", given)
    assert found["Contents"][0]["Key"] == "d%2Be%20f"
    assert found["Prefix"] == "d%2B"


@pytest.mark.parametrize(
    "given",
    [{"ContinuationToken": "nonsense"}, {"MaxKeys": -1}],
)
def test_wrong_arguments(s3: Any, given: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=BUCKET, **given)
    error: Any = caught.value.response
    assert error["Error"]["Code"] == "InvalidArgument"


def test_missing_bucket(s3: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.list_objects_v2(Bucket="no-such-bucket")


def test_a_token_goes_before_a_start(s3: Any) -> None:
    first = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=1)
    rest = s3.list_objects_v2(
        Bucket=BUCKET, StartAfter="zzz", ContinuationToken=first["NextContinuationToken"]
    )
    assert rest["KeyCount"] > 0
    assert "StartAfter" not in rest


def test_markers_of_versions(s3: Any) -> None:
    s3.create_bucket(Bucket="version-markers")
    for key in ("a/1", "a/2", "b"):
        s3.put_object(Bucket="version-markers", Key=key)
    page = s3.list_object_versions(Bucket="version-markers", Delimiter="/", MaxKeys=1)
    assert page["NextKeyMarker"] == "a/"
    assert "NextVersionIdMarker" not in page  # a common prefix has no version
    with pytest.raises(ClientError, match="without a key marker"):
        s3.list_object_versions(Bucket="version-markers", VersionIdMarker="null")


def test_versions_are_null(s3: Any) -> None:
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": 4}
    )
    found = [v for page in pages for v in page["Versions"]]
    assert [v["Key"] for v in found] == KEYS
    assert {v["VersionId"] for v in found} == {"null"}


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(prefix=text, tail=text, other=text)
def test_after_prefix_is_the_least_bound(prefix: str, tail: str, other: str) -> None:
    bound = after_prefix(prefix)
    if bound is None:
        assert prefix == "\U0010ffff" * len(prefix)
        return
    assert (prefix + tail).encode() < bound.encode()
    if other.encode() >= prefix.encode() and not other.startswith(prefix):
        assert other.encode() >= bound.encode()


def test_a_common_prefix_is_passed_over_in_one_step(server: Any, s3: Any) -> None:
    """10,000 keys under one prefix cost no more scans than a few."""
    from sagebrush.services.s3 import listing as s3_listing
    from sagebrush.store import catalog

    s3.create_bucket(Bucket="wide")
    bucket = catalog.bucket(catalog.Outside(server.world.db), "wide")
    assert bucket is not None

    def fill(tx: Any) -> None:
        for n in range(10_000):
            new = catalog.Object(bucket.id, f"deep/{n:05}", 0, "e", 1.0)
            catalog.put(tx, new)
        catalog.put(tx, catalog.Object(bucket.id, "last", 0, "e", 1.0))

    server.world.db.write(fill)
    asked: list[str] = []

    class Counted(catalog.Outside):
        def all(self, sql: str, params: Any = ()) -> Any:
            asked.append(sql)
            return super().all(sql, params)

    walked = list(s3_listing.walk(Counted(server.world.db), bucket.id, "", "/", ""))
    assert [w if isinstance(w, str) else w.key for w in walked] == ["deep/", "last"]
    assert len(asked) <= 3
    page = s3.list_objects_v2(Bucket="wide", Delimiter="/")
    assert entries(page) == ["deep/", "last"]
