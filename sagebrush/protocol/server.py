"""One request from its first byte to its answer, in straight code.

S3's headers are verified before a byte of its body is accepted, so that no anonymous client can
fill the disk; other APIs sign the body, so it is read first, under a small cap.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import parse_qsl

from aiohttp import web
from botocore.model import OperationModel

from sagebrush.access import dispatch
from sagebrush.access.last_use import LastUse
from sagebrush.aws import names, regions
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import (
    claims,
    connections,
    detect,
    pages,
    receive,
    reply,
    rest,
    s3_quirks,
    sigv2,
    sigv4,
    uploads,
)
from sagebrush.protocol.access_log import AccessLog, Entry
from sagebrush.protocol.claims import Claim, Dialect
from sagebrush.protocol.connections import Held
from sagebrush.protocol.detect import Target
from sagebrush.protocol.hosts import Hosts
from sagebrush.protocol.message import Reply, Request
from sagebrush.protocol.pages import CODE, OWN, Pages
from sagebrush.protocol.receive import Disconnected
from sagebrush.protocol.send import send
from sagebrush.protocol.sigv4 import Verified
from sagebrush.routing.notebooks import Notebook
from sagebrush.store import catalog, disk
from sagebrush.store.spool import Spooled
from sagebrush.world import Ctx, Origin, World

log = logging.getLogger(__name__)
OWNERS = 2
"""Threads for operations that only the user's own key may use: roles, of jobs mostly, wait."""
FLUSH = 0.1
"""Seconds that access lines wait for others before they are written."""
QUICK = frozenset({"GetObject", "HeadObject", "PutObject"})
"""S3 operations that read a row or two before they answer or wait for the disk: done at once, which
costs less than handing them to a thread (but for a PutObject whose body is in a file)."""
FOR_CALLER = frozenset({("sqs", "ReceiveMessage")})
"""Operations that end once their caller has left: they take what nobody else gets then."""
LARGE = 256 * 1024
"""Bytes above which a body is parsed in a thread, off the event loop, and one sandbox's bodies
wait for one another."""


def read(raw: web.BaseRequest) -> Request:
    """The request as sent, without its body."""
    path, _, query = raw.raw_path.partition("?")
    if "://" in path[:8]:  # absolute form (RFC 9112, 3.2.2)
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    headers: dict[str, str] = {}
    for name, value in raw.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    pairs = parse_qsl(query, keep_blank_values=True) if query else []
    return Request(raw.method, path, pairs, headers, raw_query=query)


class NotebookGate(Protocol):
    """Answers requests for notebooks' host names (`gates.notebook_gate`)."""

    def find(self, host: str) -> Notebook | None:
        """Returns the notebook that a Host header names, or None."""
        ...

    async def answer(
        self, raw: web.BaseRequest, notebook: Notebook, entry: Entry
    ) -> web.StreamResponse:
        """Answers the request. Raises Disconnected if the browser went away."""
        ...

    async def close(self) -> None:
        """Closes its connections."""
        ...


class UrlGate(Protocol):
    """Answers requests for the URLs of functions (`gates.function_urls`)."""

    def find(self, host: str) -> Any | None:
        """Returns the URL that a Host header names, or None."""
        ...

    async def answer(
        self, raw: web.BaseRequest, request: Request, url: Any, entry: Entry
    ) -> web.StreamResponse:
        """Answers the request. Raises Disconnected if the client went away."""
        ...


class Server:
    """Answers the requests of one World; the gates answer those for notebooks and function URLs."""

    def __init__(
        self,
        world: World,
        access: AccessLog,
        hosts: Hosts,
        gate: NotebookGate,
        urls: UrlGate | None = None,
    ) -> None:
        self._world = world
        self._access = access
        self._hosts = hosts
        self._gate = gate
        self._urls = urls
        self._uses = LastUse(world)
        self._pool = ThreadPoolExecutor(
            world.settings.request_threads, thread_name_prefix="request"
        )
        # so many threads are kept for the owner of this server, however many its jobs ask for
        self._others = asyncio.Semaphore(max(1, world.settings.request_threads - OWNERS))
        self._verifier = sigv4.Verifier(
            world.credentials.resolve, world.clock, world.settings.region
        )
        self._pages = Pages(world, access, hosts, self._verifier)

    def close(self) -> None:
        """Waits until running operations have ended."""
        self._pool.shutdown()

    def admit(self, host: str) -> None:
        """Answers requests with the Host header `host` from now on."""
        self._hosts.admit(host)

    async def leave(self) -> None:
        """Closes the websockets of notebooks, which would otherwise stay open for hours."""
        await self._gate.close()

    async def answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answers the request and writes its line of the access log."""
        return await self._answered(raw, inside=False)

    async def _answered(self, raw: web.BaseRequest, inside: bool) -> web.StreamResponse:
        entry = Entry(names.request_id(), time.perf_counter())
        self._world.db.generations.begin()
        try:
            url = self._urls.find(raw.headers.get("Host", "")) if self._urls else None
            if self._urls is not None and url is not None:  # all its paths are the function's
                return await self._urls.answer(raw, read(raw), url, entry)
            notebook = self._gate.find(raw.headers.get("Host", ""))
            if notebook is not None and not inside:  # all its paths are the notebook's
                return await self._gate.answer(raw, notebook, entry)
            if notebook is not None:  # no job opens a notebook, not even with a valid token
                entry.code = "UnknownHost"
                found = pages.unknown_host(raw.headers.get("Host", ""))
            elif raw.path.startswith(OWN):
                found = await self._pages.answer(raw, read(raw))
            elif not self._hosts.known(raw.headers.get("Host", "")):
                entry.code = "UnknownHost"
                found = pages.unknown_host(raw.headers.get("Host", ""))
            else:
                found = await self._aws(raw, entry)
            entry.status = found.status
            if not raw.content.is_eof():  # a body that was refused: what follows is no request
                found.headers["Connection"] = "close"
            return await send(raw, found)
        except Disconnected:
            entry.status, entry.code = 499, "ClientDisconnected"
            response = web.Response(status=400)
            response.force_close()
            return response
        finally:
            if self._access.write(entry):
                asyncio.get_running_loop().call_later(FLUSH, self._access.flush)

    async def answer_inside(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answers a request from a sandbox: as `answer`, without notebooks and own pages but code."""
        if raw.path.startswith(OWN) and not raw.path.startswith(OWN + CODE):
            return web.Response(status=404)
        return await self._answered(raw, inside=True)

    # AWS ------------------------------------------------------------------------------------------

    async def _aws(self, raw: web.BaseRequest, entry: Entry) -> Reply:
        request = read(raw)
        target: Target | None = None
        model: OperationModel | None = None
        try:
            if detect.dialect(request) == "query" and detect.scope_service(request) is None:
                async with _gate(raw):
                    body = await receive.small(raw, self._world.settings.body_limit)
                request = request.with_body(body)
            target = detect.detect(request)
            entry.service = target.service
            request, verified = await self._receive(raw, request, target, entry)
            entry.caller = verified.key.caller.arn
            if verified.key.caller.user is not None or verified.key.caller.session is not None:
                await self._note_use(verified, target, request.body)
            try:
                model, params = await self._parse(target, request)
            except AwsError as error:
                if error.code == "MalformedXML":  # S3 checks first what the address names
                    bare = request.with_body(b"")
                    ctx = self._ctx(raw, bare, target, verified, entry)
                    self._before_body(ctx, bare, target, entry, dispatch.before_document)
                raise
            entry.operation = str(model.name)
            ctx = self._ctx(raw, request, target, verified, entry)
            result = await self._run(ctx, model, params, request.body, connections.of(raw))
            found = reply.render(model, target.protocol, result, entry.id)
            return s3_quirks.finish(model, result, found) if target.service == "s3" else found
        except Disconnected:
            raise
        except Exception as problem:
            error = self._as_error(problem, entry, target)
            entry.code = error.code
            protocol = target.protocol if target else detect.dialect(request)
            service = target.service if target else None
            told = reply.render_error(
                error, protocol, model, entry.id, service, request.method, request.path
            )
            return self._s3_error(raw, error, told) if service == "s3" else told

    def _s3_error(self, raw: web.BaseRequest, error: AwsError, told: Reply) -> Reply:
        """S3's error as it is answered; HeadBucket's says where the bucket is, whoever asks (but in
        no region of ours: that is no place to be led from)."""
        if told.status == 403:
            asked = read(raw)
            name = s3_quirks.headed(asked, self._hosts.bucket(asked.headers.get("host", "")))
            found = catalog.known_bucket(self._world.db, name) if name else None
            if found is not None:
                told.headers["x-amz-bucket-region"] = found.region
        return s3_quirks.finish_error(error, told)

    async def _receive(
        self, raw: web.BaseRequest, request: Request, target: Target, entry: Entry
    ) -> tuple[Request, Verified]:
        """Receives the body; returns the request with it, and its verified signature."""
        words = claims.dialect(target.service, target.protocol)
        if target.service != "s3":
            if not request.body:
                async with _gate(raw):
                    body = await receive.small(raw, self._limit(request, target))
                request = request.with_body(body)
            assert isinstance(request.body, bytes)
            try:
                claim = claims.parse(request, words)
            except AwsError as error:
                if error.code == words.missing:
                    self._refuse_unsigned(request, target)
                raise
            self._check_service(claim, target, words)
            # of the body as it came: a declared hash that differs breaks the signature
            signed = receive.sha256(request.body)
            return request, self._verifier.verify(request, claim, words, signed)
        s3_quirks.refuse_form(request)
        bucket = self._hosts.bucket(request.headers.get("host", ""))
        if sigv2.presigned(request):
            now, resolve = self._world.clock(), self._world.credentials.resolve
            verified = sigv2.verify(request, bucket, resolve, now)
        else:
            claim = claims.parse(request, words)
            self._check_service(claim, target, words)
            signed = s3_quirks.body_hash(request, claim)
            verified = self._verifier.verify(request, claim, words, signed)
        if verified.claim.expires is not None:
            request = s3_quirks.unhoisted(request)
        if bucket is not None:
            request = replace(request, path=f"/{bucket}{request.path}")
        upload = s3_quirks.is_upload(request)
        receive.framing(request, upload)
        s3_quirks.refuse_source(request)
        if not (upload or raw.body_exists or s3_quirks.declares_body(request)):
            return request, verified
        before = request if upload else None
        if before is not None and (raw.content_length is None or raw.content_length > LARGE):
            ctx = self._ctx(raw, before, target, verified, entry)
            self._before_body(ctx, before, target, entry)  # before it is sent in vain
            before = None
        try:
            said = receive.declared(request, raw, upload)
            async with _gate(raw):
                request = await receive.spool(raw, request, verified, self._world.objects, said)
        except AwsError:
            if before is not None:  # errors that do not depend on the body come first
                ctx = self._ctx(raw, before, target, verified, entry)
                self._before_body(ctx, before, target, entry)
            raise
        if not upload and isinstance(request.body, Spooled):
            spooled = request.body
            request = request.with_body(spooled.read())
            self._world.objects.drop(spooled)
        return request, verified

    def _limit(self, request: Request, target: Target) -> int:
        """Bytes that the body may have: more for code, where a known key claims to send it."""
        most = self._world.settings.body_limit
        if target.service != "lambda" or not uploads.carries_code(request.method, request.path):
            return most
        claim = claims.parse(request, claims.dialect(target.service, target.protocol))
        self._world.credentials.resolve(claim.access_key, claim.token)
        return max(most, uploads.LARGEST)

    def _refuse_unsigned(self, request: Request, target: Target) -> None:
        """Raises NotImplemented for an operation that AWS answers to unsigned requests: all that STS
        has (AssumeRoleWithSAML, AssumeRoleWithWebIdentity) are not offered."""
        try:
            model, _ = rest.parse(target, request)
        except AwsError:
            return
        if model.auth_type == "none":
            dispatch.find(self._world, target.service, str(model.name))

    def _ctx(
        self, raw: web.BaseRequest, request: Request, target: Target, verified: Verified,
        entry: Entry,
    ) -> Ctx:  # fmt: skip
        """The request's context, in the region that its signature names; IAM has but one."""
        claim = verified.claim
        region = regions.GLOBAL if target.service == "iam" else claim.region
        origin = _origin(raw, request, claim)
        return self._world.ctx(verified.key.caller, entry.id, origin, region)

    async def _note_use(self, verified: Verified, target: Target, body: bytes | Spooled) -> None:
        """The use of a user's key or of a role is recorded, where that is due; a full disk hinders
        no request.

        Drops a spooled body if the client goes away meanwhile.
        """
        caller, region = verified.key.caller, verified.claim.region
        written = self._uses.note(caller, target.signing_name, region or "N/A")
        if written is not None:
            try:
                await asyncio.wrap_future(written)
            except asyncio.CancelledError:
                self._drop(body)
                raise
            except Exception as error:
                log.warning("the use of %s was not recorded: %s", caller.access_key, error)

    @staticmethod
    def _before_body(
        ctx: Ctx, request: Request, target: Target, entry: Entry,
        refuse: Callable[[Ctx, OperationModel, Doc], None] = dispatch.before_body,
    ) -> None:  # fmt: skip
        """Raises AwsError for what is wrong with a request independently of its body's bytes."""
        model, params = rest.parse(target, request)
        entry.operation = str(model.name)
        refuse(ctx, model, params)

    @staticmethod
    def _check_service(claim: Claim, target: Target, words: Dialect) -> None:
        if claim.service == target.signing_name:
            return
        if words.s3:
            detail = f'incorrect service "{claim.service}". This endpoint belongs to "s3".'
            raise claims.scope_error(detail, claim.expires is not None)
        raise AwsError(
            words.mismatch,
            f"Credential should be scoped to correct service: '{target.signing_name}'.",
            403,
        )

    async def _parse(self, target: Target, request: Request) -> tuple[OperationModel, Doc]:
        """Returns the operation and its parameters; drops a spooled body if parsing fails."""
        try:
            if isinstance(request.body, bytes) and len(request.body) > LARGE:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._pool, rest.parse, target, request)
            return rest.parse(target, request)
        except BaseException:
            self._drop(request.body)
            raise

    async def _run(
        self, ctx: Ctx, model: OperationModel, params: Doc, body: bytes | Spooled, held: Held
    ) -> Doc | None:
        """Checks parameters and policy, waits for its share, and returns the operation's result."""
        service, name = str(model.service_model.service_name), str(model.name)
        try:
            operation: Any = dispatch.find(ctx.world, service, name)
            flows = dispatch.flows(operation)
            if flows:
                dispatch.allow(ctx, model, params)
        except BaseException:
            self._drop(body)
            raise
        if flows and (service, name) in FOR_CALLER:
            return await _while_held(held, operation(ctx, params))
        if flows:
            return await operation(ctx, params)
        share = held.share
        taken = any(value is body for value in params.values())

        def work() -> Any:
            try:
                dispatch.allow(ctx, model, params)
            except BaseException:
                self._drop(body)
                raise
            result = operation(ctx, params)
            if not taken:
                self._drop(body)
            return result

        context = contextvars.copy_context()

        def in_pool() -> Any:
            return context.run(work)  # still part of this request (`store.generations`)

        if service == "s3" and name in QUICK and getattr(body, "path", None) is None:
            result = work()
        elif ctx.caller == self._world.credentials.user_caller:
            async with share.turns:
                result = await asyncio.get_running_loop().run_in_executor(self._pool, in_pool)
        else:
            async with share.turns, self._others:
                result = await asyncio.get_running_loop().run_in_executor(self._pool, in_pool)
        return await asyncio.wrap_future(result) if isinstance(result, Future) else result

    def _drop(self, body: bytes | Spooled) -> None:
        if isinstance(body, Spooled):
            self._world.objects.drop(body)

    def _as_error(self, problem: Exception, entry: Entry, target: Target | None) -> AwsError:
        """Returns the error for the client; logs an unexpected one with its traceback."""
        if isinstance(problem, AwsError):
            if problem.status >= 500 and problem.status != 501:
                known = problem.status == 507  # a full disk: the traceback adds nothing
                log.error("request %s: %s", entry.id, problem, exc_info=None if known else problem)
            return problem
        log.error(
            "request %s: %s %s failed", entry.id, entry.service, entry.operation, exc_info=problem
        )
        if refusal := disk.refusal(problem):
            return refusal
        if target is not None and target.service == "s3":
            words = "We encountered an internal error. Please try again."
            return AwsError("InternalError", words, 500)
        words = f"Sagebrush failed unexpectedly; its log has request {entry.id}."
        return AwsError("InternalFailure", words, 500)


def _gate(raw: web.BaseRequest) -> asyncio.Semaphore | contextlib.nullcontext[None]:
    """Returns the limit on a sandbox's large bodies that are received at once."""
    length = raw.content_length
    if not raw.body_exists or (length is not None and length <= LARGE):
        return contextlib.nullcontext()
    return connections.of(raw).share.bodies


def _origin(raw: web.BaseRequest, request: Request, claim: Claim) -> Origin:
    """Returns what policies may ask about the request's connection."""
    connection = raw.transport.get_extra_info if raw.transport else _nothing
    at = claim.at if claim.stamp else None
    left = raw.transport.is_closing if raw.transport else bool
    presigned = claim.expires is not None
    return Origin(connection, request.headers, presigned, at, left, claim.region)


def _nothing(_name: str) -> None:
    """Stands for `get_extra_info` of a closed connection."""


async def _while_held(held: Held, work: Coroutine[Any, Any, Doc]) -> Doc:
    """The result of `work`, which is cancelled once the connection has ended; raises Disconnected."""
    task = asyncio.ensure_future(work)
    held.left = task.cancel
    try:
        return await task
    except asyncio.CancelledError:
        if held in held.share.all:  # the server ends
            raise
        raise Disconnected from None
    finally:
        held.left = None
