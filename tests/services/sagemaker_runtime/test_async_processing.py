"""How one asynchronous request ends, with a model that answers as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagebrush.app import App, build
from sagebrush.errors import AwsError, Doc
from sagebrush.net.http_client import Answer, Broken
from sagebrush.routing import forward
from sagebrush.routing.backlog import Job, Later
from sagebrush.routing.backlog_metrics import BacklogMetrics
from sagebrush.routing.endpoints import Endpoint, Name, Route, Variant
from sagebrush.services.sagemaker_runtime import processing
from sagebrush.services.sagemaker_runtime.processing import Processing
from sagebrush.store.messages import FOREVER, Send
from sagebrush.store.rows import Row
from sagebrush.world import Ctx
from tests.conftest import Clock, make_settings
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sns.policies import lets_send

NAME: Name = ("123456789012", "us-east-1", "e")
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"


class Stand:
    """A world without HTTP, the queue of the endpoint `e`, and a model."""

    def __init__(self, app: App, clock: Clock, pool: ThreadPoolExecutor) -> None:
        self.world, self.clock = app.world, clock
        self.ctx = app.world.service_ctx(ROLE)
        self.ctx.call("s3", "CreateBucket", {"Bucket": "bkt"})
        self.ctx.call("sns", "CreateTopic", {"Name": "t"})
        arn = "arn:aws:sqs:us-east-1:123456789012:q"
        policy = {"Policy": lets_send(arn, TOPIC)}
        self.ctx.call("sqs", "CreateQueue", {"QueueName": "q", "Attributes": policy})
        self.ctx.call(
            "sns",
            "Subscribe",
            {
                "TopicArn": TOPIC,
                "Protocol": "sqs",
                "Endpoint": arn,
                "Attributes": {"RawMessageDelivery": "true"},
            },
        )
        self.row = app.world.rows.insert(Row(*NAME[:2], "endpoint", "e", "InService", {}))
        self.counted: dict[str, float] = {}
        metrics = BacklogMetrics(app.world.series, pool)
        metrics.count = lambda _, __, values: self.counted.update(values)  # type: ignore[method-assign]
        self.processing = Processing(app.world, metrics, pool)
        self.asked: list[Any] = []
        self.freed = 0

    def run(
        self,
        answer: Answer | Exception | None,
        expired: bool = False,
        topic: str = TOPIC,
        **order: Any,
    ) -> None:
        """The request is carried out."""
        given: Doc = {
            "InferenceId": "i",
            "timeout": 900,
            "body": b"hello",
            "output": "s3://bkt/out",
            "failure": "s3://bkt/failed",
            **order,
        }
        given = {name: value for name, value in given.items() if value is not None}
        send = Send("i", "", given, keep=FOREVER)
        self.world.messages.put(self.row.id, [send]).result()
        (message,) = self.world.messages.peek(self.row.id, 0, 1)
        self.clock.forward(2.0)
        notified = {"SuccessTopic": topic, "ErrorTopic": topic}
        config = {"OutputConfig": {"NotificationConfig": notified}}
        variant = Variant("v", 1.0, (Route("k", "i-1", (), ()),))
        endpoint = Endpoint(NAME, self.row.id, (variant,), asynchronous=config, role=ROLE)
        place = forward.Place(endpoint, variant, variant.routes[0])

        async def send_to(name: Name, target: str, passage: Any) -> Any:
            self.asked.append((name, target, passage))
            if isinstance(answer, Exception):
                if isinstance(answer, forward.Undelivered):
                    raise answer
                raise forward.NoAnswer(place, "primary") from answer
            return place, answer

        self.world.forward.send = send_to  # type: ignore[method-assign]

        def free() -> None:
            self.freed += 1

        job = Job(endpoint, "" if expired else "v", message, free, expired=expired)
        asyncio.run(self.processing(job))

    def told(self) -> Doc:
        queue = self.world.rows.get(*NAME[:2], "queue", "q")
        assert queue is not None
        (found,) = self.world.messages.peek(queue.id, 0, 10)
        return json.loads(found.body)

    def stored(self, key: str) -> bytes | None:
        try:
            found = self.ctx.call("s3", "GetObject", {"Bucket": "bkt", "Key": key})
        except AwsError:
            return None
        return found["Body"].read()

    def clear(self) -> None:
        """Nothing of the last test is left."""
        self.counted.clear()
        self.asked.clear()
        self.freed = 0
        self.world.messages.purge(self.row.id)
        queue = self.world.rows.get(self.ctx.account, self.ctx.region, "queue", "q")
        assert queue is not None
        self.world.messages.purge(queue.id)
        for key in ("out", "failed"):
            self.ctx.call("s3", "DeleteObject", {"Bucket": "bkt", "Key": key})

    def left(self) -> int:
        return self.world.messages.size(self.row.id)[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The stand of all tests of this module."""
    clock = Clock(1767225600.0)
    home = tmp_path_factory.mktemp("home") / "home"
    app = build(make_settings(home, isolation="process"), clock)
    with ThreadPoolExecutor(2) as pool:
        yield Stand(app, clock, pool)
    app.stop()


@pytest.fixture
def stand(shared: Stand) -> Iterator[Stand]:
    """The stand, empty."""
    yield shared
    shared.clear()


def ok(body: bytes = b"well", status: int = 200, after: str = "") -> Answer:
    more = {"retry-after": after} if after else {}
    return Answer(status, {"content-type": "text/x", **more}, body)


def test_a_success(stand: Stand) -> None:
    stand.run(ok())
    assert (stand.stored("out"), stand.stored("failed"), stand.left()) == (b"well", None, 0)
    told = stand.told()
    assert told["invocationStatus"] == "Completed"
    assert told["responseParameters"] == {
        "contentType": "text/x",
        "outputLocation": "s3://bkt/out",
    }
    assert stand.counted["InvocationsProcessed"] == 1
    assert stand.counted["TimeInBacklog"] == 2e6
    assert stand.counted["TotalProcessingTime"] == 2e3
    assert stand.freed == 1


def test_a_request_whose_time_has_passed_is_seen_by_no_model(stand: Stand) -> None:
    stand.run(None, expired=True)
    assert stand.asked == []
    assert stand.freed == 0
    assert "expired" in stand.told()["failureReason"]
    assert b"expired" in (stand.stored("failed") or b"")
    assert (stand.counted["ExpiredRequests"], stand.counted["InvocationFailures"]) == (1, 1)
    assert stand.left() == 0


@pytest.mark.parametrize("problem", [Broken("gone"), TimeoutError()])
def test_a_request_that_a_model_had_is_not_sent_again(stand: Stand, problem: Exception) -> None:
    stand.run(problem)
    assert stand.told()["invocationStatus"] == "Failed"
    assert stand.left() == 0


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (forward.NoReplica("v"), 1.0),
        (forward.NoEndpoint(NAME), 1.0),
        (ok(status=503, after="7"), 7.0),
        (ok(status=503, after="tomorrow"), 1.0),
    ],
)
def test_a_request_that_no_model_took_waits(stand: Stand, answer: Any, seconds: float) -> None:
    with pytest.raises(Later) as caught:
        stand.run(answer)
    assert caught.value.args == (seconds,)
    assert stand.left() == 1


def test_a_model_that_is_unwell_is_no_full_one(stand: Stand) -> None:
    stand.run(ok(b"unwell", 503))
    assert stand.stored("failed") == b"unwell"
    assert "server error (503)" in stand.told()["failureReason"]


def test_a_result_that_cannot_be_stored_is_told_as_a_failure(stand: Stand) -> None:
    stand.run(ok(), output="s3://none/out")
    told = stand.told()
    assert told["invocationStatus"] == "Failed"
    assert "Failed to upload the response to s3://none/out" in told["failureReason"]
    assert "responseParameters" not in told
    assert stand.counted["ResponseUploadFailures"] == 1
    assert stand.left() == 0


def test_a_topic_that_is_gone_fails_no_request(stand: Stand) -> None:
    stand.run(ok(), topic=TOPIC + "-gone")
    assert stand.stored("out") == b"well"
    assert stand.counted["NotificationFailures"] == 1
    assert stand.counted["InvocationsProcessed"] == 1
    assert stand.left() == 0


def test_without_paths_nothing_is_stored(stand: Stand) -> None:
    stand.run(ok(), output=None)
    assert stand.told()["invocationStatus"] == "Completed"
    assert stand.ctx.call("s3", "ListObjectsV2", {"Bucket": "bkt"})["KeyCount"] == 0


def test_an_input_that_is_too_large(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.services.sagemaker_runtime.processing.LARGEST", 4)
    body = stand.world.objects.spool_bytes(b"12345")
    stand.ctx.call("s3", "PutObject", {"Bucket": "bkt", "Key": "in", "Body": body})
    stand.run(ok(), body=None, input="s3://bkt/in")
    assert "larger than the limit of 1 GB" in stand.told()["failureReason"]
    assert stand.asked == []
    assert stand.counted["RequestDownloadFailures"] == 1


def test_an_answer_that_is_too_large_is_not_stored_in_part(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "LARGEST", 8)
    stand.run(ok(b"123456789"))
    assert stand.stored("out") is None
    assert b"it is larger than" in (stand.stored("failed") or b"")
    stand.clear()
    stand.run(ok(b"12345678"))
    assert stand.stored("out") == b"12345678"


@pytest.mark.parametrize("size", [4, 100_000])
def test_a_full_disk_asks_no_model_twice(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The result is stored once there is space; a large one, whose file is gone, is a failure."""
    monkeypatch.setattr(processing, "AGAIN", 0.0)
    call, failures = Ctx.call, [OSError(28, "No space left on device")] * 2

    def fails(ctx: Ctx, service: str, operation: str, request: Doc) -> Any:
        if operation == "PutObject" and failures:
            stand.world.objects.drop(request["Body"])
            raise failures.pop()
        return call(ctx, service, operation, request)

    monkeypatch.setattr(Ctx, "call", fails)
    stand.run(ok(b"x" * size))
    assert len(stand.asked) == 1
    assert stand.left() == 0
    if size < 1000:
        assert stand.stored("out") == b"x" * size
    else:
        assert b"could not be stored" in (stand.stored("failed") or b"")
        assert stand.told()["invocationStatus"] == "Failed"


def test_an_answer_that_the_disk_has_no_room_for(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        size = 0

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

        def abort(self) -> None:
            pass

    spool, full = stand.world.objects.spool, [Full()]
    monkeypatch.setattr(
        stand.world.objects, "spool", lambda *each: full.pop() if full else spool(*each)
    )
    stand.run(ok())
    assert len(stand.asked) == 1
    assert b"No space left" in (stand.stored("failed") or b"")
