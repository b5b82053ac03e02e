"""The server's own pages: health, metrics, accounts, reset, and the role credentials of jobs in
process mode."""

from __future__ import annotations

import asyncio
import hmac
import json
import time

from aiohttp import web

from sagebrush import __version__
from sagebrush.access import accounts, principals
from sagebrush.credentials import PAGE_TOKEN
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import receive
from sagebrush.protocol.access_log import AccessLog
from sagebrush.protocol.hosts import Hosts, is_loopback
from sagebrush.protocol.message import Reply, Request
from sagebrush.protocol.reset_page import NAME as RESET
from sagebrush.protocol.reset_page import ResetPage
from sagebrush.protocol.sigv4 import Verifier
from sagebrush.store.objects import Blob
from sagebrush.world import World

OWN = "/_sagebrush/"
"""Prefix of their paths."""
CODE = "code/"
"""Prefix of the links to functions' code."""
SMALL = 4096
"""Most bytes of a body that they read."""
_OWNERS = f"send Authorization: Bearer, with keys/{PAGE_TOKEN}"


class Pages:
    """Serves the pages of one World, to clients on loopback only (but for a signed reset).

    Other users and jobs share the loopback interface: they learn that the server runs, no more. The
    owner's tools send the token that is stored with the keys.
    """

    def __init__(self, world: World, access: AccessLog, hosts: Hosts, verifier: Verifier) -> None:
        self._world = world
        self._access = access
        self._hosts = hosts
        self._reset = ResetPage(world, verifier)
        self._started = time.time()

    async def answer(self, raw: web.BaseRequest, request: Request) -> Reply:
        """Returns the page that the path names, or 403, 404, or 421 for a foreign Host header."""
        peer = raw.transport.get_extra_info("peername") if raw.transport else None
        host = str(peer[0]) if peer else ""
        if raw.path == OWN + RESET and self._hosts.known(raw.headers.get("Host", "")):
            return await self._reset.answer(raw, request, host)
        if raw.path.startswith(OWN + CODE) and self._hosts.known(raw.headers.get("Host", "")):
            return self._code(raw.path.removeprefix(OWN + CODE))
        if not is_loopback(host):
            return _json(403, {"message": "only from this machine"})
        if not self._hosts.known(raw.headers.get("Host", "")):
            return unknown_host(raw.headers.get("Host", ""))
        name, owner = raw.path.removeprefix(OWN), self._is_owner(raw)
        if name == "health":
            return _json(200, self.health() if owner else {"status": "running"})
        if name == "metrics" and not owner:
            return _json(403, {"message": _OWNERS})
        if name == "metrics":
            body = await asyncio.get_running_loop().run_in_executor(None, self._access.metrics)
            return Reply(200, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}, body)
        if name == "accounts":
            return await self._accounts(raw) if owner else _json(403, {"message": _OWNERS})
        if name == "credentials":
            return self._credentials(raw.headers.get("Authorization", ""))
        return _json(404, {"message": f"no page {name}"})

    def _code(self, token: str) -> Reply:
        """Returns the zip file of a function's code, by the link that GetFunction gave; 403 otherwise."""
        try:
            body = self._world.credentials.open_seal(b"function code", token)
            sha256, until = json.loads(body)
        except (AwsError, ValueError):
            return _json(403, {"message": "the link is not one of this server's"})
        place = self._world.settings.home / "function-code" / str(sha256) / "code.zip"
        if until < self._world.clock():
            return _json(403, {"message": "Request has expired"})
        if not place.is_file():
            return _json(404, {"message": "the code is no longer there"})
        blob = Blob(place.stat().st_size, place)
        return Reply(200, {"Content-Type": "application/zip"}, blob)

    def health(self) -> Doc:
        """Returns the document of `/_sagebrush/health` for the owner."""
        settings = self._world.settings
        return {
            "status": "running",
            "version": __version__,
            "home": str(settings.home),
            "account": settings.account,
            "region": settings.region,
            "isolation": getattr(self._world.backend, "isolation", "unknown"),
            "uptime": round(time.time() - self._started, 1),
        }

    async def _accounts(self, raw: web.BaseRequest) -> Reply:
        """Returns the accounts (GET), or adds one (POST, `{"Id": …, "Name": …}`, both may lack)."""
        loop = asyncio.get_running_loop()
        if raw.method == "GET":
            found = await loop.run_in_executor(None, accounts.listed, self._world)
            return _json(200, {"Accounts": found})
        if raw.method != "POST":
            return _json(405, {"message": "GET or POST"})
        try:
            asked = json.loads(await receive.small(raw, SMALL) or b"{}")
            account, name = str(asked.get("Id", "")), str(asked.get("Name", ""))
        except (AwsError, ValueError, AttributeError):
            return _json(400, {"message": "the body is no small JSON object"})
        try:
            made = await loop.run_in_executor(None, accounts.add, self._world, account, name)
        except AwsError as error:
            return _json(error.status, {"code": error.code, "message": error.message})
        return _json(200, made)

    def _credentials(self, token: str) -> Reply:
        try:
            role = self._world.credentials.container_role(token)
        except AwsError as error:
            return _json(error.status, {"code": error.code, "message": error.message})
        if not role:
            return _json(404, {"message": "no role"})
        return _json(200, principals.service_credentials(self._world, role))

    def _is_owner(self, raw: web.BaseRequest) -> bool:
        given = raw.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, f"Bearer {self._world.credentials.page_token}".encode())


def unknown_host(host: str) -> Reply:
    """Returns the answer (421) to a Host header that names another server."""
    words = f"Sagebrush does not answer for the host {host[:100]!r}; see the setting `hosts`."
    return _json(421, {"__type": "UnknownHost", "message": words})


def _json(status: int, doc: Doc) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(doc).encode())
