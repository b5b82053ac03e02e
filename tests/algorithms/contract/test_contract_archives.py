"""Archives of base models: which files are ones, what comes out, and what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from contract import archives
from contract.channels import Channel


def archive(file: Path, *entries: tarfile.TarInfo) -> Path:
    """An archive of the entries, each file of three bytes."""
    mode = "w" if file.suffix == ".tar" else "w:gz"
    with tarfile.open(file, mode) as out:
        for entry in entries:
            entry.size = 3 if entry.isfile() else 0
            out.addfile(entry, io.BytesIO(b"abc") if entry.isfile() else None)
    return file


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """An entry of that kind."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tgz", "model.tar"])
def test_files_and_folders_come_out(tmp_path: Path, name: str) -> None:
    folder = entry("deep", tarfile.DIRTYPE)
    folder.mode = 0o755
    packed = archive(tmp_path / name, entry("./a.txt"), folder, entry("deep/b.txt"))
    (tmp_path / "notes.txt").write_text("no archive")
    assert archives.packed(Channel("model", "", tmp_path)) == [packed]
    into = archives.unpack(packed, tmp_path / "out")
    files = {p.name: p.read_bytes() for p in into.rglob("*") if p.is_file()}
    assert files == {"a.txt": b"abc", "b.txt": b"abc"}


@pytest.mark.parametrize(
    "bad",
    [
        entry("../outside"),
        entry("/outside"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("hard", tarfile.LNKTYPE, "../outside"),
        entry("pipe", tarfile.FIFOTYPE),
    ],
)
def test_what_is_no_file_or_would_lie_elsewhere_is_refused(
    tmp_path: Path, bad: tarfile.TarInfo
) -> None:
    packed = archive(tmp_path / "model.tar.gz", bad)
    with pytest.raises(archives.Damaged, match=r"model\.tar\.gz has an entry that is no file"):
        archives.unpack(packed, tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_what_is_no_archive_is_told(tmp_path: Path, cut: int) -> None:
    whole = archive(tmp_path / "whole.tar.gz", entry("a.txt")).read_bytes()
    (tmp_path / "model.tar.gz").write_bytes(b"no archive" if not cut else whole[:cut])
    with pytest.raises(archives.Damaged, match="no tar archive that can be read"):
        archives.unpack(tmp_path / "model.tar.gz", tmp_path / "out")
