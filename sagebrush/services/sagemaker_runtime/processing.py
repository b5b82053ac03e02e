"""One asynchronous request, from its queue to its result: read, asked, stored, told, deleted.

In that order, so that a crash repeats what was in flight and loses nothing. A request that a model
has had is not sent to another: whatever it answers, or that it does not, is the result. Source:
SageMaker guide, "Asynchronous inference"; a model's container has the execution role's rights.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from sagebrush.errors import AwsError, Doc
from sagebrush.net.http_client import Answer, Body, Broken, Pool, Stream
from sagebrush.routing.backlog import Job, Later
from sagebrush.routing.backlog_metrics import BacklogMetrics
from sagebrush.routing.forward import NoAnswer, NoEndpoint, NoReplica, NoVariant, Place, Undelivered
from sagebrush.routing.passage import Passage, Undirected
from sagebrush.services.sagemaker_runtime import asynchronous, failures, invoke
from sagebrush.services.sagemaker_runtime.notifications import INCLUDED, notification
from sagebrush.store.generations import Outdated
from sagebrush.store.spool import INLINE, Spooled
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

LARGEST = 1 << 30
"""Bytes of an input ("large payload sizes (up to 1GB)")."""
IN_MEMORY = 1 << 20
"""Bytes of an input that are sent in one piece."""
SAID = 1 << 20
"""Bytes of a model's refusal that the failure's object holds."""
RETRY = 1.0
"""Seconds until a request is tried again that no replica took."""
AGAIN = 5.0
"""Seconds until a result is stored again that could not be."""
SEE = " See the SageMaker Endpoint logs in your account for more information."


@dataclass
class Outcome:
    """How a request ended."""

    body: Spooled | None = None
    """What the model answered, or what is said of the failure."""
    type: str = "application/octet-stream"
    reason: str = ""
    """Why it failed; "" where it did not."""
    place: Place | None = None
    """The replica that had it."""
    counts: dict[str, float] = field(default_factory=dict)
    """Values of metrics."""


class Processing:
    """Carries out requests (`routing.backlog.Work`)."""

    def __init__(self, world: World, metrics: BacklogMetrics, pool: Executor) -> None:
        """`pool` runs what waits for the disk."""
        self._world = world
        self._metrics = metrics
        self._pool = pool

    async def __call__(self, job: Job) -> None:
        """The request has ended: its result is stored and told, and its message is gone. Raises Later
        where no replica took it."""
        began = self._world.clock()
        ctx = self._world.service_ctx(self._role(job), job.endpoint.name[1])
        if job.expired:
            outcome = self._failed(
                "ClientError: The request expired: it was not processed within its time to live"
                " (RequestTTLSeconds)."
            )
            outcome.counts["ExpiredRequests"] = 1.0
        else:
            outcome = await self._answered(ctx, job)
            outcome.counts["TimeInBacklog"] = max(0.0, began - job.message.sent) * 1e6
            job.answered()
        await self._end(ctx, job, outcome)
        ended = self._world.clock()
        outcome.counts["TotalProcessingTime"] = max(0.0, ended - job.message.sent) * 1e3
        outcome.counts["InvocationFailures" if outcome.reason else "InvocationsProcessed"] = 1.0
        variant = job.variant or job.endpoint.variants[0].name
        self._metrics.count(job.endpoint.name, variant, outcome.counts)

    async def _aside(self, function: Callable[P, T], *args: P.args, **given: P.kwargs) -> T:
        """What `function` answers, in a thread, as part of this task's work (`store.generations`)."""
        context = contextvars.copy_context()

        def run() -> T:
            return context.run(function, *args, **given)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def _role(self, job: Job) -> str:
        account = job.endpoint.name[0]
        return job.endpoint.role or f"arn:aws:iam::{account}:role/{self._world.settings.role}"

    # ---- the model

    async def _answered(self, ctx: Ctx, job: Job) -> Outcome:
        """What the model answers to the request's input."""
        loop, order = asyncio.get_running_loop(), job.message.more
        since = loop.time()
        try:
            body, length, kind = await self._aside(self._input, ctx, order)
        except AwsError as error:
            outcome = self._failed(
                f"ClientError: Failed to download the input from {order.get('input')}:"
                f" {error.message}"
            )
            outcome.counts["RequestDownloadFailures"] = 1.0
            return outcome
        took = (loop.time() - since) * 1e6
        sent = {**order, "ContentType": order.get("ContentType") or kind}
        outcome = await self._asked(job, sent, body, length)
        outcome.counts["RequestDownloadLatency"] = took
        return outcome

    def _input(self, ctx: Ctx, order: Doc) -> tuple[Body, int, str | None]:
        """The request's body, its length and type. Raises AwsError."""
        if "body" in order:
            return order["body"], len(order["body"]), None
        place = asynchronous.place(order["input"])
        assert place is not None  # InvokeEndpointAsync saw to it
        found = ctx.call("s3", "GetObject", {"Bucket": place[0], "Key": place[1]})
        blob = found["Body"]
        if blob.length > LARGEST:
            words = f"The input of {blob.length} bytes is larger than the limit of 1 GB."
            raise AwsError("ValidationError", words)
        kind = found.get("ContentType")
        if blob.length > IN_MEMORY:
            return blob, blob.length, kind
        return blob.read(), blob.length, kind

    async def _asked(self, job: Job, sent: Doc, body: Body, length: int) -> Outcome:
        """Sends the request to a replica, and takes its answer. Raises Later."""

        def head(before: Answer | None, last: bool) -> bytes:
            asked = {**sent, **({} if last else {"Accept": None})}
            if before is not None:
                asked["ContentType"] = before.headers.get("content-type")
            return invoke.head(asked, length if before is None else len(before.body))

        passage = Passage(head, body, float(sent["timeout"]), Pool.open)
        passage.queued, passage.replica = True, job.replica
        try:
            place, answer = await self._world.forward.send(job.endpoint.name, job.variant, passage)
        except NoAnswer as problem:
            told = failures.told(problem, job.endpoint.name, job.variant)
            return self._failed(f"ClientError: {told.message}", problem.place)
        except (NoReplica, NoVariant, NoEndpoint):
            raise Later(RETRY) from None
        except (Undelivered, Undirected) as problem:
            told = failures.told(problem, job.endpoint.name, job.variant)
            return self._failed(f"ClientError: {told.message}")
        if answer.status == 503 and "retry-after" in answer.headers:
            if isinstance(answer, Stream):
                answer.close()
            raise Later(_seconds(answer.headers["retry-after"]))
        return await self._taken(place, passage.at, answer)

    async def _taken(self, place: Place, at: str, answer: Stream | Answer) -> Outcome:
        """The answer, on disk."""
        kind = answer.headers.get("content-type", "application/octet-stream")
        good = 200 <= answer.status < 300
        try:
            body = await self._spooled(answer, None if good else SAID)
        except (Broken, TimeoutError) as error:
            why = "timed out" if isinstance(error, TimeoutError) else f"failed: {error}"
            return self._failed(f"ClientError: The response of container {at} {why}.{SEE}", place)
        except OSError as error:  # a full disk; the model has had the request all the same
            log.warning("a response of %s was not kept: %s", place.endpoint.name[2], error)
            why = f"could not be stored: {error.strerror}"
            return self._failed(f"ClientError: The response of container {at} {why}.{SEE}", place)
        if good:
            return Outcome(body, kind, place=place)
        side = "client" if 400 <= answer.status < 500 else "server"
        reason = f"ClientError: Received {side} error ({answer.status}) from model.{SEE}"
        return Outcome(body, kind, reason, place)

    async def _spooled(self, answer: Stream | Answer, told: int | None) -> Spooled:
        """The body, or only its first `told` bytes, as S3 stores it. Raises TimeoutError, and Broken
        also for a whole one of more than LARGEST."""
        most = LARGEST if told is None else told
        large = Broken(f"it is larger than {LARGEST >> 20} MiB")  # a part of it is no answer
        writer = self._world.objects.spool(("CRC64NVME",))
        try:
            if isinstance(answer, Answer):
                if told is None and len(answer.body) > most:
                    raise large
                writer.write(answer.body[:most])
            else:
                async for piece in answer:
                    if told is None and len(piece) > most - writer.size:
                        answer.close()
                        raise large
                    wait = writer.write(piece[: most - writer.size])
                    if wait is not None:
                        await asyncio.wrap_future(wait)
                    if told is not None and writer.size >= most:
                        answer.close()
                        break
            if writer.size <= INLINE:
                return writer.finish()
            return await self._aside(writer.finish)
        except BaseException:
            writer.abort()
            raise

    def _failed(self, reason: str, place: Place | None = None) -> Outcome:
        """A failure that no model's answer tells of: the reason itself is what is stored."""
        text = json.dumps({"failureReason": reason}).encode()
        body = self._world.objects.spool_bytes(text)
        return Outcome(body, "application/json", reason, place)

    # ---- the result

    async def _end(self, ctx: Ctx, job: Job, outcome: Outcome) -> None:
        """The result is stored and told. What fails unexpectedly (a full disk) is tried again: the
        request must not be, since a model has had it."""
        while True:
            try:
                return await self._aside(self._conclude, ctx, job, outcome)
            except Outdated:  # the endpoint was deleted
                raise
            except Exception:
                words = "the result of a request of endpoint %s could not be stored"
                log.exception(words, job.endpoint.name[2])
            await asyncio.sleep(AGAIN)

    def _conclude(self, ctx: Ctx, job: Job, outcome: Outcome) -> None:
        """The result is in S3, whoever is to be told is told, and then the message is deleted."""
        order, config = job.message.more, (job.endpoint.asynchronous or {})["OutputConfig"]
        notified = config.get("NotificationConfig") or {}
        # read before S3 has the body, which may be another file then
        told = self._told(notified, outcome)
        location = order.get("failure" if outcome.reason else "output")
        began = self._world.clock()
        try:
            self._store(ctx, location, outcome)
        except AwsError as error:
            outcome.counts["ResponseUploadFailures"] = 1.0
            outcome.reason = (
                f"ClientError: Failed to upload the response to {location}: {error.message}"
            )
            location, told = None, None
        outcome.counts["ResponseUploadLatency"] = (self._world.clock() - began) * 1e6
        if outcome.reason:
            self._write_log(job, outcome)
        self._tell(ctx, job, outcome, notified, {"location": location, "body": told})
        self._world.messages.delete(job.endpoint.row_id, [(job.message.id, 0)]).result()

    @staticmethod
    def _told(notified: Doc, outcome: Outcome) -> bytes | None:
        """The response, where the notification is to include it."""
        kind = "ERROR" if outcome.reason else "SUCCESS"
        included = notified.get("IncludeInferenceResponseIn") or ()
        body = outcome.body
        if f"{kind}_NOTIFICATION_TOPIC" not in included or body is None or body.size > INCLUDED:
            return None
        return body.read()

    def _store(self, ctx: Ctx, location: str | None, outcome: Outcome) -> None:
        """The body is an object at the location; dropped where there is none. Raises AwsError."""
        body, outcome.body = outcome.body, None
        if body is None:
            return
        place = asynchronous.place(location) if location else None
        if place is None:
            self._world.objects.drop(body)
            return
        request = {"Bucket": place[0], "Key": place[1], "Body": body, "ContentType": outcome.type}
        try:
            ctx.call("s3", "PutObject", request)
        except AwsError:
            self._world.objects.drop(body)  # the operation may not have seen it; harmless otherwise
            raise
        except Exception:
            if body.path is not None:  # S3 has dropped the file, and no model is asked again
                lost = self._failed(f"ClientError: The response could not be stored at {location}.")
                outcome.reason, outcome.type, body = lost.reason, lost.type, lost.body
            outcome.body = body
            raise

    def _tell(self, ctx: Ctx, job: Job, outcome: Outcome, notified: Doc, stored: Doc) -> None:
        topic = notified.get("ErrorTopic" if outcome.reason else "SuccessTopic")
        if not topic:
            return
        facts: Doc = {"type": outcome.type, **stored}
        if outcome.reason:
            facts["reason"] = outcome.reason
        times = (job.message.sent, self._world.clock())
        _, region, name = job.endpoint.name
        message = notification(region, name, job.message.more, times, facts)
        try:
            ctx.call("sns", "Publish", {"TopicArn": topic, "Message": json.dumps(message)})
        except AwsError as error:
            outcome.counts["NotificationFailures"] = 1.0
            self._write_log(job, outcome, f"Failed to notify {topic}: {error.message}")

    def _write_log(self, job: Job, outcome: Outcome, text: str = "") -> None:
        """A line of the request is in the platform's log (guide, "Logs": `.../data-log`)."""
        account, region, name = job.endpoint.name
        variant = outcome.place.variant.name if outcome.place else job.variant or "AllTraffic"
        instance = outcome.place.route.replica if outcome.place else "queue"
        group, stream = f"/aws/sagemaker/Endpoints/{name}", f"{variant}/{instance}/data-log"
        streams = self._world.streams
        streams.add_group(account, region, group)
        streams.add_stream(account, region, group, stream)
        line = f"{job.message.more['InferenceId']}: {text or outcome.reason}"
        for found in streams.streams(account, region, group):
            if found.name == stream:
                streams.put(found, [(int(self._world.clock() * 1000), line)])


def _seconds(text: str) -> float:
    return min(60.0, max(0.1, float(text))) if text.isdecimal() else RETRY
