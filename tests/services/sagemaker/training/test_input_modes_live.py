"""Pipe and FastFile: real jobs, in the sandbox and without; kill -9 of the server while they read."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import pytest

from sagebrush.compute.local import fuse, probe
from tests.companion.record_reader import records
from tests.conftest import make_settings, started
from tests.services.sagemaker.liveserver import own
from tests.services.sagemaker.training.inputlive import Scripts, channel, digest
from tests.services.sagemaker.training.test_training_live import Killable
from tests.waiting import until

EPOCHS = """
import json
print(json.dumps([open(D + f"train_{n}").read() for n in range(2)]))
"""


@pytest.fixture(
    scope="module", params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)]
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    if request.param == "sandbox" and probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation=request.param))
    own(made.app)
    made.client("s3").create_bucket(Bucket="jobs")
    yield made
    made.stop()


@pytest.fixture
def scripts(server: Any) -> Scripts:
    return Scripts(server.client)


def put(scripts: Scripts, **objects: bytes) -> None:
    for key, body in objects.items():
        scripts.client("s3").put_object(Bucket="jobs", Key=key.replace("__", "/"), Body=body)


def test_every_epoch_has_a_fifo_and_a_shuffle_of_its_own(scripts: Scripts) -> None:
    put(scripts, **{f"two__{n}.gz": gzip.compress(b"%d " % n) for n in range(20)})
    train = channel(
        "train", "s3://jobs/two/", InputMode="Pipe", CompressionType="Gzip",
        ShuffleConfig={"Seed": 11},
    )  # fmt: skip
    first, second = scripts.told("epochs", EPOCHS, train)
    numbers = sorted(range(20), key=str)
    assert sorted(map(int, first.split())) == sorted(map(int, second.split())) == list(range(20))
    assert len({first, second, " ".join(map(str, numbers)) + " "}) == 3
    assert scripts.told("epochs-again", EPOCHS, train) == [first, second]


def test_a_job_without_network_is_fed_too(scripts: Scripts) -> None:
    put(scripts, plain__a=b"a", plain__b=b"b")
    train = channel("train", "s3://jobs/plain/", InputMode="Pipe")
    said = scripts.told("isolated", EPOCHS, train, EnableNetworkIsolation=True)
    assert said == ["ab", "ab"]


def test_an_augmented_manifest_as_records(scripts: Scripts) -> None:
    odd = b"xxxx\x0a\x23\xd7\xceyy"  # holds the magic number
    lines = [
        {"image-ref": "s3://jobs/img/1", "label": 1, "skipped": True, "note": {"k": "é"}},
        {"note": "text", "label": 0, "image-ref": "s3://jobs/img/2"},
    ]
    put(scripts, img__1=odd, img__2=b"two", manifest="\n".join(map(json.dumps, lines)).encode())
    aug = channel(
        "train", "s3://jobs/manifest", "AugmentedManifestFile", InputMode="Pipe",
        RecordWrapperType="RecordIO", AttributeNames=["image-ref", "label", "note"],
    )  # fmt: skip
    code = """
import json
data = open(D + "train_0", "rb").read()
config = json.load(open(D + "../config/inputdataconfig.json"))["train"]
print(json.dumps([data.hex(), config]))
"""
    data, config = scripts.told("augmented", code, aug)
    found = records(bytes.fromhex(data))
    assert found[:2] == [odd, b"1"]
    assert json.loads(found[2]) == {"k": "é"}
    assert found[3:] == [b"two", b"0", b"text"]
    assert config == {
        "TrainingInputMode": "Pipe",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "RecordIO",
    }


def test_instances_get_parts_of_their_own(scripts: Scripts, server: Any) -> None:
    if not server.app.backend.networks:
        pytest.skip("one instance only here")
    put(scripts, **{f"parts__{n}": b"%d " % n for n in range(9)})
    train = channel(
        "train", "s3://jobs/parts/", InputMode="Pipe", S3DataDistributionType="ShardedByS3Key"
    )
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    first, again = scripts.told("parts", EPOCHS, train, ResourceConfig=resources)
    assert first == again == "0 2 4 6 8 "
    assert json.loads(scripts.said("parts", "algo-2")[-1]) == ["1 3 5 7 "] * 2


def test_a_script_that_closes_early_goes_on_with_the_next_epoch(scripts: Scripts) -> None:
    put(scripts, long__a=bytes(8 << 20))
    code = """
import json
with open(D + "train_0", "rb") as fifo:
    some = len(fifo.read(10))
print(json.dumps([some, len(open(D + "train_1", "rb").read())]))
"""
    train = channel("train", "s3://jobs/long/", InputMode="Pipe")
    assert scripts.told("early", code, train) == [10, 8 << 20]


def test_a_script_that_reads_nothing_ends(scripts: Scripts, server: Any) -> None:
    put(scripts, unread__a=b"a")
    train = channel("train", "s3://jobs/unread/", InputMode="Pipe")
    begun = time.monotonic()
    assert scripts.told("unread", "print(1)", train) == 1
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "how", ["os.symlink('/etc/passwd', path)", "open(path, 'w')", "os.mkdir(path)"]
)
def test_what_a_job_puts_in_place_of_its_fifo_is_not_written_to(scripts: Scripts, how: str) -> None:
    put(scripts, swap__a=b"secret")
    code = f"""
import json, time
path = D + "train_1"
open(D + "train_0").read()
os.unlink(path)
{how}
time.sleep(0.5)
print(json.dumps(os.path.islink(path) or os.path.isdir(path) or open(path).read()))
"""
    train = channel("train", "s3://jobs/swap/", InputMode="Pipe")
    name = f"swap-{len(how)}"
    assert scripts.told(name, code, train) in (True, "")


@pytest.mark.full
def test_an_object_that_is_gone_fails_the_job_instead_of_ending_the_stream(
    scripts: Scripts,
) -> None:
    put(scripts, **{f"gone__{n}": bytes(3 << 20) for n in range(3)})
    code = """
import time
with open(D + "train_0", "rb") as fifo:
    fifo.read(1 << 20)
    open(D + "../../model/ready", "w").close()
    time.sleep(2)
    print("all of", len(fifo.read()))
"""
    scripts.start("gone", code, channel("train", "s3://jobs/gone/", InputMode="Pipe"))
    time.sleep(1.0)
    scripts.client("s3").delete_object(Bucket="jobs", Key="gone/2")
    found = scripts.ended("gone")
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Data download failed:NoSuchKey")
    assert "s3://jobs/gone/2" in found["FailureReason"]
    assert not any("all of" in line for line in scripts.said("gone"))


def test_what_is_not_gzip_fails_the_job(scripts: Scripts) -> None:
    put(scripts, notgz__a=b"plain text")
    train = channel("train", "s3://jobs/notgz/", InputMode="Pipe", CompressionType="Gzip")
    scripts.start("notgz", EPOCHS, train)
    assert "s3://jobs/notgz/a is not gzip" in scripts.ended("notgz")["FailureReason"]


def test_lazy_files_are_read_as_files_are(scripts: Scripts, server: Any) -> None:
    body = random.Random(3).randbytes(9 << 20)
    put(scripts, lazy__deep__er__one=body, lazy__two=b"2", lazy__empty=b"")
    code = """
import hashlib, json
here = D + "train"
walked = sorted((os.path.relpath(d, here), sorted(f)) for d, _, f in os.walk(here))
with open(here + "/deep/er/one", "rb") as file:
    parts = []
    for at in (5_000_000, 17, 8 << 20, (9 << 20) - 3, 1 << 20):
        file.seek(at)
        parts.append(file.read(1000).hex())
    file.seek(0)
    whole = hashlib.sha256(file.read()).hexdigest()
try:
    open(here + "/two", "a")
    written = "written"
except OSError as error:
    written = error.errno
print(json.dumps([walked, parts, whole, os.path.getsize(here + "/two"), open(here + "/empty").read(), written]))
"""
    train = channel("train", "s3://jobs/lazy/", InputMode="FastFile")
    walked, parts, whole, size, empty, written = scripts.told("lazy", code, train)
    assert walked == [[".", ["empty", "two"]], ["deep", []], ["deep/er", ["one"]]]
    places = (5_000_000, 17, 8 << 20, (9 << 20) - 3, 1 << 20)
    assert parts == [body[at : at + 1000].hex() for at in places]
    assert (whole, size, empty) == (digest(body), 1, "")
    said = scripts.said("lazy")
    told = [line for line in said if "FastFile: no FUSE on this host (" in line]
    if server.app.backend.isolation == "sandbox" and not fuse.lacking():
        assert not told
        assert written == 30  # EROFS
    else:
        assert told == [told[0]]
        assert told[0].endswith("channel train was downloaded first")


def needs_fuse(server: Any) -> None:
    if server.app.backend.isolation != "sandbox":
        pytest.skip("a sandbox is needed for file systems of its own")
    if why := fuse.lacking():
        pytest.skip(f"no FUSE here: {why}")


@pytest.mark.full
def test_the_first_bytes_of_a_gigabyte_come_before_it_is_copied(
    scripts: Scripts, server: Any
) -> None:
    needs_fuse(server)
    s3, piece = scripts.client("s3"), random.Random(5).randbytes(64 << 20)
    upload = s3.create_multipart_upload(Bucket="jobs", Key="large/one")["UploadId"]
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(
                Bucket="jobs", Key="large/one", UploadId=upload, PartNumber=n, Body=piece
            )["ETag"],
        }
        for n in range(1, 17)
    ]
    s3.complete_multipart_upload(
        Bucket="jobs", Key="large/one", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    code = """
import json, time
begun = time.monotonic()
with open(D + "train/one", "rb") as file:
    first = file.read(4096)
    took = time.monotonic() - begun
    size = os.fstat(file.fileno()).st_size
    file.seek(-10, 2)
    last = file.read()
print(json.dumps([first.hex(), took, size, last.hex()]))
"""
    train = channel("train", "s3://jobs/large/", InputMode="FastFile")
    before = fetches(server)
    first, took, size, last = scripts.told("large", code, train)
    assert (first, size, last) == (piece[:4096].hex(), 1 << 30, piece[-10:].hex())
    assert took < 10, "the first bytes wait for the whole object"
    assert fetches(server) - before <= 4


def fetches(server: Any) -> int:
    """How many objects, or ranges of one, the server has answered with so far."""
    time.sleep(0.3)  # lines are written a batch at a time
    log = server.app.settings.home / "logs" / "access.log"
    return log.read_text().count('"operation": "GetObject"')


@pytest.mark.full
def test_a_lazy_file_whose_object_changed_says_so(scripts: Scripts, server: Any) -> None:
    needs_fuse(server)
    put(scripts, stale__a=bytes(4 << 20), stale__b=b"b")
    code = """
import json, time
with open(D + "train/b") as file:
    file.read()
time.sleep(2)
try:
    found = len(open(D + "train/a", "rb").read())
except OSError as error:
    found = error.errno
print(json.dumps(found))
"""
    train = channel("train", "s3://jobs/stale/", InputMode="FastFile")
    scripts.start("stale", code, train)
    time.sleep(1.2)
    put(scripts, stale__a=b"another")
    assert scripts.ended("stale")["TrainingJobStatus"] == "Completed"
    *_, why, errno = scripts.said("stale")
    assert json.loads(errno) == 116  # ESTALE
    assert "Sagebrush: channel train: s3://jobs/stale/a has changed" in why


@pytest.mark.parametrize("mode", ["Pipe", "FastFile"])
def test_a_killed_reader_of_input_fails_the_job(scripts: Scripts, server: Any, mode: str) -> None:
    if mode == "FastFile":
        needs_fuse(server)
    put(scripts, lost__a=bytes(64 << 20))
    code = """
import time
with open(D + ("train_0" if os.path.exists(D + "train_0") else "train/a"), "rb") as file:
    while file.read(1 << 16):
        time.sleep(0.01)
print("all of it")
"""
    name = f"lost-{mode.lower()}"
    scripts.start(name, code, channel("train", "s3://jobs/lost/", InputMode=mode))
    os.kill(beside(server, name)[0], signal.SIGKILL)
    found = scripts.ended(name)
    assert found["TrainingJobStatus"] == "Failed"
    assert "the process that reads it has ended" in found["FailureReason"]


@pytest.mark.full
def test_what_feeds_a_job_ends_with_its_supervisor(scripts: Scripts, server: Any) -> None:
    put(scripts, orphan__a=b"a")
    code = "import time; time.sleep(30)"
    scripts.start("orphan", code, channel("train", "s3://jobs/orphan/", InputMode="Pipe"))
    pid, shim = beside(server, "orphan")
    os.kill(shim, signal.SIGKILL)
    assert scripts.ended("orphan")["TrainingJobStatus"] == "Failed"
    until(lambda: not Path(f"/proc/{pid}").exists(), "its end", 5)


def beside(server: Any, name: str) -> tuple[int, int]:
    """The process ids of what feeds the job and of its supervisor, once the job runs."""

    def look() -> tuple[int, int] | None:
        for row in server.world.rows.select("training-job", ["InProgress"]):
            file = server.app.settings.home / "jobs" / row.plan["key"] / "state.json"
            if row.name == name and file.exists():
                state = json.loads(file.read_text())
                if state["phase"] == "running":
                    children = Path(f"/proc/{state['shim']}/task/{state['shim']}/children")
                    others = [int(pid) for pid in children.read_text().split()]
                    return next(pid for pid in others if pid != state["pid"]), state["shim"]
        return None

    return until(look, f"{name} at work", 20)


@pytest.fixture(params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def killable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Killable]:
    if request.param == "sandbox" and probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    made = Killable(tmp_path / "home", request.param)
    made.up()
    yield made
    made.kill()


@pytest.mark.full
@pytest.mark.parametrize("mode", ["Pipe", "FastFile"])
def test_kill_9_of_the_server_is_a_pause_for_who_reads(killable: Killable, mode: str) -> None:
    if mode == "FastFile" and (killable.isolation == "process" or fuse.lacking()):
        pytest.skip("no file systems of its own here")
    scripts = Scripts(killable.client)
    body = random.Random(9).randbytes(8 << 20)
    killable.client("s3").create_bucket(Bucket="jobs")
    for n in range(6):
        killable.client("s3").put_object(Bucket="jobs", Key=f"much/{n}", Body=body)
    code = """
import hashlib, json, time
found, count = hashlib.sha256(), 0
files = [D + "train_0"] if os.path.exists(D + "train_0") else [D + f"train/{n}" for n in range(6)]
for name in files:
    with open(name, "rb") as file:
        while piece := file.read(400 << 10):
            found.update(piece)
            count += len(piece)
            time.sleep(0.02)
print(json.dumps([count, found.hexdigest()]))
"""
    scripts.start("killed", code, channel("train", "s3://jobs/much/", InputMode=mode))
    chance = random.Random(1)
    for _ in range(2):
        time.sleep(chance.uniform(0.4, 0.9))
        killable.kill()
        time.sleep(0.3)
        killable.up()
    found = scripts.ended("killed")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert json.loads(scripts.said("killed")[-1]) == [48 << 20, digest(body * 6)]
