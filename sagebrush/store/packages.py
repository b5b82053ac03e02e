"""Zip packages of functions and layers on disk: each kept once, by its SHA-256, packed and unpacked.

A package is a directory `<sha256>` with `code.zip` and `files/`; it appears whole, by a rename, and never
changes. Rows name packages by their SHA-256; those that no row names go by `sweep`.
"""

from __future__ import annotations

import errno
import hashlib
import lzma
import os
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

UNZIPPED = 262144000
"""Bytes of a package, unpacked ("Lambda quotas": 250 MB)."""
MEMBERS = 100_000
"""Files of a package: what a host's directories can bear; AWS says no number."""
GRACE = 3600.0
"""Seconds that a package is kept which no row names: its row may be on its way."""
_SYMLINK_BYTES = 4096
_PIECE = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS})
"""What is the host's fault, not the zip file's."""
MANY = 64
"""Files from which on all of the host's are synced at once, not one by one."""


class NoPackage(ValueError):
    """The bytes are no zip file that could be unpacked."""


class TooLarge(ValueError):
    """What the package holds is larger than a package may be."""


@dataclass(frozen=True)
class Package:
    """A package that is on disk."""

    sha256: str
    """Hexadecimal."""
    size: int
    """Bytes of the zip file."""
    unzipped: int
    """Bytes of what it holds."""


class Packages:
    """The packages under `root`. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes) -> Package:
        """The package is on disk, unpacked. Raises NoPackage, TooLarge, and OSError."""
        name = hashlib.sha256(data).hexdigest()
        place = self._root / name
        size = place / "size"
        if size.exists():
            os.utime(place)  # it is named again soon: no sweep takes it meanwhile
            return Package(name, len(data), int(size.read_text()))
        self._root.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
        try:
            (made / "code.zip").write_bytes(data)
            unzipped = unpack(made / "code.zip", made / "files")
            (made / "size").write_text(str(unzipped))
            _synced(made)
            made.chmod(0o755)
            try:
                made.rename(place)
            except OSError:
                if not size.exists():  # else another request has put the same one
                    raise
            _sync(self._root)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return Package(name, len(data), unzipped)

    def archive(self, sha256: str) -> Path:
        """The zip file of the package."""
        return self._root / sha256 / "code.zip"

    def files(self, sha256: str) -> Path:
        """The directory of what the package holds, which nobody changes."""
        return self._root / sha256 / "files"

    def unzipped(self, sha256: str) -> int:
        """Bytes of what the package holds."""
        return int((self._root / sha256 / "size").read_text())

    def sweep(self, live: Collection[str], now: float | None = None) -> int:
        """Packages that are not `live`, and have not been put for GRACE, are gone; how many. `now` in
        seconds since the epoch, by the clock of files."""
        if not self._root.is_dir():
            return 0
        before, gone = (time.time() if now is None else now) - GRACE, 0
        for place in self._root.iterdir():
            if place.name not in live and _older(place, before):
                shutil.rmtree(place, ignore_errors=True)
                gone += 1
        return gone


def _older(place: Path, before: float) -> bool:
    try:
        return place.stat().st_mtime < before
    except OSError:
        return False


def unpack(archive: Path, into: Path) -> int:
    """What the zip file holds is in the new directory; how many bytes. Raises NoPackage, TooLarge.

    Nothing leaves the directory: names that lead out of it, and devices, make the package invalid, and
    a symbolic link is only made once all files are there, so that nothing is written through it. Of the
    modes, files keep whether they can be executed.
    """
    into.mkdir(mode=0o755)
    try:
        with zipfile.ZipFile(archive) as opened:
            return _unpacked(opened, into)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise NoPackage(str(error)) from error
    except (UnicodeError, OverflowError, lzma.LZMAError) as error:
        raise NoPackage(str(error)) from error
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise NoPackage(str(error)) from error  # bz2's, a seek to before the file, a name too long


def _unpacked(opened: zipfile.ZipFile, into: Path) -> int:
    members = opened.infolist()
    if len(members) > MEMBERS or sum(each.file_size for each in members) > UNZIPPED:
        raise TooLarge(f"more than {UNZIPPED} bytes or {MEMBERS} files")
    total, links = 0, list[tuple[Path, str]]()
    for each in members:
        target = _place(into, each.filename)
        mode = each.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if each.is_dir():
            _directory(target)
            continue
        _directory(target.parent)
        if kind == stat.S_IFLNK:
            links.append((target, _link(opened, each)))
            continue
        if kind not in (0, stat.S_IFREG):
            raise NoPackage(f"{each.filename} is no file")
        total += _file(opened, each, target, UNZIPPED - total)
        target.chmod(0o755 if mode & 0o111 else 0o644)
    for folder, _, _ in os.walk(into):
        os.chmod(folder, 0o755)  # whatever the umask: functions run as other users
    for target, text in links:
        if target.exists() or target.is_symlink():
            raise NoPackage(f"{target.name} is there twice")
        target.symlink_to(text)
    return total


def _place(into: Path, name: str) -> Path:
    """Where the member goes; raises NoPackage for a name that leads elsewhere."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or name.startswith(("/", "\\")) or ".." in parts:
        raise NoPackage(f"{name!r} leads out of the package")
    kept = [part for part in parts if part not in ("", ".")]
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in kept) or not kept:
        raise NoPackage(f"{name[:100]!r} is no name of a file")
    return into.joinpath(*kept)


def _directory(place: Path) -> None:
    try:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:  # a file has that name
        raise NoPackage(f"{place.name} is a file and a folder") from error


def _link(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    if member.file_size > _SYMLINK_BYTES:
        raise NoPackage(f"{member.filename} is no symbolic link")
    text = opened.read(member).decode("utf-8", "surrogateescape")
    if not text or "\0" in text:
        raise NoPackage(f"{member.filename} is no symbolic link")
    return text


def _file(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, most: int) -> int:
    """The member is a file; how many bytes. What its header says of its size is not relied upon."""
    size = 0
    try:
        with opened.open(member) as source, open(target, "wb") as file:
            while piece := source.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise TooLarge(f"more than {UNZIPPED} bytes")
                file.write(piece)
    except IsADirectoryError as error:
        raise NoPackage(f"{member.filename} is a file and a folder") from error
    return size


def _synced(made: Path) -> None:
    """The package survives a loss of power: rows name it from now on."""
    found = [Path(folder) / name for folder, _, names in os.walk(made) for name in names]
    if len(found) > MANY:
        os.sync()
        return
    for place in found:
        if not place.is_symlink():
            _sync(place)
    for folder, _, _ in os.walk(made):
        _sync(Path(folder))


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
