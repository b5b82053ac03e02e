"""A transform job's instance at work: each object read, cut, sent, joined and written, all at once.

One thread reads and writes objects; as many others as MaxConcurrentTransforms have a request each.
The answers of an object are written in the order of its records. An object that fails is given up, the
others go on ("Troubleshooting" of batch transform in the developer guide).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

from sagebrush.companion import fetch
from sagebrush.companion.transform import plan as plans
from sagebrush.companion.transform import records
from sagebrush.companion.transform.journal import Journal
from sagebrush.companion.transform.model import Away, Failed, Model
from sagebrush.companion.transform.plan import Plan
from sagebrush.companion.transform.processing import Unusable
from sagebrush.companion.transform.records import Payload
from sagebrush.companion.transform.store import Refused, Stopped, Upload, Writer

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

SMALL = 8 * records.MIB
"""Payloads up to this size wait for a free thread one for each, larger ones one for all."""
REASON = 900
"""Characters of a FailureReason that are ours."""
SEE = "See job logs for more information."


@dataclass
class Work:
    """An object that is being transformed."""

    number: int
    bucket: str
    key: str
    upload: Upload
    records: int = 0
    failed: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """As AWS's data-log calls it."""
        return f"{self.bucket}/{self.key}"


Sent = tuple[Work, Payload | None, "Future[bytes] | None"]
"""A request and its coming answer; None for the end of the object."""


class Drive:
    """One run over the objects of a plan. `say` writes a line of the data-log."""

    def __init__(
        self,
        plan: Plan,
        role: fetch.Role,
        journal: Journal,
        say: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._say = say
        self._stopping = stopping
        self._reader = fetch.Reader(role)
        self._writer = Writer(role, stopping)
        self._own = threading.local()
        self._models: list[Model] = []
        self._sent: deque[Sent] = deque()
        self._processing = plans.processing(plan)
        self.way = plans.way(plan, self._model().parameters())
        self._cut = plans.cut(plan, self.way, self._processing)
        self.failures: list[str] = []
        """Why objects failed, in the words of a FailureReason."""
        self._done = dict(journal.past.done)
        self._records = sum(self._done.values())

    def _model(self) -> Model:
        """This thread's own connections to the model."""
        if not hasattr(self._own, "model"):
            plan = self._plan
            self._own.model = Model(
                plan["containers"], plan["timeout"], plan["retries"], self._stopping
            )
            self._models.append(self._own.model)
        return self._own.model

    # ---- the run

    def run(self) -> None:
        """Every object has its output, or its reason in `failures`. Raises Stopped."""
        self._say(self.way.told())
        self._clean()
        count = self.way.concurrency
        ahead = 2 * count if 0 < self.way.payload * records.MIB <= SMALL else count + 1
        pool = ThreadPoolExecutor(count, thread_name_prefix="request")
        try:
            for number in range(len(self._plan["objects"])):
                if number not in self._done:
                    self._object(number, pool, ahead)
            while self._sent:
                self._take()
        except BaseException:
            self._stopping.set()
            self._give_up()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._progress(True)
            self._close()

    def _close(self) -> None:
        """What is still asked fails, and no connection is left."""
        self._stopping.set()
        for each in (*self._models, self._reader, self._writer, self._journal):
            each.close()

    def _clean(self) -> None:
        """What an earlier run had begun to upload is gone."""
        for number, upload in list(self._journal.past.begun.items()):
            self._writer.abort(self._output(number), upload)
            self._journal.note(aborted=number)

    def _output(self, number: int) -> tuple[str, str]:
        return self._plan["bucket"], f"{self._plan['prefix']}{self._plan['objects'][number][4]}.out"

    def _object(self, number: int, pool: ThreadPoolExecutor, ahead: int) -> None:
        """The object's requests are on their way, those before them that are done are written."""
        bucket, key, _, _, _ = self._plan["objects"][number]

        def noted(upload: str) -> None:
            self._journal.note(begun=number, upload=upload)

        work = Work(number, bucket, key, Upload(self._writer, self._output(number), {}, noted))
        pieces: Iterator[Any] = self._reader.stream(bucket, key)
        source = records.gunzipped(pieces) if self._plan["gzip"] else pieces
        try:
            if self._cut.flows:
                self._flow(work, source)
            else:
                self._requests(work, source, pool, ahead)
        except (records.TooLarge, records.Broken, Unusable) as error:
            self._fail(work, "", Failed("ClientError", str(error)))
        except Failed as error:
            self._fail(work, "", error)
        except fetch.Gone as error:
            self._fail(work, "", Failed("ClientError", f"Unable to read the object: {error}"))
        finally:
            pieces.close()  # type: ignore[attr-defined]
        self._sent.append((work, None, None))

    def _requests(
        self, work: Work, source: Iterator[Any], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        for payload in self._cut.payloads(source):
            self._check()
            while len(self._sent) >= ahead or (self._sent and self._ready()):
                self._take()
            if work.failed:
                break
            self._sent.append((work, payload, pool.submit(self._ask, payload)))

    def _flow(self, work: Work, source: Iterator[Any]) -> None:
        """The object is one request, whose body is sent as it is read; nothing is sent beside it."""
        while self._sent:
            self._take()
        self._check()
        body = records.Flow(source, self._plan["split"])
        if body.empty:
            return
        plan = self._plan
        answer = self._model().invoke(body, plan["content_type"], plan["accept"]).body
        payload = Payload(b"", 1, body.count)
        done: Future[bytes] = Future()
        done.set_result(self._ended(answer))
        self._sent.append((work, payload, done))

    def _ready(self) -> bool:
        future = self._sent[0][2]
        return future is None or future.done()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _ask(self, payload: Payload) -> bytes:
        """The output for a request; in a thread of the pool."""
        plan = self._plan
        answer = self._model().invoke(payload.body, plan["content_type"], plan["accept"]).body
        if self._processing is not None and self._processing.answers:
            answer = self._processing.output(payload, answer, _new_id)
        return self._ended(answer)

    def _ended(self, answer: bytes) -> bytes:
        """The answer as it is put together with others (AssembleWith)."""
        return answer + b"\n" if self._plan["lines"] and not answer.endswith(b"\n") else answer

    # ---- what comes back

    def _take(self) -> None:
        """The oldest request's answer is written, or its object has failed; the object's end is
        reached."""
        work, payload, future = self._sent.popleft()
        if work.failed:
            if future is not None:
                future.cancel()
            return
        try:
            if payload is None or future is None:
                self._finish(work)
                return
            answer = self._answer(future)
            work.upload.add(answer)
            work.records += payload.count
            self._records += payload.count
            self._progress()
        except Away as error:
            raise Stopped from error
        except Failed as error:
            self._fail(work, _which(payload), error)
        except Unusable as error:
            self._fail(work, _which(payload), Failed("ClientError", str(error)))
        except Refused as error:
            text = f"Unable to write the output: {error}"
            self._fail(work, "", Failed("ClientError", text))

    def _answer(self, future: Future[bytes]) -> bytes:
        while True:
            try:
                return future.result(0.5)
            except TimeoutError:
                if future.done():
                    raise
                self._check()
                self._progress()

    def _finish(self, work: Work) -> None:
        work.upload.finish()
        self._journal.note(done=work.number, records=work.records)
        self._done[work.number] = work.records
        took = time.monotonic() - work.began
        words = f"{work.records} record{'s' if work.records != 1 else ''}"
        self._say(f"{work.name}: transformed {words} in {took:.2f} s")
        self._progress()

    def _fail(self, work: Work, which: str, error: Failed) -> None:
        """The object has no output: its upload is aborted, and the log says why."""
        if work.failed:
            return
        work.failed = True
        work.upload.abort()
        self._journal.note(aborted=work.number)
        self._records -= work.records
        first = f"{error.whose}: {error}" if str(error).isdecimal() else str(error)
        self._say(f"{work.name}: {first}")
        if which:
            self._say(f"{work.name}: in {which}")
        if error.message:
            for line in ("", "Message:", *error.message.splitlines()):
                self._say(f"{work.name}: {line}")
        place = f"{work.name}, {which}" if which else work.name
        more = f" Message: {' '.join(error.message.split())}" if error.message else ""
        self.failures.append(f"{error.whose}: {SEE} ({place}: {first}.{more}"[:REASON] + ")")

    def _give_up(self) -> None:
        """No upload is left over."""
        for work in {id(work): work for work, _, _ in self._sent}.values():
            if not work.failed:
                work.upload.abort()
                self._journal.note(aborted=work.number)
        self._sent.clear()

    def _progress(self, now: bool = False) -> None:
        values = {
            "objects": len(self._plan["objects"]),
            "done": len(self._done),
            "failed": len(self.failures),
            "records": self._records,
        }
        self._journal.progress(values, now)


def _new_id() -> str:
    return str(uuid4())


def _which(payload: Payload | None) -> str:
    if payload is None:
        return ""
    if payload.count == 1:
        return f"record {payload.first}"
    return f"records {payload.first} to {payload.first + payload.count - 1}"
