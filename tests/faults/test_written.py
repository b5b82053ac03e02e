"""Paths that a job wrote: nothing outside follows them, nothing hangs, the message is clear."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.stand import BUCKET, HANDLER, Stand, archive

pytestmark = pytest.mark.sandbox
SECRET = "not-for-jobs"
BEGIN = """
import contextlib, os, shutil, socket, stat
os.chdir("/opt/ml/model")
open("good.txt", "w").write("good")
"""


@pytest.fixture(scope="module")
def secret(stand: Stand) -> str:
    """A file of the host that a job knows the path of."""
    path = stand.home / "keys" / "marked"
    path.write_text(SECRET)
    return str(path)


LINKS = """
for number, target in enumerate(["/etc/passwd", SECRET, "/", "/opt/ml/input", "../../../etc/passwd",
                                 "/proc/self/root/etc/passwd", "/proc/1/root" + SECRET]):
    os.symlink(target, f"link{number}")
os.symlink("good.txt", "fine")
"""
STRANGE = """
os.mkfifo("fifo")
for path in ["sock"]:
    socket.socket(socket.AF_UNIX).bind(path)
for mode in (stat.S_IFBLK, stat.S_IFCHR):
    with contextlib.suppress(OSError):
        os.mknod(f"device{mode}", mode | 0o666, os.makedev(1, 1))
for path in (SECRET, "/etc/passwd", "/etc/hostname"):
    with contextlib.suppress(OSError):
        os.link(path, "hard" + path.replace("/", "-"))
os.link("good.txt", "twin.txt")
"""
NAMES = r"""
for name in [b"two\nlines", b"no-utf8-\xff\xfe", b"\xf0\x9f\x98\x80", b"-rf *", b"a" * 255,
             b"quote\"'`$(id)", b"tab\t", b"back\\slash"]:
    open(name, "w").write("named")
os.makedirs("/".join(["deep"] * 200))
"""
CLOSED = """
os.mkdir("closed"); open("closed/inside", "w").write("x")
os.chmod("closed", 0); os.chmod("good.txt", 0)
"""


def good(stand: Stand, name: str, program: str, secret: str) -> dict[str, bytes | None]:
    """The model of a job that ran `program` after it had written good.txt."""
    found = stand.outcome(name, BEGIN + program.replace("SECRET", repr(secret)))
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    members = stand.model(name)
    assert members["good.txt"] == b"good"
    assert SECRET.encode() not in b"".join(body or b"" for body in members.values())
    assert not any(b"root:" in (body or b"") for body in members.values())
    return members


def test_links_are_not_followed(stand: Stand, secret: str) -> None:
    members = good(stand, "links", LINKS, secret)
    assert not [name for name in members if name.startswith("link")]
    assert "fine" in members


def test_only_files_and_directories_are_packed(stand: Stand, secret: str) -> None:
    assert set(good(stand, "strange", STRANGE, secret)) == {"good.txt", "twin.txt"}


def test_names_of_any_bytes_are_kept(stand: Stand, secret: str) -> None:
    members = {os.fsencode(name) for name in good(stand, "names", NAMES, secret)}
    for name in (b"two\nlines", b"no-utf8-\xff\xfe", b"-rf *", b"a" * 255, b"back\\slash"):
        assert name in members


def test_a_sparse_giant_is_refused_before_it_is_read(stand: Stand) -> None:
    found = stand.outcome("sparse", BEGIN + "open('giant', 'w').truncate(1 << 40)")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Artifact upload failed:")
    assert "1 GiB" in found["FailureReason"], found["FailureReason"]


def test_what_was_closed_is_packed_too_by_who_may(stand: Stand, secret: str) -> None:
    found = stand.outcome("closed", BEGIN + CLOSED)
    if os.geteuid() == 0:
        assert found["TrainingJobStatus"] == "Completed"
        assert stand.model("closed")["closed/inside"] == b"x"
    else:
        assert found["TrainingJobStatus"] == "Failed"
        assert "Permission denied" in found["FailureReason"]


@pytest.mark.parametrize(
    "how",
    [
        "os.symlink('/etc', M)",
        "os.symlink(SECRET.rsplit('/', 1)[0], M)",
        "os.mkfifo(M)",
        "open(M, 'w').write('file')",
        "pass",
    ],
    ids=["link-etc", "link-keys", "fifo", "file", "gone"],
)
def test_a_model_directory_that_is_none_fails_the_job(stand: Stand, secret: str, how: str) -> None:
    name = "model-" + str(abs(hash(how)) % 10**9)
    move = "M = '/opt/ml/model'; SECRET = " + repr(secret) + "; os.chdir('/'); shutil.rmtree(M); "
    found = stand.outcome(name, BEGIN + move + how)
    assert found["TrainingJobStatus"] == "Failed"
    assert "/opt/ml/model is not a directory any more" in found["FailureReason"]
    with pytest.raises(ClientError, match=r"NoSuchKey|404"):
        stand.model(name)


@pytest.mark.parametrize(
    "how",
    [
        "os.symlink(SECRET, F)",
        "os.symlink('/etc/passwd', F)",
        "os.mkfifo(F)",
        "os.mkdir(F)",
        "os.symlink('failure', F)",
        "shutil.rmtree('/opt/ml/output'); os.symlink(SECRET.rsplit('/', 1)[0], '/opt/ml/output')",
    ],
    ids=["link-key", "link-passwd", "fifo", "directory", "loop", "output-link"],
)
def test_a_failure_file_that_is_none_is_not_read(stand: Stand, secret: str, how: str) -> None:
    name = "failure-" + str(abs(hash(how)) % 10**9)
    begin = "F = '/opt/ml/output/failure'; SECRET = " + repr(secret) + "; "
    found = stand.outcome(name, BEGIN + begin + how + "\nraise ValueError('told by the log')")
    assert found["TrainingJobStatus"] == "Failed"
    assert "told by the log, exit code: 1" in found["FailureReason"]
    assert SECRET not in found["FailureReason"]
    assert "root:" not in found["FailureReason"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'why ' * 300_000_000", "why why"),  # 1.2 GB
        ("'\\0' * 2000 + 'x'", "exit code: 3"),
        ("'\\udcff\\udcfe bad bytes'", "bad bytes"),
    ],
    ids=["giant", "zeros", "no-utf8"],
)
def test_a_failure_file_of_any_content(stand: Stand, text: str, words: str) -> None:
    name = "text-" + str(abs(hash(text)) % 10**9)
    if "300_000_000" in text:  # sparse after its beginning: as large, and no disk to wait for
        write = "f.write('why ' * 5000); f.truncate(1_200_000_000)"
    else:
        write = f"f.write({text})"
    opened = "open('/opt/ml/output/failure', 'w', errors='surrogateescape')"
    found = stand.outcome(name, f"with {opened} as f: {write}\nraise SystemExit(3)")
    assert found["TrainingJobStatus"] == "Failed"
    assert words in found["FailureReason"]
    assert len(found["FailureReason"]) <= 1024


def test_output_data_that_is_no_directory_is_left_out(stand: Stand, secret: str) -> None:
    program = "os.rmdir('/opt/ml/output/data'); os.symlink('/etc', '/opt/ml/output/data')"
    good(stand, "output-link", program, secret)
    with pytest.raises(ClientError, match=r"NoSuchKey|404"):
        stand.model("output-link", "output")


def test_checkpoints_through_a_link_are_not_stored(stand: Stand, secret: str) -> None:
    program = (
        "shutil.rmtree('/opt/ml/checkpoints'); os.symlink('/etc', '/opt/ml/checkpoints')"
        "\nopen('/opt/ml/output/data/x', 'w').write('x')"
    )
    stand.train(
        "checkpoint-link",
        BEGIN + program,
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"},
    )
    assert stand.ended("checkpoint-link")["TrainingJobStatus"] == "Completed"
    assert stand.s3.list_objects_v2(Bucket=BUCKET, Prefix="checkpoints")["KeyCount"] == 0


def test_a_tree_that_changes_while_it_is_packed(stand: Stand, secret: str) -> None:
    """A process that outlives its parent has ended before anything is read."""
    program = """
if os.fork() == 0:
    os.setsid()
    while True:
        with contextlib.suppress(OSError):
            os.symlink("/etc", "flip"); os.unlink("flip"); os.mkdir("flip")
            open("flip/passwd", "w").write("mine"); shutil.rmtree("flip")
import time; time.sleep(0.3)
"""
    good(stand, "flips", program, secret)


# -- archives that a user gives to CreateModel


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"x") -> Any:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    made.size = len(data) if kind == tarfile.REGTYPE else 0
    return made, data


def tar(*members: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for info, data in [member("answer.txt", data=b"x"), *members]:
            file.addfile(info, io.BytesIO(data))
        code = member("code/inference.py", data=HANDLER.encode())
        file.addfile(code[0], io.BytesIO(code[1]))
    return out.getvalue()


def bomb() -> bytes:
    """A terabyte of zeros, as far as the header says, in a megabyte."""
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20), 9)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "parent": lambda: tar(member("../../../../../../tmp/sagebrush-escaped")),
    "link-out": lambda: tar(member("l", tarfile.SYMTYPE, "/tmp"), member("l/sagebrush-escaped")),
    "link-up": lambda: tar(member("l", tarfile.SYMTYPE, "../../.."), member("l/sagebrush-escaped")),
    "hard-link": lambda: tar(member("h", tarfile.LNKTYPE, "/etc/passwd")),
    "device": lambda: tar(member("d", tarfile.CHRTYPE)),
    "fifo": lambda: tar(member("f", tarfile.FIFOTYPE)),
    "bomb": bomb,
    "no-archive": lambda: b"this is no archive at all" * 100,
    "empty": lambda: b"",
    "cut": lambda: archive({"answer.txt": os.urandom(100_000)})[:50_000],
}


@pytest.mark.parametrize("how", list(HOSTILE))
def test_a_hostile_model_archive_fails_its_endpoint(stand: Stand, how: str) -> None:
    stand.s3.put_object(Bucket=BUCKET, Key="keep", Body=b"1")
    name = f"hostile-{how}"
    stand.serve(name, HOSTILE[how]() or b" ")
    found = stand.in_service(name, 30)
    assert found["EndpointStatus"] == "Failed"
    assert f"models/{name}.tar.gz" in found["FailureReason"], found["FailureReason"]
    assert "Failed to extract model data archive" in found["FailureReason"]
    assert not os.path.exists("/tmp/sagebrush-escaped")
    stand.sm.delete_endpoint(EndpointName=name)


def test_the_server_answers_meanwhile(stand: Stand) -> None:
    """A big archive is packed beside requests, not before them."""
    program = "open('big', 'wb').write(os.urandom(1 << 20) * 200)"
    slow: list[float] = []
    over = threading.Event()

    def ask() -> None:
        import time

        while not over.is_set():
            began = time.monotonic()
            stand.s3.head_bucket(Bucket=BUCKET)
            slow.append(time.monotonic() - began)
            over.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        found = stand.outcome("big", BEGIN + program)
    finally:
        over.set()
        thread.join()
    assert found["TrainingJobStatus"] == "Completed"
    assert max(slow) < 15
