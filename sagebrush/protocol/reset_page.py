"""`POST /_sagebrush/reset`: the owner of the server empties it.

What Moto calls `/moto-api/reset` and LocalStack `/_localstack/state/reset`, but for the owner alone:
what runs here is real, and so is what is lost.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging

from aiohttp import web

from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import claims, receive
from sagebrush.protocol.claims import ALGORITHM
from sagebrush.protocol.hosts import is_loopback
from sagebrush.protocol.message import Reply, Request
from sagebrush.protocol.sigv4 import Verifier
from sagebrush.world import World

log = logging.getLogger(__name__)

NAME = "reset"
BODY = 4096
"""Bytes that a request's body may have; nothing in it matters."""
HOW = (
    "sign the request with the owner's key (curl --aws-sigv4 aws:amz:REGION:sagemaker --user"
    " KEY:SECRET), or send the page token"
)


class ResetPage:
    """Answers for one World whose reset is `World.reset`.

    A web page cannot ask for it: no browser signs requests or knows the page token, and what comes
    from a page is refused whatever it carries. A job cannot: in a sandbox the path does not exist,
    and roles, sessions and other users are not the owner.
    """

    def __init__(self, world: World, verifier: Verifier) -> None:
        self._world = world
        self._verifier = verifier

    async def answer(self, raw: web.BaseRequest, request: Request, peer: str) -> Reply:
        """All accounts are empty (200, with what was there), or nothing has changed: 405 for another
        method, 403 for who is not the owner, 500 where what runs did not end.

        `peer` is the client's address; the Host header is known to be ours.
        """
        if request.method != "POST":
            return _json(405, {"message": "POST empties the accounts"}, Allow="POST")
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            return _json(403, {"message": "not from a web page"})
        try:
            body = await receive.small(raw, BODY)
            who = self._owner(request.with_body(body), body, peer)
        except AwsError as error:
            return _json(error.status, {"code": error.code, "message": error.message})
        log.info("all accounts are emptied, asked by %s", who)
        # shielded: a client that goes away does not leave half of it undone
        work = asyncio.get_running_loop().run_in_executor(None, self._world.reset)
        try:
            return _json(200, {"status": "ok", **await asyncio.shield(work)})
        except AwsError as error:
            return _json(error.status, {"code": error.code, "message": error.message})
        except Exception as error:
            log.exception("the accounts could not be emptied")
            return _json(500, {"code": "InternalFailure", "message": str(error)})

    def _owner(self, request: Request, body: bytes, peer: str) -> str:
        """Who asks, in words; raises AwsError (403) where that is not the owner."""
        given = request.headers.get("authorization", "")
        if given.startswith(ALGORITHM):
            claim = claims.parse(request, claims.JSON)
            signed = receive.sha256(body)
            verified = self._verifier.verify(request, claim, claims.JSON, signed)
            if not self._world.credentials.owns(verified.key.caller):
                arn = verified.key.caller.arn
                raise AwsError("AccessDenied", f"{arn} is not the owner of this server", 403)
            return verified.key.caller.arn
        token = f"Bearer {self._world.credentials.page_token}".encode()
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token):
            raise AwsError("MissingAuthenticationToken", f"Only for the owner: {HOW}.", 403)
        if not is_loopback(peer):
            raise AwsError("AccessDenied", "The page token is good on this machine only.", 403)
        return "the page token"


def _json(status: int, doc: Doc, **headers: str) -> Reply:
    return Reply(status, {"Content-Type": "application/json", **headers}, json.dumps(doc).encode())
