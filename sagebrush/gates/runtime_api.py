"""Lambda's Runtime API, on the listener `runtime` of each execution environment.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sagebrush.routing.functions.environment import Environment
from sagebrush.routing.functions.functions import Functions
from sagebrush.routing.functions.values import RESPONSE_LIMIT, STREAM_LIMIT

VERSION = "/2018-06-01/runtime/"
NEXT, INIT_ERROR = f"{VERSION}invocation/next", f"{VERSION}init/error"
INVOCATION = f"{VERSION}invocation/"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
MODE = "Lambda-Runtime-Function-Response-Mode"
LONGEST_KIND = 1024
"""Characters of an error type."""
_DONE = b'{"status":"OK"}'


class RuntimeApi:
    """Answers the runtime of one environment."""

    def __init__(self, functions: Functions, key: str) -> None:
        self._functions = functions
        self._key = key

    async def answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        environment = self._functions.environment(self._key)
        if environment is None:
            return _refused(410, "Gone", "The execution environment has ended.")
        path, method = raw.path, raw.method
        if path == NEXT and method == "GET":
            return await self._next(environment)
        if method == "POST" and path == INIT_ERROR:
            body = await _body(raw)
            environment.failed_to_begin(body or b"{}", _kind(raw, body))
            return _accepted()
        if method == "POST" and path.startswith(INVOCATION):
            request_id, _, what = path.removeprefix(INVOCATION).partition("/")
            if what in ("response", "error"):
                try:
                    return await self._posted(environment, raw, request_id, what)
                except (ConnectionError, HttpProcessingError):  # it broke off, or is no HTTP
                    return _refused(400, "InvalidRequest", "The request is not complete.")
        return _refused(404, "NotFound", f"{method} {path} is not of the Runtime API.")

    async def _next(self, environment: Environment) -> web.StreamResponse:
        try:
            given = await environment.next()
        except asyncio.CancelledError:
            return _refused(410, "Gone", "The execution environment has ended.")
        invocation = given.invocation
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(given.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Content-Type": "application/json",
        }
        if invocation.trace:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace
        if invocation.client_context:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        return web.Response(body=invocation.payload, headers=headers)

    async def _posted(
        self, environment: Environment, raw: web.BaseRequest, request_id: str, what: str
    ) -> web.StreamResponse:
        if not environment.knows(request_id):
            return _unknown()
        streams = what == "response" and raw.headers.get(MODE, "").lower() == "streaming"
        if streams and environment.streams(request_id):
            return await self._streamed(environment, raw, request_id)
        body = await _body(raw)
        if body is None:
            if not environment.too_large(request_id, RESPONSE_LIMIT):
                return _unknown()
            words = f"Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
            return _refused(413, "RequestEntityTooLarge", words)
        if what == "response":
            known = environment.succeeded(request_id, body)
        else:
            known = environment.failed(request_id, body, _kind(raw, body))
        return _accepted() if known else _unknown()

    async def _streamed(
        self, environment: Environment, raw: web.BaseRequest, request_id: str
    ) -> web.StreamResponse:
        """Each piece goes on to the caller as it comes."""
        size = 0
        async for piece in raw.content.iter_any():
            size += len(piece)
            if size > STREAM_LIMIT and environment.too_large(request_id, STREAM_LIMIT):
                words = f"Exceeded maximum allowed payload size ({STREAM_LIMIT} bytes)."
                return _refused(413, "RequestEntityTooLarge", words)
            if not await environment.passed_on(request_id, piece):
                return _unknown()
        # what broke off in the middle says so in trailers, which aiohttp does not hand on
        return _accepted() if environment.succeeded(request_id, b"") else _unknown()


async def _body(raw: web.BaseRequest) -> bytes | None:
    """The request's body; None where it is larger than a response may be."""
    found = bytearray()
    too_large = (raw.content_length or 0) > RESPONSE_LIMIT
    async for piece in raw.content.iter_any():
        if len(found) + len(piece) > RESPONSE_LIMIT:
            too_large = True
        if not too_large:
            found += piece
    return None if too_large else bytes(found)


def _kind(raw: web.BaseRequest, body: bytes | None) -> str:
    """The error type that a header names, or the error's document: of it what a log may show."""
    found = raw.headers.get(ERROR_TYPE, "")
    if not found:
        try:
            found = str(json.loads(body or b"{}").get("errorType", ""))
        except (ValueError, AttributeError, RecursionError):
            return ""
    return "".join(each if each.isprintable() else "?" for each in found[:LONGEST_KIND])


def _accepted() -> web.Response:
    return web.Response(status=202, body=_DONE, content_type="application/json")


def _unknown() -> web.Response:
    return _refused(400, "InvalidRequestID", "Invalid request ID")


def _refused(status: int, kind: str, message: str) -> web.Response:
    text = json.dumps({"errorMessage": message, "errorType": kind})
    return web.Response(status=status, text=text, content_type="application/json")
