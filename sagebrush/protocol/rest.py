"""A request as an operation and its parameters, in whichever protocol the request speaks."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.model import OperationModel

from sagebrush.aws import models
from sagebrush.aws.scalars import BadValue, read
from sagebrush.aws.shapes import Node, input_of
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import codec, markup, query, routes
from sagebrush.protocol.detect import CBOR, Target
from sagebrush.protocol.message import Request
from sagebrush.store.spool import Spooled

_QUOTED = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')
_LARGEST_INFLATED = 16 << 20
_IF_DATES = ("if-modified-since", "if-unmodified-since")
_EMPTY_SAYS = re.compile(
    "content-md5|x-amz-copy-source(-range)?|x-amz-checksum-(?!algorithm|mode|type).*"
)
"""S3's headers that are wrong when they are empty; any other empty header is none, as at AWS."""


def parse(target: Target, request: Request) -> tuple[OperationModel, Doc]:
    """The operation that `request` asks for, and its parameters.

    S3 paths are in the form /bucket/key. A streaming body is passed on as it is. Raises AwsError:
    for an operation that the model lacks, and for anything malformed; never another exception.
    """
    if target.protocol == "json":
        name = request.headers.get("x-amz-target", "").rpartition(".")[2]
        op = _operation(target.service, name)
        return op, _document(op, request, codec.read_json)
    if target.protocol == CBOR:
        op = _operation(target.service, request.path.rpartition("/")[2], 404)
        return op, _document(op, request, codec.read_cbor)
    if target.protocol == "query":
        return _parse_query(target.service, request)
    return _parse_rest(target, request)


def _operation(service: str, name: str, status: int = 400) -> OperationModel:
    op = models.operation(service, name)
    if op is None:
        raise AwsError(
            "UnknownOperationException", f"{service} has no operation '{name[:200]}'", status
        )
    return op


def _bytes(body: bytes | Spooled) -> bytes:
    return body if isinstance(body, bytes) else body.read()


def _inflated(request: Request) -> bytes:
    """The body, decompressed where the client compressed it (PutMetricData from 10 KiB on)."""
    body = _bytes(request.body)
    if request.headers.get("content-encoding", "").strip().lower() != "gzip":
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        found = inflater.decompress(body, _LARGEST_INFLATED)
    except zlib.error as error:
        raise codec.malformed(f"The request body is not gzip: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise codec.malformed("The compressed request body is cut short or too large")
    return found


def _document(op: OperationModel, request: Request, decode: Any) -> Doc:
    node = input_of(op)
    return decode(node, _inflated(request)) if node else {}


def _parse_query(service: str, request: Request) -> tuple[OperationModel, Doc]:
    form = [*request.query, *query.fields(_inflated(request))]
    action = next((value for key, value in form if key == "Action"), None)
    if action is None:
        raise AwsError("MissingAction", "The request names no Action")
    op = models.operation(service, action, "query")
    if op is None:
        version = models.model(service).api_version
        raise AwsError(
            "InvalidAction", f"Could not find operation {action[:200]} for version {version}"
        )
    node = input_of(op)
    given = query.read_form(node, form) if node else {}
    if service == "sqs" and node and "QueueUrl" in node.required and request.path.count("/") > 1:
        given.setdefault("QueueUrl", request.path)  # older clients send to the queue's URL alone
    return op, given


# ---- REST ------------------------------------------------------------------------------------


def _parse_rest(target: Target, request: Request) -> tuple[OperationModel, Doc]:
    service = target.service
    found = routes.match(service, request.method, request.path, request.query, request.headers)
    if found is None:
        if service == "s3":
            words = "The specified method is not allowed against this resource."
            raise AwsError("MethodNotAllowed", words, 405, Method=request.method)
        where = f"{request.method} {request.path[:200]}"
        raise AwsError("UnknownOperationException", f"{service} has no operation at {where}", 404)
    name, labels = found
    op = models.model(service).operation_model(name)
    node = input_of(op)
    if node is None:
        return op, {}
    params: Doc = {}
    try:
        headers, others = _places(service, name)
        for wire in headers.keys() & request.headers.keys():
            text = request.headers[wire]
            if not text.strip() and not (service == "s3" and _EMPTY_SAYS.fullmatch(wire)):
                continue
            member_name, member = headers[wire]
            value = _header(member, text)
            if value is not None:
                params[member_name] = value
        for member_name, member in others:
            if member.location == "querystring" and not request.query:
                continue
            value = _bound(node, member, request, labels)
            if value is not None:
                params[member_name] = value
    except _BadPart as error:
        raise error.told(service) from error
    _read_body(target.protocol, node, request, params)
    return op, params


@cache
def _places(service: str, name: str) -> tuple[dict[str, tuple[str, Node]], list[tuple[str, Node]]]:
    """The operation's members by lower-case header, and the others outside the body.

    PutObject has 40 header members and a request a handful: those that came are looked up.
    """
    node = input_of(models.model(service).operation_model(name))
    members = node.members.items() if node else ()
    headers = {m.wire.lower(): (n, m) for n, m in members if m.location == "header"}
    return headers, [(n, m) for n, m in members if m.location and m.location != "header"]


class _BadPart(BadValue):
    """A label, header or query parameter that is not of its member's type."""

    def __init__(self, member: Node, text: str, why: str) -> None:
        super().__init__(why)
        self.member = member
        self.text = text

    def told(self, service: str) -> AwsError:
        """The error in the service's words."""
        if service != "s3":
            return codec.malformed(str(self))
        wire = self.member.wire
        if wire == "partNumber":
            words = "Part number must be an integer between 1 and 10000, inclusive"
        elif self.member.kind in ("integer", "long"):
            words = f"Provided {wire} not an integer or within integer range"
        else:
            words = f"Provided {wire} is not valid"
        return AwsError("InvalidArgument", words, ArgumentName=wire, ArgumentValue=self.text[:200])


def _bound(node: Node, member: Node, request: Request, labels: Mapping[str, str]) -> Any:
    """The value of a member that travels outside the body, or None."""
    where, wire = member.location, member.wire
    if where == "uri":
        return _scalar(member, labels.get(wire))
    if where == "headers":
        prefix = wire.lower()
        found = {
            k[len(prefix) :]: _clean(v) for k, v in request.headers.items() if k.startswith(prefix)
        }
        return found or None
    if where == "querystring":
        return _query_value(node, member, request)
    return None


def _scalar(member: Node, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return read(member, text)
    except BadValue as error:
        raise _BadPart(member, text, str(error)) from error


def _header(member: Node, text: str | None) -> Any:
    if text is None:
        return None
    text = _clean(text)
    if member.kind == "list":
        return [_scalar(member.element, part) for part in split_header(text)]
    if member.kind == "timestamp":
        try:
            return read(member, text)
        except BadValue:
            # RFC 9110 13.1.3: a condition whose date is invalid is ignored; S3 keeps any Expires.
            return None if member.wire.lower() in _IF_DATES else text
    return _scalar(member, text)


def _clean(text: str) -> str:
    """A header's text; bytes that are no UTF-8 are Latin-1 (RFC 9110, 5.5)."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def split_header(text: str) -> list[str]:
    """The parts of a comma-separated header, quoted ones without their quotes."""
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    parts = []
    for found in _QUOTED.finditer(text):
        if found.end() == found.start():
            break
        quoted, plain = found.groups()
        parts.append(plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return parts


def _query_value(node: Node, member: Node, request: Request) -> Any:
    if member.kind == "map":
        named = {m.wire for m in node.members.values() if m is not member}
        out: Doc = {}
        for key, value in request.query:
            if key not in named and member.element.kind == "list":
                out.setdefault(key, []).append(value)
            elif key not in named:
                out[key] = value
        return out or None
    values = [_clean(value) for key, value in request.query if key == member.wire]
    if not values or (values == [""] and _says_nothing(member)):
        return None
    if member.kind == "list":
        return [_scalar(member.element, value) for value in values]
    return _scalar(member, values[0])


def _says_nothing(member: Node) -> bool:
    """Whether an empty parameter is none, as in `max-keys=`; an empty part number is wrong."""
    return member.kind in ("integer", "boolean") and member.wire != "partNumber"


def _read_body(protocol: str, node: Node, request: Request, params: Doc) -> None:
    body = request.body
    size = body.size if isinstance(body, Spooled) else len(body)
    payload = node.members.get(node.payload)
    if payload is not None and payload.kind == "blob":
        if size or isinstance(body, Spooled) or node.payload in node.required:
            params[node.payload] = body
        return
    if not size:
        return
    if payload is not None and payload.kind == "string":
        params[node.payload] = _text(_bytes(body))
    elif payload is not None:
        params[node.payload] = _decode(protocol, payload, _bytes(body))
    elif any(not member.location for member in node.members.values()):
        decoded = _decode(protocol, node, _bytes(body))
        for name, value in decoded.items():
            if not node.members[name].location:
                params[name] = value


def _decode(protocol: str, node: Node, body: bytes) -> Any:
    return codec.read_json(node, body) if protocol == "rest-json" else markup.read_xml(node, body)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise codec.malformed("The request body is not UTF-8") from error
