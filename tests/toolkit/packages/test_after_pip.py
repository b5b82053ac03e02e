"""What a pip install tears apart goes together again, or is told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.toolkit.packages import after_pip


def place(folder: Path, name: str, version: str, *needs: str) -> None:
    """The package's metadata, as pip leaves it, before whatever else is installed."""
    for old in folder.glob(f"{name}-*.dist-info/METADATA"):
        old.unlink()
        old.parent.rmdir()
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: {each}" for each in needs]
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    (info / "METADATA").write_text(f"{text}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    place(tmp_path, "boto3", "1.43.117", "botocore<1.44.0,>=1.43.117")
    place(tmp_path, "botocore", "1.43.117")
    return tmp_path


def test_what_goes_together_is_left_alone(site: Path) -> None:
    assert after_pip.wanted() == []
    place(site, "datasets", "2.18.0")
    place(site, "pyarrow", "25.0.1")
    assert after_pip.wanted() == []


@pytest.mark.parametrize(
    ("botocore", "boto3"), [("1.41.5", "1.41.5"), ("1.33.0", "1.33.0"), ("1.29.76", "1.26.76")]
)
def test_boto3_becomes_as_old_as_botocore(site: Path, botocore: str, boto3: str) -> None:
    place(site, "botocore", botocore)
    assert after_pip.wanted() == [f"boto3<={boto3}", f"botocore=={botocore}"]


def test_old_datasets_get_a_pyarrow_of_their_time(site: Path) -> None:
    place(site, "datasets", "2.10.1")
    place(site, "pyarrow", "25.0.1")
    assert after_pip.wanted() == ["pyarrow<21"]
    place(site, "pyarrow", "20.0.0")
    assert after_pip.wanted() == []


def test_it_is_installed_once_or_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(site, "botocore", "1.41.5")
    asked: list[Any] = []

    def refuses(command: list[str], **given: Any) -> Any:
        asked.append((command, given["env"]["SAGEBRUSH_MENDS"]))
        return SimpleNamespace(returncode=1)

    def installs(command: list[str], **given: Any) -> Any:
        place(site, "boto3", "1.41.5", "botocore<1.42.0,>=1.41.5")
        return SimpleNamespace(returncode=0)

    after_pip.mend(refuses)
    words = ["boto3<=1.41.5", "botocore==1.41.5"]
    assert asked == [([sys.executable, "-m", "pip", "install", "--quiet", *words], "1")]
    assert 'this would: pip install "boto3<=1.41.5" "botocore==1.41.5"' in capsys.readouterr().out
    after_pip.mend(installs)
    assert capsys.readouterr().out.startswith("Installed what goes with it too: ")
    after_pip.mend(refuses)
    assert len(asked) == 1
