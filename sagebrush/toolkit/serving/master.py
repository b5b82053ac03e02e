"""The master of a model server: accepts connections, hands requests to workers, replaces workers.

It answers /ping itself, and hands each connection that has a request waiting to a free worker, so a
busy worker never holds up a request that another could take. It imports nothing of the model's, so
workers are forked without it.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from sagebrush.toolkit.serving import backlog, batches, callers, forks, upkeep, worker, workers
from sagebrush.toolkit.serving.callers import Waiting
from sagebrush.toolkit.serving.workers import LOOK, Limits, Worker

PARAMETERS = (
    b'{"MaxConcurrentTransforms": %d, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6,'
    b' "BatchSize": %d}'
)
"""AWS's members, and how many requests of each worker are answered together: who feeds the server
from a queue sends so many more at a time."""
PING_HOLD = 1.0
"""Seconds that a /ping waits for the model before it is answered with 503."""
GIVE_UP = 5
"""Workers that may fail to load in a row, with none alive, before the server ends."""
AT_ONCE = 64
"""Connections accepted before requests are looked at again."""
LOADING = 3600.0
"""Seconds that a worker may take to load the model: the most that a variant may grant."""
LINGER = 5.0
"""Seconds for which a refused caller may go on sending."""
OLD = 0.05
"""Seconds of waiting after which a caller may have left."""


class Master:
    """The listening socket, the connections that wait, and the workers."""

    def __init__(
        self,
        listener: socket.socket,
        limits: Limits,
        become: Callable[[socket.socket, mmap.mmap], int],
    ) -> None:
        """`become(control, progress)` is what a forked worker runs; it returns the exit status."""
        self.listener = listener
        self.limits = limits
        self.count = limits.workers
        self._become = become
        self.selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []
        self.idle: deque[Worker] = deque()
        self.waiting: deque[Waiting] = deque()
        self.pings: list[tuple[float, socket.socket]] = []
        self.ending: dict[socket.socket, float] = {}
        """Refused callers that still send, and when they are cut off."""
        self.rule = batches.Rule()
        self.pace = batches.Pace()
        self.before = 0.0
        """When the request before the oldest waiting one came."""
        self.last = 0.0
        """When the last request came."""
        self.held_until = 0.0
        self.was_ready = False
        self.failures = 0
        self.start_at = 0.0
        """When the next worker may be started (monotonic seconds)."""
        self.weigh_at = 0.0
        self.refused = 0
        self.told_at = 0.0
        self.stopping = False
        self.began = time.monotonic()
        self.spare = os.open(os.devnull, os.O_RDONLY)
        """A descriptor to let go where none is left, so that the caller can be told."""

    def run(self) -> int:
        """Serves until SIGTERM, or until the model cannot be loaded; the exit status."""
        self._wake, _woken = forks.hear(self.selector, self.listener, self._stop)
        while not self.stopping or self._at_work():
            if not self.stopping:
                self._start_workers()
            for key, _ in self.selector.select(self._pause()):
                self._handle(key)
            self._end_what_is_due()
            self._look()
            if self.held_until:
                self._hand_out()
            if self.failures and not self.was_ready:
                return 1
            if self.failures >= GIVE_UP and not any(w.ready for w in self.workers):
                print(f"{self.failures} workers failed to start in a row", file=sys.stderr)
                return 1
        for each in self.workers:
            each.control.close()
        return 0

    def _stop(self) -> None:
        self.stopping = True

    def _at_work(self) -> bool:
        """Whether a request is answered, or will be at once."""
        return any(w.slots for w in self.workers) or bool(self.waiting and self.idle)

    def _pause(self) -> float | None:
        """Seconds until something is due without an event."""
        due = [at + PING_HOLD for at, _ in self.pings]
        due += [w.look_at for w in self.workers if w.slots]
        due += [w.at + LOADING + 1 for w in self.workers if not w.ready and not w.ended]
        due += self.ending.values()
        if len(self.workers) < self.count:
            due.append(self.start_at)
        if self.held_until:
            due.append(self.held_until)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _handle(self, key: selectors.SelectorKey) -> None:
        if key.data == "listener":
            self._accept()
        elif key.data == "signal":
            key.fileobj.recv(64)  # type: ignore[union-attr]
            self._reap()
        elif isinstance(key.data, Worker):
            self._hear(key.data)
        elif key.data == "ending":
            if callers.drained(key.fileobj):  # type: ignore[arg-type]
                self._drop(key.fileobj)  # type: ignore[arg-type]
        else:
            self._readable(key.fileobj)  # type: ignore[arg-type]

    # ---- callers

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _ = self.listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:  # no descriptor is left
                os.close(self.spare)
                callers.turn_away(self.listener, len(self.waiting))
                self.spare = os.open(os.devnull, os.O_RDONLY)
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(client, selectors.EVENT_READ, "client")
            # Its first request has mostly come along with it.
            self._readable(client)

    def _readable(self, client: socket.socket) -> None:
        """A client has sent something, or left."""
        try:
            start = client.recv(32, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            start = b""
        if not start:
            self._drop(client)
        elif start.startswith((b"GET /ping", b"HEAD /ping")):
            self._ping(client)
        elif start.startswith(b"GET /execution-parameters"):
            self._reply(client, 200, PARAMETERS % (self.count, self.rule.size))
        elif self.waiting and len(self.waiting) >= self._room():
            self._refuse(client)
        else:
            self.selector.unregister(client)
            now = time.monotonic()
            if not self.waiting:
                self.before = self.last
            self.last = now
            self.waiting.append(Waiting(client, start, now))
            self._hand_out()

    def _rate(self) -> float | None:
        """Answers a second of all workers together at the present pace."""
        size = batches.size(self.rule, self.pace, backlog.SOON)
        takes = self.pace.takes(size)
        return size * self.count / takes if takes else None

    def _room(self) -> int:
        return backlog.limit(self._rate(), self.limits.queue)

    def _refuse(self, client: socket.socket) -> None:
        """503: too many wait already."""
        count, now = len(self.waiting), time.monotonic()
        self.refused += 1
        if now >= self.told_at:
            print(f"{self.refused} request(s) refused: {count} wait", file=sys.stderr, flush=True)
            self.refused, self.told_at = 0, now + 10
        seconds = backlog.retry_after(count, self._rate())
        body = backlog.refusal(count, seconds)
        self._reply(client, 503, body, f"Retry-After: {seconds}\r\n")

    def _reply(self, client: socket.socket, status: int, body: bytes, headers: str = "") -> None:
        """A short answer of the master's own to the request that waits on `client`."""
        keep = callers.reply(client, status, body, headers)
        if keep is None and not callers.drained(client):
            self.selector.modify(client, selectors.EVENT_READ, "ending")
            self.ending[client] = time.monotonic() + LINGER
        elif not keep:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self.ending.pop(client, None)
        self.selector.unregister(client)
        client.close()

    def _ping(self, client: socket.socket) -> None:
        if any(w.ready for w in self.workers):
            self._reply(client, 200, b"")
        else:
            self.selector.unregister(client)
            self.pings.append((time.monotonic(), client))

    def _answer_pings(self, status: int) -> None:
        pings, self.pings = self.pings, []
        for _, client in pings:
            self.selector.register(client, selectors.EVENT_READ, "client")
            self._reply(client, status, b"")

    def _end_what_is_due(self) -> None:
        for client in [c for c, at in self.ending.items() if time.monotonic() >= at]:
            self._drop(client)
        if self.pings and time.monotonic() >= self.pings[0][0] + PING_HOLD:
            self._answer_pings(503)

    # ---- handing out

    def _hand_out(self) -> None:
        """Waiting requests go to free workers."""
        self.held_until = 0.0
        while self.waiting and self.idle:
            now = time.monotonic()
            hold = batches.hold(
                self.rule, len(self.waiting), self.waiting[0].since, self.before, now
            )
            if hold:
                self.held_until = now + hold
                return
            group = self._group(now)
            if not group:
                continue
            each = self.idle.popleft()
            self._give(each, group, now)
        if self.waiting and self.count == 1:
            self._give_ahead()

    def _give(self, each: Worker, group: list[Waiting], now: float) -> None:
        try:
            each.hand(group, now)
        except OSError:  # the worker has just died, which the next event reports
            self.waiting.extendleft(reversed(group))

    def _give_ahead(self) -> None:
        """The only worker gets its next batch ahead once that is full: no other could take it, and
        on a busy host the worker need not wait until the master has its turn."""
        now = time.monotonic()
        each = self.workers[0] if self.workers else None
        if each is None or not each.slots or each.ahead or each.ended or self.waiting[0].alone:
            return
        if self.limits.memory and now >= self.weigh_at:
            return  # it is weighed once it is free
        full = batches.size(self.rule, self.pace, now - self.waiting[0].since)
        if len(self.waiting) >= full and (group := self._group(now)):
            self._give(each, group, now)

    def _group(self, now: float) -> list[Waiting]:
        """The requests that the next free worker gets; those whose callers left get none."""
        largest = 1
        if self.rule.size > 1 and len(self.waiting) > 1 and not self.waiting[0].alone:
            waited = now - self.waiting[0].since
            allowed = batches.size(self.rule, self.pace, waited)
            largest = batches.share(len(self.waiting), len(self.idle), allowed)
        group: list[Waiting] = []
        while self.waiting and len(group) < largest:
            if self.waiting[0].alone and group:
                break
            each = self.waiting.popleft()
            self.before = each.since
            if now - each.since > OLD and callers.left(each.client):
                each.client.close()
            else:
                group.append(each)
        return group

    def _hear(self, each: Worker) -> None:
        """A worker says that it is ready or done, or its end is closed: it died."""
        if each not in self.workers:
            return
        if not self._listen(each):
            # It ends, or has only closed its socket, which no worker can do without.
            self._bury(each, each.exit_code(end=True) or 0)
        self._hand_out()

    def _listen(self, each: Worker) -> bool:
        """Takes what the worker has reported; whether its end is still open."""
        try:
            said = each.control.recv(1024, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for place in range(0, len(said) - 1, 2):
            self._reported(each, said[place : place + 1], said[place + 1])
        return bool(said)

    def _reported(self, each: Worker, what: bytes, value: int) -> None:
        if what in (worker.READY, worker.FIXED):
            self.rule = batches.Rule(max(1, value), self.rule.delay, what == worker.FIXED)
            return
        if what == worker.DELAY:
            self.rule = batches.Rule(self.rule.size, value / 1000, self.rule.fixed)
            self._loaded(each)
            self.idle.append(each)
            return
        taken = each.slots.pop(value, None)
        if taken is not None and what == worker.KEEP:
            self.selector.register(taken.client, selectors.EVENT_READ, "client")
        elif taken is not None:
            taken.client.close()
        if not each.slots and each.given:
            self.pace = self.pace.after(each.given, time.monotonic() - each.at)
            each.given = 0
            if each.ahead:
                each.go_on(time.monotonic())
            elif not self._outgrown(each):
                self.idle.append(each)

    def _loaded(self, each: Worker) -> None:
        each.loaded = upkeep.private(each.pid)
        if not self.was_ready:
            took = time.monotonic() - self.began
            if not self.limits.chosen:
                self.count = upkeep.fitting(self.count, each.loaded, self.limits.memory)
            fewer = ": memory is for no more" if self.count < self.limits.workers else ""
            together = f", up to {self.rule.size} requests together" if self.rule.size > 1 else ""
            print(
                f"model loaded in {took:.2f} s; {self.count} worker(s){fewer}{together}",
                file=sys.stderr,
                flush=True,
            )
        each.ready = self.was_ready = True
        self.failures = 0
        self._answer_pings(200)

    # ---- workers

    def _outgrown(self, each: Worker) -> bool:
        """Whether this worker, which has just become free, is ended because it leaks."""
        now = time.monotonic()
        if now < self.weigh_at or not self.limits.memory:
            return False
        self.weigh_at = now + LOOK
        sizes = {w.pid: upkeep.Size(upkeep.private(w.pid), w.loaded) for w in self.workers}
        if upkeep.leaking(sizes, self.limits.memory) != each.pid:
            return False
        grown = f"{sizes[each.pid].loaded >> 20} to {sizes[each.pid].now >> 20} MiB"
        self._end(each, f"its memory grew from {grown}")
        return True

    def _look(self) -> None:
        """Ends workers whose callers have all left, since nobody reads their answers, and those
        whose time is up."""
        now = time.monotonic()
        for each in self.workers:
            if not each.ready and now - each.at > LOADING and not each.ended:
                self._end(each, f"it has not loaded the model in {LOADING:g} s")
            if not each.slots or now < each.look_at or each.ended:
                continue
            each.look_at = now + LOOK
            if all(callers.left(w.client) for w in each.slots.values()):
                self._end(each, "its caller left")
            elif now - each.at > self.limits.seconds:
                each.late = True
                self._end(each, f"it has not answered in {self.limits.seconds:g} s")

    def _end(self, each: Worker, why: str) -> None:
        print(f"worker {each.pid} is ended: {why}", file=sys.stderr, flush=True)
        each.ended = why
        os.kill(each.pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Workers that have ended are buried, also where a child of theirs holds their socket."""
        for each in list(self.workers):
            code = each.exit_code(end=False)
            if code is not None:
                self._listen(each)
                self._bury(each, code)
        self._hand_out()

    def _bury(self, each: Worker, code: int) -> None:
        """A worker that has ended is gone; its requests go on, or are told."""
        self.selector.unregister(each.control)
        each.control.close()
        self.workers.remove(each)
        if each in self.idle:
            self.idle.remove(each)
        self._let_go(each, workers.how(code))
        each.progress.close()
        if self.stopping:
            return
        if each.ready:
            if not each.ended:
                print(f"worker {each.pid} died ({workers.how(code)}); starting another",
                      file=sys.stderr)  # fmt: skip
            self.start_at = time.monotonic()
        else:
            if code == -signal.SIGKILL:
                print("a worker was killed while it loaded the model: was memory short?",
                      file=sys.stderr)  # fmt: skip
            self.failures += 1
            self.start_at = time.monotonic() + min(30.0, 0.5 * 2**self.failures)
        sys.stderr.flush()

    def _let_go(self, each: Worker, how: str) -> None:
        """What a worker that ended had in hand waits again where no user's function has seen it,
        or was seen in a batch, which a model takes that may see a request twice; else its caller is
        told."""
        status, why = 502, f"The worker ended ({how}) before it answered this request."
        if each.late:
            status = 504
            why = f"The model did not answer within {self.limits.seconds:g} seconds."
        had = sorted({**each.slots, **each.ahead}.items(), key=lambda one: -one[1].since)
        for number, taken in had:
            how_far = each.progress[number]
            if how_far != worker.SENT and callers.untouched(taken.client, taken.start):
                lone = taken.alone or how_far == worker.GIVEN
                self.waiting.appendleft(taken._replace(alone=lone))
            else:
                callers.part(taken.client, 0 if how_far == worker.SENT else status, why)
        each.slots, each.ahead = {}, {}

    def _start_workers(self) -> None:
        """One worker loads first, so that a model that cannot load fails once; then the others."""
        while len(self.workers) < self.count and time.monotonic() >= self.start_at:
            if any(not w.ready for w in self.workers) and not self.was_ready:
                return
            self._fork()

    def _fork(self) -> None:
        each = forks.fork(self._become, self._let_go_of_all)
        self.workers.append(each)
        self.selector.register(each.control, selectors.EVENT_READ, each)

    def _let_go_of_all(self) -> None:
        """In the fork: nothing of the master's stays open."""
        held = [taken for w in self.workers for taken in (*w.slots.values(), *w.ahead.values())]
        clients = [taken.client for taken in (*self.waiting, *held)]
        forks.close_all(self.selector, self._wake, [*clients, *(p for _, p in self.pings)])
        os.close(self.spare)
