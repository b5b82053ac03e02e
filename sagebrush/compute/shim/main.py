"""Supervises one job for as long as it lives, whoever started it. Standard library only.

`python -I -S -c "… main.main()" FD` in a directory that holds spec.json; FD is a socket to who
started it, or -1. In that directory, where the job cannot write, it keeps `shim.lock` (held: the
shim lives), `state.json`, `exit.json`, the log, and the socket `ctl`, whose one-line commands are

  attach       the in-sandbox listeners (SCM_RIGHTS) and whether it runs; EOF when it ended
  stop GRACE   SIGTERM now, SIGKILL after GRACE seconds
  begin LIMIT  a process that waited has its /opt/ml now, and LIMIT seconds
  dial PORT    a socket connecting to PORT inside (SCM_RIGHTS)
  exec         another program in the job's sandbox (exec.py says how)

A job may be tied to who started it: it hears on FD what `tied` says, and ends with that connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

from sagebrush.compute.shim import (
    blank,
    cgroup,
    control,
    files,
    init,
    isolation,
    log,
    namespaces,
    process,
    tied,
)

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any

DRAIN = 5.0
"""Seconds that output which is still on its way is waited for after the end."""
WATCH = 0.05
"""Seconds between looks at memory where the kernel does not limit it."""
NEVER = float("inf")


class Shim:
    """One job's supervisor, in the job's directory."""

    def __init__(
        self,
        spec: dict[str, Any],
        first: socket.socket | None,
        program: blank.Program | None = None,
    ) -> None:
        """`first` is attached from the beginning; `program` may run instead of
        the spec's `argv`."""
        self.spec = spec
        self.plan: cgroup.Plan = spec["limits"]
        self.poll = select.poll()
        self.control = control.Control(self.poll, first)
        self.log = log.Writer(".", spec["log_limit"])
        if spec["banner"]:
            self._log(spec["banner"].encode() + b"\n")
        self.isolation = isolation.Isolation(spec)
        self.process = process.Process(spec, program)
        self.tied = tied.Tied(first, self.poll) if first is not None and spec.get("tied") else None
        self.said = 0
        """Where in the log the last text stands that it was told to write."""
        self.timeout = self.kill_at = NEVER
        self.reason = self.message = ""

    def _log(self, data: bytes) -> None:
        self.log.write(data, time.time_ns() // 1_000_000)

    # -- start

    def start(self) -> None:
        """The job's first process is on its way; raises StepFailed, Stopped, OSError."""
        with namespaces.step("limits"):
            cgroup.make(self.plan)
        self.isolation.build()
        companion, wire = self.isolation.companion, self.isolation.wire
        for source in (companion and companion.news, wire):
            if source is not None:
                self.poll.register(source, select.POLLIN)
        self.process.fork(self.isolation.uid)
        if companion is not None:
            companion.mounted()
        self.process.enter()
        self._record("starting")  # while the sandbox is being built
        if wire is None and self.tied is None:
            self.process.begin()
        for fd in (self.process.output, self.process.news):
            self.poll.register(fd, select.POLLIN)
        self.control.offer(self.isolation.listeners)

    def _record(self, phase: str, lasting: bool = True) -> None:
        started, pid = self.process.started, self.process.pid
        state = {"phase": phase, "started": started, "shim": os.getpid(), "pid": pid}
        files.put("state.json", state, lasting and self.tied is None)

    # -- life

    def live(self) -> None:
        """Returns when the job has ended and been reaped. Raises Stopped, OSError."""
        while self.process.status is None:
            now = time.monotonic()
            if now >= self.timeout:
                self._stop("timeout", self.spec["grace"])
                continue
            if now >= self.kill_at:
                self.kill_at = NEVER
                self._kill()
            self._events(self._patience(now))
        self._drain()

    def _patience(self, now: float) -> float | None:
        """Milliseconds until something is due; None: nothing is."""
        due = min(self.timeout, self.kill_at)
        if self.plan["watch"]:
            if self.process.too_large():
                self.reason = self.reason or "oom"
                self._kill()
            due = min(due, now + WATCH)
        return None if due == NEVER else max(0.0, (due - now) * 1000 + 1)

    def _events(self, patience: float | None) -> None:
        companion, wire = self.isolation.companion, self.isolation.wire
        ready = self.poll.poll(patience)
        if self.tied is not None:  # before the output: what it is told comes first in the log
            self._hear(self.tied)
        for fd, _ in ready:
            if fd == self.process.output:
                self._read_output()
            elif fd == self.process.news:
                self._read_news()
            elif wire is not None and fd == wire.fileno():
                self.poll.unregister(wire)
                wire.admitted()  # all instances are on their network
                self.process.begin()
            elif companion is not None and fd == companion.news:
                self._read_companion()
            elif (command := self.control.ready(fd)) and not self._obey(*command):
                command[0].close()

    def _read_output(self) -> None:
        data = self.process.read_output()
        if data:
            self._log(data)
        elif data is not None:
            self.poll.unregister(self.process.output)
            self.process.close_output()

    def _drain(self) -> None:
        limit = time.monotonic() + DRAIN
        while self.process.output >= 0 and time.monotonic() < limit:
            if not self.process.wait_for_output(0.2):
                break  # somebody holds the pipe and says nothing
            self._read_output()
        self.log.close()

    def _read_companion(self) -> None:
        """The companion's lines are in the job's log; its failure ends the job."""
        if self.isolation.companion is None:
            return
        lines, failure = self.isolation.companion.attend()
        for line in lines:
            self._log(line.encode() + b"\n")
        if failure:
            self.reason, self.message = self.reason or "input", self.message or failure
            self._kill()

    def _read_news(self) -> None:
        lines, more = self.process.read_news()
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "R":
                self._runs(*rest.split())
            elif word == "E":
                self.reason, self.message = f"sandbox: {rest}", rest
            elif word == "X":
                self._read_companion()  # a stream that broke off looked like its end
                self.process.ended(*rest.split())
                self._reap()
        if not more:
            self._reap()

    def _runs(self, program: str, started: str) -> None:
        self.process.ran(program, started)
        if self.spec["time_limit"] is not None:
            self.timeout = time.monotonic() + self.spec["time_limit"]
        if self.tied is None:  # else nobody attaches later
            with contextlib.suppress(OSError):  # on a full disk only who does so waits
                self._record("running", lasting=False)
        self.control.broadcast(f"running {self.process.started}")

    # -- who it is tied to

    def _hear(self, link: tied.Tied) -> None:
        """What has been said on the connection is done; nothing runs any more once it has ended."""
        for words, text in link.read():
            if words[0] == "begin":
                self._become(json.loads(text))
            elif words[0] == "say":
                self.said = self.log.offset
                self._log(text)
            elif words[0] == "close":
                self._close_turn(text.decode(), link)
            elif words[0] in (tied.FREEZE, tied.THAW):
                self.process.freeze(words[0] == tied.FREEZE)
            elif words[0] == "kill":
                self.reason = self.reason or words[1]
                self._kill()
        if link.ended and not self.reason:
            self.reason = "stopped"
            self._kill()

    def _become(self, told: dict[str, Any]) -> None:
        """The job, which did not know what it would be, begins. Raises StepFailed."""
        told["env"] |= self.spec["env"]  # what this process alone knows: ports
        self.plan.update(told["limits"])
        self.spec.update(told)
        if told["banner"]:
            self._log(told["banner"].encode() + b"\n")
        with namespaces.step("limits"):
            cgroup.make(self.plan)
        self.process.become(json.dumps(told).encode())

    def _close_turn(self, text: str, link: tied.Tied) -> None:
        """All that the job has written so far is in its log, and then `text`."""
        waiting = self.process.waiting()
        while waiting > 0 and (data := self.process.read_output(waiting)):
            self._log(data)
            waiting -= len(data)
        peak = self.process.peak()
        self._log(text.replace(tied.PEAK, str(-(-peak >> 20))).encode())
        link.answer(f"said {self.said} {self.log.offset} {peak}")

    # -- commands

    def _obey(self, connection: socket.socket, words: list[str]) -> bool:
        """The command has been done; whether the connection stays open."""
        match words:
            case ["attach"]:
                self._attach(connection)
                return True
            case ["stop", grace]:
                self._stop("stopped", float(grace))
                self.control.send(connection, b"ok\n")
            case ["begin", limit] if not self._ending:  # whoever asks is told so
                self._begin(float(limit))
                self.control.send(connection, b"ok\n")
            case ["dial", port]:
                self._dial(connection, int(port))
            case ["exec"]:
                self._exec(connection)
        return False

    @property
    def _ending(self) -> bool:
        """Whether it is to end; the file tells of a `stop` whose connection is not read yet."""
        return bool(self.reason) or os.path.exists("stop")

    def _attach(self, connection: socket.socket) -> None:
        self.control.attach(connection, self.isolation.listeners)
        if self.process.started:
            self.control.send(connection, f"running {self.process.started}\n".encode())

    def _begin(self, limit: float) -> None:
        """The job that a waiting process becomes begins."""
        with contextlib.suppress(namespaces.StepFailed):  # it will say itself what it cannot write
            self.isolation.give("ml")
        self.timeout = time.monotonic() + limit

    def _dial(self, connection: socket.socket, port: int) -> None:
        """The connection has a socket that connects inside; who gets it waits until that is done."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as inside:
            inside.setblocking(False)
            inside.connect_ex(("127.0.0.1", port))
            self.control.send(connection, b"ok\n", [inside.fileno()])

    def _exec(self, connection: socket.socket) -> None:
        """A process of its own serves the connection, or has been sent the reason why not."""
        from sagebrush.compute.shim import exec  # most jobs have none

        try:
            if not self.process.started:
                raise namespaces.StepFailed("the job does not run yet")
            exec.begin(self.spec, self.process.pid, self.isolation.uid, connection)
        except Exception as failure:  # even another version's exec.py: the job goes on
            self.control.send(connection, f"error {failure}\n".encode())

    # -- end

    def _stop(self, reason: str, grace: float) -> None:
        """The job has SIGTERM, and SIGKILL when `grace` seconds are over. Raises Stopped where its
        program has not started because other instances have not."""
        wire = self.isolation.wire
        if wire is not None and wire.waiting:
            wire.call_off()
            raise namespaces.Stopped
        self.timeout = NEVER
        self.reason = self.reason or reason
        first = self.kill_at == NEVER
        self.kill_at = min(self.kill_at, time.monotonic() + grace)
        if first:
            self.process.signal(signal.SIGTERM)

    def _kill(self) -> None:
        """All that the job runs has SIGKILL, and its companion ends in a while."""
        companion = self.isolation.companion
        if companion is not None and companion.leave():
            self.poll.unregister(companion.news)
        self.process.kill()

    def _reap(self) -> None:
        """The first process has ended, and with it (in a sandbox) all that it started."""
        if not self.process.sandboxed:
            self._kill()
        self.poll.unregister(self.process.news)
        self.process.reap(explained=bool(self.reason))

    def give_up(self, why: str = "") -> None:
        """The job does not run: it could not be started, or can be supervised no longer, or (without
        a reason) was stopped before its program started."""
        if self.process.pid and self.process.status is None:
            self._kill()
            self.process.abandon()
        if not why:
            self.process.status, self.reason = -signal.SIGTERM, "stopped"
            return
        if self.process.status is None:
            self.process.status = init.FAILED
        self.reason, self.message = f"sandbox: {why}", why

    def result(self) -> dict[str, Any]:
        """What exit.json says."""
        code = self.process.status if self.process.status is not None else init.FAILED
        reason = self.reason
        if reason == "" and code != 0 and cgroup.killed(self.plan):
            reason = "oom"
        return {
            "code": code,
            "reason": reason,
            "message": self.message,
            "started": self.process.started,
            "ended": time.time(),
            "peak_memory": self.process.peak(),
            "utime": self.process.usage[1],
            "stime": self.process.usage[2],
            "log_lost": self.log.lost,
        }

    def close(self) -> None:
        """exit.json is there, who is attached knows, and what the job needed is removed."""
        try:
            files.settle(self.result(), lasting=self.tied is None)
        finally:  # even when the directory is gone: what is outside it must go too
            self.isolation.end()
            self.control.close()
            cgroup.remove(self.plan)
            self.isolation.remove_files()


def main() -> None:
    """Supervises the job of the current directory; returns when it has ended."""
    fd = int(sys.argv[1])
    supervise(socket.socket(fileno=fd) if fd >= 0 else None)


def supervise(first: socket.socket | None, program: blank.Program | None = None) -> None:
    """The same, attached to `first`; the job may be `program`, in a process of its own, instead of
    another program that is executed."""
    os.umask(0o077)
    lock = files.locked()
    if lock is None or os.path.exists("state.json") or os.path.exists("exit.json"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    namespaces.adopt_orphans()
    with open("spec.json") as file:
        spec = json.load(file)["shim"]
    files.reserve()
    shim = Shim(spec, first, program)
    try:
        if os.path.exists("stop"):
            raise namespaces.Stopped
        shim.start()
        shim.live()
    except namespaces.Stopped:
        shim.give_up()
    except (namespaces.StepFailed, OSError) as failure:
        shim.give_up(str(failure))
    shim.close()
    os.close(lock)
