"""A custom model's archive, fetched by the URL that the server signed, and unpacked."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..failures import JobFailed
from ..storage import BLOCK, PATIENCE, PAUSE
from .uploads import addressed

REFUSED = "INTERNAL_SERVER_ERROR: The custom model could not be read."
SILENT = 60.0
"""Seconds without a byte after which it is asked for again."""
Fetch = Callable[[str, Path], bool]
"""(signed URL, file): whether the file is what the URL names."""


def model(url: str, folder: Path, fetch: Fetch | None = None) -> Path:
    """The folder of the model, which is fetched into `folder`. Raises JobFailed where that is refused, or
    nobody answers for PATIENCE seconds."""
    archive, place = folder / "model.tar.gz", folder / "model"
    since = time.monotonic()
    while not (fetch or fetched)(url, archive):
        if time.monotonic() - since > PATIENCE:
            raise JobFailed(REFUSED)
        time.sleep(PAUSE)
    place.mkdir()
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    archive.unlink()
    return place


def fetched(url: str, file: Path) -> bool:
    """Whether the file is what the URL names; raises JobFailed where it is refused."""
    address, host = addressed(url, os.environ.get("AWS_ENDPOINT_URL", ""))
    request = urllib.request.Request(address, headers={"Host": host})
    trusted = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
    opener = urllib.request.build_opener(  # the server is no address that a proxy leads to
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    try:
        with opener.open(request, timeout=SILENT) as answer, file.open("wb") as out:
            shutil.copyfileobj(answer, out, BLOCK)
            return file.stat().st_size == int(answer.headers["Content-Length"])
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code != 429:
            raise JobFailed(REFUSED) from None  # its URL is a key to the model
        return False
    except (OSError, http.client.HTTPException):  # nobody answers, or not to the end
        return False
