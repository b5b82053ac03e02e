"""Supervises one job for as long as it lives, whoever started it. Standard library only.

`python -I -S -c "… shim.main()" FD` in a directory that holds spec.json; FD is a socket to who
started it, or -1. Beside the job (which cannot write there) it keeps `shim.lock` (held: the shim lives),
`state.json`, `exit.json`, the log, and the socket `ctl`, whose one-line commands are

  attach       the in-sandbox listeners (SCM_RIGHTS) and whether it runs; EOF when it ended
  stop GRACE   SIGTERM now, SIGKILL after GRACE seconds
  begin LIMIT  a process that waited has its /opt/ml now, and LIMIT seconds
  dial PORT    a socket connecting to PORT inside (SCM_RIGHTS)
  exec         a program beside the job's, in its sandbox (visit.py says how)
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time

from sagebrush.compute import trees
from sagebrush.compute.shim import cgroup, files, init, namespaces
from sagebrush.compute.shim import log as joblog

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any

DRAIN = 5.0
"""Seconds that output which is still on its way is waited for after the end."""
WATCH = 0.05
"""Seconds between looks at memory where the kernel does not limit it."""


class Shim:
    """One job's supervisor, in the job's directory."""

    def __init__(self, spec: dict[str, Any], first: socket.socket | None) -> None:
        self.spec = spec
        self.plan: cgroup.Plan = spec["limits"]
        self.control = self._bind()
        self.log = joblog.Writer(".", spec["log_limit"])
        if spec["banner"]:
            self.log.write(spec["banner"].encode() + b"\n", time.time_ns() // 1_000_000)
        self.attached: list[socket.socket] = []
        self.talking: dict[int, tuple[socket.socket, bytes]] = {}
        self.listeners: dict[str, socket.socket] = {}
        self.poll = select.poll()
        self.poll.register(self.control, select.POLLIN)
        self.uid: int | None = None
        self.holder: Any = None
        self.companion: Any = None
        self.wire: Any = None
        self.pid = 0
        self.program = 0
        self.go = self.output = self.news = -1
        self.heard = b""
        self.started = 0.0
        self.timeout = self.kill_at = float("inf")
        self.reason = self.message = ""
        self.status: int | None = None
        self.usage = (0, 0.0, 0.0)
        self.watched_peak = 0
        if first is not None:
            self.attached.append(first)
            first.setblocking(False)

    @staticmethod
    def _bind() -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink("ctl")
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind("ctl")
        control.listen(64)
        control.setblocking(False)
        return control

    # -- start

    def start(self) -> None:
        """The job's first process is on its way; raises StepFailed."""
        with namespaces.step("limits"):
            cgroup.make(self.plan)
        if self.spec["mode"] == "sandbox":
            self._isolate()
        elif self.spec.get("companion"):
            self._accompany()
        self.go, self.output, self.news = self._fork()
        if self.companion is not None:
            self.companion.mounted()
        with namespaces.step("limits"):
            cgroup.add(self.plan, self.pid)
        with contextlib.suppress(BrokenPipeError):  # it failed early; its news say why
            os.write(self.go, b"g")
            files.put("state.json", self._state("starting"))  # while the sandbox is being built
            if self.wire is None:
                os.write(self.go, b"s")
        for fd in (self.output, self.news):
            os.set_blocking(fd, False)
            self.poll.register(fd, select.POLLIN)
        self._greet(self.attached)

    def _isolate(self) -> None:
        os.makedirs("mnt", exist_ok=True)
        os.makedirs("tmp", exist_ok=True)
        first, count = self.spec["uids"]
        if count:
            seed = int.from_bytes(os.urandom(4), "little")
            self.uid, self.holder = namespaces.claim_uid(first, count, seed)
            for name in ("ml", "tmp", *self.spec.get("give", ())):
                self._give(name)
        os.chmod("tmp", 0o1777)
        if self.spec.get("companion"):
            self._accompany()
        if self.spec["network"]:
            self._connect()
        namespaces.isolate(user=not count)
        namespaces.loopback(*self.spec["aliases"])
        if self.wire is not None:
            self.wire.present()
        if self.companion is not None:
            self.spec["devices"] = self.companion.open_devices()
        for name, (host, port) in self.spec["listeners"].items():
            with namespaces.step(f"listener {name}"):
                self.listeners[name] = socket.create_server((host, port), backlog=1024)

    def _accompany(self) -> None:
        """The process beside the job runs, outside of what the job will be in."""
        from sagebrush.compute.shim import companion_process  # most jobs have none

        self.companion = companion_process.Companion(self.spec, self.uid)
        self.listeners[companion_process.LISTENER] = self.companion.listener
        self.poll.register(self.companion.news, select.POLLIN)

    def _attend(self) -> None:
        """What the companion said is in the job's log, or ends the job."""
        lines, failure = self.companion.attend()
        for line in lines:
            self.log.write(line.encode() + b"\n", time.time_ns() // 1_000_000)
        if failure:
            self.reason, self.message = self.reason or "input", self.message or failure
            self.kill()

    def _connect(self) -> None:
        """The network that the job's instances share will be this one's too; raises StepFailed."""
        from sagebrush.compute.shim import network  # most jobs have none

        self.wire = network.Wire(*self.spec["network"])
        self.wire.join()
        self.poll.register(self.wire, select.POLLIN)

    def _admit(self) -> None:
        """All instances are on their network: the program starts. Raises StepFailed, Stopped."""
        self.poll.unregister(self.wire)
        self.wire.admitted()
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b"s")

    def _give(self, name: str) -> None:
        """What is in the directory `name` belongs to the job's user, where it has one of its own."""
        if self.uid is None:
            return
        with namespaces.step(f"give {name} to the job's user"):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            directory = os.open(name, flags)
            trees.give(directory, self.uid)
            os.close(directory)

    def _begin(self, limit: float) -> None:
        """The job that a waiting process becomes begins."""
        with contextlib.suppress(namespaces.StepFailed):  # it will say itself what it cannot write
            self._give("ml")
        self.timeout = time.monotonic() + limit

    def _fork(self) -> tuple[int, int, int]:
        """The first process, waiting for `go`; (go, its output, its news)."""
        go_read, go = os.pipe()
        output, log = os.pipe()
        news, tell = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(log, 1031, joblog.BLOCK)  # F_SETPIPE_SZ
        with namespaces.step("fork"):
            self.pid = os.fork()
        if self.pid == 0:
            init.run(self.spec, self.uid, go_read, tell, log)
        for fd in (go_read, log, tell):
            os.close(fd)
        return go, output, news

    def _state(self, phase: str) -> dict[str, Any]:
        return {"phase": phase, "started": self.started, "shim": os.getpid(), "pid": self.pid}

    # -- life

    def live(self) -> None:
        """Returns when the job has ended and been reaped."""
        while self.status is None:
            now = time.monotonic()
            if now >= self.timeout:
                self._stop("timeout", self.spec["grace"])
                continue
            if now >= self.kill_at:
                self.kill_at = float("inf")
                self.kill()
            self._events(self._patience(now))
        self._drain()

    def _patience(self, now: float) -> float | None:
        """Milliseconds until something is due; None: nothing is."""
        due = min(self.timeout, self.kill_at)
        if self.plan["watch"]:
            self._look_at_memory()
            due = min(due, now + WATCH)
        return None if due == float("inf") else max(0.0, (due - now) * 1000 + 1)

    def _look_at_memory(self) -> None:
        used = cgroup.resident(self.pid)
        self.watched_peak = max(self.watched_peak, used)
        if used <= self.plan["watch"] or not self.started:
            return
        if self.spec.get("spare") and (largest := cgroup.largest(self.pid)):
            cgroup.end([largest])  # as the kernel does where it limits memory
            return
        self.reason = self.reason or "oom"
        self.kill()

    def _events(self, patience: float | None) -> None:
        for fd, _ in self.poll.poll(patience):
            if fd == self.output:
                self._read_output()
            elif fd == self.news:
                self._read_news()
            elif fd == self.control.fileno():
                self._accept()
            elif self.wire is not None and fd == self.wire.fileno():
                self._admit()
            elif fd in self.talking:
                self._listen_to(fd)
            elif self.companion is not None and fd == self.companion.news:
                self._attend()

    def _read_output(self) -> bool:
        try:
            data = os.read(self.output, joblog.BLOCK)
        except BlockingIOError:
            return True
        if not data:
            self.poll.unregister(self.output)
            os.close(self.output)
            self.output = -1
            return False
        self.log.write(data, time.time_ns() // 1_000_000)
        return True

    def _read_news(self) -> None:
        data = os.read(self.news, 65536)
        self.heard += data
        while b"\n" in self.heard:
            line, _, self.heard = self.heard.partition(b"\n")
            self._hear(line.decode(errors="replace"))
        if not data:
            self._reap()

    def _hear(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "R":
            program, _, started = rest.partition(" ")
            self.program, self.started = int(program), float(started)
            if self.spec["time_limit"] is not None:
                self.timeout = time.monotonic() + self.spec["time_limit"]
            with contextlib.suppress(OSError):  # on a full disk only who attaches later waits
                files.put("state.json", self._state("running"), lasting=False)
            for each in list(self.attached):
                self._send(each, f"running {self.started}\n".encode())
        elif word == "E":
            self.reason, self.message = f"sandbox: {rest}", rest
        elif word == "X":
            if self.companion is not None:
                self._attend()  # a stream that broke off looked like its end
            status, size, user, system = rest.split()
            self.status = os.waitstatus_to_exitcode(int(status))
            self.usage = (int(size) * 1024, float(user), float(system))
            self._reap()

    def _reap(self) -> None:
        """The first process has ended, and with it (in a sandbox) all that it started."""
        if self.spec["mode"] != "sandbox":
            self.kill()
        _, status = os.waitpid(self.pid, 0)
        self.poll.unregister(self.news)
        if self.status is None:
            code = os.waitstatus_to_exitcode(status)
            self.status = code if code or self.reason else -signal.SIGKILL
        if self.spec["mode"] != "sandbox":
            cgroup.end(cgroup.members(self.plan))
            cgroup.end(cgroup.descendants(os.getpid()))

    def _stop(self, reason: str, grace: float) -> None:
        if self.wire is not None and self.wire.waiting:
            self.wire.call_off()
            raise namespaces.Stopped
        self.timeout = float("inf")
        self.reason = self.reason or reason
        first = self.kill_at == float("inf")
        self.kill_at = min(self.kill_at, time.monotonic() + grace)
        if first:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """The job has SIGKILL."""
        if self.companion is not None and self.companion.leave():
            self.poll.unregister(self.companion.news)
        if self.spec["mode"] != "sandbox":
            if self.program:
                with contextlib.suppress(OSError):
                    os.killpg(self.program, signal.SIGKILL)
            cgroup.end(cgroup.descendants(self.pid))
            cgroup.end(cgroup.members(self.plan))
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _drain(self) -> None:
        limit = time.monotonic() + DRAIN
        while self.output >= 0 and time.monotonic() < limit:
            if not select.select([self.output], [], [], 0.2)[0]:
                break  # somebody holds the pipe and says nothing
            self._read_output()
        self.log.close()

    # -- ctl

    def _accept(self) -> None:
        try:
            talk, _ = self.control.accept()
        except OSError:
            return
        talk.setblocking(False)
        self.talking[talk.fileno()] = (talk, b"")
        self.poll.register(talk, select.POLLIN)
        self._listen_to(talk.fileno())

    def _listen_to(self, fd: int) -> None:
        talk, before = self.talking[fd]
        try:
            data = talk.recv(256)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        line, end, _ = (before + data).partition(b"\n")
        if data and not end and len(line) < 256:
            self.talking[fd] = (talk, line)
            return
        self.poll.unregister(fd)
        del self.talking[fd]
        if not (end and self._obey(talk, line.decode(errors="replace").split())):
            talk.close()

    def _obey(self, talk: socket.socket, words: list[str]) -> bool:
        """The command has been done; whether the connection stays open."""
        match words:
            case ["attach"]:
                self.attached.append(talk)
                self._greet([talk])
                return True
            case ["stop", grace]:
                self._stop("stopped", float(grace))
                self._send(talk, b"ok\n")
            case ["begin", limit]:
                self._begin(float(limit))
                self._send(talk, b"ok\n")
            case ["dial", port]:
                self._dial(talk, int(port))
            case ["exec"]:
                self._visited(talk)
        return False

    def _greet(self, connections: list[socket.socket]) -> None:
        names = list(self.listeners)
        fds = [self.listeners[name].fileno() for name in names]
        for each in list(connections):
            self._send(each, f"listeners {','.join(names)}\n".encode(), fds)
            if self.started:
                self._send(each, f"running {self.started}\n".encode())

    def _send(self, to: socket.socket, data: bytes, fds: list[int] | None = None) -> None:
        try:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds or []))
            to.sendmsg([data], [rights] if fds else [])
        except OSError:  # it went away; the next server attaches anew
            if to in self.attached:
                self.attached.remove(to)
            to.close()

    def _dial(self, talk: socket.socket, port: int) -> None:
        """A socket that connects inside; who gets it waits until that is done."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as inside:
            inside.setblocking(False)
            inside.connect_ex(("127.0.0.1", port))
            self._send(talk, b"ok\n", [inside.fileno()])

    def _visited(self, talk: socket.socket) -> None:
        """A visitor is in the job, or has been told why not."""
        from sagebrush.compute.shim import exec  # most jobs have none

        try:
            if not self.started:
                raise namespaces.StepFailed("the job does not run yet")
            exec.begin(self.spec, self.pid, self.uid, talk)
        except Exception as failure:  # even another version's visit.py: the job goes on
            self._send(talk, f"error {failure}\n".encode())

    # -- end

    def give_up(self, why: str = "") -> None:
        """The job does not run: it could not be started, or can be supervised no longer, or (without
        a reason) was stopped before its program started."""
        if self.pid and self.status is None:
            self.kill()
            os.waitpid(self.pid, 0)
        if why:
            self.status = self.status if self.status is not None else init.FAILED
            self.reason, self.message = f"sandbox: {why}", why
        else:
            self.status, self.reason = -signal.SIGTERM, "stopped"

    def result(self) -> dict[str, Any]:
        """What exit.json says."""
        code = self.status if self.status is not None else init.FAILED
        reason = self.reason
        if reason == "" and code != 0 and cgroup.killed(self.plan):
            reason = "oom"
        peak = cgroup.peak(self.plan) or max(self.watched_peak, self.usage[0])
        return {
            "code": code,
            "reason": reason,
            "message": self.message,
            "started": self.started,
            "ended": time.time(),
            "peak_memory": peak,
            "utime": self.usage[1],
            "stime": self.usage[2],
            "log_lost": self.log.lost,
        }

    def close(self) -> None:
        """exit.json is there, who is attached knows, and what the job needed is removed."""
        try:
            files.settle(self.result())
        finally:  # even when the directory is gone: what is outside it must go too
            self._clear()

    def _clear(self) -> None:
        if self.companion is not None:
            self.companion.end()
        for listener in self.listeners.values():
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # the server's duplicates stop accepting too
        with contextlib.suppress(FileNotFoundError):
            os.unlink("ctl")
        for each in (*self.attached, self.control):
            each.close()
        cgroup.remove(self.plan)
        with contextlib.suppress(OSError):
            trees.remove("tmp")


def main() -> None:
    """Supervises the job of the current directory; returns when it has ended."""
    fd = int(sys.argv[1])
    os.umask(0o077)
    lock = files.locked()
    if lock is None or os.path.exists("state.json") or os.path.exists("exit.json"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    namespaces.adopt_orphans()
    with open("spec.json") as file:
        spec = json.load(file)["shim"]
    files.reserve()
    shim = Shim(spec, socket.socket(fileno=fd) if fd >= 0 else None)
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
