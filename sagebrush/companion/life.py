"""Feeds a job's FIFOs and serves its file systems, outside its sandbox, until the job ends."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from functools import partial

from sagebrush.companion import fetch, pipes

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from typing import Any


LEAVE = 1.0
"""Seconds for which a job that is being killed still has its FIFOs open."""


class Words:
    """Messages to the shim: a line each, `L` for the job's log, `F` for what must end the job."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """The job's log has a line."""
        self._tell("L", text)

    def fail(self, text: str) -> None:
        """The job ends, for this reason."""
        self._tell("F", text)

    def _tell(self, word: str, text: str) -> None:
        said = f"{word} {text}".replace("\n", " ").encode()[:2000]
        line = said.decode(errors="ignore").encode() + b"\n"  # no character is cut
        with self._lock:
            os.write(self._out, line)


def run(plan: dict[str, Any], reach: dict[str, Any], fds: tuple[int, int, int]) -> None:
    """Serves what `plan` says until the shim ends, or for a while after it says so.

    `reach` says how the server is reached. `fds` are: the plan's directory in the job, where words to
    the shim go, and the socket by which the shim hands over what the file systems are served on.
    """
    directory, tell, link = fds
    words = Words(tell)
    role = fetch.Role(reach["port"], reach["path"], reach["token"], plan["region"])
    for channel in plan["channels"]:
        if channel["mode"] == "Pipe":
            pipes.Feeder(channel, directory, role, words.fail, words.say).start()
    with socket.socket(fileno=link) as shim:
        _mounts(plan, role, words, shim)
        if shim.recv(64):
            time.sleep(LEAVE)


def _mounts(plan: dict[str, Any], role: fetch.Role, words: Words, shim: socket.socket) -> None:
    """The file systems of the plan are served, on descriptors that come in its order."""
    lazy = [channel for channel in plan["channels"] if channel["mode"] == "FastFile"]
    if not lazy:
        return
    from sagebrush.companion import blocks, lazyfiles  # most jobs have none

    _, found, _, _ = socket.recv_fds(shim, 1, len(lazy))
    for channel, fd in zip(lazy, found, strict=False):
        told = partial(_told, words, channel["name"])
        kept = blocks.KEPT // len(lazy)
        held = blocks.Blocks(channel["objects"], role, told, kept)
        lazyfiles.serve(channel, fd, held)


def _told(words: Words, channel: str, text: str) -> None:
    """The job's log says why a file cannot be read."""
    words.say(f"channel {channel}: {text}")


def load(path: str) -> dict[str, Any]:
    """The plan that the file holds, with descriptors of the files that it names; all modules that it
    needs are there. A user without rights could read neither."""
    with open(path) as file:
        plan = json.load(file)
    for channel in plan["channels"]:
        if "lines" in channel:
            channel["lines"] = os.open(channel["lines"], os.O_RDONLY | os.O_CLOEXEC)
        if channel["mode"] == "FastFile":
            from sagebrush.companion import lazyfiles  # noqa: F401
    "localhost".encode("idna")
    time.strptime("2026", "%Y")
    return plan
