"""Listens to the shims of this machine's jobs: what they serve, that they run, how they ended."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Pending, Running, Spec, State
from sagebrush.compute.jobs import Job, Jobs
from sagebrush.compute.shim import cgroup
from sagebrush.net import dial

log = logging.getLogger(__name__)

Attach = Callable[[Spec, str, socket.socket], Any]
"""Serves a listener of a job: (spec, name, listening socket). What it returns, if callable, is
called once the job has ended."""


@dataclass
class ShimJob(Job):
    """A job whose shim this process is connected to, or that has ended."""

    mode: str = ""
    """The isolation it was launched with, whatever this server's is."""
    link: socket.socket | None = None
    unread: bytes = b""
    closers: list[Callable[[], Any]] = field(default_factory=list)

    def runs(self, started: float) -> None:
        """The job runs since `started`; its address is known."""
        port, address = self.spec.port, ""
        if port is not None and self.mode == "process":
            address = f"tcp:127.0.0.1:{port}"
        elif port is not None:
            address = f"unix:{self.spec.root / 'ctl'}:{port}"
        self.running = Running(started, address)

    def unlink(self) -> None:
        """The connection to the shim is closed, and what served the job's listeners."""
        if self.link is not None:
            self.link.close()
            self.link = None
        for closer in self.closers:
            closer()
        self.closers.clear()


class Watcher:
    """A thread that is connected to the shims of `jobs`; it starts with the first."""

    def __init__(self, jobs: Jobs[ShimJob], attach: Attach) -> None:
        self._jobs = jobs
        self._attach = attach
        self._children: list[subprocess.Popen[bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._guard = threading.RLock()
        """Held while the selector is used from other threads, which ask after its end too."""
        self._closing = False
        self._thread: threading.Thread | None = None

    def reap(self, children: Iterable[subprocess.Popen[bytes]]) -> None:
        """These processes of this server are waited for when they end."""
        self._children += children

    def connect(self, spec: Spec, mode: str) -> State:
        """Attached to the live shim of `spec`; Pending while it does not listen yet, and where this
        process watches no job any more."""
        if self._closing:
            return Pending()
        try:
            link = dial.control(spec.root / "ctl", "attach")
        except OSError:
            return record.ended(spec.root) or Pending()
        job = ShimJob(spec, mode=mode, link=link)
        self.watch(job)
        state = record.read(spec.root, "state.json")
        if state is not None and state["phase"] == "running":
            job.runs(state["started"])
        return job.running or Pending()

    def watch(self, job: ShimJob) -> None:
        """The job's link is listened to from now on."""
        assert job.link is not None
        job.link.setblocking(False)
        with self._guard:
            if self._closing:  # the next server is attached to it
                job.link.close()
                return
            self._jobs.add(job)
            self._selector.register(job.link, selectors.EVENT_READ, job.spec.key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
                self._thread.start()
            self._wake.send(b"x")

    def forget(self, key: str) -> None:
        """The job is watched no more; the next question about it starts from its directory."""
        job = self._jobs.remove(key)
        if job is not None:
            self._unlink(job)

    def _unlink(self, job: ShimJob) -> None:
        with self._guard:
            if job.link is not None and not self._closing:
                self._selector.unregister(job.link)
        job.unlink()

    def close(self) -> None:
        """No job is watched any more; they go on. Closing twice is fine."""
        with self._guard:
            if self._closing:
                return
            self._closing = True
            self._wake.send(b"x")
        if self._thread is not None:
            self._thread.join()
        for job in self._jobs.clear():
            if job.link is not None:
                job.link.close()
        self._selector.close()
        self._wake.close()
        self._wake_read.close()

    # -- in the thread

    def _loop(self) -> None:
        while not self._closing:
            events = self._selector.select(1.0 if self._children else None)
            for selected, _ in events:
                if selected.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                else:
                    try:
                        self._read(selected.data)
                    except Exception:  # one job's trouble must not end the watching of others
                        log.exception("job %s", selected.data)
                        self.forget(selected.data)
            for child in list(self._children):  # others are added meanwhile
                if child.poll() is not None:
                    self._children.remove(child)

    def _read(self, key: str) -> None:
        """One message of a shim has been taken in, or its end."""
        job = self._jobs.get(key)
        if job is None or job.link is None:
            return
        try:
            data, fds, _, _ = socket.recv_fds(job.link, 4096, 8, dial.CLOSED_ON_EXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._end(key, job)
            return
        *lines, job.unread = (job.unread + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "running":
                job.runs(float(rest))
                self._jobs.announce(key)
            elif word == "listeners" and rest:
                for name, fd in zip(rest.split(","), fds, strict=False):
                    self._serve(job, name, socket.socket(fileno=fd))

    def _serve(self, job: ShimJob, name: str, listener: socket.socket) -> None:
        """The server has the job's listener; a failure there must not end the watching of others."""
        try:
            closer = self._attach(job.spec, name, listener)
        except Exception:
            log.exception("listener %s of %s could not be served", name, job.spec.key)
            return
        if callable(closer):
            job.closers.append(closer)

    def _end(self, key: str, job: ShimJob) -> None:
        """The shim closed the link: the job has ended, or the shim has."""
        directory = job.spec.root
        exited = record.ended(directory)
        if exited is None:
            # The kernel closes a killed process's sockets before it frees its locks.
            limit = time.monotonic() + 2
            while record.held(directory) and time.monotonic() < limit:
                time.sleep(0.002)
            exited = record.ended(directory)
        if exited is None and record.held(directory):
            with self._jobs.lock:  # a shim that the last server had started came before this one
                self.forget(key)
                self.connect(job.spec, job.mode)
            self._jobs.announce(key)
            return
        exited = exited or lost(directory)
        with self._jobs.lock:
            job.exited = exited
            self._unlink(job)
        self._jobs.announce(key)


def lost(directory: Path) -> Exited:
    """The job's end is recorded as unknown and its groups are removed: its shim ended before it."""
    exited = record.lose(directory, time.time())
    found = record.read(directory, "spec.json")
    if found is not None:  # else somebody removed it all
        cgroup.remove(found["shim"]["limits"])
    return exited
