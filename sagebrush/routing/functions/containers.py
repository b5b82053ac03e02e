"""Execution environments that are containers: begun, swept, ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sagebrush.compute.base import Spec
from sagebrush.compute.containers import container, tied
from sagebrush.compute.containers.engines import Engine
from sagebrush.compute.containers.images import Image
from sagebrush.compute.containers.tied import TiedContainer
from sagebrush.routing.functions.blanks import PREFIX, Serve
from sagebrush.routing.functions.container_link import ContainerLink
from sagebrush.routing.functions.images import Images
from sagebrush.routing.functions.prepared import Prepared
from sagebrush.routing.functions.values import FunctionVersion, Unrunnable

log = logging.getLogger(__name__)

THREADS = 16
"""Calls of the engine at once."""
HEAD = 1 << 16


class ImagePlaces(Protocol):
    """Prepares environments of images."""

    def laid(
        self, version: FunctionVersion, image: Image, key: str, stream: str
    ) -> tuple[Spec, Prepared]:
        """What the container is made of; its directory is there. Blocks."""
        ...


@dataclass
class Container:
    """One environment that has been begun as a container, or is about to be."""

    key: str
    spec: Spec
    link: ContainerLink
    closers: list[Callable[[], Any]] = field(default_factory=list)
    """End the serving of its listeners."""


class Containers:
    """Those of one server. Used in the event loop's thread, but for `sweep`."""

    def __init__(self, images: Images, places: ImagePlaces, jobs: Path) -> None:
        """`jobs` is the directory of all jobs of this data directory."""
        self.images = images
        self._places = places
        self._jobs = jobs
        self._server = secrets.token_hex(8)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="function-containers")
        self._links: set[ContainerLink] = set()
        self.serve: Serve = lambda spec, name, sock: None

    async def begin(self, version: FunctionVersion, stream: str) -> tuple[Container, Prepared]:
        """A container of the version, which begins when its link is told so. Raises Unrunnable."""
        run = asyncio.get_running_loop().run_in_executor
        key = f"{PREFIX}{secrets.token_hex(10)}"
        engine, image = await run(self._threads, self._found, version.image)
        spec, prepared = await run(self._threads, self._places.laid, version, image, key, stream)
        labels = {tied.HOME: container.home(self._jobs), tied.SERVER: self._server}
        closers: list[Callable[[], Any]] = []

        def listening(name: str, listener: socket.socket) -> None:
            closer = self.serve(spec, name, listener)
            if closer is not None:
                closers.append(closer)

        made = TiedContainer(engine, spec, labels)
        link = ContainerLink(
            spec, made, lambda key: attached(engine, key), self._threads, listening
        )
        self._links.add(link)
        link.ended.add_done_callback(lambda _: self._links.discard(link))
        return Container(key, spec, link, closers), prepared

    def _found(self, identity: str) -> tuple[Engine, Image]:
        engine = self.images.engine()
        if engine is None:
            raise Unrunnable(f"functions of container images do not run: {self.images.lacking()}")
        image = self.images.described(identity)
        if image is None:
            raise Unrunnable(f"{engine.name} has the function's image {identity} no more")
        return engine, image

    def sweep(self) -> None:
        """Containers that an earlier server left are gone, where an engine answers. Blocks."""
        engine = self.images.engine()
        if engine is None:
            return
        try:
            tied.sweep(engine, container.home(self._jobs), self._server)
        except Exception as error:  # the next start tries again
            log.warning("containers of functions could not be removed: %s", error)

    def close(self) -> None:
        """All have ended and are removed. Blocks while the engine does so."""
        left = list(self._links)
        list(self._threads.map(ContainerLink.abandon, left))
        for link in left:
            link.abandoned()
        self._threads.shutdown()


async def attached(engine: Engine, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The stream of what the container writes from now on. Raises OSError."""
    path = engine.url.removeprefix("unix://")
    reader, writer = await asyncio.open_unix_connection(path, limit=HEAD)
    try:
        writer.write(
            f"POST /v{engine.api}/containers/{key}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\n"
            "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split()[1] not in (b"101", b"200"):
            raise OSError(f"its output cannot be read: {head!r}")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError) as error:
        writer.close()
        raise OSError(f"its output cannot be read: {error!r}") from error
    except BaseException:
        writer.close()
        raise
    return reader, writer
