"""Files to URLs that the server signed (`services/comprehend/training/artifacts.py`).

A signature holds for the host that it names. The job reaches the server by another address, that of
AWS_ENDPOINT_URL: it asks there, with the Host header that was signed. The server may be away for a while.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ..failures import JobFailed
from ..storage import PATIENCE, PAUSE

TIMEOUT = 120.0
"""Seconds without a byte after which a connection is given up."""
REFUSED = "INTERNAL_SERVER_ERROR: The trained model could not be stored."


def put(
    url: str,
    file: Path,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """The file is what the URL names. Raises JobFailed where that is refused, or nobody answers for
    PATIENCE seconds. `clock` and `sleep` are the time module's, or a test's."""
    since = clock()
    while not _sent(url, file):
        if clock() - since > PATIENCE:
            raise JobFailed(REFUSED)
        sleep(PAUSE)


def _sent(url: str, file: Path) -> bool:
    """Whether the file was taken; raises JobFailed where it is refused."""
    address, host = addressed(url, os.environ.get("AWS_ENDPOINT_URL", ""))
    place = urlsplit(address)
    headers = {"Host": host, "Content-Length": str(file.stat().st_size)}
    with file.open("rb") as body, closing(_connection(place.scheme, place.netloc)) as connection:
        try:
            # a server that refuses may answer before it has read all
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("PUT", f"{place.path}?{place.query}", body, headers)
            status = connection.getresponse().status
        except (OSError, HTTPException):  # nobody answers, or not to the end
            return False
    if status < 300:
        return True
    if status < 500 and status != 429:
        raise JobFailed(REFUSED)
    return False


def _connection(scheme: str, netloc: str) -> HTTPConnection:
    if scheme != "https":
        return HTTPConnection(netloc, timeout=TIMEOUT)
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return HTTPSConnection(netloc, timeout=TIMEOUT, context=context)


def addressed(url: str, server: str) -> tuple[str, str]:
    """The URL at the server's address, and the Host header that was signed."""
    signed = urlsplit(url)
    reached = urlsplit(server) if server else signed
    parts = (reached.scheme, reached.netloc, signed.path, signed.query, "")
    return urlunsplit(parts), signed.netloc
