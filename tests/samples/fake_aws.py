"""A server that plays AWS's public buckets, by path-style addresses, with AWS's faults and others'."""

from __future__ import annotations

import hashlib
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

MODIFIED = 1_600_000_000
ERROR = "<Error><Code>{}</Code><Message>{}</Message></Error>"


class FakeAws(ThreadingHTTPServer):
    """Buckets of bytes by key; `faults` says how a key is answered otherwise; `asked` what was asked.

    Faults: an int is a status and S3's code (`(404, "NoSuchKey")`), `cut` ends half way, `held` waits
    after half of the bytes until `go`, `wrong` sends other bytes, `mute` says nothing until
    `go`, `portal` is not S3 at all.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.faults: dict[str, str | tuple[int, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.page = 1000
        self.go = threading.Event()
        self.half = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def reset(self, *buckets: str) -> None:
        """Those buckets are there, empty, without faults."""
        self.go, self.half = threading.Event(), threading.Event()
        self.buckets, self.faults, self.asked = {name: {} for name in buckets}, {}, []
        self.page = 1000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def gets(self, key: str) -> int:
        """How often the bytes of the key were asked for."""
        return self.asked.count(("GET", key))

    def end(self) -> None:
        self.go.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeAws  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        bucket, _, key = unquote(address.path[1:]).partition("/")
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        assert "Authorization" not in self.headers
        self.server.asked.append((self.command, key or f"list {query.get('prefix', '')}"))
        fault = self.server.faults.get(key)
        objects = self.server.buckets.get(bucket)
        if fault == "mute":
            self.server.go.wait(30)
            self.close_connection = True
        elif fault == "portal":
            self._send(200, b"<html>please log in</html>", {}, ours=True)
        elif isinstance(fault, tuple):
            self._send(fault[0], ERROR.format(fault[1], "the fake says so").encode(), {})
        elif objects is None:
            self._send(404, ERROR.format("NoSuchBucket", "no such bucket").encode(), {})
        elif not key:
            self._send(200, self._listing(bucket, objects, query), {})
        elif key not in objects:
            self._send(404, ERROR.format("NoSuchKey", "no such key").encode(), {})
        else:
            self._object(objects[key], fault)

    def _object(self, body: bytes, fault: str | None) -> None:
        headers = {
            "ETag": f'"{hashlib.md5(body).hexdigest()}"',
            "Last-Modified": formatdate(MODIFIED, usegmt=True),
            "Content-Type": "text/csv",
            "x-amz-meta-origin": "there",
        }
        if fault == "wrong":
            body = bytes(len(body))
        if fault not in ("cut", "held") or self.command == "HEAD":
            self._send(200, body, headers)
            return
        self._head(200, len(body), headers)
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if fault == "cut":
            self.close_connection = True
            return
        self.server.half.set()
        self.server.go.wait(30)
        self.wfile.write(body[len(body) // 2 :])

    def _listing(self, bucket: str, objects: dict[str, bytes], query: dict[str, str]) -> bytes:
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        delimiter = query.get("delimiter", "")
        most = min(int(query.get("max-keys", 1000)), self.server.page)
        entries: list[str] = []
        for key in sorted(objects):
            if key.startswith(prefix) and key > after:
                at = key.find(delimiter, len(prefix)) if delimiter else -1
                entry = key[: at + 1] if at >= 0 else key
                if entry not in entries:
                    entries.append(entry)
        more = len(entries) > most
        lines = [f"<IsTruncated>{str(more).lower()}</IsTruncated><Name>{bucket}</Name>"]
        for entry in entries[:most]:
            if entry in objects:
                etag = hashlib.md5(objects[entry]).hexdigest()
                lines.append(
                    f"<Contents><Key>{escape(entry)}</Key><Size>{len(objects[entry])}</Size>"
                    f"<ETag>&quot;{etag}&quot;</ETag><StorageClass>STANDARD</StorageClass>"
                    "<LastModified>2020-09-13T12:26:40.000Z</LastModified></Contents>"
                )
            else:
                lines.append(f"<CommonPrefixes><Prefix>{escape(entry)}</Prefix></CommonPrefixes>")
        return f"<ListBucketResult>{''.join(lines)}</ListBucketResult>".encode()

    def _head(self, status: int, length: int, headers: dict[str, str], ours: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not ours:
            self.send_header("x-amz-request-id", "FAKE")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status: int, body: bytes, headers: dict[str, str], ours: bool = False) -> None:
        self._head(status, len(body), headers, ours)
        if self.command != "HEAD":
            self.wfile.write(body)
