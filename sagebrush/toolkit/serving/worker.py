"""One serving worker: loads the model, then answers requests on connections handed to it.

The master (`serve.py`) passes connections with a request waiting on each; the worker answers the
requests on them and reports whether each connection stays open. The user's functions are called by
one thread, so they need not be thread-safe: as in AWS's containers. Several connections at once are
a batch, for a model that takes them. Its requests stay unread in their connections until they are
answered, so that they outlive a worker which one of them kills.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from sagebrush.toolkit.serving import (
    batches,
    compat,
    frameworks,
    handler,
    modelbuilder,
)
from sagebrush.toolkit.serving.connection import BadRequest, Connection, Request
from sagebrush.toolkit.serving.multimodel import memory

READY, DELAY, KEEP, CLOSE = b"r", b"d", b"k", b"c"
"""What a worker reports, each with a second byte: the batch's size (READY by default, FIXED where
the user chose it), milliseconds, or which of the connections that it was handed."""
FIXED = b"R"
FAILED = b"f"
"""What one of many models reports that cannot be loaded: this, a byte, and why."""
HANDED, GIVEN, SENT = 0, 1, 2
"""How far a request is, in the memory that master and worker share: handed to the worker; given to
the user's functions, or read; its answer is begun."""
PATIENCE = 60.0
"""Seconds that a client may take to send the rest of its request, or to take an answer."""
WHY = 300
"""Characters of the reason why a model cannot be loaded."""
PR_SET_PDEATHSIG = 1
CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""So that programs which the model starts do not hold a caller's connection open."""


class Model(Protocol):
    """A loaded model."""

    @property
    def rule(self) -> batches.Rule:
        """How many requests it answers together."""
        ...

    def answer(self, body: bytes, headers: Mapping[str, str], /) -> handler.Answer:
        """The answer to one request."""
        ...

    def answer_all(
        self, requests: Sequence[tuple[bytes, Mapping[str, str]]]
    ) -> list[handler.Answer]:
        """The answers to several requests."""
        ...


@dataclass(frozen=True)
class Single:
    """A model that takes no batches, by its function."""

    answer: Callable[[bytes, Mapping[str, str]], handler.Answer]
    rule: batches.Rule = field(default_factory=batches.Rule)

    def answer_all(
        self, requests: Sequence[tuple[bytes, Mapping[str, str]]]
    ) -> list[handler.Answer]:
        """The answers to several requests, one by one."""
        return [self.answer(*each) for each in requests]


class Slot(NamedTuple):
    """One of the connections that the worker was handed, and its place in the shared memory."""

    number: int
    connection: Connection
    progress: mmap.mmap

    def at(self, how_far: int) -> None:
        """The master knows how far this request is, should the worker end."""
        self.progress[self.number] = how_far


def serve(slot: Slot, model: Model) -> bool:
    """Every request that waits on the connection is answered; whether it may be kept."""
    while True:
        refused = False
        try:
            request = slot.connection.read_request()
            if request is None:
                return False
            slot.at(GIVEN)
            keep, reply = request.keep, route(request) or model.answer(
                request.body, request.headers
            )  # fmt: skip
        except BadRequest as error:
            keep, refused, reply = False, True, handler.failure(error.status, str(error))
        slot.at(SENT)
        keep = _send(slot.connection, reply, keep)
        if refused:
            slot.connection.linger()
        if not keep or not slot.connection.rest:
            return keep
        slot.at(HANDED)


def _send(where: Connection, reply: handler.Answer, keep: bool) -> bool:
    """The answer is sent, as far as it goes; whether the connection may be kept."""
    try:
        where.send(reply, keep)
    except BaseException as error:
        # A user's generator may fail halfway: the client notices the broken chunk stream.
        if not isinstance(error, OSError):
            traceback.print_exc()
            sys.stderr.flush()
        return False
    return keep


def serve_together(
    slots: Sequence[Slot], model: Model, report: Callable[[Slot, bool], None]
) -> None:
    """The requests that are here are answered in one batch, then the others one by one.

    Those of the batch stay in their connections until they are answered.
    """
    batch: list[tuple[Slot, Request, int]] = []
    alone: list[Slot] = []
    for slot in slots:
        with contextlib.suppress(BadRequest, OSError):  # met again, and told, when it is alone
            found = slot.connection.peek()
            if found is not None and route(found[0]) is None:
                batch.append((slot, *found))
                continue
        alone.append(slot)
    for slot, _, _ in batch:
        slot.at(GIVEN)
    answers = model.answer_all([(request.body, request.headers) for _, request, _ in batch])
    # Whole answers first: a stream takes its time.
    order = sorted(range(len(batch)), key=lambda n: not isinstance(answers[n].body, bytes))
    for n in order:
        slot, request, size = batch[n]
        keep = False
        with contextlib.suppress(OSError):
            slot.connection.consume(size)
            slot.at(SENT)
            keep = _send(slot.connection, answers[n], request.keep)
        report(slot, keep)
    for slot in alone:
        keep = False
        with contextlib.suppress(OSError):
            keep = serve(slot, model)
        report(slot, keep)


def route(request: Request) -> handler.Answer | None:
    """The answer to a request that is none to the model, None where the model is to answer."""
    path = request.path.split("?", 1)[0]
    if path == "/ping":  # the master answers it, unless its head came in pieces
        return handler.Answer(200, b"")
    if path != "/invocations" and not (path.startswith("/models/") and path.endswith("/invoke")):
        return handler.failure(404, f"{path} is not served: /ping, /invocations are")
    if request.method != "POST":
        return handler.failure(405, "POST only")
    return None


def root() -> Path:
    """This job's /opt/ml."""
    return Path(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))


def program() -> Path:
    """The file with this model's inference functions; raises NoHandler."""
    algorithms = Path(__file__).resolve().parents[2] / "algorithms"
    return handler.locate(root(), os.environ, algorithms)


def code() -> Path | None:
    """The file with this model's inference functions, None where the framework needs none.

    Raises NoHandler where it needs one, or where SAGEMAKER_PROGRAM names one that is not there.
    `inference.py` may be named and absent, as AWS's toolkits have it: SDK v3 always names it.
    """
    framework = frameworks.name(os.environ)
    try:
        return program()
    except handler.NoHandler:
        named = os.environ.get("SAGEMAKER_PROGRAM") or handler.SCRIPT
        if framework not in frameworks.SCRIPTLESS or named != handler.SCRIPT:
            raise
        return None


def code_of(model: Path) -> Path | None:
    """The file with the inference functions of one of many models: its archive's own, else that of
    all (`code`). Raises NoHandler as `code` does."""
    name = os.environ.get("SAGEMAKER_PROGRAM") or handler.SCRIPT
    for script in (model / "code" / name, model / name):
        if "SAGEBRUSH_ALGORITHM" not in os.environ and script.is_file():
            return script
    return code()


def load(model: Path | None = None) -> Model:
    """The loaded handler of this job's model, or of that in the directory `model`; raises what the
    model's code raises."""
    framework = frameworks.name(os.environ)
    compat.install(framework)
    script = code() if model is None else code_of(model)
    if model is None:
        model = root() / "model"
        modelbuilder.prepare(root(), script)
    if framework == "tensorflow":
        from sagebrush.toolkit.serving.frameworks import tensorflow

        return Single(tensorflow.load(model, script))
    defaults = frameworks.defaults(framework, script is not None)
    module = handler.load_module(script) if script else None
    return handler.Handler(module, str(model), defaults)


def end_with(parent: int) -> None:
    """This process ends when its parent, the master, does, whatever the model is at. Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run(control: socket.socket, progress: mmap.mmap, directory: Path | None = None) -> int:
    """Loads the model (of `directory`, where it is one of many), says READY, then serves until the
    master is gone; the exit status."""
    scale = None if directory is None else memory.Scale(progress)
    try:
        model = load(directory)
    except BaseException as error:
        if isinstance(error, handler.NoHandler):
            print(f"model cannot be served: {error}", file=sys.stderr, flush=True)
        else:
            handler.tell(error)
        if directory is not None:
            why = f"{type(error).__name__}: {error}"[:WHY]
            control.sendall(FAILED + b"\0" + why.encode("utf-8", "replace"))
        return 1
    if scale:
        scale.tell(time.monotonic(), 0.0)  # its first answer makes it larger
    rule = model.rule
    begin = bytes([rule.size]), bytes([int(rule.delay * 1000)])
    control.sendall((FIXED if rule.fixed else READY) + begin[0] + DELAY + begin[1])

    def report(slot: Slot, keep: bool) -> None:
        slot.connection.sock.close()
        control.sendall((KEEP if keep else CLOSE) + bytes([slot.number]))

    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, batches.LARGEST, CLOSED_ON_EXEC)
        if not message or not fds:
            return 0
        slots = []
        for number, fd in enumerate(fds, message[0]):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
            sock.settimeout(PATIENCE)
            slots.append(Slot(number, Connection(sock), progress))
        if len(slots) > 1:
            serve_together(slots, model, report)
        else:
            keep = False
            with contextlib.suppress(OSError):
                keep = serve(slots[0], model)
            report(slots[0], keep)
        if scale:
            scale.tell(time.monotonic())
