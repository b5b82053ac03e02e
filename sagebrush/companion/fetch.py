"""Objects of this server's S3, read as the job's role, over as many restarts of the server as it takes."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import http.client
import json
import re
import threading
import time
from urllib.parse import quote

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 1800.0
"""Seconds for which a server that does not answer is asked again."""
FAULTS = 15.0
"""Seconds for which a server that answers InternalError (a damaged object) is asked again."""
SILENCE = 60.0
"""Seconds for which an answer may make no progress until it is requested again."""
EARLY = 300.0
"""Seconds before their end at which credentials are fetched again."""
ENTITIES = (
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", '"'),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
)
"""XML's own, `&amp;` last."""
PIECE = 1 << 20
"""Bytes that are read at a time."""
NOTHING = hashlib.sha256(b"").hexdigest()


class Gone(Exception):
    """The object cannot be had, now or later; the text says why. `changed`: it is no longer what it was."""

    def __init__(self, text: str, changed: bool = False) -> None:
        super().__init__(text)
        self.changed = changed


class Again(Exception):
    """It may go better in a while."""


class _Fault(Again):
    """The server answers that it failed; SDKs ask again a few times then, and no more."""


class Role:
    """The role's credentials, from the server's address for them; for all threads."""

    def __init__(self, port: int, path: str, token: str, region: str) -> None:
        self.port = port
        self.region = region
        self._path = path
        self._token = token
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}
        self._until = 0.0

    def credentials(self, fresh: bool = False) -> dict[str, str]:
        """Credentials that are good for a while. Raises OSError, HTTPException and Again."""
        with self._lock:
            if fresh or time.time() > self._until - EARLY:
                talk = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SILENCE)
                try:
                    talk.request("GET", self._path, headers={"Authorization": self._token})
                    answer = talk.getresponse()
                    body = answer.read()
                finally:
                    talk.close()
                if answer.status != 200:
                    raise Again(f"credentials: {answer.status} {body[:200]!r}")
                self._found = json.loads(body)
                ends = time.strptime(self._found["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
                self._until = calendar.timegm(ends)
            return self._found

    def signed(
        self,
        host: str,
        path: str,
        fresh: bool,
        method: str = "GET",
        query: str = "",
        digest: str = NOTHING,
    ) -> dict[str, str]:
        """The headers of a signed request for `path` (Signature Version 4), whose body has the SHA-256
        `digest`; `query` in the order that it is signed in."""
        keys = self.credentials(fresh)
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {
            "host": host,
            "x-amz-content-sha256": digest,
            "x-amz-date": now,
            "x-amz-security-token": keys["Token"],
        }
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        names = ";".join(headers)
        request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = b"AWS4" + keys["SecretAccessKey"].encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope},"
            f" SignedHeaders={names}, Signature={signature}"
        )
        return headers


class Reader:
    """Reads objects one after another; for one thread."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._talk: http.client.HTTPConnection | None = None
        self._piece = memoryview(bytearray(PIECE))

    def close(self) -> None:
        """Its connection is closed."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    def stream(
        self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = ""
    ) -> Iterator[memoryview]:
        """The bytes from `start` on, before `end`, piece by piece; a piece is good until the next.

        All come from one version of the object: the one that has `etag`, or the first that was read.
        Raises Gone.
        """
        away, faulty = _Waits(PATIENCE), _Waits(FAULTS)
        at, fresh = start, False
        while end is None or at < end:
            try:
                answer, etag = self._get(bucket, key, (at, end), etag, fresh)
                fresh = False
                until = at + int(answer.headers["Content-Length"])
                while at < until:
                    count = answer.readinto(self._piece)
                    if not count:
                        raise Again("the answer ended early")
                    at += count
                    away, faulty = _Waits(PATIENCE), _Waits(FAULTS)
                    yield self._piece[:count]
                return
            except GeneratorExit:
                self.close()  # what is left of the answer is not wanted
                raise
            except _Denied as denied:
                self.close()
                if fresh:
                    raise Gone(str(denied)) from denied
                fresh = True
            except (OSError, http.client.HTTPException, Again, ValueError) as error:
                self.close()
                fault = isinstance(error, _Fault)
                if not (faulty if fault else away).go_on():
                    what = f"s3://{bucket}/{key}: the server does not answer: {error}"
                    raise Gone(str(error) if fault else what) from error

    def _get(
        self, bucket: str, key: str, where: tuple[int, int | None], etag: str, fresh: bool
    ) -> tuple[http.client.HTTPResponse, str]:
        """An answer whose body has not been read, and the ETag of what it is of."""
        path = f"/{bucket}/{quote(key, safe='/-._~')}"
        if self._talk is None:
            self._talk = http.client.HTTPConnection("127.0.0.1", self.role.port, timeout=SILENCE)
        headers = self.role.signed(f"127.0.0.1:{self.role.port}", path, fresh)
        start, end = where
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if etag:
            headers["If-Match"] = etag
        self._talk.request("GET", path, headers=headers)
        answer = self._talk.getresponse()
        if answer.status in (200, 206):
            if answer.status == 200 and start:
                raise Again("the range was left out of the answer")
            return answer, answer.headers.get("ETag", "")
        body = answer.read(65536)
        _judge(f"s3://{bucket}/{key}", answer.status, body, start)
        raise Again(f"status {answer.status}")


class _Denied(Exception):
    """The credentials were refused."""


def _judge(what: str, status: int, body: bytes, start: int) -> None:
    """Raises what an answer without the object means, where asking again would not help."""
    text = body.decode(errors="replace")
    found = [re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message")]
    code, message = (plain(m[1]) if m else "" for m in found)
    told = f"{code or status}: {message} ({what})"
    if status == 403:
        raise _Denied(told)
    if status == 412:
        raise Gone(f"{what} has changed since the job began to read it", changed=True)
    if status == 416 and start:
        raise Gone(f"{what} is shorter than it was", changed=True)
    if status == 500:
        raise _Fault(told)
    if status < 500 and status not in (408, 429):
        raise Gone(told, changed=status == 404)


def plain(text: str) -> str:
    """The text of an XML element. This process can load no module any more, and `html` for this alone
    would hold up its start, for which the job waits."""
    for entity, character in ENTITIES:
        text = text.replace(entity, character)
    return text


class _Waits:
    """How long to wait before asking again, ever longer, and, from the first time on, until when."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._next = 0.0

    def go_on(self) -> bool:
        """Some time has passed, and it is worth asking again."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since > self._patience:
            return False
        time.sleep(self._next)
        self._next = min(2.0, self._next * 2 or 0.05)
        return True


def whole(reader: Reader, bucket: str, key: str) -> bytes:
    """All of an object. Raises Gone."""
    return b"".join(bytes(piece) for piece in reader.stream(bucket, key))
