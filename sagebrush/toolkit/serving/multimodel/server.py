"""The server of many models: a process for each, forked from one that has imported the framework.

AWS's contract ("Custom Containers Contract for Multi-Model Endpoints" in the SageMaker guide):
GET, POST and DELETE /models, GET /models/NAME, POST /models/NAME/invoke; 507 where memory is for no
more, 409 for a model that is loaded, 404 for one that is not. Connections are handed to the models'
processes as `master.py` hands them; one model's end, or its leak, is none of the others'.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import unquote

from sagebrush.toolkit.serving import batches, callers, forks, worker
from sagebrush.toolkit.serving.callers import Waiting
from sagebrush.toolkit.serving.connection import BadRequest, Connection, Request, short
from sagebrush.toolkit.serving.multimodel import memory
from sagebrush.toolkit.serving.multimodel.loaded import Loaded
from sagebrush.toolkit.serving.workers import LOOK, Limits, Worker, how

LINE = 4096
"""Bytes within which a request's first line ends."""
MANAGED = 2.0
"""Seconds within which a request about models must be here, whole."""
LOADING = 3600.0
"""Seconds that a model may take to load: its caller leaves earlier."""
QUEUE = 1024
"""Requests that may wait for one model, where the user sets no bound."""
SETTLED = 0.5
"""Seconds within which a process that has begun to answer tells that it has, before it is ended."""

Become = Callable[[str, socket.socket, mmap.mmap], int]
"""(the model's directory, control, progress) -> exit status: what a model's process runs."""


class Server:
    """The listening socket, and the models."""

    def __init__(
        self, listener: socket.socket, limits: Limits, most: int | None, become: Become
    ) -> None:
        """`most`: models that may be loaded at a time, None: as memory allows."""
        self.listener = listener
        self.limits = limits
        self.most = most
        self._become = become
        self.selector = selectors.DefaultSelector()
        self.models: dict[str, Loaded] = {}
        self.leaving: list[Worker] = []
        """Processes of unloaded models that have not ended yet."""
        self.base = memory.own(os.getpid())
        self.stopping = False

    def run(self) -> int:
        """Serves until SIGTERM; the exit status."""
        self._wake, _woken = forks.hear(self.selector, self.listener, self._stop)
        while not self.stopping or any(m.worker.slots for m in self.models.values()):
            for key, _ in self.selector.select(self._pause()):
                self._handle(key)
            self._look()
        for each in self.models.values():
            each.worker.control.close()
        return 0

    def _stop(self) -> None:
        self.stopping = True

    def _pause(self) -> float | None:
        due = [m.worker.look_at for m in self.models.values() if m.worker.slots or m.asker]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _handle(self, key: selectors.SelectorKey) -> None:
        if key.data == "listener":
            self._accept()
        elif key.data == "signal":
            key.fileobj.recv(64)  # type: ignore[union-attr]
            self.leaving = [each for each in self.leaving if each.exit_code(end=False) is None]
            for each in list(self.models.values()):
                code = each.worker.exit_code(end=False)
                if code is not None:
                    self._hear(each, code)
        elif isinstance(key.data, Loaded):
            if self.models.get(key.data.name) is key.data:
                self._hear(key.data, None)
        else:
            self._readable(key.fileobj)  # type: ignore[arg-type]

    # ---- callers

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # nobody is there any more, or no descriptor is left: they wait
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._register(client)
            self._readable(client)

    def _register(self, client: socket.socket) -> None:
        client.setblocking(False)
        self.selector.register(client, selectors.EVENT_READ, "client")

    def _readable(self, client: socket.socket) -> None:
        """A client has sent something, or left."""
        try:
            start = client.recv(LINE, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            start = b""
        self.selector.unregister(client)
        if not start:
            client.close()
            return
        name = invoked(start)
        if name is None:
            self._manage(client)
        elif (found := self.models.get(name)) is None or not found.worker.ready:
            self._answer(client, 404, told(404, f"Model {name} is not loaded."), drop=True)
        elif len(found.waiting) >= (self.limits.queue or QUEUE):
            text = f"No worker is available to serve request for model: {name}"
            self._answer(client, 503, told(503, text), drop=True)
        else:
            found.waiting.append(Waiting(client, start[:32], time.monotonic()))
            self._hand_out(found)

    def _answer(self, client: socket.socket, status: int, body: bytes, drop: bool = False) -> None:
        """The answer is sent; the connection is kept, unless a request lies unread in it (`drop`)."""
        with contextlib.suppress(OSError):
            if drop:
                client.setblocking(True)
                connection = Connection(client)
                client.settimeout(MANAGED)
                with contextlib.suppress(BadRequest):
                    connection.read_request()
            client.sendall(short(status, body, True))
            self._register(client)
            return
        client.close()

    def _manage(self, client: socket.socket) -> None:
        """A request about models is read, and answered or begun."""
        client.settimeout(MANAGED)
        try:
            request = Connection(client).read_request()
        except BadRequest as error:
            with client, contextlib.suppress(OSError):
                client.sendall(short(error.status, told(error.status, str(error)), False))
            return
        except OSError:
            request = None
        if request is None:
            client.close()
            return
        answer = self._asked(request, client)
        if answer is not None:
            self._answer(client, *answer)

    def _asked(self, request: Request, client: socket.socket) -> tuple[int, bytes] | None:
        """The answer to a request that is for no model; None: it comes later."""
        path, _, _ = request.path.partition("?")
        if path == "/ping":
            return 200, b""
        if path == "/execution-parameters":
            return 404, told(404, "A server of many models has no execution parameters.")
        if path == "/models" and request.method == "GET":
            listed = [m.described() for m in self.models.values() if m.worker.ready]
            return 200, json.dumps({"models": listed}).encode()
        if path == "/models" and request.method == "POST":
            return self._load(request, client)
        if path.startswith("/models/") and request.method in ("GET", "DELETE"):
            name = unquote(path[len("/models/") :])
            found = self.models.get(name)
            if found is None or not found.worker.ready:
                return 404, told(404, f"Model {name} is not loaded.")
            if request.method == "DELETE":
                self._end(found, "")
                return 200, json.dumps({"status": f'Model "{name}" unregistered'}).encode()
            return 200, json.dumps(found.described()).encode()
        return 404, told(404, f"{request.method} {path} is not served")

    # ---- models

    def _load(self, request: Request, client: socket.socket) -> tuple[int, bytes] | None:
        """A model's process is started, or it is said why not."""
        try:
            asked = json.loads(request.body)
            name, url = str(asked["model_name"]), str(asked["url"])
        except (ValueError, LookupError, TypeError):
            return 400, told(400, "The body must be JSON with model_name and url.")
        known = self.models.get(name)
        if known is not None and known.asker is not None and callers.left(known.asker):
            self._end(known, "nobody waits for it to be loaded")  # nor will it ever answer 200
        if name in self.models:
            return 409, told(409, f"Model {name} is already loaded.")
        self._weigh()
        sizes = [m.size for m in self.models.values()]
        if not memory.fits(sizes, self.base, self.limits.memory, self.most):
            return 507, told(507, f"No memory is left for model {name}: {len(sizes)} are loaded.")
        self._fork(name, url, client)
        return None

    def _weigh(self) -> None:
        """The sizes of all models are those that they have told."""
        for each in self.models.values():
            each.size = memory.told(each.worker.progress)

    def _fork(self, name: str, url: str, client: socket.socket) -> None:
        def become(control: socket.socket, progress: mmap.mmap) -> int:
            _lead(0)
            memory.expendable()
            return self._become(url, control, progress)

        process = forks.fork(become, lambda: self._let_go_of_all(client), memory.TOLD)
        _lead(process.pid)
        found = self.models[name] = Loaded(name, url, process, client, memory.LEAST)
        self.selector.register(process.control, selectors.EVENT_READ, found)

    def _let_go_of_all(self, client: socket.socket) -> None:
        """In the fork: nothing of the server's stays open."""
        clients: list[socket.socket | None] = [client]
        for each in self.models.values():
            clients.append(each.asker)
            clients += [taken.client for taken in (*each.waiting, *each.worker.slots.values())]
            each.worker.progress.close()
        forks.close_all(self.selector, self._wake, clients)

    def _hear(self, model: Loaded, code: int | None) -> None:
        """A model's process says that it is ready or done, or has ended (`code`)."""
        process, said = model.worker, b""
        try:
            said = process.control.recv(1024, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if code is None:
                return
        except OSError:
            pass
        if said.startswith(worker.FAILED):
            model.why, said = said[2:].decode(errors="replace"), said[:1]
        for place in range(0, len(said) - 1, 2):
            self._reported(model, said[place : place + 1], said[place + 1])
        if self.models.get(model.name) is not model:
            return  # it was too large, and is gone
        if not said or code is not None:
            self._bury(model, process.exit_code(end=True) or 0 if code is None else code)
        else:
            self._hand_out(model)

    def _reported(self, model: Loaded, what: bytes, value: int) -> None:
        process = model.worker
        if what in (worker.READY, worker.FIXED):
            model.rule = batches.Rule(max(1, value))
        elif what == worker.DELAY:
            self._ready(model)
        else:
            taken = process.slots.pop(value, None)
            if taken is not None and what == worker.KEEP:
                self._register(taken.client)
            elif taken is not None:
                taken.client.close()

    def _ready(self, model: Loaded) -> None:
        """The model is loaded, and its caller told; or it is given up where it takes too much."""
        self._weigh()
        sizes = [m.size for m in self.models.values()]
        asker, model.asker = model.asker, None
        if memory.exceeds(sizes, self.base, self.limits.memory):
            self._end(model, f"its {model.size >> 20} MiB do not fit beside the other models")
            status, text = 507, f"No memory is left for model {model.name}."
        else:
            model.worker.ready = True
            status, text = 200, f"Model {model.name} loaded."
        if asker is not None:
            self._answer(asker, status, told(status, text))

    def _hand_out(self, model: Loaded) -> None:
        """The requests that wait for the model go to its process, if that is free."""
        process = model.worker
        while model.waiting and not process.slots and process.ready:
            group: list[Waiting] = []
            while model.waiting and len(group) < model.rule.size:
                each = model.waiting.popleft()
                if callers.left(each.client):
                    each.client.close()
                else:
                    group.append(each)
            if group:
                try:
                    process.hand(group, time.monotonic())
                except OSError:  # it has just ended, which the next event reports
                    model.waiting.extendleft(reversed(group))
                    return

    # ---- ends

    def _look(self) -> None:
        """Processes whose callers have all left are ended, and those whose time is up."""
        now = time.monotonic()
        for each in list(self.models.values()):
            process = each.worker
            if not (process.slots or each.asker) or now < process.look_at:
                continue
            process.look_at = now + LOOK
            if each.asker is not None:
                if callers.left(each.asker) or now - process.at > LOADING:
                    self._end(each, "nobody waits for it to be loaded")
            elif all(callers.left(w.client) for w in process.slots.values()):
                self._end(each, "its caller left")
            elif now - process.at > self.limits.seconds:
                process.late = True
                self._end(each, f"it has not answered in {self.limits.seconds:g} s")

    def _end(self, model: Loaded, why: str) -> None:
        """The model's process is ended and its memory free."""
        if why:
            print(f"model {model.name} is unloaded: {why}", file=sys.stderr, flush=True)
        process = model.worker
        self._settle(model)
        process.ended = why or "unloaded"
        code = process.exit_code(end=bool(process.slots))  # nobody else may answer these meanwhile
        if code is None:  # the kernel takes a while to free its memory: the callers of others go on
            os.kill(process.pid, signal.SIGKILL)
            self.leaving.append(process)
            code = -signal.SIGKILL
        self._bury(model, code)

    def _settle(self, model: Loaded) -> None:
        """Answers that were sent are reported, so that their connections stay open: who has read an
        answer may have sent the next request on its connection already."""
        process, until = model.worker, time.monotonic() + SETTLED
        while process.slots and all(process.progress[n] == worker.SENT for n in process.slots):
            left = max(0.0, until - time.monotonic())
            if not select.select([process.control], [], [], left)[0]:
                return
            said = process.control.recv(1024)
            for place in range(0, len(said) - 1, 2):
                self._reported(model, said[place : place + 1], said[place + 1])
            if not said:
                return

    def _bury(self, model: Loaded, code: int) -> None:
        """The process of a model has ended: the model is not loaded, and who waited is told."""
        process = model.worker
        _end_children(process.pid)
        self.selector.unregister(process.control)
        process.control.close()
        del self.models[model.name]
        if not process.ended:
            print(f"model {model.name}: its process ended ({how(code)})", file=sys.stderr)
            sys.stderr.flush()
        if model.asker is not None:
            short_of = code == -signal.SIGKILL and not process.ended
            status = 507 if short_of else 500
            text = f"Model {model.name} could not be loaded: {model.why or how(code)}"
            self._answer(model.asker, status, told(status, text))
        status, why = 502, f"The worker ended ({how(code)}) before it answered this request."
        if process.late:
            status, why = 504, f"The model did not answer within {self.limits.seconds:g} seconds."
        for number, taken in process.slots.items():
            begun = process.progress[number] == worker.SENT
            callers.part(taken.client, 0 if begun else status, why)
        for taken in model.waiting:
            self._answer(taken.client, 404, told(404, f"Model {model.name} ended."), drop=True)
        process.slots = {}
        process.progress.close()


def _lead(pid: int) -> None:
    """The process `pid` (0: this one) leads a group of its own, in which its children are too."""
    with contextlib.suppress(OSError):  # both it and its parent see to it: neither waits
        os.setpgid(pid, pid)


def _end_children(pid: int) -> None:
    """What the model's process `pid` has started ends with it, and holds no memory any more."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def invoked(start: bytes) -> str | None:
    """The name of the model that the request which begins so is for; None: it is for the server."""
    line, _, _ = start.partition(b"\r\n")
    method, _, rest = line.partition(b" ")
    path = rest.rpartition(b" ")[0].decode("latin-1").partition("?")[0]
    if method != b"POST" or not path.startswith("/models/") or not path.endswith("/invoke"):
        return None
    return unquote(path[len("/models/") : -len("/invoke")])


def told(status: int, message: str) -> bytes:
    """An answer's body, as AWS's model servers word theirs."""
    kinds = {404: "ModelNotFoundException", 409: "ConflictStatusException",
             503: "ServiceUnavailableException", 507: "InsufficientStorageException"}  # fmt: skip
    if status == 200:
        return json.dumps({"status": message}).encode()
    return json.dumps({"code": status, "type": kinds.get(status, "InternalServerException"),
                       "message": message}).encode()  # fmt: skip
