"""S3 as a job's data access role sees it: objects listed, read as streams that go on after a failure, written.

The server that answers, and gives the role's credentials, may be away for a while, in the middle of a body
too: what is asked is asked again, and what is read goes on where it stopped, as long as the object is the
same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .failures import CHANGED, NO_READ, NO_WRITE, JobFailed

BLOCK = 1 << 20
PATIENCE, PAUSE = 1800.0, 2.0
"""Seconds that a server may be away, and between two tries."""
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """An object of the input."""

    key: str
    size: int
    etag: str


def located(uri: str) -> tuple[str, str]:
    """The bucket and the key, or prefix of keys, of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class Storage:
    """S3 by a boto3 client. `clock` and `sleep` are the time module's, or a test's."""

    def __init__(
        self,
        client: Any,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep

    def listed(self, bucket: str, prefix: str, without: str | None = None) -> Iterator[Found]:
        """The objects whose keys begin with the prefix, in the order of their keys; not folders, and
        none whose key begins with `without`. Raises JobFailed."""
        token: dict[str, str] = {}
        while True:
            wanted = {"Bucket": bucket, "Prefix": prefix, **token}
            page = self._patiently(lambda w=wanted: self._client.list_objects_v2(**w), NO_READ)
            for each in page.get("Contents", ()):
                key: str = each["Key"]
                if not key.endswith("/") and not (without and key.startswith(without)):
                    yield Found(each["Key"], each["Size"], each["ETag"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def found(self, bucket: str, key: str) -> Found | None:
        """The object of that key; None where there is none. Raises JobFailed."""
        first = next(self.listed(bucket, key), None)  # keys are in order
        return first if first is not None and first.key == key else None

    def blocks(self, bucket: str, found: Found) -> Iterator[bytes]:
        """The object's bytes. Raises JobFailed where it cannot be read, or is another one now."""
        done, since = 0, self._clock()
        while done < found.size:
            body = self._patiently(lambda at=done: self._asked(bucket, found, at), NO_READ)
            try:
                with body:
                    while block := body.read(BLOCK):
                        done, since = done + len(block), self._clock()
                        yield block
            except Exception as error:  # urllib3's and botocore's: the connection, or its end
                self._wait(error, since, NO_READ)

    def put(self, bucket: str, key: str, file: Path) -> None:
        """The object is what the file holds. Raises JobFailed."""
        self._patiently(lambda: self._client.upload_file(str(file), bucket, key), NO_WRITE)

    def _asked(self, bucket: str, found: Found, start: int) -> Any:
        wanted = {"Bucket": bucket, "Key": found.key, "IfMatch": found.etag}
        more = {"Range": f"bytes={start}-"} if start else {}
        return self._client.get_object(**wanted, **more)["Body"]

    def _patiently(self, ask: Callable[[], T], refused: str) -> T:
        """The answer, asked for again where none comes. Raises JobFailed."""
        since = self._clock()
        while True:
            try:
                return ask()
            except Exception as error:  # as boto3 has many kinds of them
                self._wait(error, since, refused)

    def _wait(self, error: Exception, since: float, refused: str) -> None:
        """Returns after a pause when what failed may be tried again. Raises JobFailed for what S3
        refuses, and where it has not answered for PATIENCE seconds."""
        status = _status(error)
        if status == 412:
            raise JobFailed(CHANGED) from error
        if 0 < status < 500 or self._clock() - since > PATIENCE:
            raise JobFailed(refused) from error
        if isinstance(error, OSError) and error.filename:  # a file of this job's own
            raise error
        self._sleep(PAUSE)


def _status(error: BaseException | None) -> int:
    """The HTTP status of the refusal that the error is, or comes from; 0 where there was none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and "ResponseMetadata" in response:
            return response["ResponseMetadata"]["HTTPStatusCode"]
        error = error.__cause__ or error.__context__
    return 0


def connect(
    clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
) -> Storage:
    """S3 by the credentials and the address that the job has.

    The server gives the credentials, and may be away then, too: it is asked again for PATIENCE seconds.
    What failed is raised after that.
    """
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    import boto3  # slow, and absent where these modules are tested by themselves

    since = clock()
    while True:
        try:
            return Storage(boto3.client("s3"), clock, sleep)
        except Exception:  # botocore's, of credentials that it could not get
            if clock() - since > PATIENCE:
                raise
            sleep(PAUSE)
