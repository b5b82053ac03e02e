"""A custom model's archive, fetched by the URL that the server signed, and unpacked."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..failures import JobFailed
from ..storage import BLOCK, PATIENCE, PAUSE
from .uploads import addressed

REFUSED = "INTERNAL_SERVER_ERROR: The custom model could not be read."
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
    # slow, and absent where other modules of these are tested by themselves
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import HTTPClientError
    from botocore.httpsession import URLLib3Session

    verify: Any = os.environ.get("AWS_CA_BUNDLE") or True
    session = URLLib3Session(verify)
    address, host = addressed(url, os.environ.get("AWS_ENDPOINT_URL", ""))
    request: Any = AWSRequest("GET", address, {"Host": host}, stream_output=True)
    try:
        answer = session.send(request.prepare())
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            raise JobFailed(REFUSED)
        return answer.status_code < 300 and _stored(answer, file)
    except HTTPClientError:  # nobody answers
        return False
    finally:
        session.close()


def _stored(answer: Any, file: Path) -> bool:
    """Whether all of the answer's body is in the file."""
    from urllib3.exceptions import HTTPError

    wanted = int(answer.headers["Content-Length"])
    try:
        with file.open("wb") as out:
            for block in answer.raw.stream(BLOCK):
                out.write(block)
    except HTTPError:  # the connection ended
        return False
    return file.stat().st_size == wanted
