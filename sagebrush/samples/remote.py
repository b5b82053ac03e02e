"""Reads AWS's public buckets without credentials: nothing but bucket names, keys and ranges is sent.

Botocore's client does it, unsigned, through the proxies that the server's environment names, and
trusting the authorities of this system. Where AWS cannot be reached, that is remembered for a
minute, so that a run of many reads waits once; of each region apart, so that one which this
network does not know hinders no other.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sagebrush.errors import AwsError, Doc
from sagebrush.samples.table import PublicBucket

T = TypeVar("T")

CONNECT, READ = 3.0, 10.0
"""Seconds until a connection is given up, and until one is on which nothing comes."""
PATIENCE = 10.0
"""Seconds until the beginning of an answer is given up, looking up names included."""
REMEMBERED = 60.0
"""Seconds for which AWS counts as out of reach once it was."""
PIECE = 256 * 1024
HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType",
)  # fmt: skip
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
)  # fmt: skip
"""Where Debian, Fedora, SUSE, and Alpine and macOS keep the authorities that the system trusts."""


class Unreached(Exception):
    """AWS could not be asked, or not to the end; the text says why, in words for the user."""


@dataclass(frozen=True)
class Found:
    """An object of AWS's, as its head describes it. `etag` is unquoted, `modified` in seconds."""

    size: int
    etag: str
    modified: float
    doc: Doc = field(default_factory=dict)
    """`headers` and `meta`, as of `catalog.Object`."""
    storage: str = "STANDARD"
    md5: bool = True
    """Whether the ETag is the MD5 of the bytes."""


@dataclass(frozen=True)
class Page:
    """A page of a listing: (key, object) and common prefixes, each in order."""

    objects: tuple[tuple[str, Found], ...]
    prefixes: tuple[str, ...]
    truncated: bool


class Remote:
    """AWS, as it answers anyone. `endpoint`: where to ask instead (tests)."""

    def __init__(
        self, *, endpoint: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._out_of_reach: dict[str, tuple[float, str]] = {}
        """Region -> until when it counts as out of reach, and why."""

    def head(self, bucket: PublicBucket, key: str) -> Found:
        """The object. Raises Unreached, and AwsError as AWS refuses."""
        return _found(self._asked(bucket, "head_object", Bucket=bucket.name, Key=key))

    def get(self, bucket: PublicBucket, key: str) -> tuple[Found, Iterator[bytes]]:
        """The object and its bytes; both raise Unreached, the first AwsError as AWS refuses."""
        answer = self._asked(bucket, "get_object", Bucket=bucket.name, Key=key)
        return _found(answer), _pieces(answer["Body"])

    def list(
        self, bucket: PublicBucket, prefix: str, delimiter: str, after: str, most: int
    ) -> Page:
        """Up to `most` keys and common prefixes after `after`. Raises Unreached, AwsError."""
        asked: Doc = {"Bucket": bucket.name, "Prefix": prefix, "MaxKeys": most}
        if delimiter:
            asked["Delimiter"] = delimiter
        if after:
            # what a common prefix stands for comes before the greatest character
            whole = bool(delimiter) and after.startswith(prefix) and after.endswith(delimiter)
            asked["StartAfter"] = after + "\U0010ffff" if whole else after
        answer = self._asked(bucket, "list_objects_v2", **asked)
        return Page(
            tuple((o["Key"], _listed(o)) for o in answer.get("Contents", ())),
            tuple(p["Prefix"] for p in answer.get("CommonPrefixes", ())),
            bool(answer.get("IsTruncated")),
        )

    def close(self) -> None:
        """Its connections are closed."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients = {}

    # ---- asking

    def _asked(self, bucket: PublicBucket, method: str, **asked: Any) -> Doc:
        """AWS's answer. Raises Unreached, and AwsError as AWS refuses."""
        from botocore.exceptions import BotoCoreError, ClientError

        region = bucket.region
        self._refuse_early(region)
        ask = getattr(self._client(region), method)
        try:
            answer = _within(PATIENCE, lambda: ask(**asked))
        except ClientError as error:
            said: Any = error.response
            status = said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if not _of_aws(said):
                raise self._unreached(region, f"what answers in its place says {status}") from error
            found = said["Error"]
            code = "NoSuchKey" if method == "head_object" and status == 404 else found["Code"]
            if status == 403 and method == "head_object":
                code = "AccessDenied"
            message = (
                f"{found.get('Message') or 'Forbidden'} (AWS's answer, asked without credentials)"
            )
            raise AwsError(code, message, status) from error
        except BotoCoreError as error:
            raise self._unreached(region, _reason(error)) from error
        except (TookTooLong, OSError) as error:
            why = str(error) or f"no answer within {PATIENCE:.0f} s"
            raise self._unreached(region, why) from error
        if not _of_aws(answer):
            _drop(answer)
            raise self._unreached(region, "what answers in its place is not S3")
        return answer

    def _refuse_early(self, region: str) -> None:
        """Raises Unreached where the region was out of reach a moment ago."""
        until, why = self._out_of_reach.get(region, (0.0, ""))
        if why and self._clock() < until:
            raise Unreached(f"a moment ago: {why}")  # of another object, perhaps

    def _unreached(self, region: str, why: str) -> Unreached:
        self._out_of_reach[region] = (self._clock() + REMEMBERED, why)
        return Unreached(why)

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = _made(region, self._endpoint)
            return self._clients[region]


def _made(region: str, endpoint: str | None) -> Any:
    """An S3 client without credentials that follows nothing which was meant for other clients: no
    profile, no file and no `AWS_ENDPOINT_URL`, which `sagebrush env` sets to this server."""
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = Session({**nowhere, "profile": (None, None, None, None)})
    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=CONNECT,
        read_timeout=READ,
        max_pool_connections=32,
        retries={"total_max_attempts": 1},
        use_dualstack_endpoint=False,
        use_fips_endpoint=False,
        ignore_configured_endpoint_urls=True,
        s3={"us_east_1_regional_endpoint": "regional"},
        user_agent="sagebrush-samples",
    )
    return session.create_client(
        "s3", region_name=region, endpoint_url=endpoint, config=config, verify=_authorities()
    )


def _authorities() -> str | None:
    """The file of authorities that this system trusts; None: those that come with botocore."""
    known = ssl.get_default_verify_paths()
    files = (os.environ.get("SSL_CERT_FILE"), known.cafile, *_BUNDLES)
    # `AWS_CA_BUNDLE`, which botocore would follow, may be this server's own
    return next((file for file in files if file and os.path.isfile(file)), _certifi())


def _certifi() -> str:
    import certifi

    return certifi.where()


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` answers or raises, within `seconds`; raises TimeoutError. (A name that cannot be
    looked up takes the system half a minute, and no option of a client's limits that.)"""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="sample-bucket", daemon=True).start()
    try:
        return answer.result(seconds)
    except TookTooLong:
        answer.add_done_callback(lambda late: late.exception() or _drop(late.result()))
        raise


def _drop(answer: Any) -> None:
    """The connection of an answer that nobody reads is closed."""
    if isinstance(answer, dict) and "Body" in answer:
        answer["Body"].close()


def _of_aws(answer: Doc) -> bool:
    """Whether S3 itself gave the answer: it has a request id. (Proxies and portals answer too.)"""
    return "x-amz-request-id" in answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})


def _reason(error: Exception) -> str:
    """Botocore's words on one line, with the host of an address alone: it is told to others too."""
    return re.sub(r"(https?://[^/\"\s]+)[^\"\s]*", r"\1", " ".join(str(error).split()))[:300]


def _found(answer: Doc) -> Found:
    doc: Doc = {"headers": {name: answer[name] for name in HEADERS if answer.get(name)}}
    doc["headers"].setdefault("ContentType", "binary/octet-stream")
    if answer.get("Metadata"):
        doc["meta"] = answer["Metadata"]
    etag = answer.get("ETag", "").strip('"')
    plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and len(etag) == 32
    modified = answer["LastModified"].timestamp()
    storage = answer.get("StorageClass", "STANDARD")
    return Found(answer["ContentLength"], etag, modified, doc, storage, plain)


def _listed(entry: Doc) -> Found:
    modified = entry["LastModified"].timestamp()
    storage = entry.get("StorageClass", "STANDARD")
    return Found(entry["Size"], entry.get("ETag", "").strip('"'), modified, {}, storage)


def _pieces(body: Any) -> Iterator[bytes]:
    """The bytes of a streaming answer; raises Unreached where they end too early."""
    from botocore.exceptions import BotoCoreError, HTTPClientError

    try:
        while piece := body.read(PIECE):
            yield piece
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise Unreached(f"the transfer broke off: {_reason(error)}") from error
    finally:
        body.close()
