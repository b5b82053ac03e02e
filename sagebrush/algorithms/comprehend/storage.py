"""S3 as a job's data access role sees it: objects listed, read as streams that go on after a failure, written.

The server that answers may be away for a while, in the middle of a body too: what is read goes on where it
stopped, as long as the object is the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .failures import CHANGED, NO_READ, NO_WRITE, JobFailed

BLOCK = 1 << 20
TRIES, PAUSE = 30, 2.0
"""How often an object is asked for again without a byte of progress, and the seconds before."""
PATIENCE = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "20"}
"""By which boto3 asks again where no answer came."""


@dataclass(frozen=True)
class Found:
    """An object of the input."""

    key: str
    size: int
    etag: str


class Storage:
    """S3 by a boto3 client."""

    def __init__(self, client: Any, pause: float = PAUSE) -> None:
        self._client = client
        self._pause = pause

    def listed(self, bucket: str, prefix: str, without: str) -> Iterator[Found]:
        """The objects whose keys begin with the prefix, in the order of their keys; not folders, and
        none whose key begins with `without`. Raises JobFailed."""
        token: dict[str, str] = {}
        while True:
            wanted = {"Bucket": bucket, "Prefix": prefix, **token}
            try:
                page = self._client.list_objects_v2(**wanted)
            except self._client.exceptions.ClientError as error:
                raise JobFailed(NO_READ) from error
            for each in page.get("Contents", ()):
                if not each["Key"].endswith("/") and not each["Key"].startswith(without):
                    yield Found(each["Key"], each["Size"], each["ETag"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def blocks(self, bucket: str, found: Found) -> Iterator[bytes]:
        """The object's bytes. Raises JobFailed where it cannot be read, or is another one now."""
        done, tries = 0, 0
        while done < found.size:
            try:
                for block in self._asked(bucket, found, done):
                    done, tries = done + len(block), 0
                    yield block
            except JobFailed:
                raise
            except Exception as error:  # urllib3's and botocore's: the connection, or its end
                tries += 1
                if tries > TRIES:
                    raise JobFailed(NO_READ) from error
                time.sleep(self._pause)

    def _asked(self, bucket: str, found: Found, start: int) -> Iterator[bytes]:
        wanted = {"Bucket": bucket, "Key": found.key, "IfMatch": found.etag}
        try:
            got = self._client.get_object(
                **wanted, **({"Range": f"bytes={start}-"} if start else {})
            )
        except self._client.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500:
                raise
            raise JobFailed(CHANGED if status == 412 else NO_READ) from error
        with got["Body"] as body:
            while block := body.read(BLOCK):
                yield block

    def put(self, bucket: str, key: str, file: Path) -> None:
        """The object is what the file holds. Raises JobFailed."""
        try:
            self._client.upload_file(str(file), bucket, key)
        except Exception as error:  # boto3's S3UploadFailedError, botocore's
            raise JobFailed(NO_WRITE) from error


def connect() -> Storage:
    """S3 by the credentials and the address that the job has. It waits for a server that is away."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    import boto3  # slow, and absent where these modules are tested by themselves

    return Storage(boto3.client("s3"))
