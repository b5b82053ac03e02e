"""Access for containers: a listener on their network's gateway, and access keys of their role.

Containers run in their engine's network, where this machine has an address. The server listens
there once the first container needs it, and answers signed requests only, never its own pages.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
import threading

from sagebrush.access import principals
from sagebrush.compute.base import Spec
from sagebrush.compute.containers.engines import Host
from sagebrush.protocol import listen
from sagebrush.protocol.server import Server
from sagebrush.world import World

log = logging.getLogger(__name__)

FREEBIND = 15
"""Linux's IP_FREEBIND: the address may appear later (Podman creates its network with its first
container)."""
MARGIN = 3600.0
"""Seconds by which a job's keys outlive its time limit: uploads and retries at its end."""
ENDLESS = 365 * 86400.0
"""Seconds that the keys of a container without a time limit last."""


class Bridge:
    """The listeners for containers; `start` must come first."""

    def __init__(self, server: Server, listeners: listen.Listeners, world: World) -> None:
        self._server = server
        self._listeners = listeners
        self._world = world
        self._lock = threading.Lock()
        self._ports: dict[str, int] = {}
        self._events: asyncio.AbstractEventLoop | None = None
        self._port = 0
        self._context: ssl.SSLContext | None = None

    def start(self, events: asyncio.AbstractEventLoop, port: int, context: ssl.SSLContext) -> None:
        """Serves requests in the loop `events`, on `port` if that is free."""
        self._events, self._port, self._context = events, port, context

    def variables(self, spec: Spec, host: Host) -> dict[str, str]:
        """Returns the environment by which the job's container reaches AWS as its role. Repeatable.

        SDKs take credentials from an address only on loopback, so the container gets keys.
        """
        url = f"http://{host.name}:{self._open(host)}"
        found = {"AWS_ENDPOINT_URL": url, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
        if spec.role:
            seconds = ENDLESS if spec.time_limit is None else spec.time_limit + spec.grace + MARGIN
            begun = principals.service_session(self._world, spec.role)
            session = self._world.credentials.issue(begun, seconds)
            found["AWS_ACCESS_KEY_ID"] = session.access_key
            found["AWS_SECRET_ACCESS_KEY"] = session.secret
            found["AWS_SESSION_TOKEN"] = session.token
        return found

    def _open(self, host: Host) -> int:
        """Listens for containers at `host`, and returns the port."""
        with self._lock:
            if host.name in self._ports:
                return self._ports[host.name]
            if self._events is None:
                raise RuntimeError("the server does not run")
            port = self._port
            if host.bind:
                sock = _listening(host.bind, port)
                port = sock.getsockname()[1]
                # in the event loop's own thread: aiohttp's servers belong to the loop that makes them
                self._events.call_soon_threadsafe(self._adopt, f"bridge/{host.bind}", sock)
                log.info("containers reach the server at %s:%d", host.bind, port)
            self._server.admit(host.name)
            self._ports[host.name] = port
            return port

    def _adopt(self, key: str, sock: socket.socket) -> None:
        factory = listen.web_server(self._server.answer_inside, listen.SMALL)
        self._listeners.adopt_bridge(key, sock, factory, self._context)


def _listening(address: str, port: int) -> socket.socket:
    """Returns a socket listening on that address, on `port` or else on any free port."""
    for wanted in (port, 0):
        sock = socket.socket(socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sys.platform == "linux":
                sock.setsockopt(socket.SOL_IP, FREEBIND, 1)
            sock.bind((address, wanted))
            sock.listen(listen.BACKLOG)
            return sock
        except OSError:
            sock.close()
            if not wanted:
                raise
    raise AssertionError("unreachable")
