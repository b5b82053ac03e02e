"""One execution environment: it begins, has one invocation at a time, stands still between them, ends.

Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Exited
from sagebrush.compute.shim import log as shim_log
from sagebrush.compute.shim import tied
from sagebrush.routing.functions import failures, lines
from sagebrush.routing.functions.blanks import Blank
from sagebrush.routing.functions.containers import Container
from sagebrush.routing.functions.lines import Report
from sagebrush.routing.functions.link import Said
from sagebrush.routing.functions.prepared import Prepared
from sagebrush.routing.functions.values import UNHANDLED, FunctionVersion, Invocation, Outcome

log = logging.getLogger(__name__)

INIT = 10.0
"""Seconds that the beginning may take ("Init phase")."""
STILL = 0.1
"""Seconds after an invocation until the environment stands still: one that comes at once finds it
awake."""
TAIL = 4096
"""Bytes of an invocation's log that its caller may ask for."""
LOG_LIMIT = 64 << 20
"""The most bytes of one environment's log that are kept."""
CLOSING = 30.0
"""Seconds that an environment's end may take before its log is finished without it."""


@dataclass(frozen=True)
class Given:
    """What the Runtime API's `next` answers."""

    invocation: Invocation
    deadline: float
    """In seconds since the epoch."""


@dataclass
class _Turn:
    """The invocation under way."""

    invocation: Invocation
    answer: asyncio.Future[tuple[bytes, str, str] | None]
    """(payload, "" or Unhandled, error type); None where there will be none"""
    begun: float = 0.0
    """By the loop's clock."""
    ended: float = 0.0
    pieces: asyncio.Queue[bytes | None] | None = None
    """Where the pieces of a streamed response go."""


class Ended(Exception):
    """The environment is gone before it could take the invocation."""


class Environment:
    """One execution environment. Used in the event loop's thread."""

    def __init__(
        self,
        blank: Blank | Container,
        version: FunctionVersion,
        prepared: Prepared,
        clock: Callable[[], float],
    ) -> None:
        """`blank` becomes an environment of `version`, and begins."""
        self.key = blank.key
        self.version = version
        self.expires = prepared.expires
        self.stream = ""
        """The log stream that shows its log."""
        self.directory: Path = blank.spec.root
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._asked: asyncio.Future[Given] | None = None
        self._given: Given | None = None
        self._turn: _Turn | None = None
        self._link = blank.link
        self._gone = blank.link.ended
        self._said: asyncio.Future[Said] | None = None
        self._closers = blank.closers
        self._resting: asyncio.TimerHandle | None = None
        self._frozen = False
        self._failure: tuple[bytes, str] | None = None
        """What the runtime said kept it from beginning: (document, error type)."""
        self._first: float | None = None
        """Seconds that the beginning took, until an invocation's report has them."""
        self.late = 0.0
        """Seconds of the next invocation's time that the beginning took, which was within it."""
        self._reason = ""
        self.used = time.monotonic()
        """When it last had an invocation."""
        self.retired = False
        """It ends after the invocation under way."""
        self.counted = True
        """Its memory is counted as taken."""
        self._link.begin(prepared.told)
        self._gone.add_done_callback(self._ended)

    # -- life

    def _ended(self, _gone: asyncio.Future[None]) -> None:
        """Its shim is gone, and with it all that ran."""
        for closer in self._closers:
            closer()
        self._closers.clear()
        if self._resting is not None:
            self._resting.cancel()
        if self._asked is not None and not self._asked.done():
            self._asked.cancel()
        if self._turn is not None and not self._turn.answer.done():
            self._turn.answer.set_result(None)

    @property
    def live(self) -> bool:
        """Whether it can take an invocation, as far as is known."""
        return not self._gone.done() and not self._reason

    @property
    def begun(self) -> bool:
        """Whether its runtime has asked for an event."""
        return self._ready.done() and self._failure is None

    def end(self, reason: str = "stopped") -> None:
        """It is ended; repeatable."""
        self._reason = self._reason or reason
        self._link.kill(reason)

    def close(self) -> None:
        """Its connection is closed, which ends it."""
        self._reason = self._reason or "stopped"
        self._link.close()

    async def gone(self) -> None:
        """Returns once nothing of it runs."""
        await asyncio.shield(self._gone)

    async def ready(self, seconds: float = INIT) -> bool:
        """Whether its runtime has asked for an event within so long; False where it has ended, said
        why it cannot, or the time is over."""
        waited = {self._ready, self._gone}
        await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return self._ready.done() and self._failure is None and not self._gone.done()

    # -- the Runtime API, as its gate calls it

    async def next(self) -> Given:
        """The next event, once there is one: whoever asks last gets it. Raises CancelledError at the
        environment's end, and where another asks meanwhile."""
        if not self._ready.done():
            self._first = time.monotonic() - self._began
            self._ready.set_result(None)
            self._link.ready()
        if self._given is not None:
            given, self._given = self._given, None
            return given
        if self._asked is not None:  # the one before may have lost its connection
            self._asked.cancel()
        self._asked = self._loop.create_future()
        return await self._asked

    def failed_to_begin(self, body: bytes, kind: str) -> None:
        """The runtime cannot begin, and says why."""
        self._failure = (body, kind)
        if not self._ready.done():
            self._first = time.monotonic() - self._began
            self._ready.set_result(None)
            self._link.ready()
        elif self._turn is not None:
            self._answer((body, UNHANDLED, kind))

    def knows(self, request_id: str) -> bool:
        """Whether that invocation is under way and not answered."""
        turn = self._turn
        return (
            turn is not None and turn.invocation.request_id == request_id and not turn.answer.done()
        )

    def succeeded(self, request_id: str, body: bytes) -> bool:
        """The result of that invocation; whether that is under way."""
        return self._told(request_id, (body, "", ""))

    def too_large(self, request_id: str, limit: int) -> bool:
        """The result of that invocation is larger than the `limit`; whether that is under way."""
        document = failures.too_large_document(limit)
        return self._told(request_id, (document, UNHANDLED, failures.TOO_LARGE))

    def failed(self, request_id: str, body: bytes, kind: str) -> bool:
        """The error of that invocation; whether that is under way."""
        return self._told(request_id, (body, UNHANDLED, kind or failures.UNREADABLE))

    def _told(self, request_id: str, answer: tuple[bytes, str, str]) -> bool:
        """An answer takes its time: the environment may have another invocation since it began."""
        known = self.knows(request_id)
        if known:
            self._answer(answer)
        return known

    def streams(self, request_id: str) -> bool:
        """Whether somebody reads that invocation's response as it comes."""
        turn = self._turn
        return self.knows(request_id) and turn is not None and turn.pieces is not None

    async def passed_on(self, request_id: str, piece: bytes) -> bool:
        """The piece of that invocation's response is on its way to who reads it; False where the
        invocation is not under way, or ends before there is room for the piece."""
        turn = self._turn
        if not self.streams(request_id) or turn is None or turn.pieces is None:
            return False
        with contextlib.suppress(asyncio.QueueFull):
            turn.pieces.put_nowait(piece)
            return True
        put = asyncio.ensure_future(turn.pieces.put(piece))
        try:
            over = {put, turn.answer, self._gone}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            return put.done()
        finally:
            put.cancel()

    @property
    def busy(self) -> bool:
        """Whether an invocation is under way."""
        return self._turn is not None

    def _answer(self, answer: tuple[bytes, str, str]) -> None:
        turn = self._turn
        if turn is not None and not turn.answer.done():
            turn.ended = time.monotonic()
            turn.answer.set_result(answer)

    # -- one invocation

    async def invoke(
        self,
        invocation: Invocation,
        pieces: asyncio.Queue[bytes | None] | None = None,
    ) -> Outcome:
        """What came of the invocation. Raises Ended where it cannot have begun."""
        if not await self._awake():
            raise Ended
        turn = self._turn = _Turn(invocation, self._loop.create_future(), pieces=pieces)
        version, now = self.version, self._clock()
        text = lines.started(invocation.request_id, version.version, now, version.as_json)
        if self._first is not None or self.late:  # what its beginning wrote comes first
            written = self._link.finish("")
            await asyncio.wait({written, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        self._link.say(text)
        late, self.late = self.late, 0.0
        turn.begun = time.monotonic() - late
        self._give(Given(invocation, now + version.timeout - late))
        answer = await self._answered(turn)  # who is cancelled here leaves it busy: it is ended
        self._turn = None
        if answer is None:
            return await self._broken(turn)
        return await self._reported(turn, answer)

    async def _awake(self) -> bool:
        """Whether it is there, goes on, and what it said before is in its log."""
        if self._said is not None and not self._said.done():
            await asyncio.wait({self._said, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        # nothing is waited for from here until the invocation is under way: it stays awake
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._frozen:
            self._frozen = False
            self._link.freeze(False)
        return self.live

    def _give(self, given: Given) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(given)
            self._asked = None
        else:
            self._given = given

    async def _answered(self, turn: _Turn) -> tuple[bytes, str, str] | None:
        """The answer; None where the time was over or the environment ended first."""
        left = turn.begun + self.version.timeout - time.monotonic()
        timer = self._loop.call_later(left, self._time_over, turn)
        try:
            answer = await turn.answer
        finally:
            timer.cancel()
        if answer is None:
            turn.ended = time.monotonic()
        return answer

    def _time_over(self, turn: _Turn) -> None:
        if not turn.answer.done():
            turn.answer.set_result(None)
            self.end("timeout")

    def _report(self, turn: _Turn, used: str, status: str = "success", error: str = "") -> str:
        """The last lines of the invocation's log."""
        first, self._first = self._first, None
        version = self.version
        report = Report(turn.ended - turn.begun, version.memory, used, first, status, error)
        at = self._clock()
        return lines.ended(turn.invocation.request_id, report, at, version.as_json)

    async def _reported(self, turn: _Turn, answer: tuple[bytes, str, str]) -> Outcome:
        payload, error, kind = answer
        status = "error" if kind and kind != failures.TOO_LARGE else "success"
        text = self._report(turn, tied.PEAK, status, kind)
        end = self._said = self._link.finish(text)
        end.add_done_callback(self._rest)
        self.used = time.monotonic()
        tail = b""
        if turn.invocation.tail:
            await asyncio.wait({end, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            tail = self._read(end.result().before) if end.done() and not end.cancelled() else b""
        return Outcome(payload, error, tail, self.version.version)

    def _rest(self, said: asyncio.Future[Said]) -> None:
        """It stands still in a while, unless an invocation comes."""
        if not said.cancelled() and self.live and self._turn is None:
            if self._resting is not None:
                self._resting.cancel()
            self._resting = self._loop.call_later(STILL, self._stand_still)

    def _stand_still(self) -> None:
        self._resting = None
        if self._turn is None and self.live:
            self._frozen = True
            self._link.freeze(True)

    async def _broken(self, turn: _Turn) -> Outcome:
        """The environment ended in the middle: why, in its log and for the caller."""
        request_id, version = turn.invocation.request_id, self.version
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._gone), CLOSING)
        exited = record.ended(self.directory)
        at = self._clock()
        used = self._peak(exited)
        if self._reason == "timeout":
            text = lines.timed_out(request_id, version.timeout, at, version.as_json)
            text += self._report(turn, used, "timeout", lines.TIMED_OUT)
            payload = failures.timeout_document(request_id, version.timeout)
        else:
            kind, message = failures.of_exit(exited)
            text = lines.exited(request_id, kind, message, version.as_json)
            text += self._report(turn, used, "error", kind)
            payload = failures.exit_document(request_id, kind, message)
        self._append(text)
        return Outcome(
            payload,
            UNHANDLED,
            self._tail(request_id) if turn.invocation.tail else b"",
            version.version,
        )

    def _peak(self, exited: Exited | None) -> str:
        """MB that it used, which has ended; beyond its limit is only what nobody looked at in time."""
        used = -(-(exited.peak_memory if exited else 0) >> 20)
        return str(min(used, self.version.memory))

    def _append(self, text: str) -> None:
        """The log of the environment, which has ended, goes on with `text`."""
        try:
            record.append(self.directory, LOG_LIMIT, text, int(self._clock() * 1000))
        except OSError:
            log.exception("the log of %s could not be finished", self.key)

    def _tail(self, request_id: str) -> bytes:
        """The end of the log of the invocation, of an environment that has ended."""
        found = self._read(0)
        return found[max(0, found.find(f"START RequestId: {request_id}".encode())) :]

    def _read(self, begin: int) -> bytes:
        """The end of what the log holds from there on; a carriage return within an event is a new
        line (`toolkit.lambda_`)."""
        log = str(self.directory)
        found = shim_log.read_bytes(log, max(begin, shim_log.end(log) - TAIL))
        return found.replace(b"\r", b"\n")[-TAIL:]

    # -- where it could not begin

    async def given_up(self) -> None:
        """It is ended, and its log says that its beginning failed: another is tried within the
        invocation."""
        init = self.waited
        _, kind, _ = await self._unbegun("", init)
        self._append(lines.begun(init, kind, self._clock(), self.version.as_json))

    def begun_late(self) -> None:
        """Its beginning, which was within the invocation, counts as the invocation's own."""
        self.late, self._first = self._first or 0.0, None

    async def unbegun(self, invocation: Invocation, init: float) -> Outcome:
        """What the caller is told where the beginning failed again, after `init` seconds."""
        version, request_id = self.version, invocation.request_id
        turn = _Turn(invocation, self._loop.create_future())
        turn.begun = time.monotonic()
        payload, kind, status = await self._unbegun(request_id, init)
        at, as_json = self._clock(), version.as_json
        text = lines.begun(init, kind, at, as_json, "invoke")
        text += lines.started(request_id, version.version, at, as_json)
        if self._failure is None and status == "error":
            _, message = failures.of_exit(record.ended(self.directory))
            text += lines.exited(request_id, kind, message, as_json)
        self._first = None
        turn.ended = turn.begun + init
        text += self._report(turn, self._peak(record.ended(self.directory)), status, kind)
        self._append(text)
        tail = self._read(0) if invocation.tail else b""
        return Outcome(payload, UNHANDLED, tail, version.version)

    async def _unbegun(self, request_id: str, init: float) -> tuple[bytes, str, str]:
        """Why it could not begin, once nothing of it runs: (document, error type, status)."""
        failure = self._failure
        over = failure is None and not self._gone.done()
        self.end("timeout" if over else "stopped")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._gone), CLOSING)
        if failure is not None:
            return *failure, "error"
        if over:
            return failures.timeout_document(request_id, init), lines.TIMED_OUT, "timeout"
        kind, message = failures.of_exit(record.ended(self.directory))
        return failures.exit_document(request_id, kind, message), kind, "error"

    @property
    def waited(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began
