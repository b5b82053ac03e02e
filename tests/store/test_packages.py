"""Zip packages: unpacked within their directory, kept once, swept when nothing names them."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from sagebrush.store import packages
from sagebrush.store.packages import NoPackage, Packages, TooLarge


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    """A zip file of (name, content, mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, content)
    return out.getvalue()


def broken(method: int) -> bytes:
    """A zip file whose only member cannot be decompressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        made.writestr("a", os.urandom(2000))
    data = bytearray(out.getvalue())
    data[60:600] = bytes(540)
    return bytes(data)


@pytest.fixture
def kept(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "code")


def test_a_package_is_kept_once_with_its_modes_and_links(kept: Packages) -> None:
    data = zipped(
        ("index.py", b"x = 1", 0o100644),
        ("bin/run", b"#!/bin/sh\n", 0o100700),
        ("lib/", b"", 0o040700),
        ("latest", b"index.py", stat.S_IFLNK | 0o777),
        ("out", b"/etc/passwd", stat.S_IFLNK | 0o777),
    )
    first, second = kept.put(data), kept.put(data)
    assert first == second
    files = kept.files(first.sha256)
    assert (files / "index.py").read_text() == "x = 1"
    assert stat.S_IMODE((files / "index.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((files / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((files / "bin").stat().st_mode) == 0o755
    assert (files / "lib").is_dir()
    assert os.readlink(files / "latest") == "index.py"
    assert os.readlink(files / "out") == "/etc/passwd"  # it is resolved where the function runs
    assert kept.archive(first.sha256).read_bytes() == data
    assert first.size == len(data)
    assert first.unzipped == kept.unzipped(first.sha256) == len(b"x = 1#!/bin/sh\n")


@pytest.mark.parametrize(
    "data",
    [
        b"no zip",
        b"PK\x05\x06",
        zipped(("../out.py", b"", 0o100644)),
        zipped(("/etc/cron", b"", 0o100644)),
        zipped(("a/../../b", b"", 0o100644)),
        zipped(("a\\..\\..\\b", b"", 0o100644)),
        zipped(("x", b"d", stat.S_IFLNK | 0o777), ("x/evil", b"", 0o100644)),
        zipped(("pipe", b"", stat.S_IFIFO | 0o644)),
        zipped(("a" * 300, b"", 0o100644)),
        zipped(("a", b"1", 0o100644), ("a/b", b"2", 0o100644)),
        zipped(("link", b"", stat.S_IFLNK | 0o777)),
        zipped(("link", b"a" * 4096, stat.S_IFLNK | 0o777)),
        broken(zipfile.ZIP_BZIP2),
        broken(zipfile.ZIP_LZMA),
    ],
)
def test_what_leads_out_or_is_no_file_is_no_package(kept: Packages, data: bytes) -> None:
    with pytest.raises(NoPackage):
        kept.put(data)
    assert not [each for each in kept._root.iterdir()]  # nothing is left


def test_a_package_that_unpacks_to_too_much_is_refused(
    kept: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "UNZIPPED", 1000)
    with pytest.raises(TooLarge):
        kept.put(zipped(("zeros", bytes(1001), 0o100644)))
    data = bytearray(zipped(("zeros", bytes(5000), 0o100644)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # its header says less
    with pytest.raises((TooLarge, NoPackage)):
        kept.put(bytes(data))
    monkeypatch.setattr(packages, "MEMBERS", 2)
    with pytest.raises(TooLarge):
        kept.put(zipped(*((str(n), b"", 0o100644) for n in range(3))))


def test_what_nothing_names_is_swept_but_not_at_once(kept: Packages) -> None:
    one = kept.put(zipped(("a", b"1", 0o100644)))
    two = kept.put(zipped(("a", b"2", 0o100644)))
    now = kept.files(one.sha256).parent.stat().st_mtime
    assert kept.sweep({two.sha256}, now + 10) == 0
    assert kept.sweep({two.sha256}, now + packages.GRACE + 10) == 1
    assert kept.files(two.sha256).is_dir()
    assert not kept.files(one.sha256).exists()
