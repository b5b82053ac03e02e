"""`samples` puts files into the public sample buckets, says what they are, and removes them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.__main__ import main
from sagebrush.commands import running
from sagebrush.samples import generated
from tests.conftest import Server

BUCKET = "sagemaker-sample-files"
CHURN = "datasets/tabular/synthetic/churn.txt"


@pytest.fixture
def command(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs `sagebrush samples …` for the module's server, in this process; what it prints."""
    server.world.samples.remote = None
    monkeypatch.setenv("SAGEBRUSH_HOME", str(server.app.settings.home))
    here = running.Server(0, "127.0.0.1", server.app.port, server.app.tls_port)
    monkeypatch.setattr(running, "require", lambda _: here)

    def run(*words: str) -> str:
        main(["samples", *words])
        return "".join(capsys.readouterr())

    return run


def test_a_folder_is_added_told_and_removed(
    command: Callable[..., str], client: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.txt").write_bytes(b"1")
    (tmp_path / "sub" / "large").write_bytes(bytes(9 << 20))  # in several parts
    assert "added 2 files" in command("add", f"{BUCKET}/mine", str(tmp_path))
    assert "added 1 file" in command("add", f"s3://{BUCKET}/single/x", str(tmp_path / "one.txt"))
    s3 = client("s3")
    assert s3.get_object(Bucket=BUCKET, Key="mine/one.txt")["Body"].read() == b"1"
    assert s3.head_object(Bucket=BUCKET, Key="mine/sub/large")["ContentLength"] == 9 << 20
    assert f"{BUCKET}  3 objects  9.0 MB" in command("list")
    lines = command("list", f"{BUCKET}/mine").splitlines()
    assert [line.split()[0] for line in lines] == ["mine/one.txt", "mine/sub/large"]
    assert all(line.endswith("added") for line in lines)
    assert "removed 0 objects" in command("remove", f"{BUCKET}/min")
    assert "removed 2 objects" in command("remove", f"{BUCKET}/mine")
    assert "removed 1 object" in command("remove", BUCKET)
    assert "Nothing is kept" in command("list")


def test_a_folder_is_packed_where_the_key_is_an_archive(
    command: Callable[..., str], client: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.json").write_text("{}")
    assert "added 1 file" in command("add", f"{BUCKET}/m/model.tar.gz", str(tmp_path))
    body = client("s3").get_object(Bucket=BUCKET, Key="m/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames() == ["sub", "sub/config.json"]
    command("remove", BUCKET)


def test_generated_files_say_so_and_replace_nothing(
    command: Callable[..., str], client: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "abalone.csv").write_text("an original")
    place = f"{BUCKET}/datasets/tabular/uci_abalone/abalone.csv"
    command("add", place, str(tmp_path / "abalone.csv"))
    said = command("generate", f"{BUCKET}/datasets/tabular")
    assert f"{place}: there already, left as it is" in said
    assert f"{BUCKET}/{CHURN}: generated; its values are made up, it is not AWS's file" in said
    got = client("s3").get_object(Bucket=BUCKET, Key=CHURN)
    assert got["Metadata"] == {"sagebrush-source": "generated"}
    assert got["Body"].read().decode() == generated.churn()
    assert "generated, not AWS's" in command("list", f"{BUCKET}/{CHURN}")
    assert "jumpstart-cache-prod-REGION/training-datasets/SST2/data.csv" in command("generate")
    command("remove", BUCKET)


def test_what_cannot_be_done_is_said(command: Callable[..., str], tmp_path: Path) -> None:
    assert "my-bucket is no public sample bucket" in command("add", "my-bucket/x", str(tmp_path))
    assert "there is no file" in command("add", BUCKET, str(tmp_path))
    assert "neither a folder nor a file" in command("add", BUCKET, str(tmp_path / "none"))
    assert "nothing can be generated" in command("generate", f"{BUCKET}/datasets/image")
