"""The warm processes from which environments are forked (`compute.shim.standby`), from this side.

There is one for each interpreter with what it has imported; it begins when it is first needed and
ends with the server, or when nothing was forked from it for a while.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from sagebrush.compute.local import launcher

IDLE = 1800.0
"""Seconds without a fork after which a parent ends."""
START = 60.0
"""Seconds that a parent has to be ready: its packages may have to be read from a slow disk."""
_MAIN = (
    "import os, sys; sys.path.append(os.environ['SHIM']);"
    " from sagebrush.compute.shim import standby; standby.main()"
)


@dataclass(frozen=True)
class Plan:
    """What a parent is: an interpreter, whether its site packages are there, and what it imports."""

    python: Path
    program: str
    """`module:class`: what each of its forks is (`compute.shim.blank.Program`)."""
    site: bool = False
    path: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Unstarted(Exception):
    """A parent could not be started; the text says why."""


class Parent:
    """One warm process."""

    def __init__(self, plan: Plan, errors: Path) -> None:
        """It begins; `errors` is the file for what it prints. Raises Unstarted."""
        self.used = 0.0
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.setblocking(False)
        told = {
            name: v for name, v in asdict(plan).items() if name in ("path", "modules", "program")
        }
        flags = ["-I"] if plan.site else ["-I", "-S"]
        command = [str(plan.python), *flags, "-c", _MAIN, str(theirs.fileno()), json.dumps(told)]
        self._errors = errors
        try:
            with theirs, open(errors, "ab") as file:
                self._process = subprocess.Popen(
                    command,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    env={
                        **launcher.environment(session=False),
                        "LANG": "C.UTF-8",
                        "PYTHONUTF8": "1",
                    },
                )
        except OSError as error:
            self.link.close()
            raise Unstarted(f"{plan.python}: {error}") from error

    async def ready(self) -> None:
        """Returns once environments can be forked from it. Raises Unstarted."""
        loop = asyncio.get_running_loop()
        try:
            said = await asyncio.wait_for(loop.sock_recv(self.link, 64), START)
        except (OSError, TimeoutError) as error:
            said = b""
            why = str(error)
        else:
            why = ""
        if not said:
            words = self._last_words() or why
            self.end()
            raise Unstarted(f"the warm interpreter did not start: {words}")

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._errors.read_text(errors="replace").strip().splitlines()
            return lines[-1][:500] if lines else ""
        return ""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def fork(self, directory: Path, link: socket.socket) -> None:
        """A shim for the job in `directory` begins, attached to the other end of `link`. Raises
        OSError."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [link.fileno()]))]
        self.link.sendmsg([str(directory).encode()], rights)

    def end(self) -> None:
        """It ends by itself: its forks go on."""
        self.link.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0)


class Parents:
    """The warm processes by plan. Used in the event loop's thread."""

    def __init__(self, directory: Path) -> None:
        """`directory` takes what they print."""
        self._directory = directory
        self._known: dict[Plan, asyncio.Task[Parent]] = {}
        self._ended: list[Parent] = []

    async def ready(self, plan: Plan) -> Parent:
        """The warm process of `plan`, begun now if need be. Raises Unstarted."""
        task = self._known.get(plan)
        if task is not None and task.done():
            if task.cancelled() or task.exception() or not task.result().alive:
                task = None
            else:
                return self._touched(task.result())
        if task is None:
            task = self._known[plan] = asyncio.ensure_future(self._begin(plan))
        return self._touched(await asyncio.shield(task))

    def _touched(self, parent: Parent) -> Parent:
        parent.used = asyncio.get_running_loop().time()
        return parent

    async def _begin(self, plan: Plan) -> Parent:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        parent = Parent(plan, self._directory / "parents.err")
        await parent.ready()
        return parent

    def has(self, plan: Plan) -> bool:
        """Whether that one is there or begins."""
        return plan in self._known

    def sweep(self) -> None:
        """Those that have not been used for long have ended."""
        now = asyncio.get_running_loop().time()
        for plan, task in list(self._known.items()):
            begun = task.done() and not task.cancelled() and not task.exception()
            if begun and now - task.result().used > IDLE:
                del self._known[plan]
                self._end(task.result())
        self._ended = [each for each in self._ended if each.alive]

    def close(self) -> None:
        """All have ended."""
        for task in self._known.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and not task.exception():
                self._end(task.result())
        self._known.clear()

    def _end(self, parent: Parent) -> None:
        parent.end()
        self._ended.append(parent)
