"""Results and errors as replies in the request's protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from botocore.model import OperationModel

from sagebrush.aws import models, shapes
from sagebrush.aws.names import host_id
from sagebrush.aws.scalars import raw, write
from sagebrush.aws.shapes import Node, output_of
from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import codec, eventstream, markup
from sagebrush.protocol.detect import CBOR
from sagebrush.protocol.message import Reply
from sagebrush.store.objects import Blob
from sagebrush.store.spool import Spooled

S3_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "CreateSession": "CreateSessionResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}
"""Root elements that botocore's model leaves out and stricter clients read (Amazon S3 API Reference)."""

_PLAIN = str | int | float | bool | None
_NO_BODY = (204, 205, 304)


def render(op: OperationModel, protocol: str, result: Doc | None, request_id: str) -> Reply:
    """The reply that carries `result`; members that the output shape lacks are left out.

    A streaming member may be bytes, a Blob or an async iterator of bytes; an event stream is an
    async iterator of `{event: members}`.
    """
    result = result or {}
    node = output_of(op)
    reply = Reply(op.http.get("responseCode", 200), _ids(op, request_id))
    if protocol in ("json", CBOR):
        _render_rpc(op, protocol, node, result, reply)
    elif protocol == "query":
        reply.headers["Content-Type"] = "text/xml"
        reply.body = _query_body(op, node, result, request_id)
    elif node is not None:
        _render_rest(op, protocol, node, result, reply)
    if reply.status in _NO_BODY:
        reply.body = b""
        reply.headers.pop("Content-Type", None)
    return reply


def _ids(op: OperationModel | None, request_id: str, s3: bool | None = None) -> dict[str, str]:
    if s3 if s3 is not None else op is not None and op.service_model.service_name == "s3":
        return {"x-amz-request-id": request_id, "x-amz-id-2": host_id(request_id)}
    return {"x-amzn-RequestId": request_id}


def _json_type(op: OperationModel | None, protocol: str) -> str:
    if protocol == CBOR:
        return "application/cbor"
    if protocol == "rest-json":
        return "application/json"
    version = op.service_model.metadata.get("jsonVersion", "1.1") if op else "1.1"
    return f"application/x-amz-json-{version}"


def _render_rpc(
    op: OperationModel, protocol: str, node: Node | None, result: Doc, reply: Reply
) -> None:
    encode = codec.write_cbor if protocol == CBOR else codec.write_json
    reply.headers["Content-Type"] = _json_type(op, protocol)
    if protocol == CBOR:
        reply.headers["smithy-protocol"] = "rpc-v2-cbor"
    stream = next((n for n, m in node.members.items() if m.event_stream), None) if node else None
    if node is None or stream is None:
        reply.body = encode(node, result)
        return
    rest = {name: value for name, value in result.items() if name != stream}
    first = eventstream.initial_response(encode(node, rest), _json_type(op, protocol))
    reply.headers["Content-Type"] = eventstream.CONTENT_TYPE
    reply.body = eventstream.frames(node.members[stream], result[stream], protocol, first)


def _query_body(op: OperationModel, node: Node | None, result: Doc, request_id: str) -> bytes:
    namespace = op.service_model.metadata.get("xmlNamespace", "")
    inner = markup.write_xml(node, result, node.root or f"{op.name}Result") if node else ""
    return (
        f'<{op.name}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{op.name}Response>"
    ).encode()


def _render_rest(op: OperationModel, protocol: str, node: Node, result: Doc, reply: Reply) -> None:
    body: Doc = {}
    for name, value in result.items():
        member = node.members.get(name)
        if member is None or value is None:
            continue
        if member.location == "header":
            reply.headers[member.wire] = _header(member, value)
        elif member.location == "headers":
            for key, text in value.items():
                reply.headers[member.wire + key] = _one_line(str(text))
        elif member.location == "statusCode":
            reply.status = int(value)
        else:
            body[name] = value
    if node.payload:
        _render_payload(protocol, node, body, reply)
    elif any(not member.location for member in node.members.values()):
        if protocol == "rest-xml":
            root = S3_ROOTS.get(str(op.name)) or node.root or node.shape
            _xml(reply, markup.write_xml(node, body, root, S3_NAMESPACE))
        else:
            reply.body = codec.write_json(node, body)
            reply.headers.setdefault("Content-Type", "application/json")


def _header(member: Node, value: Any) -> str:
    if member.kind == "list":
        return _one_line(",".join(write(member.element, item, "rfc822") for item in value))
    return _one_line(write(member, value, "rfc822"))


def _one_line(text: str) -> str:
    """`text` without what would end a header."""
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")


def _xml(reply: Reply, text: str) -> None:
    reply.body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()
    reply.headers.setdefault("Content-Type", "application/xml")


def _render_payload(protocol: str, node: Node, body: Doc, reply: Reply) -> None:
    member = node.members[node.payload]
    value = body.get(node.payload)
    if member.event_stream:
        reply.headers.setdefault("Content-Type", eventstream.CONTENT_TYPE)
        reply.body = eventstream.frames(member, value, protocol) if value is not None else b""
    elif member.kind in ("blob", "string"):
        reply.body = _stream(value)
        if value is not None:
            plain = "text/plain" if member.kind == "string" else "application/octet-stream"
            reply.headers.setdefault("Content-Type", plain)
    elif value is not None:
        if protocol == "rest-xml":
            root = member.root or member.shape
            namespace = member.namespace or S3_NAMESPACE
            _xml(reply, markup.write_xml(member, value, root, namespace))
        else:
            reply.body = codec.write_json(member, value)
            reply.headers.setdefault("Content-Type", "application/json")


def _stream(value: Any) -> bytes | Blob | AsyncIterator[bytes]:
    if value is None:
        return b""
    if isinstance(value, Blob) or hasattr(value, "__aiter__"):
        return value
    if isinstance(value, Spooled):
        return Blob(value.size, value.path, data=value.data)
    return raw(value)


# ---- errors ----------------------------------------------------------------------------------


@cache
def _error_node(service: str, code: str) -> Node | None:
    error = models.error_shapes(service).get(code)
    return shapes.of(error.shape) if error else None


def _status(error: AwsError, service: str | None) -> int:
    """The error's own status; the model's where the raiser left the default of 400."""
    found = models.error_shapes(service).get(error.code) if service else None
    return found.status if found and found.status and error.status == 400 else error.status


def render_error(
    error: AwsError,
    protocol: str,
    op: OperationModel | None,
    request_id: str,
    service: str | None = None,
    method: str = "",
    resource: str = "",
) -> Reply:
    """The reply that carries `error`, in the protocol's form; without a body for HEAD and 304.

    `service` is needed only where there is no `op`; `resource` is the path that S3 errors name.
    """
    service = op.service_model.service_name if op else service
    reply = Reply(_status(error, service), _ids(op, request_id, s3=protocol == "rest-xml"))
    if protocol == "rest-xml":
        reply.headers["Content-Type"] = "application/xml"
        reply.body = _s3_error(error, request_id, resource)
    elif protocol == "query":
        reply.headers["Content-Type"] = "text/xml"
        reply.body = _query_error(error, service, request_id, reply.status)
    else:
        _document_error(error, protocol, op, service, reply)
    if method == "HEAD" or reply.status in _NO_BODY:
        reply.body = b""
        reply.headers.pop("Content-Type", None)
    return reply


def _s3_error(error: AwsError, request_id: str, resource: str) -> bytes:
    fields = dict(error.fields)
    if resource:
        fields.setdefault("Resource", resource)
    fields |= {"RequestId": request_id, "HostId": host_id(request_id)}
    parts = {"Code": error.code, "Message": error.message} | fields
    inner = "".join(f"<{k}>{markup.text(str(v))}</{k}>" for k, v in parts.items() if v is not None)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def _members(node: Node | None, error: AwsError) -> Doc:
    """The error's members as the shape names them; the message under the shape's own name."""
    members: Mapping[str, Node] = node.members if node else {}
    key = next((name for name in members if name.lower() == "message"), "message")
    return {key: error.message} | error.fields


def _query_error(error: AwsError, service: str | None, request_id: str, status: int) -> bytes:
    node = _error_node(service, error.code) if service else None
    namespace = models.spoken(service, "query").metadata.get("xmlNamespace", "") if service else ""
    code = _query_code(service, error.code)
    side = "Receiver" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
    inner = "".join(
        markup.write_xml(member, error.fields[name], member.wire)
        for name, member in (node.members if node else {}).items()
        if name.lower() != "message" and error.fields.get(name) is not None
    )
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{side}</Type>'
        f"<Code>{markup.text(code)}</Code><Message>{markup.text(error.message)}</Message>{inner}"
        f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _query_code(service: str | None, code: str) -> str:
    found = models.error_shapes(service).get(code) if service else None
    return found.code if found else code


def _document_error(
    error: AwsError,
    protocol: str,
    op: OperationModel | None,
    service: str | None,
    reply: Reply,
) -> None:
    node = _error_node(service, error.code) if service else None
    name = node.shape if node else error.code
    members = _members(node, error)
    for key, value in members.items():
        if (node is None or key not in node.members) and not isinstance(value, _PLAIN):
            members[key] = str(value)
    for key, member in node.members.items() if node else ():
        if member.location == "header" and members.get(key) is not None:
            reply.headers[member.wire] = _header(member, members.pop(key))
    encode = codec.write_cbor if protocol == CBOR else codec.write_json
    wrapper = Node("structure", "Error", "Error", members=_named(node, members))
    reply.body = encode(wrapper, {"__type": name} | members)
    reply.headers["Content-Type"] = _json_type(op, protocol)
    reply.headers["x-amzn-ErrorType"] = name
    if protocol == CBOR:
        reply.headers["smithy-protocol"] = "rpc-v2-cbor"
    if service and "awsQueryCompatible" in models.model(service).metadata:
        side = "Receiver" if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
        reply.headers["x-amzn-query-error"] = f"{_query_code(service, error.code)};{side}"


def _named(node: Node | None, members: Doc) -> dict[str, Node]:
    """The nodes that write `members`: the shape's own, and plain ones for what it lacks."""
    found = dict(node.members) if node else {}
    for name in ("__type", *members):
        found.setdefault(name, Node("document", name, name))
    return found
