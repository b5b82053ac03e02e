"""The job's first process, as its shim sees it: forked, heard, killed, reaped. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios

from sagebrush.compute.shim import blank, cgroup, init, log, namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any

_SET_PIPE_SIZE = 1031
"""fcntl's F_SETPIPE_SZ, which the module names since Python 3.10 on Linux only."""


class Process:
    """The first process of one job, and with it all that the job runs."""

    def __init__(self, spec: dict[str, Any], program: blank.Program | None = None) -> None:
        """It is not forked yet: `pid` is 0. `program` may run instead of `argv`."""
        self._spec = spec
        self._program = program
        self._plan: cgroup.Plan = spec["limits"]
        self.sandboxed: bool = spec["mode"] == "sandbox"
        self.pid = 0
        self.program = 0
        """The process id of the job's program, as the first process sees it; 0 before it runs."""
        self.started = 0.0
        """When the program began to run; 0.0 before that."""
        self.status: int | None = None
        """The exit status, -N for a signal N; None until it has ended."""
        self.usage = (0, 0.0, 0.0)
        """The most bytes that one process of the program had resident, and its processor seconds."""
        self.output = self.news = self._go = -1
        self._heard = b""
        self._watched_peak = 0

    def fork(self, uid: int | None) -> None:
        """The process is there and waits for `enter`; raises StepFailed.

        `output` and `news` are readable, without blocking, when the job or its first process wrote.
        """
        go, self._go = os.pipe()
        self.output, output = os.pipe()
        self.news, news = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, _SET_PIPE_SIZE, log.BLOCK)
        with namespaces.step("fork"):
            self.pid = os.fork()
        if self.pid == 0:
            if self._spec.get("tied"):
                blank.run(self._spec, uid, (go, news, output), self._program)
            init.run(self._spec, uid, go, news, output)
        for fd in (go, output, news):
            os.close(fd)
        for fd in (self.output, self.news):
            os.set_blocking(fd, False)

    def enter(self) -> None:
        """The process builds its sandbox, within the job's limits; raises StepFailed."""
        with namespaces.step("limits"):
            cgroup.add(self._plan, self.pid)
        self._say(b"g")

    def begin(self) -> None:
        """The process starts the program once its sandbox is built."""
        self._say(b"s")

    def become(self, told: bytes) -> None:
        """The process, which did not know what it would be, is what `told` says (`blank`)."""
        self._say(blank.begin(told))

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it failed early; its news say why
            while word:
                word = word[os.write(self._go, word) :]

    # -- what it says

    def waiting(self) -> int:
        """Bytes that the job wrote and nobody has read."""
        if self.output < 0:
            return 0
        return struct.unpack("i", fcntl.ioctl(self.output, termios.FIONREAD, bytes(4)))[0]

    def read_output(self, most: int = log.BLOCK) -> bytes | None:
        """What the job wrote; empty once all its writers are gone, None where nothing is there yet."""
        try:
            return os.read(self.output, most)
        except BlockingIOError:
            return None

    def wait_for_output(self, seconds: float) -> bool:
        """Whether `read_output` has something within so long."""
        return bool(select.select([self.output], [], [], seconds)[0])

    def close_output(self) -> None:
        """`output` is read no more, and -1."""
        os.close(self.output)
        self.output = -1

    def read_news(self) -> tuple[list[str], bool]:
        """The lines that the process wrote (`init` names them), and whether more may come."""
        data = os.read(self.news, 65536)
        *lines, self._heard = (self._heard + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines], bool(data)

    def ran(self, program: str, started: str) -> None:
        """The process reported that the program runs."""
        self.program, self.started = int(program), float(started)

    def ended(self, status: str, resident: str, user: str, system: str) -> None:
        """The process reported how the program ended, and what it used (KiB and seconds)."""
        self.status = os.waitstatus_to_exitcode(int(status))
        self.usage = (int(resident) * 1024, float(user), float(system))

    # -- memory, where the kernel does not limit it

    def too_large(self) -> bool:
        """Whether the job uses more memory than it may and has to end.

        A job that is to be spared loses its largest process instead, as where the kernel limits it.
        """
        used = cgroup.resident(self.pid)
        self._watched_peak = max(self._watched_peak, used)
        if used <= self._plan["watch"] or not self.started:
            return False
        if self._spec.get("spare") and (largest := cgroup.largest(self.pid)):
            cgroup.end([largest])
            return False
        return True

    def peak(self) -> int:
        """The most bytes of memory that the job used."""
        return cgroup.peak(self._plan) or max(self._watched_peak, self.usage[0])

    # -- its end

    def signal(self, number: signal.Signals) -> None:
        """The process has the signal; it hands SIGTERM on to the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def freeze(self, frozen: bool) -> None:
        """All that the job runs stands still until it is called again with False."""
        if self._plan.get("freeze"):
            cgroup.freeze(self._plan, frozen)
            return
        number = signal.SIGSTOP if frozen else signal.SIGCONT
        for pid in cgroup.descendants(self.pid):
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def kill(self) -> None:
        """All that the job runs has SIGKILL."""
        if self._plan.get("freeze"):  # under cgroup v1 what is frozen does not end
            with contextlib.suppress(OSError):
                cgroup.freeze(self._plan, False)
        if not self.sandboxed:
            if self.program:
                with contextlib.suppress(OSError):
                    os.killpg(self.program, signal.SIGKILL)
            cgroup.end(cgroup.descendants(self.pid))
            cgroup.end(cgroup.members(self._plan))
        self.signal(signal.SIGKILL)

    def reap(self, explained: bool) -> None:
        """The process has been waited for, and `status` is set; nothing of the job still runs.

        An exit status of 0 without a report of the program's end counts as a kill, unless it is
        `explained` by an earlier report of the process.
        """
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.status is None:
            self.status = code if code or explained else -signal.SIGKILL
        if not self.sandboxed:
            cgroup.end(cgroup.members(self._plan))
            cgroup.end(cgroup.descendants(os.getpid()))

    def abandon(self) -> None:
        """The process, which could not be started or supervised, has been waited for."""
        os.waitpid(self.pid, 0)
