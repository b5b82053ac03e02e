"""A full disk: a clear error, nothing half-written, and all goes on once there is room."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, Stand, channel, lasting_port, until

pytestmark = pytest.mark.sandbox


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MiB (staging alone leaves 64 free)."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class Ballast:
    """A file that takes all the room but some."""

    def __init__(self, place: Path) -> None:
        self.path = place / "ballast"

    def leave(self, size: int) -> None:
        """`size` bytes are free, or fewer: others write meanwhile, and what they took before it did is
        asked for again."""
        self.path.unlink(missing_ok=True)
        held = more = 0
        with open(self.path, "wb") as file:
            for _ in range(1000):
                disk = os.statvfs(self.path.parent)
                more = disk.f_bavail * disk.f_frsize - size
                if more <= 0:
                    return
                try:
                    os.posix_fallocate(file.fileno(), held, more)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    continue
                held += more
        raise AssertionError(f"the disk has {more} bytes too many, and they cannot be had")

    def drop(self) -> None:
        """There is room."""
        self.path.unlink(missing_ok=True)


@pytest.fixture
def stand(disk: Path, start: Start) -> Stand:
    return start(disk / "home")


def refused(call: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response  # type: ignore[return-value]


def test_everything_is_told_and_recovers(stand: Stand, disk: Path) -> None:
    ballast, s3 = Ballast(disk), stand.s3
    s3.put_object(Bucket=BUCKET, Key="before", Body=b"b" * 100_000)
    assert stand.outcome("first", "print('fits')")["TrainingJobStatus"] == "Completed"

    # S3
    ballast.leave(1 << 20)
    answer = refused(s3.put_object, Bucket=BUCKET, Key="big", Body=b"x" * (8 << 20))
    assert answer["Error"]["Code"] == "StorageFull"
    assert s3.get_object(Bucket=BUCKET, Key="before")["Body"].read() == b"b" * 100_000
    refused(s3.head_object, Bucket=BUCKET, Key="big")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload, "PartNumber": 1}
    answer = refused(s3.upload_part, **part, Body=b"x" * (8 << 20))
    assert answer["Error"]["Code"] == "StorageFull"
    s3.abort_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload)

    # an input that does not fit
    ballast.drop()
    s3.put_object(Bucket=BUCKET, Key="large/in.bin", Body=b"x" * (24 << 20))
    ballast.leave(70 << 20)
    stand.train("no-room", "pass", InputDataConfig=[channel("train", "large/")])
    found = stand.ended("no-room")
    assert found["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in found["FailureReason"]
    ballast.drop()
    s3.delete_object(Bucket=BUCKET, Key="large/in.bin")

    # a model that fits, but not twice
    program = "import os; open('/opt/ml/model/m', 'wb').write(os.urandom(SIZE)); print('written')"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    found = stand.outcome("big-model", program.replace("SIZE", str(int(free * 0.7))))
    assert found["TrainingJobStatus"] == "Failed"
    assert "The disk of the Sagebrush data directory is full" in found["FailureReason"]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="out/big-model/")
    assert listed["KeyCount"] == 0
    assert "written" in stand.log("big-model")


@pytest.mark.full
def test_a_job_that_fills_the_disk_takes_nobody_along(stand: Stand, disk: Path) -> None:
    program = """
import os
with open("/tmp/much", "wb") as file:
    try:
        while True:
            file.write(b"x" * (1 << 20)); file.flush()
    except OSError as error:
        print("full:", error.strerror)
for number in range(20000):
    print("line", number, "y" * 200)
raise ValueError("with a full disk")
"""
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    stand.train("fills", program)
    found = stand.ended("fills", 60)
    assert found["TrainingJobStatus"] == "Failed"
    assert "exit code: 1" in found["FailureReason"]
    assert stand.invoke("kept") == "kept"
    # /tmp of an ended job is gone: there is room again, without anybody's doing
    stand.s3.put_object(Bucket=BUCKET, Key="again", Body=b"x" * (8 << 20))
    assert stand.outcome("after", "print('fits')")["TrainingJobStatus"] == "Completed"


def fill(stand: Stand) -> dict[str, Any]:
    """The error of the first small object that does not fit any more.

    Its bytes lie in the database, whose files have room inside, and the server gives up a reserve
    beside: how many fit before depends on what it wrote by itself. Those that fit are whole.
    """
    for number in range(2000):
        try:
            stand.s3.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=b"%05d" % number * 4000)
        except ClientError as error:
            for kept in range(number):
                found = stand.s3.get_object(Bucket=BUCKET, Key=f"small/{kept}")["Body"].read()
                assert found == b"%05d" % kept * 4000
            return error.response  # type: ignore[return-value]
    raise AssertionError("40 MB went onto a full disk")


@pytest.mark.full
def test_a_disk_that_is_full_to_the_last_byte(stand: Stand, disk: Path) -> None:
    ballast = Ballast(disk)
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    program = """
import time
print("ready")
while not __import__("os").path.exists("/opt/ml/input/data/code/go"):
    time.sleep(0.05)
open("/opt/ml/model/m", "w").write("m")
"""
    stand.train("waits", program)
    until(lambda: "ready" in stand.log("waits"), "the job at work")
    ballast.leave(0)
    full = fill(stand)
    assert full["ResponseMetadata"]["HTTPStatusCode"] == 507
    assert full["Error"]["Code"] == "StorageFull"
    assert stand.invoke("kept") == "kept"
    assert stand.job("waits")["TrainingJobStatus"] == "InProgress"
    ballast.drop()
    go = next((stand.home / "jobs").glob("t-*/ml/input/data/code"))
    (go / "go").touch()
    found = stand.ended("waits")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    stand.s3.put_object(Bucket=BUCKET, Key="tiny", Body=b"x")


@pytest.mark.full
def test_a_server_on_a_full_disk_says_so_and_is_well_with_room(stand: Stand, disk: Path) -> None:
    ballast = Ballast(disk)
    stand.serve("kept")
    assert stand.in_service("kept")["EndpointStatus"] == "InService"
    stand.kill()
    ballast.leave(0)
    stand.settings["port"] = lasting_port()  # another: what clients read of it has to be written
    done = stand.run("up")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr or "disk is full" in done.stderr
    assert str(stand.home) in done.stderr
    assert "Traceback" not in done.stderr
    ballast.drop()
    stand.up()
    until(lambda: stand.invoke("kept") == "kept", "an answer", 30)
