"""The connection to the container of one environment: what `link` is to a sandbox's shim.

Its log is written here, from the engine's streams; `compute.containers.marks` tell what has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Spec
from sagebrush.compute.containers.container import Unstartable
from sagebrush.compute.containers.marks import Marks, Reader
from sagebrush.compute.containers.tied import NEVER, TiedContainer
from sagebrush.compute.shim import tied
from sagebrush.compute.shim.log import Writer
from sagebrush.errors import Doc
from sagebrush.routing.functions.link import Said

log = logging.getLogger(__name__)

LATE = 1.0
"""Seconds for which a mark is waited for: a container may keep others from reading its output."""
FULL = 0.005
"""Seconds until a mark is written again for which a pipe had no room."""
LOOK = 0.1
"""Seconds between looks at its memory."""
BLOCK = 1 << 16


@dataclass
class _Saying:
    """A text that comes after all that was written before it was asked for."""

    number: int
    text: str
    future: asyncio.Future[Said]
    missing: set[int] = field(default_factory=set)
    """The outputs whose mark has not come."""


class ContainerLink:
    """One environment's container: told what to do, heard. Used in the event loop's thread."""

    def __init__(
        self,
        spec: Spec,
        container: TiedContainer,
        attach: Callable[[str], Any],
        threads: Executor,
        listening: Callable[[str, socket.socket], None],
    ) -> None:
        """`attach(key)` awaits the stream of what the container writes (a StreamReader and its writer)."""
        self._spec, self._container = spec, container
        self._attach, self._threads, self._listening = attach, threads, listening
        self._loop = asyncio.get_running_loop()
        self._marks = Marks(secrets.token_hex(8))
        self._readers: dict[int, Reader] = {n: self._marks.reader() for n in (1, 2)}
        self._saying: deque[_Saying] = deque()
        self._number = 0
        self._said = 0
        self._reason = ""
        self._begun = self._settled = False
        self._broken = b"\n"
        """The last byte of the log."""
        self._lock = os.open(spec.root / "shim.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # as a shim has it while it lives
        self._log = Writer(str(spec.root), spec.log_limit)
        self._frozen = False
        self._looking: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done once all that ran is gone."""

    # -- as `Link` has them

    def begin(self, told: Doc) -> None:
        """The container is made with the variables in `told`, and begins."""
        self._task = asyncio.ensure_future(self._live(told))

    def ready(self) -> None:
        """Its runtime has asked for an event: containers take no turns, so nothing waits for that."""

    def say(self, text: str) -> None:
        """`text` comes into the log, before what the environment writes from now on."""
        self._said = self._log.offset
        self._write(text.encode())

    def finish(self, text: str) -> asyncio.Future[Said]:
        """`text` comes into the log, after all that the environment has written; done once it has."""
        future: asyncio.Future[Said] = self._loop.create_future()
        if self.closed or not self._begun:
            future.cancel()
            return future
        self._number += 1
        saying = _Saying(self._number, text, future, {1, 2})
        self._saying.append(saying)
        for output in (1, 2):
            self._mark(output, saying)
        self._loop.call_later(LATE, self._late, saying)
        return future

    def freeze(self, frozen: bool) -> None:
        """The environment stands still, or goes on."""
        self._frozen = frozen
        self._container.freeze(frozen)
        if not frozen:
            self._look()

    def kill(self, reason: str) -> None:
        """The environment is killed; `ended` is done when it is gone."""
        self._reason = self._reason or reason
        self._container.kill()

    def close(self) -> None:
        """The environment ends."""
        self.kill("stopped")

    def abandoned(self) -> None:
        """Nothing is waited for any more, after `abandon`."""
        if self._task is not None:
            self._task.cancel()
        self._end()

    def abandon(self) -> None:
        """The event loop ends before all else could: blocks until nothing of it is left. In any thread."""
        self._container.kill()
        if not self._settled:  # the engine is not asked: it answers for a dead one after seconds
            self._settle(Exited(-9, self._reason or "stopped", ended=time.time()))
        self._remove()

    # -- its life

    async def _live(self, told: Doc) -> None:
        try:
            exited = await self._lived(told)
        except asyncio.CancelledError:
            return
        except Unstartable as failure:
            exited = Exited(NEVER, f"sandbox: {failure}", str(failure))
        except Exception as error:  # an engine may fail in any way
            log.warning("the container of %s: %s: %s", self._spec.key, type(error).__name__, error)
            words = f"the container engine: {error}"
            begun = self._begun
            exited = Exited(-9, self._reason or record.LOST, words)
            if not begun:
                exited = Exited(NEVER, f"sandbox: {words}", words)
        await self._run(self._settle, exited)
        self._end()
        await self._run(self._remove)

    async def _lived(self, told: Doc) -> Exited:
        """How the container ended, which was made, started and heard."""
        if told["banner"]:
            self.say(told["banner"] + "\n")
        sockets = await self._run(self._container.make, told["env"])
        for name, sock in sockets.items():
            self._listening(name, sock)
        gone, pidfd = self._loop.create_future(), -1
        reader, writer = await self._attach(self._spec.key)
        hearing = asyncio.ensure_future(self._hear(reader))
        self._begun = True
        try:
            await self._run(self._container.start)
            pidfd = self._container.pidfd
            if pidfd >= 0:
                self._loop.add_reader(pidfd, self._is_gone, gone)
            if self._container.killed:  # before there was anything to kill
                self._container.kill()
            self._look()
            await asyncio.wait({hearing, gone}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({hearing}, timeout=LATE)  # what it wrote last
        finally:
            if pidfd >= 0:
                self._loop.remove_reader(pidfd)
            hearing.cancel()
            writer.close()
        return await self._run(self._container.exited, self._reason)

    def _is_gone(self, gone: asyncio.Future[None]) -> None:
        """Its first process has ended, and its control group is still there."""
        if not gone.done():
            self._container.memory.look()
            gone.set_result(None)

    async def _run(self, work: Callable[..., Any], *given: Any) -> Any:
        return await self._loop.run_in_executor(self._threads, work, *given)

    def _settle(self, exited: Exited) -> None:
        """How it ended is on disk. Blocks."""
        self._settled = True
        with contextlib.suppress(OSError):
            record.settle(self._spec.root, exited)

    def _end(self) -> None:
        """Nothing more comes into the log from here; repeatable."""
        if self.closed:
            return
        for reader in self._readers.values():
            self._write(reader.rest())
        for each in self._saying:
            each.future.cancel()
        self._saying.clear()
        if self._looking is not None:
            self._looking.cancel()
        self.closed = True
        self._log.close()
        os.close(self._lock)
        if not self.ended.done():
            self.ended.set_result(None)

    def _remove(self) -> None:
        """The container is gone, and its /tmp. Blocks."""
        import shutil

        try:
            self._container.remove()
        except Exception as error:  # the next server's sweep finds it
            log.warning("the container %s could not be removed: %s", self._spec.key, error)
        shutil.rmtree(self._spec.root / "tmp", ignore_errors=True)

    # -- its log

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        """All that it writes is in the log. Docker's API, "Attach to a container", stream format."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(8)
                left, output = int.from_bytes(head[4:], "big"), head[0]
                while left:
                    data = await reader.read(min(left, BLOCK))
                    if not data:
                        return
                    left -= len(data)
                    self._take(output, data)

    def _take(self, output: int, data: bytes) -> None:
        reader = self._readers.get(output)
        for each in reader.take(data) if reader else [data]:
            if isinstance(each, bytes):
                self._write(each)
            else:
                self._came(output, each)

    def _came(self, output: int, number: int) -> None:
        """The mark of that number, and so all that was written before it to that output."""
        for each in self._saying:
            if each.number <= number:
                each.missing.discard(output)
        self._say_what_can_be()

    def _late(self, saying: _Saying) -> None:
        if saying in self._saying:
            saying.missing.clear()
            self._say_what_can_be()

    def _say_what_can_be(self) -> None:
        while self._saying and not self._saying[0].missing:
            saying = self._saying.popleft()
            self._container.memory.look()
            peak = min(self._container.memory.peak, self._spec.limits.memory)
            text = saying.text.replace(tied.PEAK, str(-(-peak >> 20)))
            if text and self._broken != b"\n":
                text = "\n" + text
            self._write(text.encode())
            if not saying.future.done():
                saying.future.set_result(Said(self._said, self._log.offset, peak))

    def _mark(self, output: int, saying: _Saying) -> None:
        """The mark is in that output, or will be once it has room."""
        if self.closed or output not in saying.missing:
            return
        try:
            os.write(self._container.outputs[output - 1], self._marks.made(saying.number))
        except (BlockingIOError, IndexError):  # it is full, or not known yet
            self._loop.call_later(FULL, self._mark, output, saying)
        except OSError:  # it is gone, and `ended` will be done
            saying.missing.discard(output)

    def _write(self, data: bytes) -> None:
        if data and not self.closed:  # else its descriptors may be others' already
            self._log.write(data, int(time.time() * 1000))
            self._broken = data[-1:]

    def _look(self) -> None:
        """Its memory is looked at now and then, while it does not stand still."""
        if self._looking is not None:
            self._looking.cancel()
        self._looking = None
        if not self.closed:
            self._container.memory.look()
            if not self._frozen:
                self._looking = self._loop.call_later(LOOK, self._look)
