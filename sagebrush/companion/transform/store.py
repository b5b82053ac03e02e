"""Objects written to this server's S3 as the job's role: whole or not at all.

What is small is one PUT. What is larger is a multipart upload, completed at the end; one that is given
up is aborted. A server that does not answer is asked again, as `companion.fetch` does.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import threading
import time
from urllib.parse import quote

from sagebrush.companion import fetch

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PART = 8 << 20
"""Bytes of a part of a multipart upload; S3 takes 10,000, so that later ones are larger."""
GROWS = 1000
"""Parts after which their size doubles."""


class Refused(Exception):
    """S3 refuses, and asking again would not help; the text says why."""


class Stopped(Exception):
    """The job is to stop."""


class Writer:
    """Writes objects; for one thread. It waits for a server that is away until `stopping` is set."""

    def __init__(self, role: fetch.Role, stopping: threading.Event) -> None:
        self._role = role
        self._stopping = stopping
        self._talk: http.client.HTTPConnection | None = None

    def put(self, where: tuple[str, str], body: bytes, headers: Mapping[str, str]) -> None:
        """The object is there. Raises Refused and Stopped."""
        self._ask("PUT", where, "", body, headers)

    def begin(self, where: tuple[str, str], headers: Mapping[str, str]) -> str:
        """A multipart upload has begun; its id. Raises Refused and Stopped."""
        answer, _ = self._ask("POST", where, "uploads=", b"", headers)
        found = re.search(rb"<UploadId>(.*?)</UploadId>", answer)
        if not found:
            raise Refused("S3 began no multipart upload")
        return fetch.plain(found[1].decode())

    def part(self, where: tuple[str, str], upload: str, number: int, body: bytes) -> str:
        """The part is stored; its ETag. Raises Refused and Stopped."""
        query = f"partNumber={number}&uploadId={quote(upload, safe='-_.~')}"
        _, headers = self._ask("PUT", where, query, body, {})
        return headers.get("ETag", "")

    def complete(self, where: tuple[str, str], upload: str, tags: list[str]) -> None:
        """The object is there, of these parts. Raises Refused and Stopped."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        query = f"uploadId={quote(upload, safe='-_.~')}"
        try:
            answer, _ = self._ask("POST", where, query, body, {})
        except Refused:  # as NoSuchUpload, where a server that was killed had done it
            if not self._holds(where, tags):
                raise
            return
        if b"<Error>" in answer:  # S3 may answer 200 first and fail later
            raise Refused(answer.decode(errors="replace")[:300])

    def _holds(self, where: tuple[str, str], tags: list[str]) -> bool:
        """Whether the object is there, of parts of these ETags. Raises Stopped."""
        try:
            digests = b"".join(bytes.fromhex(tag.strip('"')) for tag in tags)
            _, headers = self._ask("HEAD", where, "", b"", {})
        except (ValueError, Refused):
            return False
        whole = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        return headers.get("ETag", "").strip('"') == f"{whole}-{len(tags)}"

    def abort(self, where: tuple[str, str], upload: str) -> None:
        """Nothing of the upload is left, where the server answers now."""
        query = f"uploadId={quote(upload, safe='-_.~')}"
        try:
            self._once("DELETE", where, query, b"", {}, False)
        except (OSError, http.client.HTTPException, ValueError, Refused, fetch.Again):
            self.close()

    def _ask(
        self,
        method: str,
        where: tuple[str, str],
        query: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> tuple[bytes, Mapping[str, str]]:
        since, wait, fresh = time.monotonic(), 0.05, False
        while True:
            try:
                status, answer, found = self._once(method, where, query, body, headers, fresh)
                if status < 300:
                    return answer, found
                what = f"s3://{where[0]}/{where[1]}"
                text = f"{_told(answer) or f'status {status}'} ({what})"
                if status == 403 and not fresh:
                    fresh = True
                    continue
                again = fetch.PATIENCE if status in (429, 503) else fetch.FAULTS
                if status < 500 and status not in (408, 429):
                    raise Refused(text)
            except (OSError, http.client.HTTPException, ValueError, fetch.Again) as error:
                self.close()
                text, again = f"the server does not answer: {error}", fetch.PATIENCE
            if time.monotonic() - since > again:
                raise Refused(text)
            if self._stopping.wait(wait):
                raise Stopped
            wait = min(2.0, wait * 2)

    def _once(
        self,
        method: str,
        where: tuple[str, str],
        query: str,
        body: bytes,
        headers: Mapping[str, str],
        fresh: bool,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        path = f"/{where[0]}/{quote(where[1], safe='/-._~')}"
        host = f"127.0.0.1:{self._role.port}"
        digest = hashlib.sha256(body).hexdigest() if body else fetch.NOTHING
        signed = self._role.signed(host, path, fresh, method, query, digest)
        if self._talk is None:
            self._talk = http.client.HTTPConnection(
                "127.0.0.1", self._role.port, timeout=fetch.SILENCE
            )
        url = f"{path}?{query}" if query else path
        self._talk.request(method, url, body=body or None, headers={**headers, **signed})
        answer = self._talk.getresponse()
        data = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, data, answer.headers  # type: ignore[return-value]

    def close(self) -> None:
        """Its connection is closed."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None


def _told(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    found = [re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message")]
    code, message = (fetch.plain(m[1]) if m else "" for m in found)
    return f"{code}: {message}" if code else ""


class Upload:
    """One object that comes piece by piece: in S3 once it is finished, and never before.

    `noted` is told the id of a multipart upload when one has begun.
    """

    def __init__(
        self,
        writer: Writer,
        where: tuple[str, str],
        headers: Mapping[str, str],
        noted: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._where = where
        self._headers = headers
        self._noted = noted
        self._held: list[bytes] = []
        self._size = 0
        self._upload = ""
        self._tags: list[str] = []

    def add(self, data: bytes) -> None:
        """The object goes on with `data`. Raises Refused and Stopped."""
        self._held.append(data)
        self._size += len(data)
        if self._size >= PART << len(self._tags) // GROWS:
            self._send()

    def _send(self) -> None:
        if not self._upload:
            self._upload = self._writer.begin(self._where, self._headers)
            self._noted(self._upload)
        body = b"".join(self._held)
        self._held, self._size = [], 0
        number = len(self._tags) + 1
        self._tags.append(self._writer.part(self._where, self._upload, number, body))

    def finish(self) -> None:
        """The object is there. Raises Refused and Stopped."""
        if not self._upload:
            self._writer.put(self._where, b"".join(self._held), self._headers)
            return
        if self._held:
            self._send()
        self._writer.complete(self._where, self._upload, self._tags)

    def abort(self) -> None:
        """Nothing of it is left in S3."""
        self._held = []
        if self._upload:
            self._writer.abort(self._where, self._upload)
