"""S3's exceptions on the wire: bucket names in hosts, partial answers, bare bodies, error headers.

(Twin operations that share a URI are in `routes`, chunked bodies and checksums in `receive`.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from botocore.model import OperationModel

from sagebrush.protocol import markup
from sagebrush.protocol.message import Reply, Request
from sagebrush.world import AwsError, Doc

_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
_ENDPOINT = re.compile(rf"(?:(.+)\.)?s3(?:express)?(?:[.-](?:{_REGION}|dualstack|accelerate))*")
"""An S3 endpoint's own labels, and the bucket before them (user guide, "Virtual hosting")."""
_PORT = re.compile(r":\d+$")


def path_style(request: Request, hosts: Iterable[str] = ()) -> Request:
    """The request with its bucket in the path, where its Host header had it.

    `hosts` are the names that the server answers for beside `localhost` and `amazonaws.com`.
    """
    bucket = host_bucket(request.headers.get("host", ""), hosts)
    return request if bucket is None else replace(request, path=f"/{bucket}{request.path}")


def host_bucket(host: str, hosts: Iterable[str] = ()) -> str | None:
    """The bucket in a Host header (`bucket.localhost:4566`, `bucket.s3.us-east-1.localhost`), or None."""
    name = _PORT.sub("", host.lower()).rstrip(".")
    for base in ("localhost", "amazonaws.com", *(h.lower() for h in hosts)):
        if not name.endswith("." + base):
            continue
        front = name[: -len(base) - 1]
        m = _ENDPOINT.fullmatch(front)
        if m is not None:
            return m[1]
        # AWS's own hosts always name the service; ours need not.
        return None if base == "amazonaws.com" else front
    return None


def finish(request: Request, op: OperationModel, result: Doc | None, reply: Reply) -> Reply:
    """The reply as S3 gives it where that is not what the model says."""
    result = result or {}
    name = str(op.name)
    if name in ("GetObject", "HeadObject"):
        if "ContentRange" in result or "PartNumber" in result or _asks_part(request):
            reply.status = 206
        reply.headers.setdefault("Content-Type", "binary/octet-stream")
    elif name == "GetBucketLocation":
        region = markup.text(result.get("LocationConstraint") or "")
        reply.body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint'
            f' xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{region}</LocationConstraint>'
        ).encode()
        reply.headers["Content-Type"] = "application/xml"
    elif name == "GetBucketPolicy":
        reply.headers["Content-Type"] = "application/json"
    return reply


def _asks_part(request: Request) -> bool:
    return any(name == "partNumber" for name, _ in request.query)


def finish_error(error: AwsError, reply: Reply) -> Reply:
    """The error reply with the headers that S3 adds: what was not modified, how long the object is."""
    if reply.status == 304:
        for name, header in (("ETag", "ETag"), ("LastModified", "Last-Modified")):
            if name in error.fields:
                reply.headers[header] = error.fields[name]
    elif reply.status == 416 and "ActualObjectSize" in error.fields:
        reply.headers["Content-Range"] = f"bytes */{error.fields['ActualObjectSize']}"
    return reply
