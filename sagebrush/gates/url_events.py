"""HTTP requests to function URLs as events, and what functions answer as HTTP replies. Pure.

Source: Lambda developer guide, "Invoking Lambda function URLs" (request and response payload format 2.0,
cross-origin resource sharing).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sagebrush.errors import Doc

_TEXT = ("application/json", "application/javascript", "application/xml")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, token)."""
_PRELUDE = b"\0" * 8
LONGEST_PRELUDE = 64 * 1024
FORBIDDEN_URL = "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"


@dataclass(frozen=True)
class Asked:
    """A request to a function URL."""

    method: str
    path: str
    """As sent, without the query."""
    raw_query: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    """With lower-case names."""
    body: bytes
    host: str
    """Without its port."""
    address: str
    """The client's."""
    secure: bool
    port: int


@dataclass(frozen=True)
class Answered:
    """What a function answers, as HTTP."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def event(asked: Asked, number: str, request_id: str, now: float, caller: Doc | None) -> Doc:
    """The event; `number` is the URL's id, `caller` the authorizer's `iam` for a signed request."""
    given = {name: _text(value) for name, value in asked.headers.items() if name != "cookie"}
    headers = {
        **given,
        "host": asked.host,
        "x-forwarded-for": asked.address,
        "x-forwarded-port": str(asked.port),
        "x-forwarded-proto": "https" if asked.secure else "http",
    }
    context: Doc = {
        "accountId": caller["accountId"] if caller else "anonymous",
        "apiId": number,
        "domainName": asked.host,
        "domainPrefix": number,
        "http": {
            "method": asked.method,
            "path": unquote(asked.path),
            "protocol": "HTTP/1.1",
            "sourceIp": asked.address,
            "userAgent": asked.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": dt.datetime.fromtimestamp(now, dt.UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }
    if caller:
        context["authorizer"] = {"iam": caller}
    found: Doc = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(asked.path),
        "rawQueryString": asked.raw_query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies := asked.headers.get("cookie"):
        found["cookies"] = [each.strip() for each in _text(cookies).split(";") if each.strip()]
    if asked.query:
        joined: dict[str, str] = {}
        for name, value in asked.query:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        found["queryStringParameters"] = joined
    if asked.body:
        found |= _body(asked)
    return found


def _text(value: str) -> str:
    """A header's value, whose bytes are UTF-8 or else Latin-1 (RFC 9110, "Field Values")."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _body(asked: Asked) -> Doc:
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = kind.startswith("text/") or kind in _TEXT or kind.endswith(("+json", "+xml")) or not kind
    if text:
        try:
            return {"body": asked.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(asked.body).decode(), "isBase64Encoded": True}


def answered(payload: bytes) -> Answered | None:
    """The reply that the function's answer means; None for one that means none (502)."""
    try:
        found: Any = json.loads(payload or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "statusCode" not in found:
        text = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
        body = b"" if found is None else text.encode("utf-8", "replace")
        return Answered(200, [("Content-Type", "application/json")], body)
    return _described(found)


def _described(found: Doc) -> Answered | None:
    """The reply that a structure with a status describes."""
    status, headers = found["statusCode"], found.get("headers") or {}
    if isinstance(status, str) and status.isdecimal() and len(status) == 3:
        status = int(status)
    if not isinstance(status, int) or not 200 <= status < 600 or not isinstance(headers, dict):
        return None  # interim replies (1xx) are the server's alone
    cookies = found.get("cookies") or []
    if not isinstance(cookies, list) or not all(map(_NAME.fullmatch, headers)):
        return None
    listed: list[tuple[str, str]] = []
    for name, value in headers.items():
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            listed.append((name, _header(value)))
    listed += [("Set-Cookie", _header(each)) for each in cookies]
    if not any(name.lower() == "content-type" for name, _ in listed):
        listed.append(("Content-Type", "application/json"))
    body = found.get("body")
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    data = text.encode("utf-8", "surrogatepass")
    if found.get("isBase64Encoded"):
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
    return Answered(status, listed, data)


def _header(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(each if each.isprintable() else " " for each in text)


def prelude(data: bytes) -> tuple[Answered, bytes] | None:
    """Status and headers that a streamed answer begins with, and what follows them; None where it begins
    with none, or not all of it is there."""
    if not data.startswith(b"{") or _PRELUDE not in data:
        return None
    head, _, rest = data.partition(_PRELUDE)
    try:
        found: Any = json.loads(head)
    except (ValueError, RecursionError):
        return None
    described = _described({"statusCode": 200, **found}) if isinstance(found, dict) else None
    return (described, rest) if described is not None else None


# ---- CORS


def preflight(cors: Doc, headers: Mapping[str, str]) -> list[tuple[str, str]] | None:
    """The headers that answer a preflight request; None for another request."""
    wanted = headers.get("access-control-request-method")
    if wanted is None or "origin" not in headers:
        return None
    found = shared(cors, headers)
    if not found:
        return []
    methods = cors.get("AllowMethods") or []
    if "*" in methods or wanted in methods:
        found.append(("Access-Control-Allow-Methods", ",".join(methods)))
    if cors.get("AllowHeaders"):
        found.append(("Access-Control-Allow-Headers", ",".join(cors["AllowHeaders"])))
    if cors.get("MaxAge") is not None:
        found.append(("Access-Control-Max-Age", str(cors["MaxAge"])))
    return found


def shared(cors: Doc, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that let a page of another origin read the reply; none where it may not."""
    origin, allowed = headers.get("origin"), cors.get("AllowOrigins") or []
    if origin is None or ("*" not in allowed and origin not in allowed):
        return []
    credentials = bool(cors.get("AllowCredentials"))
    any_ = "*" in allowed and not credentials
    found = [("Access-Control-Allow-Origin", "*" if any_ else origin)]
    if not any_:
        found.append(("Vary", "Origin"))
    if credentials:
        found.append(("Access-Control-Allow-Credentials", "true"))
    if cors.get("ExposeHeaders"):
        found.append(("Access-Control-Expose-Headers", ",".join(cors["ExposeHeaders"])))
    return found
