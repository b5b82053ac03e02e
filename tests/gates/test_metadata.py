"""The instance metadata service as jobs see it: both versions, what it knows, the notice."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from multidict import CIMultiDict

from sagebrush.compute.base import Limits, Spec
from sagebrush.credentials import CredentialBook
from sagebrush.gates.metadata import TOKEN, TTL, Metadata, MetadataReply
from sagebrush.settings import Settings
from sagebrush.world import World

ROLE = "arn:aws:iam::123456789012:role/service-role/Trainer"


class Place:
    """One instance and its metadata service, at a time that is set."""

    def __init__(self, home: Path, **given: object) -> None:
        self.now = 1_700_000_000.0
        book = CredentialBook(home / "keys", "123456789012", "Execution", lambda: self.now)
        settings = Settings.load({}, None, home=home, region="eu-west-1")
        rows = SimpleNamespace(get=lambda *place: None)
        world = SimpleNamespace(
            credentials=book, settings=settings, clock=lambda: self.now, rows=rows
        )
        values = {"key": "t-1", "argv": [], "env": {}, "root": home / "jobs" / "t-1", **given}
        spec = Spec(**values)  # pyright: ignore[reportArgumentType]
        spec.root.mkdir(parents=True)
        self.root = spec.root
        self.service = Metadata(cast(World, world), spec)

    def get(self, path: str, method: str = "GET", **headers: str) -> MetadataReply:
        found = CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()})
        return self.service.answer(method, path, found)

    def token(self, seconds: str) -> MetadataReply:
        return self.service.answer("PUT", "/latest/api/token", CIMultiDict({TTL.lower(): seconds}))

    def with_token(self, path: str, token: str) -> MetadataReply:
        return self.service.answer("GET", path, CIMultiDict({TOKEN.lower(): token}))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, role=ROLE, limits=Limits(name="ml.m5.large"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/latest/meta-data/instance-type", "m5.large"),
        ("/latest/meta-data/placement/region", "eu-west-1"),
        ("/latest/meta-data/placement/availability-zone", "eu-west-1a"),
        ("/latest/meta-data/local-ipv4", "127.0.0.1"),
        ("/latest/meta-data/iam/security-credentials/", "Trainer"),
        ("/latest/meta-data/placement/", "availability-zone\nregion"),
        ("/latest/", "dynamic/\nmeta-data/"),
    ],
)
def test_what_it_knows(place: Place, path: str, text: str) -> None:
    assert place.get(path) == MetadataReply(200, text)


def test_instances_have_ids_and_addresses_of_their_own(tmp_path: Path) -> None:
    peers = ("algo-1", "algo-2")
    found = []
    for number, name in enumerate(peers, 1):
        home = tmp_path / name
        one = Place(home, peers=peers, hostname=name, network="t", root=home / "root")
        assert one.get("/latest/meta-data/local-ipv4").body == f"10.88.0.{number}"
        found.append(one.get("/latest/meta-data/instance-id").body)
    assert len(set(found)) == 2
    assert all(text.startswith("i-") and len(text) == 19 for text in found)


@pytest.mark.parametrize("path", ["/latest/meta-data/nothing", "/latest/user-data", "/2009-04-04"])
def test_what_is_not_there(place: Place, path: str) -> None:
    assert place.get(path).status == 404


def test_other_methods_are_refused(place: Place) -> None:
    assert place.get("/latest/meta-data/instance-id", "POST").status == 405
    assert place.get("/latest/api/token").status == 405


def test_a_token_is_good_for_as_long_as_it_was_asked_for(place: Place) -> None:
    given = place.token("60")
    assert (given.status, given.headers) == (200, ((TTL, "60"),))
    assert place.with_token("/latest/meta-data/instance-type", given.body).body == "m5.large"
    place.now += 61
    assert place.with_token("/latest/meta-data/instance-type", given.body).status == 401


@pytest.mark.parametrize("token", ["", "forged", "Zm9yZ2VkIHRva2Vu", "ü"])
def test_a_wrong_token_is_unauthorised(place: Place, token: str) -> None:
    assert place.with_token("/latest/meta-data/instance-type", token).status == 401


def test_another_instances_token_is_unauthorised(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path, key="t-2", root=tmp_path / "other")
    assert place.with_token("/latest/meta-data/", other.token("60").body).status == 401


@pytest.mark.parametrize("seconds", ["", "0", "-1", "1.5", "21601", "9" * 30, "six", "６０"])
def test_a_token_for_no_time_is_a_bad_request(place: Place, seconds: str) -> None:
    assert place.token(seconds).status == 400


def test_a_forwarded_request_gets_no_token(place: Place) -> None:
    headers = {TTL: "60", "X-Forwarded-For": "10.0.0.1"}
    assert place.service.answer("PUT", "/latest/api/token", CIMultiDict(headers)).status == 403


def test_the_roles_credentials(place: Place) -> None:
    found = json.loads(place.get("/latest/meta-data/iam/security-credentials/Trainer").body)
    assert (found["Code"], found["Type"]) == ("Success", "AWS-HMAC")
    assert found["Expiration"] > found["LastUpdated"]
    assert {"AccessKeyId", "SecretAccessKey", "Token"} <= set(found)


def test_no_role_no_credentials(tmp_path: Path) -> None:
    one = Place(tmp_path)
    assert one.get("/latest/meta-data/iam/security-credentials/").status == 404
    assert "iam/" not in one.get("/latest/meta-data/").body.splitlines()


def test_the_notice_is_there_once_it_is_given(place: Place) -> None:
    action, time = (
        "/latest/meta-data/spot/instance-action",
        "/latest/meta-data/spot/termination-time",
    )
    assert place.get(action).status == place.get(time).status == 404
    notice = {"action": "terminate", "time": "2023-11-14T22:15:20Z"}
    (place.root / "notice").write_text(json.dumps(notice))
    assert json.loads(place.get(action).body) == notice
    assert place.get(time).body == "2023-11-14T22:15:20Z"
    assert place.get("/latest/meta-data/spot/").body == "instance-action\ntermination-time"


def test_the_identity_document(place: Place) -> None:
    found = json.loads(place.get("/latest/dynamic/instance-identity/document").body)
    assert (found["region"], found["instanceType"]) == ("eu-west-1", "m5.large")
