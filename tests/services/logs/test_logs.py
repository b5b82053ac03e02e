from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.compute.base import LogLine
from sagebrush.services.logs import operations as service
from sagebrush.store.streams import Streams


@pytest.fixture
def logs(client: Any):
    return client("logs")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.fixture
def stream(logs: Any, request: pytest.FixtureRequest) -> dict[str, str]:
    """A group and stream of the test's own, with ten events a second apart."""
    names = {"logGroupName": re.sub(r"[^\w-]+", "_", request.node.name), "logStreamName": "s"}
    logs.create_log_group(logGroupName=names["logGroupName"])
    logs.create_log_stream(**names)
    start = int(time.time() * 1000) - 60_000
    events = [{"timestamp": start + i * 1000, "message": f"line {i}"} for i in range(10)]
    logs.put_log_events(**names, logEvents=events)
    return names


def messages(answer: dict[str, Any]) -> list[str]:
    return [e["message"] for e in answer["events"]]


def test_forward_ends_with_an_empty_page_and_the_same_token(logs: Any, stream: dict[str, str]):
    got, token, tokens = [], {}, []
    while True:
        answer = logs.get_log_events(**stream, startFromHead=True, limit=4, **token)
        got += messages(answer)
        tokens.append(answer["nextForwardToken"])
        if not answer["events"]:
            break
        token = {"nextToken": answer["nextForwardToken"]}
    assert got == [f"line {i}" for i in range(10)]
    assert tokens[-1] == tokens[-2]


def test_the_same_token_shows_what_came_later(logs: Any, stream: dict[str, str]):
    token = logs.get_log_events(**stream, startFromHead=True)["nextForwardToken"]
    assert logs.get_log_events(**stream, nextToken=token)["events"] == []
    now = int(time.time() * 1000)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": "later"}])
    assert messages(logs.get_log_events(**stream, nextToken=token)) == ["later"]


def test_without_a_start_the_latest_come_and_backward_goes_to_the_head(
    logs: Any, stream: dict[str, str]
):
    last = logs.get_log_events(**stream, limit=3)
    assert messages(last) == ["line 7", "line 8", "line 9"]
    before = logs.get_log_events(**stream, limit=3, nextToken=last["nextBackwardToken"])
    assert messages(before) == ["line 4", "line 5", "line 6"]
    assert messages(logs.get_log_events(**stream, nextToken=before["nextForwardToken"])) == [
        "line 7",
        "line 8",
        "line 9",
    ]


def test_times_bound_the_events(logs: Any, stream: dict[str, str]):
    every = logs.get_log_events(**stream, startFromHead=True)["events"]
    start, end = every[2]["timestamp"], every[5]["timestamp"]
    found = logs.get_log_events(**stream, startFromHead=True, startTime=start, endTime=end)
    assert messages(found) == ["line 2", "line 3", "line 4"]


def test_filter_merges_streams_by_time_and_pages(logs: Any, stream: dict[str, str]):
    group = stream["logGroupName"]
    first = logs.get_log_events(**stream, startFromHead=True)["events"][0]["timestamp"]
    logs.create_log_stream(logGroupName=group, logStreamName="t")
    event = {"timestamp": first + 500, "message": "other line"}
    logs.put_log_events(logGroupName=group, logStreamName="t", logEvents=[event])
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern="line", PaginationConfig={"PageSize": 3}
    )
    got = [m for page in pages for m in messages(page)]
    assert got == ["line 0", "other line", *(f"line {i}" for i in range(1, 10))]


def test_describe_streams_gives_no_token_at_the_end(logs: Any, stream: dict[str, str]):
    group = stream["logGroupName"]
    for i in range(59):
        logs.create_log_stream(logGroupName=group, logStreamName=f"t{i:02d}")
    first = logs.describe_log_streams(logGroupName=group)
    assert len(first["logStreams"]) == 50
    rest = logs.describe_log_streams(logGroupName=group, nextToken=first["nextToken"])
    assert len(rest["logStreams"]) == 10
    assert "nextToken" not in rest
    latest = logs.describe_log_streams(
        logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
    )
    assert latest["logStreams"][0]["logStreamName"] == "s"


def test_old_and_new_events_are_told(logs: Any, stream: dict[str, str]):
    now, hour = int(time.time() * 1000), 3_600_000

    def put(*times: int) -> dict[str, int]:
        events = [{"timestamp": t, "message": "x"} for t in times]
        return logs.put_log_events(**stream, logEvents=events).get("rejectedLogEventsInfo", {})

    edge = now - 14 * 24 * hour
    assert put(edge - hour, edge - hour, edge + hour) == {"tooOldLogEventEndIndex": 2}
    assert put(now, now + 3 * hour) == {"tooNewLogEventStartIndex": 1}
    assert messages(logs.get_log_events(**stream, startFromHead=True)).count("x") == 2


@pytest.mark.parametrize(
    ("ages", "length", "words"),
    [
        ((25 * 3_600_000, 0), 1, "cannot span more than 24 hours"),
        ((0,), 2**20, "Log event too large: 1048602 bytes exceeds limit of 1048576"),
        ((0,) * 6, 200_000, "Upload too large: 1200156 bytes exceeds limit of 1048576"),
    ],
    ids=["span", "event", "batch"],
)
def test_a_batch_beyond_its_limits_stores_nothing(
    logs: Any, stream: dict[str, str], ages: tuple[int, ...], length: int, words: str
):
    now = int(time.time() * 1000)
    events = [{"timestamp": now - age, "message": "x" * length} for age in ages]
    with pytest.raises(ClientError, match=words) as error:
        logs.put_log_events(**stream, logEvents=events)
    assert code(error) == "InvalidParameterException"
    assert len(messages(logs.get_log_events(**stream, startFromHead=True))) == 10


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("get_log_events", {"logGroupName": "none", "logStreamName": "s"}, "ResourceNotFoundException"),
        ("describe_log_streams", {"logGroupName": "none"}, "ResourceNotFoundException"),
        ("delete_log_group", {"logGroupName": "none"}, "ResourceNotFoundException"),
        ("put_retention_policy", {"logGroupName": "none", "retentionInDays": 2}, "InvalidParameterException"),
        ("describe_log_groups", {"nextToken": "x"}, "InvalidParameterException"),
    ],
)  # fmt: skip
def test_errors(logs: Any, operation: str, params: dict[str, Any], expected: str):
    with pytest.raises(ClientError) as error:
        getattr(logs, operation)(**params)
    assert code(error) == expected


def test_a_group_is_made_once_and_deleted_with_its_streams(logs: Any, stream: dict[str, str]):
    group = stream["logGroupName"]
    with pytest.raises(ClientError) as error:
        logs.create_log_group(logGroupName=group)
    assert code(error) == "ResourceAlreadyExistsException"
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [(g["logGroupName"], g["retentionInDays"]) for g in found] == [(group, 7)]
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_events_past_their_groups_retention_go(world: Any):
    streams, ctx = world.streams, world.service_ctx()
    now = int(world.clock() * 1000)
    old = [(now - 3 * 86_400_000, "old"), (now - 1000, "young")]
    for group, days in (("kept", None), ("short", 2), ("long", 5)):
        streams.add_group(ctx.account, ctx.region, group)
        streams.add_stream(ctx.account, ctx.region, group, "s")
        streams.set_retention(ctx.account, ctx.region, group, days)
        streams.put(streams.streams(ctx.account, ctx.region, group)[0], old)
    assert streams.expire() == 1
    left = {
        group: [e.message for e in streams.events(streams.streams(ctx.account, ctx.region, group)[0], 0, 9)]
        for group in ("kept", "short", "long")
    }  # fmt: skip
    assert left == {"kept": ["old", "young"], "short": ["young"], "long": ["old", "young"]}


class OneLog:
    """A backend whose only job has written `count` lines of a growing log."""

    def __init__(self, count: int) -> None:
        self.read = 0
        self.lines = [LogLine(i * 10, 1_000 + i, f"row {i:03d}.") for i in range(count)]

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        found = [line for line in self.lines if line.offset >= offset][:limit]
        self.read += len(found)
        return found

    def log_end(self, key: str) -> int:
        return self.lines[-1].offset + 9 if self.lines else 0


def test_a_jobs_log_is_read_over_block_bounds(world: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "_BLOCK", 7)
    world.backend = OneLog(20)
    streams: Streams = world.streams
    ctx = world.service_ctx()
    streams.register(ctx.account, ctx.region, "g", "j/algo-1-1", "key")
    names = {"logGroupName": "g", "logStreamName": "j/algo-1-1"}
    read: Callable[..., dict[str, Any]] = lambda **kw: service.get_log_events(ctx, {**names, **kw})  # noqa: E731
    first = read(startFromHead=True, limit=15)
    rest = read(nextToken=first["nextForwardToken"])
    assert [len(first["events"]), len(rest["events"])] == [15, 5]
    assert rest["events"][-1] == {"timestamp": 1019, "message": "row 019.", "ingestionTime": 1019}
    assert read(nextToken=rest["nextForwardToken"])["nextForwardToken"] == rest["nextForwardToken"]


def test_the_end_of_a_jobs_log_is_read_alone(world: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "_BLOCK", 7)
    monkeypatch.setattr(service, "_WINDOW", 35)  # less than four lines
    world.backend = log = OneLog(3000)
    ctx = world.service_ctx()
    world.streams.register(ctx.account, ctx.region, "long", "j/algo-1-1", "key")
    names = {"logGroupName": "long", "logStreamName": "j/algo-1-1"}
    (told,) = service.describe_log_streams(ctx, {"logGroupName": "long"})["logStreams"]
    assert [told["firstEventTimestamp"], told["lastEventTimestamp"]] == [1000, 3999]
    assert log.read < 20
    latest = service.get_log_events(ctx, {**names, "limit": 10})
    before = service.get_log_events(
        ctx, {**names, "limit": 10, "nextToken": latest["nextBackwardToken"]}
    )
    seen = [each["timestamp"] for each in (*before["events"], *latest["events"])]
    assert seen == list(range(3980, 4000))
    assert log.read < 100
    assert latest["nextForwardToken"].endswith("029991")
    world.backend = OneLog(0)
    (told,) = service.describe_log_streams(ctx, {"logGroupName": "long"})["logStreams"]
    assert "firstEventTimestamp" not in told
    found = service.get_log_events(ctx, names)
    assert found["events"] == []


def described(logs: Any, names: dict[str, str]) -> dict[str, Any]:
    found = logs.describe_log_streams(logGroupName=names["logGroupName"])["logStreams"]
    return next(each for each in found if each["logStreamName"] == names["logStreamName"])


def test_the_times_of_a_stream_are_its_own(logs: Any, stream: dict[str, str]):
    """The latest event and the latest arrival are two things, and so is what came first."""
    minute, now = 60_000, int(time.time() * 1000)
    for age in (90, 240, 180):  # put in another order than they happened
        events = [{"timestamp": now - age * minute, "message": f"{age}"}]
        logs.put_log_events(**stream, logEvents=events)
    found = described(logs, stream)
    assert found["firstEventTimestamp"] == now - 240 * minute
    assert now - 61_000 <= found["lastEventTimestamp"] <= now
    assert now - 1000 <= found["lastIngestionTime"] <= int(time.time() * 1000)
    assert found["lastIngestionTime"] > found["lastEventTimestamp"]
    events = logs.get_log_events(**stream)["events"]
    assert found["lastIngestionTime"] == max(each["ingestionTime"] for each in events)


def test_a_stream_without_events_has_no_times_and_no_token(logs: Any, stream: dict[str, str]):
    names = {**stream, "logStreamName": "empty"}
    logs.create_log_stream(**names)
    members = {"logStreamName", "creationTime", "arn", "storedBytes"}
    assert described(logs, names).keys() == members
    assert described(logs, stream).keys() > members


def test_each_batch_has_a_token_of_its_own(logs: Any, stream: dict[str, str]):
    tokens = [described(logs, stream)["uploadSequenceToken"]]
    for _ in range(2):
        events = [{"timestamp": int(time.time() * 1000), "message": "x"}]
        tokens.append(logs.put_log_events(**stream, logEvents=events)["nextSequenceToken"])
        assert described(logs, stream)["uploadSequenceToken"] == tokens[-1]
    assert len(set(tokens)) == 3


def test_streams_are_ordered_by_their_latest_event(logs: Any, stream: dict[str, str]):
    now = int(time.time() * 1000)
    for name, ages in (("old", [50, 300]), ("new", [400, 0]), ("none", [])):
        names = {**stream, "logStreamName": name}
        logs.create_log_stream(**names)
        for age in ages:
            event = {"timestamp": now - age * 60_000, "message": "x"}
            logs.put_log_events(**names, logEvents=[event])
    given = {"logGroupName": stream["logGroupName"], "orderBy": "LastEventTime"}
    found = logs.describe_log_streams(**given, descending=True)["logStreams"]
    assert [each["logStreamName"] for each in found] == ["new", "s", "old", "none"]


def test_a_group_tells_what_is_stored_in_it(logs: Any, stream: dict[str, str], server: Any):
    def group() -> dict[str, Any]:
        prefix = stream["logGroupName"]
        return logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"][0]

    assert group()["storedBytes"] == 10 * (len("line 0") + 26)
    event = {"timestamp": int(time.time() * 1000), "message": "ü"}
    logs.put_log_events(**stream, logEvents=[event])
    assert group()["storedBytes"] == 10 * (len("line 0") + 26) + 2 + 26
    place = ("123456789012", "us-east-1", stream["logGroupName"])
    server.world.streams.register(*place, "of-a-job", "no-such-job")
    assert "storedBytes" not in group()  # what the logs of jobs hold is not known
