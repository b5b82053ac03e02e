"""A package index of the tests' own with one tiny wheel, and what it was asked for."""

from __future__ import annotations

import contextlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

NAME = "companywheel"
FILE = f"{NAME}-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """A package with one module that says its version."""
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": "SAID = 'from the company'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()


@dataclass
class PrivateIndex:
    """Serves plain HTTP on loopback; `authorizations` are those of all requests, in order."""

    status: int = 200
    authorizations: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """It answers meanwhile; its port."""
        index, data = self, wheel()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.authorizations.append(self.headers.get("Authorization", ""))
                pages = {
                    f"/simple/{NAME}/": f'<a href="../../files/{FILE}">{FILE}</a>'.encode(),
                    f"/files/{FILE}": data,
                }
                found = pages.get(self.path)
                status = index.status if index.status != 200 else 404 if found is None else 200
                body = found if found is not None and status == 200 else b""
                self.send_response(status)
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is written."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
