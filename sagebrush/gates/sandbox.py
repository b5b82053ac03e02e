"""Listeners inside sandboxes, and what a job in process mode uses instead.

A job's shim opens them in the job's network namespace and passes each to the server that attaches
(`compute.shim.main`). Nothing outside the sandbox can connect to them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web

from sagebrush.access import principals
from sagebrush.compute.base import Spec
from sagebrush.compute.shim import companion_process
from sagebrush.environments import sources
from sagebrush.gates.egress import HEAD_LIMIT, Egress
from sagebrush.gates.metadata import Metadata
from sagebrush.gates.runtime_api import RuntimeApi
from sagebrush.gates.upstream import Upstreams
from sagebrush.protocol import listen
from sagebrush.protocol.connections import Held, Share
from sagebrush.protocol.pages import OWN
from sagebrush.protocol.server import Server
from sagebrush.world import World

RUNTIME_BODY = 1 << 20
"""Bytes of a function's response that wait in memory until they are read."""

RUNTIME_KEPT = 86400.0
"""Seconds that a connection to the Runtime API is kept without a request: a warm interpreter connects
before there is a function for it, and a handler takes up to 900 s between its event and its result."""

Factory = listen.Web | Callable[[Held], asyncio.BaseProtocol]
"""Makes the protocols of a listener's connections."""


class Sandboxes:
    """The listeners of all sandboxes of this server; `start` must come before `attach`."""

    def __init__(self, server: Server, listeners: listen.Listeners, world: World) -> None:
        self._server = server
        self._listeners = listeners
        self._world = world
        proxies = Upstreams.of({**os.environ, **sources.variables(os.environ)})
        self._egress = Egress(world.settings.egress_allow, upstreams=proxies)
        self._numbers = itertools.count()
        self._events: asyncio.AbstractEventLoop | None = None
        self._port = 0
        self._context: ssl.SSLContext | None = None
        self._table: Mapping[str, Callable[[Spec, Share], Factory]] = {
            "aws": lambda spec, share: listen.web_server(server.answer_inside, listen.SMALL),
            "credentials": self._credentials,
            "metadata": self._metadata,
            "egress": self._proxy,
            "packages": self._packages,
            "runtime": self._runtime,
            companion_process.LISTENER: lambda spec, share: listen.web_server(
                server.answer, listen.SMALL
            ),
        }
        """Name (`compute.local.sandbox.LISTENERS`, and the companion's) -> what serves that
        listener's connections for a job."""

    def start(self, events: asyncio.AbstractEventLoop, port: int, context: ssl.SSLContext) -> None:
        """Serves listeners in the loop `events`; `port` is the server's own port for plain HTTP."""
        self._events, self._port, self._context = events, port, context

    def close(self) -> None:
        """Ends the threads of the egress proxy."""
        self._egress.close()

    def attach(self, spec: Spec, listener: str, sock: socket.socket) -> Callable[[], None]:
        """Serves the job's listener on `sock`; returns the function that ends that.

        Thread-safe. Raises KeyError for an unknown listener, RuntimeError before `start`.
        """
        events, make = self._events, self._table[listener]
        if events is None:
            raise RuntimeError("the server does not run")
        key = f"{spec.key}/{listener}/{next(self._numbers)}"
        context = self._context if listener == "aws" else None

        def adopt() -> None:
            share = self._listeners.share(spec.key)
            self._listeners.adopt(key, sock, make(spec, share), share, context)

        # in the event loop's own thread: aiohttp's servers belong to the loop that makes them
        events.call_soon_threadsafe(adopt)

        def close() -> None:
            if not events.is_closed():
                events.call_soon_threadsafe(self._listeners.drop, key)

        return close

    def serve(self, spec: Spec, listener: str, sock: socket.socket) -> Callable[[], None]:
        """The same as `attach`, in the event loop's own thread, at once."""
        key = f"{spec.key}/{listener}/{next(self._numbers)}"
        # however many connections a function has elsewhere, that to its runtime's API is kept
        name = f"{spec.key}/{listener}" if listener == "runtime" else spec.key
        share = self._listeners.share(name)
        context = self._context if listener == "aws" else None
        self._listeners.adopt(key, sock, self._table[listener](spec, share), share, context)
        return lambda: self._listeners.drop(key)

    def outside(self, spec: Spec) -> dict[str, str]:
        """Returns the environment by which a job without listeners (process mode) reaches AWS."""
        url = f"http://127.0.0.1:{self._port}"
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}{OWN}credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._world.credentials.container_token(spec.role),
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }

    def _credentials(self, spec: Spec, share: Share) -> Factory:
        """Serves the role's credentials (SDKs' container credentials provider)."""

        async def answer(raw: web.BaseRequest) -> web.StreamResponse:
            if not spec.role or raw.method != "GET" or not raw.path.startswith("/v2/credentials/"):
                return web.Response(status=404)
            return web.json_response(principals.service_credentials(self._world, spec.role))

        return listen.web_server(answer, listen.SMALL)

    def _metadata(self, spec: Spec, share: Share) -> Factory:
        """Serves EC2's instance metadata."""
        service = Metadata(self._world, spec)

        async def answer(raw: web.BaseRequest) -> web.StreamResponse:
            reply = service.answer(raw.method, raw.path, raw.headers)
            return web.Response(status=reply.status, text=reply.body, headers=dict(reply.headers))

        return listen.web_server(answer, listen.SMALL)

    def _runtime(self, spec: Spec, share: Share) -> Factory:
        """Serves Lambda's Runtime API."""
        answer = RuntimeApi(self._world.functions, spec.key).answer
        return listen.web_server(answer, RUNTIME_BODY, RUNTIME_KEPT)

    def _proxy(self, spec: Spec, share: Share) -> Factory:
        """Serves the HTTP proxy to the internet."""
        return listen.streams(partial(self._egress.handle, lookups=share.lookups), HEAD_LIMIT)

    def _packages(self, spec: Spec, share: Share) -> Factory:
        """The same for builds: the indexes that this host is configured for may be private."""
        also = sources.addresses(os.environ)
        handle = partial(self._egress.handle, lookups=share.lookups, also=also)
        return listen.streams(handle, HEAD_LIMIT)
