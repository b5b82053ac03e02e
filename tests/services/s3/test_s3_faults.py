"""S3 when things end badly: kill -9 in the middle, a full disk, bodies far larger than memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagebrush.store import db
from sagebrush.store.spool import INLINE
from tests.aws_session import SESSION
from tests.conftest import make_settings, started

BUCKET = "faults-bucket"
SERVE = """
import sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.settings import Settings
app = build(Settings.load({}, None, home=Path(sys.argv[1]), port=0, isolation="process"))
app.start()
print(app.port, *app.world.credentials.user_key, flush=True)
sys.stdin.read()
"""


class Process:
    """A server in a process of its own, and a client of it."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        port, key, secret = self.process.stdout.readline().split()
        self.s3: Any = SESSION.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=key,
            aws_secret_access_key=secret, region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
        )  # fmt: skip

    def kill(self) -> None:
        """kill -9, and it is gone."""
        self.process.kill()
        self.process.communicate()

    def peak(self) -> int:
        """The most bytes of memory that it has held."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Process]:
    made = Process(home)
    try:
        yield made
    finally:
        made.kill()


def blob_files(home: Path) -> list[Path]:
    return [p for p in (home / "objects").rglob("*") if p.is_file()]


class Writer(threading.Thread):
    """Puts objects, some over others, until the server is gone; keeps what was acknowledged."""

    def __init__(self, s3: Any, number: int, told: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self._s3, self._number, self._told = s3, number, told
        self._random = random.Random(number)
        self.done: dict[str, set[str]] = {}
        """Key -> hashes of bodies that it may hold: the last acknowledged, and one on its way."""

    def run(self) -> None:
        with contextlib.suppress(BotoCoreError, ClientError):
            for step in range(10_000):
                key = f"{self._number}/{step % 7}"
                size = self._random.choice((10, INLINE + 1, 300_000, 2_000_000))
                body = self._random.randbytes(size)
                found = hashlib.md5(body).hexdigest()
                self.done.setdefault(key, set()).add(found)
                if step % 5 == 4:
                    self._multipart(key, body)
                else:
                    self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)
                self.done[key] = {found}
                self._told.release()

    def _multipart(self, key: str, body: bytes) -> None:
        upload = self._s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        given = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
        part = self._s3.upload_part(**given, PartNumber=1, Body=body)
        parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        self._s3.complete_multipart_upload(**given, MultipartUpload={"Parts": parts})


@pytest.mark.full
def test_kill_9_loses_nothing_acknowledged_and_shows_nothing_half(tmp_path: Path) -> None:
    home = tmp_path / "home"
    acknowledged: dict[str, set[str]] = {}
    for turn in range(2):
        with serving(home) as server:
            server.s3.create_bucket(Bucket=BUCKET)
            told = threading.Semaphore(0)
            writers = [Writer(server.s3, n, told) for n in range(turn * 4, turn * 4 + 4)]
            for writer in writers:
                writer.start()
            for _ in range(30):
                assert told.acquire(timeout=60)
            server.kill()
            for writer in writers:
                writer.join(60)
                acknowledged |= writer.done
    for path in blob_files(home):
        os.utime(path, (1, 1))  # the sweep spares what may be on its way to a row
    again = started(make_settings(home, isolation="process"))
    s3 = again.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}
    for key, hashes in acknowledged.items():
        if key not in listed:
            assert len(hashes) == 1, f"{key} was acknowledged and is gone"
            continue
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert len(body) == listed[key]
        assert hashlib.md5(body).hexdigest() in hashes
    assert len(listed) >= 20
    for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for key in listed:
        s3.delete_object(Bucket=BUCKET, Key=key)
    again.stop()  # the sweep has ended
    assert blob_files(home) == []


def test_a_client_that_hangs_up_leaves_nothing(server: Any, client: Callable[..., Any]) -> None:
    import http.client
    from urllib.parse import urlsplit

    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "cut"}))
    connection = http.client.HTTPConnection(str(url.netloc))
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(50_000_000))
    connection.endheaders()
    connection.send(b"x" * 5_000_000)
    connection.close()
    # The next answer comes from the same thread, after the disconnection was seen.
    for _ in range(200):
        s3.list_objects_v2(Bucket=BUCKET)
        if not blob_files(server.world.settings.home):
            break
    assert blob_files(server.world.settings.home) == []
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this host does not let root mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(s3: Any) -> None:
    """Small objects are put until the server refuses."""
    for number in range(2000):
        s3.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=os.urandom(INLINE))


def test_a_full_disk_is_told_and_nothing_is_half_written(small_disk: Path) -> None:
    server = started(make_settings(small_disk / "home", isolation="process"))
    try:
        s3 = server.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        bodies: dict[str, bytes] = {}
        refusals = 0
        for number in range(20):
            key, body = f"big/{number}", os.urandom(3_000_000)
            try:
                s3.put_object(Bucket=BUCKET, Key=key, Body=body)
                bodies[key] = body
            except ClientError as error:
                answer: Any = error.response
                assert answer["Error"]["Code"] == "StorageFull"
                assert answer["ResponseMetadata"]["HTTPStatusCode"] == 507
                refusals += 1
        assert bodies
        assert refusals
        listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
        assert {entry["Key"]: entry["Size"] for entry in listed} == {
            key: len(body) for key, body in bodies.items()
        }
        for key, body in bodies.items():
            assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
        assert len(blob_files(small_disk / "home")) == len(bodies)
        freed = next(iter(bodies))
        s3.delete_object(Bucket=BUCKET, Key=freed)
        s3.put_object(Bucket=BUCKET, Key="now it fits", Body=bodies[freed][:2_000_000])
        with pytest.raises(ClientError, match="StorageFull"):
            fill(s3)
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix="small/")["KeyCount"] > 0
    finally:
        server.stop()


def test_a_full_disk_can_be_emptied(
    client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, real = client("s3"), db._only
    s3.create_bucket(Bucket=BUCKET)
    for key in ("one", "two", "three"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]

    def one(connection: Any, tx: Any, item: Any) -> Any:
        if not item.urgent:
            raise sqlite3.OperationalError("database or disk is full")
        return real(connection, tx, item)

    monkeypatch.setattr(db, "_only", one)
    monkeypatch.setattr(db, "_one", one)
    with pytest.raises(ClientError, match="StorageFull"):
        s3.put_object(Bucket=BUCKET, Key="four", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="one")
    s3.abort_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload)
    gone = {"Objects": [{"Key": "two"}, {"Key": "three"}]}
    assert s3.delete_objects(Bucket=BUCKET, Delete=gone)["Deleted"] == gone["Objects"]
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


class Zeros:
    """A file of `size` zero bytes that takes no memory."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._at
        count = left if count < 0 else min(count, left)
        self._at += count
        return bytes(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at


@pytest.mark.full
def test_memory_stays_flat(tmp_path: Path) -> None:
    """600 MB up and down, in one piece and in parts, cost less than 96 MiB.

    Ten parts that arrive at once hold some 4 MiB each, and the allocator keeps what threads freed:
    20 to 70 MiB were seen, for 100 MB as for 5 GB.
    """
    size = 600_000_000
    with serving(tmp_path / "home") as server:
        s3 = server.s3
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="warm", Body=Zeros(5_000_000))
        before = server.peak()
        s3.put_object(Bucket=BUCKET, Key="one", Body=Zeros(size))
        s3.upload_fileobj(Zeros(size), BUCKET, "parts")
        for key in ("one", "parts"):
            stream = s3.get_object(Bucket=BUCKET, Key=key)["Body"]
            assert sum(len(chunk) for chunk in stream.iter_chunks(1 << 20)) == size
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "parts"})
        assert server.peak() - before < 96 * 1024**2
