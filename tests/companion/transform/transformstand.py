"""A store and a model of the tests' own, for drivers: two HTTP servers in this process."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sagebrush.companion import fetch
from sagebrush.companion.transform.drive import Drive
from sagebrush.companion.transform.journal import Journal
from sagebrush.companion.transform.plan import Plan

Reply = tuple[int, bytes, Mapping[str, str]]


class Asked:
    """One request as the model got it."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = {name.lower(): value for name, value in headers.items()}


def upper(asked: Asked) -> Reply:
    """A model that answers in capitals."""
    return 200, asked.body.upper(), {"Content-Type": asked.headers.get("content-type", "")}


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 without a log."""

    protocol_version = "HTTP/1.1"
    stand: Any

    def log_message(self, format: str, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        """The request's body, chunked or not."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline() or b"0", 16):  # it may break off
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class StoreHandler(Handler):
    def do_GET(self) -> None:
        if self.path == "/credentials":
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            keys = {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": ends}
            self.reply(200, json.dumps(keys).encode())
            return
        key = unquote(self.path.split("/", 2)[2])
        if key not in self.stand.objects:
            self.reply(404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
            return
        self.reply(200, self.stand.objects[key], {"ETag": '"v1"'})

    def do_PUT(self) -> None:
        body, stand = self.body(), self.stand
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if stand.refusals:
            self.reply(stand.refusals.pop(), b"<Error><Code>No</Code><Message>no</Message></Error>")
            return
        key = unquote(parts.path.split("/", 2)[2])
        if "uploadId" in query:
            stand.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
        else:
            stand.objects[key] = body
        self.reply(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def do_HEAD(self) -> None:
        tag = self.stand.tags.get(unquote(self.path.split("/", 2)[2]))
        self.reply(200 if tag else 404, b"", {"ETag": tag or ""})

    def do_POST(self) -> None:
        body, stand = self.body(), self.stand
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if "uploadId" not in query:
            upload = f"up/{len(stand.uploads)}"
            stand.uploads[upload] = {}
            self.reply(200, f"<UploadId>{upload}</UploadId>".encode())
            return
        found = stand.uploads.pop(query["uploadId"][0], None)
        if found is None:
            self.reply(404, b"<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>")
            return
        numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)<", body)]
        key = unquote(parts.path.split("/", 2)[2])
        stand.objects[key] = b"".join(found[n] for n in numbers)
        digests = b"".join(hashlib.md5(found[n]).digest() for n in numbers)
        stand.tags[key] = f'"{hashlib.md5(digests).hexdigest()}-{len(numbers)}"'
        if stand.killed:  # before it could answer
            stand.killed = False
            self.close_connection = True
            return
        self.reply(200, b"<Done/>")

    def do_DELETE(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.stand.uploads.pop(query["uploadId"][0], None)
        self.reply(204, b"")


class ModelHandler(Handler):
    def do_GET(self) -> None:
        found = self.stand.parameters
        self.reply(200 if found else 404, json.dumps(found).encode())

    def do_POST(self) -> None:
        if int(self.headers.get("Content-Length") or 0) > self.stand.most:
            self.reply(413, b"Request Entity Too Large", {"Connection": "close"})
            self.connection.shutdown(socket.SHUT_RD)  # nothing of its body was read
            self.close_connection = True
            return
        asked = Asked(self.body(), dict(self.headers))
        with self.stand.lock:
            self.stand.asked.append(asked)
        status, body, headers = self.stand.model(asked)
        if status == 0:  # it ends without an answer
            self.close_connection = True
            self.connection.close()
            return
        self.reply(status, body, headers)


class TransformStand:
    """A store with `objects`, a `model`, and drivers that take the ones through the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.tags: dict[str, str] = {}
        """ETags of what was uploaded in parts."""
        self.killed = False
        """Whether the store does not answer to the next upload that it completes."""
        self.refusals: list[int] = []
        self.parameters: dict[str, Any] = {}
        self.model: Callable[[Asked], Reply] = upper
        self.most = 1 << 30
        """Bytes of a body that the model takes; it does not read a larger one."""
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.said: list[str] = []
        self.stopping = threading.Event()
        self._servers = [self._serve(StoreHandler), self._serve(ModelHandler)]
        self.address = f"tcp:127.0.0.1:{self._servers[1].server_port}"

    def _serve(self, handler: type[Handler]) -> ThreadingHTTPServer:
        mine = type(handler.__name__, (handler,), {"stand": self})
        made = ThreadingHTTPServer(("127.0.0.1", 0), mine)
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        return made

    def close(self) -> None:
        for each in self._servers:
            each.shutdown()
            each.server_close()

    @property
    def outputs(self) -> dict[str, bytes]:
        return {key: body for key, body in self.objects.items() if key.startswith("out/")}

    def plan(self, **given: Any) -> Plan:
        """All objects under `in/`, by lines, unless it is said otherwise."""
        found: Any = {
            "region": "us-east-1",
            "objects": [
                ("bucket", key, len(body), "", key.removeprefix("in/"))
                for key, body in sorted(self.objects.items())
                if key.startswith("in/")
            ],
            "bucket": "bucket",
            "prefix": "out/",
            "containers": [self.address],
            "split": "Line",
            "gzip": False,
            "content_type": "text/csv",
            "accept": "text/csv",
            "lines": True,
            "strategy": "MultiRecord",
            "concurrency": 1,
            "payload": 1,
            "timeout": 5,
            "retries": 0,
            "data": None,
        }
        found |= given
        return found

    def drive(self, **given: Any) -> Drive:
        """A driver that has not begun."""
        self.stopping = threading.Event()
        role = fetch.Role(self._servers[0].server_port, "/credentials", "token", "us-east-1")
        journal = Journal(str(self.folder))
        return Drive(self.plan(**given), role, journal, self.said.append, self.stopping)

    def run(self, **given: Any) -> Drive:
        """A driver that has done what it could."""
        made = self.drive(**given)
        made.run()
        return made
