"""The registry of notebooks: names, tokens, readiness, use; also from many threads and after a loss."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Gone, Pending, Running, State
from sagebrush.routing import notebooks
from sagebrush.store.rows import Row
from sagebrush.world import World
from tests.conftest import Clock, make_settings


class Backend:
    """States as the test sets them."""

    isolation = "process"

    def __init__(self) -> None:
        self.states: dict[str, State] = {}

    def poll(self, key: str) -> State:
        return self.states.get(key, Gone())


@pytest.fixture
def backend(world: World) -> Backend:
    made = Backend()
    world.backend = made  # type: ignore[assignment]
    world.notebooks = around(world).notebooks
    return made


def around(world: World, **changes: Any) -> World:
    """The world with other settings or another clock, and notebooks that know them."""
    made = replace(world, **changes)
    made.notebooks = notebooks.Notebooks(made.settings, made.rows, made.backend, made.clock)
    return made


def found(world: World, host: str) -> notebooks.Notebook:
    desk = world.notebooks.find(host)
    assert desk is not None
    return desk


def notebook(world: World, name: str, number: str, status: str = "InService") -> Row:
    plan = {"id": number, "key": f"n-{number}", "stage": "kept"}
    row = Row("123456789012", "us-east-1", notebooks.KIND, name, status, {}, plan)
    return world.rows.insert(row)


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Desk", "desk-abc123"),
        ("a--b", "a-b-abc123"),
        ("xn--80ak6aa92e", "xn-80ak6aa92e-abc123"),
        ("x" * 63, "x" * 56 + "-abc123"),
        ("x" * 55 + "-yz", "x" * 55 + "-abc123"),
    ],
)
def test_labels(name, label):
    assert notebooks.label(name, "abc123") == label
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label)


def test_addresses_are_loopback_and_not_the_usual_ones():
    many = {notebooks.address_of(f"{n:06d}") for n in range(2000)}
    assert len(many) > 1990
    for address in many:
        first, second, third, fourth = map(int, address.split("."))
        assert first == 127
        assert 1 <= second <= 254
        assert 0 <= third <= 255
        assert 1 <= fourth <= 254


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://desk-abc123.localhost:4566/"),
        ({"tls_only": True}, "https://desk-abc123.localhost:4567/"),
        ({"host": "box.lan", "tls_only": True}, "https://desk-abc123.box.lan:4567/"),
        ({"host": "0.0.0.0", "hosts": "10.1.1.1,box.lan", "tls_only": True},
         "https://desk-abc123.box.lan:4567/"),
        ({"host": "0.0.0.0", "insecure": True}, "http://desk-abc123.localhost:4566/"),
        ({"hosts": "alias"}, "http://desk-abc123.localhost:4566/"),
        ({"notebook_hosts": "addresses"}, f"http://{notebooks.address_of('abc123')}:4566/"),
    ],
)  # fmt: skip
def test_urls(world, tmp_path, given, url):
    world = replace(world, settings=make_settings(tmp_path, **given), ports=(4566, 4567))
    assert notebooks.url(world.settings, world.ports, "Desk", "abc123") == url


def test_a_setting_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="names or addresses"):
        make_settings(tmp_path, notebook_hosts="paths")


# Finding ------------------------------------------------------------------------------------------


def test_found_by_label(world, backend):
    row = notebook(world, "Desk", "abc123")
    known = world.notebooks
    backend.states["n-abc123"] = Running(0.0, "tcp:127.0.0.1:1")
    assert known.find("desk-abc123") == notebooks.Notebook(
        row.id, "Desk", "abc123", "InService", "", "tcp:127.0.0.1:1"
    )
    for state in (Pending(), Exited(1), Gone(), Running(0.0, "")):
        backend.states["n-abc123"] = state
        assert found(world, "desk-abc123").address == ""
    world.rows.update(row.id, lambda r: replace(r, status="Stopped"))
    backend.states["n-abc123"] = Running(0.0, "tcp:127.0.0.1:1")
    desk = found(world, "desk-abc123")
    assert (desk.status, desk.address) == ("Stopped", "")
    world.rows.delete(row.id)
    assert known.find("desk-abc123") is None


def test_unknown_labels_cost_little(world, backend, monkeypatch):
    known, reads = world.notebooks, []
    select = world.rows.select
    monkeypatch.setattr(world.rows, "select", lambda *a: reads.append(a) or select(*a))
    assert known.find("bucket") is None
    assert known.find("my.dotted-bucket") is None
    assert not reads, "these cannot be a notebook's"
    for _ in range(100):
        assert known.find("my-bucket") is None
    assert len(reads) == 1
    row = notebook(world, "desk", "abc123")
    world.notebooks.issue(row.id)
    assert known.find("desk-abc123") is not None, "who gets a link finds its host at once"


def test_what_is_gone_leaves_nothing_for_the_next(world, backend):
    row = notebook(world, "desk", "abc123")
    known = world.notebooks
    known.load(row)
    known.seen(row.id)
    world.rows.delete(row.id)
    known.gone(row.id)
    fresh = notebook(world, "other", "xyz789")
    known.load(fresh)
    assert known.find("desk-abc123") is None
    assert found(world, "other-xyz789").row_id == fresh.id
    assert known.last_seen(row.id) is None
    assert known.last_seen(fresh.id) is None


def test_addresses_are_listened_at(world, backend, tmp_path):
    world = around(world, settings=make_settings(tmp_path, notebook_hosts="addresses"))
    notebook(world, "one", "one000")
    heard: list[str] = []
    known = world.notebooks
    known.listen_by(heard.append)
    assert heard == [notebooks.address_of("one000")]
    two = notebook(world, "two", "two000")
    world.notebooks.issue(two.id)
    assert heard[1:] == [notebooks.address_of("two000")]
    assert found(world, heard[1]).name == "two"
    assert found(world, "two-two000").name == "two"
    assert known.find("127.9.9.9") is None


def test_an_address_names_nothing_by_default(world, backend):
    row = notebook(world, "desk", "abc123")
    world.notebooks.issue(row.id)
    assert world.notebooks.find(notebooks.address_of("abc123")) is None


# Tokens -------------------------------------------------------------------------------------------


def test_a_token_works_once(world):
    row, other = notebook(world, "a", "aaaaaa"), notebook(world, "b", "bbbbbb")
    token = world.notebooks.issue(row.id, 1800)
    assert token not in str(world.rows.by_id(row.id))
    assert not world.notebooks.redeemable(other.id, token)
    assert world.notebooks.redeem(other.id, token) is None
    assert world.notebooks.redeemable(row.id, token)
    assert world.notebooks.redeem(row.id, token) == 1800
    assert not world.notebooks.redeemable(row.id, token)
    assert world.notebooks.redeem(row.id, token) is None
    plan = world.rows.by_id(row.id).plan
    assert plan == {"id": "aaaaaa", "key": "n-aaaaaa", "stage": "kept", "tokens": {}}
    with pytest.raises(LookupError):
        world.notebooks.issue(999)
    assert world.notebooks.redeem(999, token) is None


def test_of_many_threads_one_redeems(world):
    row = notebook(world, "a", "aaaaaa")
    token, told = world.notebooks.issue(row.id), []
    start = threading.Barrier(8)

    def redeem() -> None:
        start.wait()
        told.append(world.notebooks.redeem(row.id, token))

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told, key=str) == [notebooks.SESSION_SECONDS, *[None] * 7]


def test_tokens_expire_and_are_few(world):
    clock = Clock(1e9)
    world = around(world, clock=clock)
    row = notebook(world, "a", "aaaaaa")
    first = world.notebooks.issue(row.id)
    clock.forward(notebooks.TOKEN_SECONDS)
    assert world.notebooks.redeem(row.id, first) is None
    made = []
    for _ in range(notebooks.TOKENS + 5):
        made.append(world.notebooks.issue(row.id))
        clock.forward(0.01)
    kept = world.rows.by_id(row.id)
    assert kept is not None
    assert len(kept.plan["tokens"]) == notebooks.TOKENS
    assert world.notebooks.redeem(row.id, made[0]) is None
    assert world.notebooks.redeem(row.id, made[-1]) is not None


# Use ----------------------------------------------------------------------------------------------


def test_use_is_told(world):
    clock = Clock(1e9)
    known = around(world, clock=clock).notebooks
    assert known.last_seen(1) is None
    known.seen(1)
    clock.forward(5)
    assert known.last_seen(1) == 1e9
    assert known.open_websockets(1) == 0
    with known.websocket(1), known.websocket(1):
        assert known.open_websockets(1) == 2
    assert known.open_websockets(1) == 0
