"""Replies onto the wire: bytes, stored blobs in pieces, and streams."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from functools import cache, lru_cache

from aiohttp import HttpVersion11, web

from sagebrush import __version__
from sagebrush.protocol import connections, patience
from sagebrush.protocol.message import Reply
from sagebrush.protocol.patience import Patience
from sagebrush.store.objects import Blob
from sagebrush.store.spool import BATCH

SERVER = f"Sagebrush/{__version__}"
SHORT = 64 * 1024
"""Bytes of a body up to which it goes out together with its head, and of each step where many bodies
are on their way to one job."""


class _Sent(web.StreamResponse):
    """Stands for a reply that is already on the wire, so that aiohttp keeps its connection."""

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


KEPT = _Sent()


async def send(raw: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """The reply has been sent, whole, or the connection is cut so that the client sees it is not.

    A Blob is released then: what refers to an answer may be collected much later.
    """
    try:
        return await _send(raw, reply)
    finally:
        if isinstance(reply.body, Blob):
            reply.body.release()


async def _send(raw: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    body, head = reply.body, raw.method == "HEAD"
    headers = reply.headers
    headers.setdefault("Server", SERVER)
    if isinstance(body, Blob) and body.path is None and not body.parts:
        body = body.data[: body.length] if not head else body
    if isinstance(body, bytes) and not head and len(body) <= BATCH:
        headers.pop("Content-Length", None)
        if _at_once(raw, reply, body):
            return KEPT
        whole = web.Response(status=reply.status, headers=headers, body=body)
        return await _whole(raw, whole)
    response = web.StreamResponse(status=reply.status, headers=headers)
    length = _length(reply)
    if length is not None:
        response.content_length = length
    if head:
        if not isinstance(body, bytes | Blob):
            await _close(body)
        await response.prepare(raw)
        await response.write_eof()
        return response
    share, out = connections.of(raw).share, _Out(raw, response)
    share.streams += 1
    try:
        await response.prepare(raw)
        if isinstance(body, Blob):
            await _blob(out, body, BATCH if share.streams <= connections.STREAMS else SHORT)
        elif isinstance(body, bytes):
            for at in range(0, len(body), BATCH):
                await out.write(body[at : at + BATCH])
        else:
            async for piece in body:
                await out.write(piece)
        await out.end()
    except ConnectionError:
        response.force_close()
    except TimeoutError:  # the client does not read it
        connections.of(raw).reset()
        response.force_close()
    except Exception:
        # Headers are out: only a cut connection shows the client that the rest is missing.
        if raw.transport is not None:
            raw.transport.abort()
        raise
    finally:
        share.streams -= 1
        if not isinstance(body, bytes | Blob):
            await _close(body)
    return response


class _Out:
    """An answer on its way, whose reader is waited for as long as it has patience."""

    def __init__(self, raw: web.BaseRequest, response: web.StreamResponse) -> None:
        self._response = response
        self._waiting = Patience(connections.of(raw), patience.ANSWER)

    async def write(self, piece: bytes) -> None:
        """The piece is on its way, and nearly all before it has gone; raises TimeoutError."""
        async with self._waiting:
            await self._response.write(piece)
        self._waiting.moved(len(piece))

    async def end(self) -> None:
        """Nothing follows."""
        async with self._waiting:
            await self._response.write_eof()


def _at_once(raw: web.BaseRequest, reply: Reply, body: bytes) -> bool:
    """Whether the reply was a plain one and has gone out, head and body in one write.

    For the many small ones: aiohttp's response and writer cost more than the rest of them. What
    needs care (old clients, closing, replies without a body, long ones) is left to aiohttp.
    """
    plain = (
        len(body) <= SHORT
        and 200 <= reply.status < 600
        and reply.status not in (204, 205, 304)
        and raw.version == HttpVersion11
        and raw.keep_alive
        and raw.transport is not None
        and not raw.transport.is_closing()
        and not raw.transport.get_write_buffer_size()  # else it is aiohttp that waits for a reader
        and "Connection" not in reply.headers
        and (not body or "Content-Type" in reply.headers)
    )
    if not plain or raw.transport is None:
        return False
    lines = [f"HTTP/1.1 {reply.status} {_reason(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Date: {_date(int(time.time()))}", f"Content-Length: {len(body)}"]
    if not all(map(str.isprintable, lines)):
        return False  # control characters: aiohttp judges them
    raw.transport.write("\r\n".join([*lines, "\r\n"]).encode() + body)
    return True


@cache
def _reason(status: int) -> str:
    return http.client.responses.get(status, "")


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


async def _whole(raw: web.BaseRequest, response: web.Response) -> web.Response:
    out = _Out(raw, response)
    try:
        await response.prepare(raw)
        await out.end()
    except ConnectionError:
        pass
    except TimeoutError:
        connections.of(raw).reset()
        response.force_close()
    return response


def _length(reply: Reply) -> int | None:
    if isinstance(reply.body, Blob):
        return reply.body.length
    text = next((v for k, v in reply.headers.items() if k.lower() == "content-length"), None)
    return (
        int(text)
        if text is not None
        else (len(reply.body) or None if isinstance(reply.body, bytes) else None)
    )


async def _close(body: AsyncIterator[bytes]) -> None:
    """A generator's `finally` has run, also when it was not read to the end."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


async def _blob(out: _Out, blob: Blob, step: int) -> None:
    """The blob's bytes, in order, `step` of them at a time."""
    for part in blob.parts or (blob,):
        if part.path is None:
            await out.write(part.data[: part.length])
        elif part.arriving is not None:
            await _growing(out, part, step)
        elif part.length:
            await _file(out, part, step)


async def _file(out: _Out, part: Blob, step: int) -> None:
    """A range of a file; each piece is read in a thread while the one before is on its way."""
    path, at = part.path, part.offset
    assert path is not None
    loop, end = asyncio.get_running_loop(), at + part.length
    handle = await loop.run_in_executor(None, os.open, path, os.O_RDONLY)
    ahead = loop.run_in_executor(None, os.pread, handle, min(step, end - at), at)
    try:
        while at < end:
            piece = await ahead
            if not piece:
                raise OSError(f"{path} is {end - at} bytes short")
            at += len(piece)
            if at < end:
                ahead = loop.run_in_executor(None, os.pread, handle, min(step, end - at), at)
            await out.write(piece)
    finally:
        with contextlib.suppress(Exception):
            await ahead  # the thread must not read from a descriptor that is another's by then
        os.close(handle)


async def _growing(out: _Out, part: Blob, step: int) -> None:
    """A range of a file that is still being written: each piece goes out once it has arrived."""
    path, at, arriving = part.path, part.offset, part.arriving
    assert path is not None
    assert arriving is not None
    loop, end = asyncio.get_running_loop(), at + part.length
    await asyncio.wrap_future(arriving(min(at + step, end)))
    with open(path, "rb", buffering=0) as file:
        while at < end:
            size = min(step, end - at)
            await asyncio.wrap_future(arriving(at + size))
            read = loop.run_in_executor(None, os.pread, file.fileno(), size, at)
            try:
                piece = await asyncio.shield(read)
            except asyncio.CancelledError:
                await read  # the thread must not read from a descriptor that is another's by then
                raise
            if not piece:
                raise OSError(f"{path} is {end - at} bytes short")
            at += len(piece)
            await out.write(piece)
