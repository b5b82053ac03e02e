"""What a shim makes around a job before the job's first process: its user, its namespaces, the
listeners in them, its network, its companion. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import socket

from sagebrush.compute import trees
from sagebrush.compute.shim import namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any

    from sagebrush.compute.shim.companion_process import Companion
    from sagebrush.compute.shim.network import Wire

FEED = "SAGEBRUSH_FEED"
"""The variable of a program outside of any sandbox that holds the port of the listener `feed`."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Isolation:
    """What surrounds one job, from before its first process until after its end."""

    def __init__(self, spec: dict[str, Any]) -> None:
        """Nothing is made yet."""
        self._spec = spec
        self._claim: Any = None
        self.uid: int | None = None
        """The job's user, where it has one of its own."""
        self.listeners: dict[str, socket.socket] = {}
        """Listening sockets inside, by name, which the server serves."""
        self.companion: Companion | None = None
        self.wire: Wire | None = None

    def build(self) -> None:
        """This process is where the first process is to be forked. Raises StepFailed, Stopped, and
        OSError."""
        if self._spec["mode"] == "sandbox":
            self._enter()
        elif self._spec.get("companion"):
            self._accompany()
        elif self._spec.get("outside"):
            self._listen()
        elif self._spec.get("tied"):
            self._listen_locally()

    def _listen(self) -> None:
        """The program finds the server at a port that this process holds over the server's restarts."""
        from sagebrush.compute.shim import companion_process  # most jobs have none

        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listeners[companion_process.LISTENER] = listener
        self._spec["env"][FEED] = str(listener.getsockname()[1])

    def _listen_locally(self) -> None:
        """Outside of a sandbox the program finds what it asks at ports of the host's loopback, each
        named by a variable, and has a folder of its own for what is temporary."""
        os.makedirs("tmp", exist_ok=True)
        for name, variable in self._spec["outside_listeners"].items():
            listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.listeners[name] = listener
            self._spec["env"][variable] = f"127.0.0.1:{listener.getsockname()[1]}"

    def _enter(self) -> None:
        os.makedirs("mnt", exist_ok=True)
        os.makedirs("tmp", exist_ok=True)
        changed = self._apart()
        first, count = self._spec["uids"]
        if count:
            seed = int.from_bytes(os.urandom(4), "little")
            self.uid, self._claim = namespaces.claim_uid(first, count, seed)
            own = ("tmp",) if self._spec.get("tied") else ("ml", "tmp")
            for name in (*own, *self._spec.get("give", ()), *changed):
                self.give(name)
        # A function's has one user, and NLTK reads no data from where others could write.
        os.chmod("tmp", 0o700 if self._spec.get("tied") else 0o1777)
        if self._spec.get("companion"):
            self._accompany()
        if self._spec["network"]:
            self._connect()
        namespaces.isolate(user=not count)
        namespaces.loopback(*self._spec["aliases"])
        if self.wire is not None:
            self.wire.present()
        if self.companion is not None:
            self._spec["devices"] = self.companion.open_devices()
        for name, (host, port) in self._spec["listeners"].items():
            with namespaces.step(f"listener {name}"):
                self.listeners[name] = socket.create_server((host, port), backlog=1024)

    def _apart(self) -> list[str]:
        """The folders for what the job changes in directories that others see too; they are there."""
        if not (folders := self._spec.get("apart", ())):
            return []
        from sagebrush.compute.shim import apart  # most jobs have none

        for folder in folders:
            apart.prepare(folder)
        return [f"{folder}/{apart.NEW}" for folder in folders]

    def _accompany(self) -> None:
        """The companion runs, outside of what the job will be in."""
        from sagebrush.compute.shim import companion_process  # most jobs have none

        self.companion = companion_process.Companion(self._spec, self.uid)
        self.listeners[companion_process.LISTENER] = self.companion.listener

    def _connect(self) -> None:
        """The network that the job's instances share will be this one's too."""
        from sagebrush.compute.shim import network  # most jobs have none

        self.wire = network.Wire(*self._spec["network"])
        self.wire.join()

    def give(self, name: str) -> None:
        """What is in the directory `name` belongs to the job's user, where it has one of its own.

        Raises StepFailed.
        """
        if self.uid is None:
            return
        with namespaces.step(f"give {name} to the job's user"):
            directory = os.open(name, _DIRECTORY)
            trees.give(directory, self.uid)
            os.close(directory)

    def end(self) -> None:
        """The job's companion has ended and its listeners accept nothing any more."""
        if self.companion is not None:
            self.companion.end()
        for listener in self.listeners.values():
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # the server's duplicates stop accepting too

    @staticmethod
    def remove_files() -> None:
        """What the job left in its /tmp is gone; nothing of the job may still run."""
        with contextlib.suppress(OSError):
            trees.remove("tmp")
