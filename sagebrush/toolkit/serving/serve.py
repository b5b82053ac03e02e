"""The model server of a serving job: port 8080, GET /ping, POST /invocations, worker processes.

AWS's container contract ("Use your own inference code with hosting services" in the SageMaker
guide). The master accepts connections, answers /ping itself and hands each connection that has a
request waiting to a free worker, so a busy worker never holds up a request that another could take.
It imports nothing of the model's, so workers are forked without it, and replaced when they die.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/serving/serve.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit.serving import frameworks, handler, worker

PARAMETERS = (
    b'{"MaxConcurrentTransforms": %d, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}'
)
PING_HOLD = 1.0
"""Seconds that a /ping waits for the model before it is answered with 503."""
LOOK = 5.0
"""Seconds between two checks whether the caller of a long request is still connected."""
OVERLAY = "SAGEBRUSH_OVERLAY"
"""Set in the process that runs with the user's requirements installed."""
GIVE_UP = 5
"""Workers that may fail to load in a row, with none alive, before the server ends."""


@dataclass(eq=False)
class Worker:
    """A worker process as the master sees it."""

    pid: int
    control: socket.socket
    ready: bool = False
    client: socket.socket | None = None
    """The connection that it answers now."""
    start: bytes = b""
    """How the request on it begins."""
    look_at: float = 0.0
    """When to check whether the caller is still connected (monotonic seconds)."""


@dataclass
class Master:
    """The listening socket, the connections that wait, and the workers."""

    listener: socket.socket
    count: int
    """Workers to keep alive."""
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    workers: list[Worker] = field(default_factory=list)
    idle: deque[Worker] = field(default_factory=deque)
    waiting: deque[tuple[socket.socket, bytes]] = field(default_factory=deque)
    """Connections with a request, for which no worker is free, and how the request begins."""
    pings: list[tuple[float, socket.socket]] = field(default_factory=list)
    was_ready: bool = False
    failures: int = 0
    start_at: float = 0.0
    """When the next worker may be started (monotonic seconds)."""
    stopping: bool = False
    began: float = field(default_factory=time.monotonic)

    def run(self) -> int:
        """Serves until SIGTERM, or until the model cannot be loaded; the exit status."""
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, "listener")
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self.selector.register(woken, selectors.EVENT_READ, "signal")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "stopping", True))
        while not (self.stopping and not any(w.client for w in self.workers)):
            if not self.stopping:
                self._start_workers()
            for key, _ in self.selector.select(self._pause()):
                self._handle(key)
            self._answer_old_pings()
            self._end_orphans()
            if self.failures and not self.was_ready:
                return 1
            if self.failures >= GIVE_UP and not any(w.ready for w in self.workers):
                print(f"{self.failures} workers failed to start in a row", file=sys.stderr)
                return 1
        for each in self.workers:
            each.control.close()
        return 0

    def _pause(self) -> float | None:
        """Seconds until something is due without an event."""
        now = time.monotonic()
        due = [at + PING_HOLD for at, _ in self.pings]
        due += [w.look_at for w in self.workers if w.client is not None]
        if len(self.workers) < self.count:
            due.append(self.start_at)
        return max(0.0, min(due) - now) if due else None

    def _handle(self, key: selectors.SelectorKey) -> None:
        if key.data == "listener":
            self._accept()
        elif key.data == "signal":
            key.fileobj.recv(64)  # type: ignore[union-attr]
        elif isinstance(key.data, Worker):
            self._hear(key.data)
        else:
            self._readable(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            client, _ = self.listener.accept()
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
            self._reply(client, 200, PARAMETERS % self.count)
        else:
            self.selector.unregister(client)
            self.waiting.append((client, start))
            self._hand_out()

    def _hand_out(self) -> None:
        """Waiting requests go to free workers."""
        while self.waiting and self.idle:
            each, (client, start) = self.idle.popleft(), self.waiting.popleft()
            client.setblocking(True)
            try:
                socket.send_fds(each.control, [b"x"], [client.fileno()])
            except OSError:  # the worker has just died, which the next event reports
                self.waiting.appendleft((client, start))
                continue
            each.client, each.start = client, start
            each.look_at = time.monotonic() + LOOK

    def _end_orphans(self) -> None:
        """Ends workers whose caller has left: others would wait for an answer that no one reads."""
        now = time.monotonic()
        for each in self.workers:
            if each.client is None or now < each.look_at:
                continue
            each.look_at = now + LOOK
            try:
                left = each.client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                left = False
            except OSError:
                left = True
            if left:
                print(f"worker {each.pid} is ended: its caller left", file=sys.stderr, flush=True)
                os.kill(each.pid, signal.SIGKILL)

    def _hear(self, each: Worker) -> None:
        """A worker says that it is ready or done, or its end is closed: it died."""
        try:
            said = each.control.recv(1)
        except OSError:
            said = b""
        client, each.client = each.client, None
        if said == worker.READY:
            if not self.was_ready:
                took = time.monotonic() - self.began
                print(f"model loaded in {took:.2f} s; {self.count} worker(s)", file=sys.stderr)
            each.ready = self.was_ready = True
            self.failures = 0
            self._answer_pings(200)
        elif said == worker.KEEP and client is not None:
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ, "client")
        elif client is not None and not said and _untouched(client, each.start):
            self.waiting.appendleft((client, each.start))  # it died before it read any of it
        elif client is not None:
            # CLOSE, or a death: what the worker had begun to send cannot be known, so nothing
            # more is sent; the caller sees the connection end.
            client.close()
        if said:
            self.idle.append(each)
        else:
            self._bury(each)
        self._hand_out()

    def _bury(self, each: Worker) -> None:
        self.selector.unregister(each.control)
        each.control.close()
        self.workers.remove(each)
        if each in self.idle:
            self.idle.remove(each)
        _, status = os.waitpid(each.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if self.stopping:
            return
        if each.ready:
            print(f"worker {each.pid} died ({_end(code)}); starting another", file=sys.stderr)
            self.start_at = time.monotonic()
        else:
            self.failures += 1
            self.start_at = time.monotonic() + min(30.0, 0.5 * 2**self.failures)
        sys.stderr.flush()

    def _start_workers(self) -> None:
        """One worker loads first, so that a model that cannot load fails once; then the others."""
        while len(self.workers) < self.count and time.monotonic() >= self.start_at:
            if any(not w.ready for w in self.workers) and not self.was_ready:
                return
            self._fork()

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._become_worker()
                ours.close()
                code = worker.run(theirs)
            finally:
                sys.stdout.flush()
                os._exit(code)
        theirs.close()
        each = Worker(pid, ours)
        self.workers.append(each)
        self.selector.register(ours, selectors.EVENT_READ, each)

    def _become_worker(self) -> None:
        """In the fork: nothing of the master's stays open (a client's end must be seen as one)."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        for sock in [*(w for w, _ in self.waiting), *(p for _, p in self.pings)]:
            sock.close()
        for each in self.workers:
            if each.client is not None:
                each.client.close()
        self.selector.close()
        root = str(Path(__file__).resolve().parents[3])
        # Other packages in Sagebrush's folder must not be importable by the model.
        sys.path[:] = [p for p in sys.path if p != root]

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

    def _answer_old_pings(self) -> None:
        if self.pings and time.monotonic() >= self.pings[0][0] + PING_HOLD:
            self._answer_pings(503)

    def _reply(self, client: socket.socket, status: int, body: bytes) -> None:
        """A short answer of the master's own to the request that waits on `client`."""
        try:
            head = client.recv(65536)
            keep = head.endswith(b"\r\n\r\n") and b"connection: close" not in head.lower()
            phrase = worker.PHRASES[status]
            end = "" if keep else "Connection: close\r\n"
            text = (
                f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n{end}\r\n"
            )
            client.send(text.encode() + body)
        except OSError:
            keep = False
        if not keep:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self.selector.unregister(client)
        client.close()


def _untouched(client: socket.socket, start: bytes) -> bool:
    """Whether the request is still unread: the connection is shared, so reading would have taken
    its bytes."""
    try:
        return client.recv(len(start), socket.MSG_PEEK | socket.MSG_DONTWAIT) == start
    except OSError:
        return False


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"


def cpus(environ: Mapping[str, str]) -> int:
    """CPUs of the instance: what the platform says, else what this process may use."""
    for name in ("SM_NUM_CPUS", "OMP_NUM_THREADS"):
        text = environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(environ: Mapping[str, str]) -> int:
    """SAGEMAKER_MODEL_SERVER_WORKERS, else one for each CPU, or one for a large framework."""
    text = environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    if text.isdigit() and int(text) > 0:
        return int(text)
    return frameworks.workers(frameworks.name(environ), cpus(environ))


def install_requirements() -> None:
    """The packages of the `requirements.txt` next to the inference code can be imported.

    The environment is read-only and shared, so this process goes on in an overlay of its own.
    Raises SystemExit when pip fails; pip's output is in the log.
    """
    if {OVERLAY, "SAGEBRUSH_ALGORITHM", "SAGEBRUSH_LAYER"} & set(os.environ):
        return
    try:
        script = worker.code()
    except handler.NoHandler:  # the worker says so
        return
    folder = script.parent if script else worker.root() / "model" / "code"
    wanted = folder / "requirements.txt"
    if not wanted.is_file():
        return
    from sagebrush.toolkit.packages import overlay

    python = overlay.create()
    print(f"installing {wanted}", file=sys.stderr, flush=True)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", wanted.name]
    if subprocess.call(command, cwd=wanted.parent, stdout=sys.stderr):
        raise SystemExit(f"{wanted} could not be installed")
    os.execve(python, [python, __file__], {**os.environ, OVERLAY: python})


def main() -> int:
    """Serves the model of this job; the process's exit status."""
    try:
        framework = frameworks.name(os.environ)
    except handler.NoHandler as error:
        print(f"model cannot be served: {error}", file=sys.stderr)
        return 1
    install_requirements()
    count = worker_count(os.environ)
    os.environ.update(frameworks.threads(framework, cpus(os.environ), count, os.environ))
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
    host = os.environ.get("SAGEBRUSH_BIND_HOST", "0.0.0.0")
    with socket.create_server((host, port), backlog=1024) as listener:
        return Master(listener, count).run()


if __name__ == "__main__":
    sys.exit(main())
