"""One GetObject, signed, with the standard library alone.

boto3 takes a quarter of a second to import and to build its client: the user's first line would
wait for that. Source: "Signature Version 4 for API requests" (IAM guide); "Container credential
provider" (SDKs and tools guide).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import shutil
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from sagebrush.toolkit.job import ClientError

TIMEOUT = 60.0
PATIENCE = 300.0
"""Seconds for which a server is waited for that is away: it may be restarting, again and again."""
FAULTS = 15.0
"""Seconds for which other failures are tried again, such as an answer 5xx or a name that is unknown."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between tries."""
EMPTY = hashlib.sha256(b"").hexdigest()


def download(address: str, target: Path) -> None:
    """`target` holds the object at `address` (s3://bucket/key); raises ClientError with S3's cause."""
    where = urllib.parse.urlsplit(address)
    bucket, key = where.netloc, address.removeprefix(f"s3://{where.netloc}/")
    path = f"/{bucket}/{urllib.parse.quote(key, safe='/-_.~')}"
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = urllib.parse.urlsplit(
        os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://s3.{region}.amazonaws.com"
    )
    if not endpoint.netloc:
        raise ClientError(f"AWS_ENDPOINT_URL is not an address: {endpoint.geturl()}")
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            _get(address, path, endpoint, region, target)
            return
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() + pause > began + _patience(error):
                raise ClientError(f"{address} cannot be read: {error}") from error
        time.sleep(pause)
        pause = min(2.0 * pause, LONGEST_PAUSE)


def _patience(error: Exception) -> float:
    """Seconds for which a request that failed so is tried again."""
    away = (ConnectionError, TimeoutError, http.client.HTTPException)
    return PATIENCE if isinstance(error, away) else FAULTS


class _Fault(OSError):
    """The server's answer is a fault of its own, which may pass."""


def _get(
    address: str, path: str, endpoint: urllib.parse.SplitResult, region: str, target: Path
) -> None:
    headers = sign(path, endpoint.netloc, region, credentials(), time.time())
    connection = _connection(endpoint.scheme, endpoint.netloc)
    connection.request("GET", path, headers=headers)
    with connection.getresponse() as reply:
        there = reply.getheader("x-amz-bucket-region", region)
        if reply.status in (301, 400) and there != region:
            reply.read()
            _get(address, path, endpoint, there, target)
            return
        if reply.status != 200:
            cause = reply.read(4096).decode(errors="replace")
            if reply.status >= 500:
                raise _Fault(f"{_code(cause)} ({reply.status})")
            raise ClientError(f"{address} cannot be read: {_code(cause)} ({reply.status})")
        with target.open("wb") as out:
            shutil.copyfileobj(reply, out, 1 << 20)


def credentials() -> dict[str, str]:
    """AccessKeyId, SecretAccessKey and perhaps Token: from the environment, else the container's."""
    if key := os.environ.get("AWS_ACCESS_KEY_ID"):
        found = {"AccessKeyId": key, "SecretAccessKey": os.environ.get("AWS_SECRET_ACCESS_KEY", "")}
        if token := os.environ.get("AWS_SESSION_TOKEN"):
            found["Token"] = token
        return found
    if relative := os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        address = f"http://169.254.170.2{relative}"
    elif not (address := os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")):
        raise ClientError(
            "this job has no credentials; with EnableNetworkIsolation the code must come in a channel"
        )
    where = urllib.parse.urlsplit(address)
    token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = Path(file).read_text().strip()
    connection = _connection(where.scheme, where.netloc)
    path = where.path + (f"?{where.query}" if where.query else "")
    connection.request("GET", path, headers={"Authorization": token} if token else {})
    with connection.getresponse() as reply:
        body = reply.read(65536)
        if reply.status >= 500:
            raise _Fault(f"the job's credentials are not given out ({reply.status})")
        if reply.status != 200:
            raise ClientError(f"the job's credentials cannot be read ({reply.status})")
    return json.loads(body)


def sign(path: str, host: str, region: str, keys: Mapping[str, str], now: float) -> dict[str, str]:
    """The headers of a GET of `path` (already percent-encoded) at `now`, seconds of the epoch."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    headers = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": moment}
    if token := keys.get("Token"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{path}\n\n{lines}\n{names}\n{EMPTY}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return {**headers, "Authorization": authorization}


def _connection(scheme: str, host: str) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, timeout=TIMEOUT)
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return http.client.HTTPSConnection(host, timeout=TIMEOUT, context=context)


def _code(body: str) -> str:
    """S3's error code and message, from its XML."""
    import html  # only an error needs it, and the first line waits for imports

    parts = []
    for tag in ("Code", "Message"):
        start, end = body.find(f"<{tag}>"), body.find(f"</{tag}>")
        if 0 <= start < end:
            parts.append(html.unescape(body[start + len(tag) + 2 : end]))
    return ": ".join(parts) or "no cause given"
