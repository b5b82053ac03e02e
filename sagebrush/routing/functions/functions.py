"""The execution environments of all functions: who gets which, how many there may be, how they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

from sagebrush.compute.host import Host
from sagebrush.routing.functions import failures
from sagebrush.routing.functions.blanks import Blank, Blanks, Serve
from sagebrush.routing.functions.containers import Containers
from sagebrush.routing.functions.environment import INIT, Ended, Environment
from sagebrush.routing.functions.parents import Parents, Unstarted
from sagebrush.routing.functions.prepared import Ground, Places, Prepared
from sagebrush.routing.functions.values import (
    FunctionVersion,
    Invocation,
    Outcome,
    StreamEnd,
    Throttled,
    Unrunnable,
)

log = logging.getLogger(__name__)

IDLE = 300.0
"""Seconds without an invocation after which an environment ends (AWS says no number)."""
SWEEP = 10.0
"""Seconds between looks for those."""
PART = 0.75
"""The part of the host's memory that environments may be given together."""
CONCURRENT = 1000
"""Environments of one account in one region: the default quota ("Lambda quotas")."""
FUNCTION = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"
INITIALIZATION = "AWS_LAMBDA_INITIALIZATION_TYPE"
ON_DEMAND, PROVISIONED = "on-demand", "provisioned-concurrency"
AGAIN = 1.0
"""Seconds until another environment follows a provisioned one that ended."""
LOOK = 1.0
"""Seconds between looks at what environments that had an invocation meanwhile keep in /tmp."""
SPARED = 5.0
"""Times as long as a look took it is looked again at the earliest: files may be many."""
SLACK = 1 << 20
"""Bytes beyond its size that are left to file systems' own rounding."""
KNOWN = 60.0
"""Seconds for which it is not looked again what a runtime is here."""
PIECES = 16
"""Pieces of a streamed response that wait for its reader."""
Pieces = asyncio.Queue[bytes | None]
MARGIN = 60.0
"""Seconds for which the role's credentials must hold beyond an invocation's own time."""

Register = Callable[[FunctionVersion, str, str], None]
"""(version, log stream, the environment's key): the log group's stream shows that environment's log.
Blocks."""


class Functions:
    """The execution environments. Used in the event loop's thread, between `use` and `close`."""

    def __init__(
        self,
        directory: Path,
        host: Host,
        places: Places,
        register: Register,
        containers: Containers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Environments may have a part of the memory of `host`."""
        self._memory = int(host.memory * PART)
        self._places = places
        self._register = register
        self._clock = clock
        self._parents = Parents(directory)
        self._blanks = Blanks(self._parents, places, host)
        self._containers = containers
        self.images = containers.images
        self._all: dict[str, Environment] = {}
        self._idle: dict[tuple[str, str], list[Environment]] = {}
        self._busy: dict[tuple[str, str, str], int] = {}
        self._provisioned: dict[tuple[str, str], tuple[FunctionVersion, int]] = {}
        self._unprovided: set[tuple[str, str]] = set()
        self._grounds: dict[tuple[str, str], tuple[float, Ground]] = {}
        self._providing = asyncio.Lock()
        self._reserved = 0
        """Bytes that all environments may use together."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the server's life

    def use(self, loop: asyncio.AbstractEventLoop, serve: Serve) -> None:
        """Environments may begin; their listeners are served by `serve`."""
        self._loop, self._blanks.serve, self._containers.serve = loop, serve, serve
        self._sweeping = loop.call_later(SWEEP, self._sweep)
        self._do(self._look_after())

    def close(self) -> None:
        """Every environment ends, and the warm processes too."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for each in list(self._all.values()):
            each.close()
        for task in self._tasks:
            task.cancel()
        self._blanks.close()
        self._parents.close()
        self._containers.close()
        self._loop = None

    def environment(self, key: str) -> Environment | None:
        """The environment of that key, as its Runtime API asks for it."""
        return self._all.get(key)

    # -- invocations

    async def invoke(
        self, version: FunctionVersion, invocation: Invocation, most: int | None = None
    ) -> Outcome:
        """What came of the invocation; `most`: how many of this function may run at once.

        Raises Throttled, and Unrunnable where no environment of it can be started here.
        """
        with self._counted(version, most):
            return await self._invoke(version, invocation, None)

    async def invoke_stream(
        self, version: FunctionVersion, invocation: Invocation, most: int | None = None
    ) -> AsyncIterator[bytes | StreamEnd]:
        """The pieces of the response as the function makes them, and their end; raises as `invoke`.

        A function goes on whose reader has left ("Response streaming for Lambda functions").
        """
        queue: Pieces = asyncio.Queue(PIECES)
        running = asyncio.ensure_future(self._streamed(version, invocation, most, queue))
        sent = False
        try:
            while (piece := await queue.get()) is not None:
                sent = True
                yield piece
            outcome = await running
        finally:
            if not running.done():
                self._do(self._unread(running, queue))
        if outcome.error:
            code, details = failures.told(outcome.payload)
            yield StreamEnd(code, details, outcome.log_tail, outcome.version)
            return
        if outcome.payload and not sent:
            yield outcome.payload
        yield StreamEnd("", "", outcome.log_tail, outcome.version)

    async def _streamed(
        self, version: FunctionVersion, invocation: Invocation, most: int | None, queue: Pieces
    ) -> Outcome:
        try:
            with self._counted(version, most):
                outcome = await self._invoke(version, invocation, queue)
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)  # not where this is cancelled: nobody reads then, and it may be full
        return outcome

    async def _unread(self, running: asyncio.Future[Outcome], queue: Pieces) -> None:
        """The invocation has ended, whose response nobody reads any more."""
        try:
            while await queue.get() is not None:
                pass
            with contextlib.suppress(Throttled, Unrunnable):
                await running
        finally:
            running.cancel()

    def running(self, version: FunctionVersion) -> int:
        """How many invocations of that function are under way, of all its versions."""
        return self._busy.get(version.function, 0)

    @contextlib.contextmanager
    def _counted(self, version: FunctionVersion, most: int | None) -> Iterator[None]:
        """One more invocation of the function is under way. Raises Throttled where it may not be."""
        function = version.function
        if most is not None and self._busy.get(function, 0) >= most:
            raise Throttled(FUNCTION)
        if sum(n for key, n in self._busy.items() if key[:2] == function[:2]) >= CONCURRENT:
            raise Throttled(ACCOUNT)
        self._busy[function] = self._busy.get(function, 0) + 1
        try:
            yield
        finally:
            self._busy[function] -= 1
            if not self._busy[function]:
                del self._busy[function]

    async def _invoke(
        self, version: FunctionVersion, invocation: Invocation, pieces: Pieces | None
    ) -> Outcome:
        while (found := self._take(version)) is not None:
            with contextlib.suppress(Ended):
                return await self._used(found, invocation, pieces)
        environment = await self._begin(version)
        begun = await self._ready(environment, INIT)
        if not begun:  # once more, in the invocation's own time
            await environment.given_up()
            environment = await self._begin(version)
            begun = await self._ready(environment, version.timeout)
            if not begun:
                return await environment.unbegun(invocation, environment.waited)
            environment.begun_late()
        try:
            return await self._used(environment, invocation, pieces)
        except Ended:
            return await environment.unbegun(invocation, environment.waited)

    async def _ready(self, environment: Environment, seconds: float) -> bool:
        """Whether it has begun within so long. It ends where nobody waits for that any more."""
        try:
            return await environment.ready(seconds)
        except BaseException:
            environment.end()
            raise
        finally:
            self._do(self._registered(environment))

    async def _used(
        self, environment: Environment, invocation: Invocation, pieces: Pieces | None
    ) -> Outcome:
        try:
            return await environment.invoke(invocation, pieces)
        finally:
            self._free(environment)

    def _take(self, version: FunctionVersion) -> Environment | None:
        """A free environment of that version; the one used last, which the host still knows best."""
        free = self._idle.get(version.key, [])
        while free:
            found = free.pop()
            if found.live and found.expires > self._clock() + version.timeout + MARGIN:
                return found
            found.end()
        return None

    def _free(self, environment: Environment) -> None:
        if environment.retired or environment.busy:
            environment.end()
        elif environment.live:
            self._idle.setdefault(environment.version.key, []).append(environment)

    # -- environments

    async def warm(self, version: FunctionVersion) -> None:
        """The first invocation of that version finds what it is begun from. Raises Unrunnable."""
        if version.image:  # the engine has it
            return
        ground = await self._ground(version)
        try:
            await self._parents.ready(ground.forked_from)
        except Unstarted as error:
            raise Unrunnable(str(error)) from error
        self._blanks.fill(ground, 0.0)

    async def _ground(self, version: FunctionVersion) -> Ground:
        """What its environments have in common with others; known for a while."""
        asked = (version.runtime, version.environment)
        at, found = self._grounds.get(asked, (0.0, None))
        if found is None or time.monotonic() - at > KNOWN:
            run = asyncio.get_running_loop().run_in_executor
            found = await run(None, self._places.ground, version)
            self._grounds[asked] = (time.monotonic(), found)
        return found

    async def provision(self, version: FunctionVersion, count: int) -> int:
        """`count` environments of that version are begun and stay, and others follow those that end;
        returns how many there are.

        Raises Unrunnable, and Throttled where the host has no room for all of them.
        """
        self._provisioned[version.key] = (version, count)
        self._unprovided.discard(version.key)
        return await self._provide(version)

    async def _provide(self, version: FunctionVersion) -> int:
        """There are as many environments of that version as were asked for."""
        async with self._providing:  # several may have ended together
            _, count = self._provisioned.get(version.key, (version, 0))
            have = sum(each.version.key == version.key and each.live for each in self._all.values())
            for _ in range(count - have):
                environment = await self._begin(version, PROVISIONED)
                begun = await self._ready(environment, INIT)
                if not begun:  # it is not tried again and again
                    environment.end()
                    self._provisioned.pop(version.key, None)
                    self._unprovided.add(version.key)
                    raise Unrunnable(f"an environment of {version.arn} could not begin")
                self._free(environment)
            return max(have, count)

    def unprovided(self, version: FunctionVersion) -> bool:
        """Whether environments of that version were asked to stay, and one could not begin. In any
        thread."""
        return version.key in self._unprovided

    def empty(self) -> None:
        """Every environment ends: of all accounts everything was deleted. In any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.forget_all)

    def live(self, version: FunctionVersion) -> int:
        """How many environments of that version there are, which have begun. In any thread."""
        found = [e for e in list(self._all.values()) if e.version.key == version.key]
        return sum(each.live and each.begun for each in found)

    def release(self, arn: str) -> None:
        """No environment of that version is kept any more."""
        for key in [key for key in self._provisioned if key[0] == arn]:
            del self._provisioned[key]  # what is free ends when it has not been used for long

    def forget(self, arn: str, revision: str = "") -> None:
        """Free environments of that version end now (of that revision alone, where one is given), and
        busy ones after their invocation."""
        for key in [k for k in self._provisioned if k[0] == arn and revision in ("", k[1])]:
            del self._provisioned[key]
        self._unprovided -= {key for key in self._unprovided if key[0] == arn}
        for each in list(self._all.values()):
            if each.version.arn == arn and revision in ("", each.version.revision):
                self._retire(each)

    def forget_all(self) -> None:
        """Every environment ends now."""
        self._provisioned.clear()
        for each in list(self._all.values()):
            each.end()

    def _retire(self, environment: Environment) -> None:
        free = self._idle.get(environment.version.key, [])
        if environment in free:
            free.remove(environment)
            environment.end()
        else:
            environment.retired = True

    async def _begin(self, version: FunctionVersion, why: str = ON_DEMAND) -> Environment:
        """A new environment of that version, which begins. Raises Unrunnable and Throttled."""
        size = version.memory << 20
        self._make_room(size)
        self._reserved += size
        try:
            return await self._begun(version, why)
        except BaseException:
            self._reserved -= size
            raise

    async def _begun(self, version: FunctionVersion, why: str) -> Environment:
        date = time.strftime("%Y/%m/%d", time.gmtime(self._clock()))
        stream = f"{date}/[{version.version}]{secrets.token_hex(16)}"
        if version.image:
            blank, prepared = await self._containers.begin(version, stream)
        else:
            blank, prepared = await self._taken(version, stream)
        prepared.told["env"][INITIALIZATION] = why
        environment = Environment(blank, version, prepared, self._clock)
        environment.stream = stream
        self._all[blank.key] = environment
        self._do(self._attend(environment))
        return environment

    async def _taken(self, version: FunctionVersion, stream: str) -> tuple[Blank, Prepared]:
        """A blank environment, and what it is told to be one of the version."""
        ground = await self._ground(version)
        blank = await self._blanks.take(ground, version.function)
        try:
            if len(version.layers) > 1:  # they may have to be merged
                run = asyncio.get_running_loop().run_in_executor
                await run(None, self._places.merged, version.layers)
            return blank, self._places.prepared(version, ground, blank.spec, stream)
        except BaseException:
            blank.end()
            raise

    async def _registered(self, environment: Environment) -> None:
        """The environment's log is the stream of its log group."""
        version, stream = environment.version, environment.stream
        run = asyncio.get_running_loop().run_in_executor
        await run(None, self._register, version, stream, environment.key)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an environment of a function", exc_info=error)

    async def _attend(self, environment: Environment) -> None:
        """At its end the environment is known no more."""
        await environment.gone()
        self._all.pop(environment.key, None)
        if environment.counted:
            self._reserved -= environment.version.memory << 20
        free = self._idle.get(environment.version.key, [])
        if environment in free:
            free.remove(environment)
        if not free:
            self._idle.pop(environment.version.key, None)
        if environment.version.key in self._provisioned and self._loop is not None:
            await asyncio.sleep(AGAIN)  # one that ends at once is not begun again all the time
            try:
                await self._provide(environment.version)
            except (Unrunnable, Throttled) as error:
                log.warning("provisioned concurrency of %s: %s", environment.version.arn, error)

    def _make_room(self, size: int) -> None:
        """There is room for another environment: the one that is free for longest ends where need be.
        Raises Throttled."""
        while self._reserved + size > self._memory:
            free = [e for each in self._idle.values() for e in each if not self._kept(e)]
            if not free:
                raise Throttled(ACCOUNT)
            oldest = min(free, key=lambda each: each.used)
            self._idle[oldest.version.key].remove(oldest)
            oldest.end()
            self._reserved -= oldest.version.memory << 20
            oldest.counted = False

    async def _look_after(self) -> None:
        """Environments that keep more in their /tmp than they may are ended, for ever."""
        run = asyncio.get_running_loop().run_in_executor
        await run(None, self._places.clean)
        await run(None, self._containers.sweep)
        since = took = 0.0
        while True:
            await asyncio.sleep(max(LOOK, SPARED * took))
            before, since = since, time.monotonic()
            for each in [e for e in self._all.values() if (e.busy or e.used >= before) and e.live]:
                size = each.version.storage << 20
                try:
                    if await run(None, self._places.used, each.directory) > size + SLACK:
                        each.end("storage")
                except Exception:  # the others are looked at all the same
                    log.exception("what %s keeps in /tmp is not known", each.key)
            took = time.monotonic() - since

    def _kept(self, environment: Environment) -> bool:
        """Whether the environment is one of those that were asked to stay."""
        key = environment.version.key
        _, wanted = self._provisioned.get(key, (None, 0))
        return wanted > 0 and len(self._idle.get(key, ())) <= wanted

    def _sweep(self) -> None:
        """Environments that nobody has used for long end, and so do warm processes."""
        if self._loop is None:
            return
        now = time.monotonic()
        for free in list(self._idle.values()):
            for each in list(free):
                old = now - each.used > IDLE and not self._kept(each)
                if old or each.expires < self._clock() + each.version.timeout + MARGIN:
                    free.remove(each)
                    each.end()
        self._parents.sweep()
        self._blanks.drop()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)
