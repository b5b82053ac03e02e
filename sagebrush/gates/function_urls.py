"""Answers at the URLs of functions: `<id>.lambda-url.<region>.localhost`, a host for each.

Source: Lambda developer guide, "Invoking Lambda function URLs" and "Control access to Lambda function URLs".
A URL of the type NONE is open to whoever reaches this server, where the function's policy lets everybody
use it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sagebrush.access import function_policies, function_references
from sagebrush.access.function_references import FUNCTION, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.gates import url_events
from sagebrush.gates.url_events import Answered, Asked
from sagebrush.protocol import claims, receive, sigv4
from sagebrush.protocol.access_log import Entry
from sagebrush.protocol.message import Reply, Request
from sagebrush.protocol.send import SERVER, send
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

LARGEST = 6291456
"""Bytes of a request's body."""
_HOST = re.compile(
    r"(?P<id>[a-z0-9]{32})\.lambda-url\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+", re.ASCII
)


@dataclass(frozen=True)
class Url:
    """A function URL that a request names."""

    id: str
    row: Row | None
    """The function's; None where there is no such URL."""
    of: FunctionReference | None = None
    config: Doc | None = None


class FunctionUrls:
    """Answers requests for function URLs. Used in one event loop's thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._places: dict[str, FunctionReference] = {}
        self._verifier = sigv4.Verifier(
            world.credentials.resolve, world.clock, world.settings.region
        )

    def find(self, host: str) -> Url | None:
        """The URL that a Host header names; None for another host."""
        if ".lambda-url." not in host:
            return None
        found = _HOST.fullmatch(host.partition(":")[0].lower())
        if found is None:
            return None
        number = found["id"]
        for _ in range(2):
            of = self._places.get(number)
            if of is not None:
                row = self._world.rows.get(of.account, of.region, FUNCTION, of.name)
                config = function_references.urls(row).get(of.qualifier) if row else None
                if config is not None and config["id"] == number:
                    return Url(number, row, of, config)
            self._look()
            if number not in self._places:
                break
        return Url(number, None)

    def _look(self) -> None:
        self._places = {
            config["id"]: FunctionReference(row.account, row.region, row.name, qualifier)
            for row in self._world.rows.select(FUNCTION)
            for qualifier, config in function_references.urls(row).items()
        }

    async def answer(
        self, raw: web.BaseRequest, request: Request, url: Url, entry: Entry
    ) -> web.StreamResponse:
        """Answers the request: from the function, or with AWS's refusal. Raises Disconnected when the
        client went away."""
        entry.service, entry.operation = "lambda", "FunctionUrl"
        try:
            found = await self._answered(raw, request, url, entry)
        except AwsError as error:
            entry.code = error.code
            found = _refused(error)
        entry.status = found.status
        if not raw.content.is_eof():
            found.headers["Connection"] = "close"
        cookies = found.headers.pop("Set-Cookie", None)
        if cookies is None:
            return await send(raw, found)
        return await _with_cookies(raw, found, cookies.split("\n"))

    async def _answered(
        self, raw: web.BaseRequest, request: Request, url: Url, entry: Entry
    ) -> Reply:
        if url.row is None or url.of is None or url.config is None:
            raise _forbidden()
        cors = url.config.get("Cors") or {}
        if cors and request.method == "OPTIONS":
            allowed = url_events.preflight(cors, request.headers)
            if allowed is not None:
                return Reply(200, dict(allowed), b"")
        body = await receive.small(raw, LARGEST)
        request = request.with_body(body)
        caller = await self._admitted(request, url, entry, body)
        asked = _asked(raw, request, body)
        event = url_events.event(asked, url.id, entry.id, self._world.clock(), caller)
        ctx = self._world.service_ctx(region=url.of.region, account=url.of.account)
        given: Doc = {"FunctionName": url.of.qualified, "Payload": json.dumps(event).encode()}
        if url.config.get("InvokeMode") == "RESPONSE_STREAM":
            reply = await self._streamed(ctx, given)
        else:
            reply = await self._buffered(ctx, given)
        for name, value in url_events.shared(cors, request.headers):
            reply.headers[name] = value
        reply.headers.setdefault("x-amzn-RequestId", entry.id)
        return reply

    async def _admitted(self, request: Request, url: Url, entry: Entry, body: bytes) -> Doc | None:
        """Whom the event names as its caller; None for nobody. Raises AwsError (403)."""
        assert url.row is not None
        assert url.of is not None
        assert url.config is not None
        auth, ctx, caller = url.config["AuthType"], None, None
        if auth == "AWS_IAM":
            words = claims.dialect("lambda", "rest-json")
            try:
                claim = claims.parse(request, words)
                if claim.service != "lambda":
                    raise _forbidden()
                verified = self._verifier.verify(request, claim, words, receive.sha256(body))
            except AwsError as error:
                raise _forbidden() from error
            who = verified.key.caller
            entry.caller = who.arn
            ctx = self._world.ctx(who, entry.id, None, url.of.region)
            caller = {
                "accessKey": who.access_key, "accountId": who.account, "callerId": who.user_id,
                "cognitoIdentity": None, "principalOrgId": None, "userArn": who.arn,
                "userId": who.user_id,
            }  # fmt: skip
        loop = asyncio.get_running_loop()
        admits = function_policies.lets_use_url
        if not await loop.run_in_executor(None, admits, ctx, url.row, url.of, auth):
            raise _forbidden()
        return caller

    async def _buffered(self, ctx: Ctx, given: Doc) -> Reply:
        invoke: Any = self._world.operations["lambda", "Invoke"]
        found = await invoke(ctx, given)
        answer = None if found.get("FunctionError") else url_events.answered(found["Payload"])
        return _failed() if answer is None else _reply(answer, answer.body)

    async def _streamed(self, ctx: Ctx, given: Doc) -> Reply:
        invoke: Any = self._world.operations["lambda", "InvokeWithResponseStream"]
        events: AsyncIterator[Doc] = (await invoke(ctx, given))["EventStream"]
        began, described = b"", None
        async for each in events:
            if "InvokeComplete" in each:
                if each["InvokeComplete"].get("ErrorCode") and not began:
                    return _failed()
                break
            began += each["PayloadChunk"]["Payload"]
            described = url_events.prelude(began)
            if described or not began.startswith(b"{") or len(began) > url_events.LONGEST_PRELUDE:
                break
        if described is None:
            kind = [("Content-Type", "application/octet-stream")]
            described = Answered(200, kind, b""), began
        answer, rest = described
        return _reply(answer, _rest(rest, events))


async def _rest(first: bytes, events: AsyncIterator[Doc]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for each in events:
        if "PayloadChunk" in each:
            yield each["PayloadChunk"]["Payload"]
        elif each["InvokeComplete"].get("ErrorCode"):
            raise ConnectionError(each["InvokeComplete"]["ErrorCode"])


def _reply(answer: Answered, body: bytes | AsyncIterator[bytes]) -> Reply:
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        before = headers.get(name)
        if before is None:
            headers[name] = value
        else:  # cookies, each a header of its own
            headers[name] = f"{before}\n{value}"
    return Reply(answer.status, headers, body)


async def _with_cookies(
    raw: web.BaseRequest, reply: Reply, cookies: list[str]
) -> web.StreamResponse:
    """Sends a reply with several headers of one name."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.headers.setdefault("Server", SERVER)
    for each in cookies:
        response.headers.add("Set-Cookie", each)
    if isinstance(reply.body, bytes):
        response.content_length = len(reply.body)
    await response.prepare(raw)
    if raw.method == "HEAD":
        pass
    elif isinstance(reply.body, bytes):
        await response.write(reply.body)
    elif hasattr(reply.body, "__aiter__"):
        async for piece in reply.body:  # pyright: ignore[reportGeneralTypeIssues]
            await response.write(piece)
    await response.write_eof()
    return response


def _asked(raw: web.BaseRequest, request: Request, body: bytes) -> Asked:
    peer = raw.transport.get_extra_info("peername") if raw.transport else None
    host, _, port = request.headers.get("host", "").partition(":")
    secure = raw.secure
    return Asked(
        request.method, request.path, request.raw_query, request.query, request.headers, body, host,
        str(peer[0]) if isinstance(peer, tuple) else "", secure,
        int(port) if port.isdecimal() else 443 if secure else 80,
    )  # fmt: skip


def _forbidden() -> AwsError:
    words = "Forbidden. For troubleshooting Function URL authorization issues, see: "
    return AwsError("AccessDeniedException", words + url_events.FORBIDDEN_URL, 403)


def _failed() -> Reply:
    """The function failed, or answered what no reply can be made of."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "InternalServerException"}
    return Reply(502, headers, b"Internal Server Error")


def _refused(error: AwsError) -> Reply:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    text = {"Message": error.message}
    if error.status == 429:
        text = {"Reason": str(error.fields.get("Reason")), "message": error.message}
    return Reply(error.status, headers, json.dumps(text).encode())
