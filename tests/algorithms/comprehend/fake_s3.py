"""An S3 client of a few operations over a dict, and an analyser whose answers are seen through."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sagebrush.algorithms.comprehend.storage import Storage
from sagebrush.algorithms.comprehend.told import Limits, Told

LIMITS = Limits(document=100, total=10_000, files=100, lines=None, least=0)


class ClientError(Exception):
    """As boto3's clients raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


class Exceptions:
    ClientError = ClientError


class Broken(io.BytesIO):
    """A body whose connection ends after some bytes."""

    def __init__(self, body: bytes, after: int) -> None:
        super().__init__(body[:after])
        self._whole = len(body) == after

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if not found and not self._whole:
            raise ConnectionResetError
        return found


class Client:
    """The client: `objects` by key, in one bucket."""

    exceptions = Exceptions

    def __init__(self, objects: dict[str, bytes], page: int = 2) -> None:
        self.objects = objects
        self.page = page
        self.denied: set[str] = set()
        self.breaks: list[int] = []
        """After how many bytes the next bodies break off."""
        self.away = 0
        """How many calls find no server."""
        self.asked: list[str] = []

    def list_objects_v2(
        self, Bucket: str, Prefix: str, ContinuationToken: str = ""
    ) -> dict[str, Any]:
        self._check("list")
        found = sorted(k for k in self.objects if k.startswith(Prefix) and k > ContinuationToken)
        page = found[: self.page]
        return {
            "Contents": [
                {"Key": k, "Size": len(self.objects[k]), "ETag": self._etag(k)} for k in page
            ],
            "IsTruncated": len(found) > len(page),
            "NextContinuationToken": page[-1] if page else "",
        }

    def get_object(self, Bucket: str, Key: str, IfMatch: str, Range: str = "") -> dict[str, Any]:
        self._check("get")
        self.asked.append(f"{Key} {Range}".strip())
        if Key not in self.objects:
            raise ClientError(404)
        if self._etag(Key) != IfMatch:
            raise ClientError(412)
        body = self.objects[Key]
        if Range:
            body = body[int(Range.removeprefix("bytes=").removesuffix("-")) :]
        return {"Body": Broken(body, self.breaks.pop(0) if self.breaks else len(body))}

    def upload_file(self, file: str, bucket: str, key: str) -> None:
        self._check("put")
        self.objects[key] = Path(file).read_bytes()

    def _check(self, what: str) -> None:
        if self.away:
            self.away -= 1
            raise RuntimeError("no credentials, no connection")
        if what in self.denied:
            raise ClientError(403)

    def _etag(self, key: str) -> str:
        return hashlib.sha256(self.objects[key]).hexdigest()


def storage(client: Client) -> Storage:
    """The client's bucket; its pauses pass at once."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Storage(client, lambda: now[0], sleep)


class Analyser:
    """Answers each text with its length and itself; fails on texts that hold a word."""

    def __init__(self, poison: str = "") -> None:
        self.poison = poison
        self.asked: list[int] = []

    def answer(self, task: str, language: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        self.asked.append(len(texts))
        if self.poison and any(self.poison in text for text in texts):
            raise ValueError(f"cannot read {texts}")
        if task == "DetectPiiEntities":
            return [{"Entities": _capitals(text)} for text in texts]
        return [{"Sentiment": text, "Length": len(text)} for text in texts]


def _capitals(text: str) -> list[dict[str, Any]]:
    """Every run of capital letters, as a NAME."""
    found, begin = [], None
    for place, each in enumerate(f"{text} "):
        if each.isupper() and begin is None:
            begin = place
        elif not each.isupper() and begin is not None:
            found.append({"BeginOffset": begin, "EndOffset": place, "Type": "NAME", "Score": 1.0})
            begin = None
    return found


def told(**changes: Any) -> Told:
    """A job over the prefix in/ of the bucket `b`."""
    given = {
        "task": "DetectSentiment",
        "language": "en",
        "bucket": "b",
        "prefix": "in/",
        "by_line": True,
        "output": ("b", "out/1-SENTIMENT-j/output/output.tar.gz"),
        "results": "archive",
        "limits": LIMITS,
        "redaction": None,
        "topics": 0,
    }
    return Told(**{**given, **changes})
