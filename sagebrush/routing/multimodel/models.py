"""Models at the replicas of multi-model endpoints: loaded when asked for, the least recently used
unloaded when a container has no memory for another.

SageMaker guide, "Custom Containers Contract for Multi-Model Endpoints". In memory alone: what a
container has loaded is asked for when its replica is first met, also after the server's restart.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote
from weakref import WeakKeyDictionary

from sagebrush.errors import AwsError
from sagebrush.net.http_client import Answer, Broken, Unreachable
from sagebrush.routing.endpoints import Route
from sagebrush.routing.multimodel.hosted import Files, Hosted, Model, NoSpace, oldest

LOADING = 360.0
"""Seconds that a model may take to be downloaded and loaded ("Invoke a Multi-Model Endpoint")."""
ASKED = 60.0
"""Seconds for a request about models that loads none."""
FETCHES = 8
"""Models that are downloaded and unpacked at a time."""
ROOM = 20.0
"""Seconds for which a model waits until one that is in use can be unloaded for it."""

Note = Callable[[str, float], None]
"""(metric, value): counts it for the variant."""


class Order(NamedTuple):
    """What a request asks for."""

    hosted: Hosted
    target: str
    name: str
    files: Files
    note: Note
    seconds: float = 60.0
    """How long it may wait for the model."""


class Refused(Exception):
    """The model could not be loaded; `args[0]`: the container's answer."""


class Replica:
    """What is known of one replica's models."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.met: asyncio.Task[None] | None = None
        self.freed = asyncio.Event()
        """Set when a model has become idle, or could not be loaded."""
        self.room = asyncio.Lock()
        """Held by the load that unloads others."""

    def count(self) -> int:
        """How many are loaded."""
        return sum(model.loaded for model in self.models.values())


class Models:
    """The models of all replicas; used in the event loop's thread alone."""

    def __init__(self) -> None:
        self._replicas: WeakKeyDictionary[Route, Replica] = WeakKeyDictionary()
        # large archives take minutes: the loop's own threads, which read all other files, stay free
        self._fetches = ThreadPoolExecutor(FETCHES, thread_name_prefix="models")

    def has(self, route: Route, name: str) -> bool:
        """Whether the replica has the model, as far as is known."""
        replica = self._replicas.get(route)
        return replica is not None and name in replica.models

    async def hold(self, route: Route, order: Order) -> Model:
        """The model is loaded at the replica, and stays so until it is released.

        Raises AwsError, Refused, Unreachable (the container is gone), Broken, and
        ModelNotReadyException after `order.seconds`, while it is loaded on.
        """
        replica = self._replicas.setdefault(route, Replica())
        if replica.met is None:
            replica.met = asyncio.ensure_future(self._meet(route, replica))
        if not replica.met.done():
            await asyncio.shield(replica.met)
        while (model := replica.models.get(order.name)) and model.leaving is not None:
            await asyncio.wait([model.leaving])
        hit = model is not None and model.loaded
        order.note("ModelCacheHit", float(hit))
        if model is None:
            model = replica.models[order.name] = Model(order.name)
            model.loading = asyncio.ensure_future(self._load(route, replica, model, order))
            model.loading.add_done_callback(_seen)
        model.users += 1
        model.used = time.monotonic()
        if model.loading is not None:
            try:
                await self._await(route, model.loading, order)
            except BaseException:
                self.release(route, model, order)
                raise
        return model

    def release(self, route: Route, model: Model, order: Order) -> None:
        """The request needs the model no more."""
        model.users -= 1
        replica = self._replicas.get(route)
        if model.users or replica is None or not model.loaded:
            return
        if not order.hosted.cached and model.leaving is None:
            self._leave(route, replica, model, order)
        replica.freed.set()

    async def lost(self, route: Route, model: Model) -> bool:
        """Whether the container, which answered 404, has not got the model any more: it is forgotten
        then, to be loaded again."""
        answer = await route.pool.ask(_head("GET", f"/models/{model.name}"), b"", ASKED)
        if answer.status != 404:
            return False
        replica = self._replicas.get(route)
        if replica is not None and replica.models.get(model.name) is model:
            del replica.models[model.name]
        model.loaded = False
        return True

    async def _await(self, route: Route, loading: asyncio.Task[None], order: Order) -> None:
        began = time.perf_counter()
        route.pool.busy += 1  # a replica that is to end waits for it
        try:
            done, _ = await asyncio.wait([loading], timeout=order.seconds)
        finally:
            route.pool.busy -= 1
            order.note("ModelLoadingWaitTime", (time.perf_counter() - began) * 1e6)
        if not done:
            raise AwsError(
                "ModelNotReadyException",
                f"Model {order.target} is not ready for inference yet: it is still being downloaded or"
                " loaded. Try again.",
                429,
            )
        loading.result()

    # ---- loading

    async def _meet(self, route: Route, replica: Replica) -> None:
        """The models that the container has already are known: this process may be a new one."""
        token = ""
        try:
            async with asyncio.timeout(ASKED):  # also where there is always another page
                while True:
                    path = f"/models?next_page_token={quote(token)}" if token else "/models"
                    answer = await route.pool.ask(_head("GET", path), b"", ASKED)
                    found = json.loads(answer.body) if answer.status == 200 else {}
                    for each in found.get("models", ()):
                        model = Model(str(each["modelName"]), loaded=True)
                        replica.models.setdefault(model.name, model)
                    token = found.get("nextPageToken") or ""
                    if not token:
                        return
        except (
            Unreachable,
            Broken,
            TimeoutError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ):
            return  # what it has is told when it is to load it: 409

    async def _load(self, route: Route, replica: Replica, model: Model, order: Order) -> None:
        try:
            async with asyncio.timeout(LOADING):
                await self._fetch(route, replica, order)
                began = time.perf_counter()
                await self._ask_to_load(route, replica, order)
                order.note("ModelLoadingTime", (time.perf_counter() - began) * 1e6)
            model.loaded = True
            order.note("LoadedModelCount", float(replica.count()))
        except BaseException:
            # before it is forgotten: the next load of it writes to the same place
            await asyncio.to_thread(order.files.remove, route.key, order.name)
            if replica.models.get(model.name) is model:
                del replica.models[model.name]
            replica.freed.set()
            raise
        finally:
            model.loading = None

    async def _fetch(self, route: Route, replica: Replica, order: Order) -> None:
        began = time.perf_counter()
        while True:
            try:
                wanted = (route.key, order.hosted, order.target, order.name)
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._fetches, order.files.fetch, *wanted)
                break
            except NoSpace as error:
                if not await self._unload_one(route, replica, order):
                    raise Refused(Answer(507, {}, str(error).encode())) from error
        order.note("ModelDownloadingTime", (time.perf_counter() - began) * 1e6)

    async def _ask_to_load(self, route: Route, replica: Replica, order: Order) -> None:
        """The container has loaded the model, after others were unloaded where it had no memory."""
        url = f"/opt/ml/models/{order.name}/model"
        body = json.dumps({"model_name": order.name, "url": url}).encode()
        head = _head("POST", "/models", body, order.target)
        answer = await route.pool.ask(head, body, LOADING)
        if answer.status == 507:
            async with replica.room:  # one after the other, or they took each other's room
                while answer.status == 507 and await self._unload_one(route, replica, order):
                    answer = await route.pool.ask(head, body, LOADING)
        if not (200 <= answer.status < 300 or answer.status == 409):
            raise Refused(answer)

    async def _unload_one(self, route: Route, replica: Replica, order: Order) -> bool:
        """Whether the least recently used model was unloaded; where all are in use it waits."""
        until = time.monotonic() + ROOM
        while True:
            replica.freed.clear()
            model = oldest(list(replica.models.values()))
            if model is not None:
                await asyncio.shield(self._leave(route, replica, model, order))
                return True
            leaving = [m.leaving for m in replica.models.values() if m.leaving is not None]
            if leaving:
                await asyncio.wait(leaving)
                return True
            left = until - time.monotonic()
            if len(replica.models) < 2 or left <= 0:  # it is alone
                return False
            try:
                async with asyncio.timeout(left):
                    await replica.freed.wait()
            except TimeoutError:
                return False

    def _leave(
        self, route: Route, replica: Replica, model: Model, order: Order
    ) -> asyncio.Task[None]:
        model.leaving = asyncio.ensure_future(self._unload(route, replica, model, order))
        model.leaving.add_done_callback(_seen)
        return model.leaving

    async def _unload(self, route: Route, replica: Replica, model: Model, order: Order) -> None:
        began = time.perf_counter()
        try:
            # a container that does not answer ends, or says 409 when it is to load the model again
            with suppress(Unreachable, Broken, TimeoutError):
                await route.pool.ask(_head("DELETE", f"/models/{model.name}"), b"", ASKED)
            await asyncio.to_thread(order.files.remove, route.key, model.name)
        finally:  # whatever happened: who waits for it to be gone must not wait for ever
            model.loaded = False
            replica.models.pop(model.name, None)
            replica.freed.set()
        order.note("ModelUnloadingTime", (time.perf_counter() - began) * 1e6)
        order.note("LoadedModelCount", float(replica.count()))


def _seen(task: asyncio.Task[None]) -> None:
    """A failure that nobody waits for any more is not reported as lost."""
    if not task.cancelled():
        task.exception()


def _head(method: str, path: str, body: bytes = b"", target: str = "") -> bytes:
    """A request about models, without its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
    if target and target.isprintable():
        lines.append(f"X-Amzn-SageMaker-Target-Model: {target}")
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
