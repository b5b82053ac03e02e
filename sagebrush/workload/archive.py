"""Archives of what jobs wrote: packed and unpacked beneath a directory descriptor, never outside."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from isal import igzip, isal_zlib

from sagebrush.store.objects import Blob
from sagebrush.workload import dirfd

LEVEL = 1
"""Of ISA-L's gzip, which packs twenty times faster than zlib's level 1 and as small: models are
mostly floats, which no level makes much smaller."""
BLOCK = 1 << 20
INFLATE_ERROR = cast(type[Exception], isal_zlib.error)  # its stub says an instance


class ArchiveError(Exception):
    """The archive, or what should go into it, breaks a rule; the text says which and where."""


@dataclass(frozen=True)
class Caps:
    """The most that an archive may hold: bytes of files, and members."""

    size: int = 64 * 2**30
    members: int = 200_000
    header: int = 1 << 20
    """Bytes of one extended header (a long name); they are held in memory."""


def safe_link(parts: tuple[str, ...], target: str) -> bool:
    """Whether a link at `parts` that says `target` stays inside, whatever other safe links say.

    Only leading `..` are allowed, no more than the link is deep: a later one could climb out
    through another link.
    """
    if not target or target.startswith("/") or "\0" in target:
        return False
    names = [name for name in target.split("/") if name not in ("", ".")]
    climbs = next((i for i, name in enumerate(names) if name != ".."), len(names))
    return ".." not in names[climbs:] and climbs <= len(parts) - 1


def pack(
    wanted: Iterable[dirfd.Found],
    out: IO[bytes],
    caps: Caps,
    note: Callable[[str], None],
) -> int:
    """Writes a gzipped tar of `wanted` (`beneath.walk`); the number of its members.

    Regular files, directories and links that stay inside, in the order in which they come; anything
    else is left out and told to `note`. Hard links become files of their own. Memory stays flat.
    Raises ArchiveError beyond `caps`.
    """
    total = members = 0
    with (
        igzip.IGzipFile("", "wb", LEVEL, cast(IO[bytes], out), mtime=0) as packed,
        tarfile.open(  # pyright: ignore[reportCallIssue] - typeshed lacks copybufsize
            fileobj=packed, mode="w|", bufsize=BLOCK, copybufsize=BLOCK, format=tarfile.PAX_FORMAT
        ) as tar,
    ):
        for found in wanted:
            info = _member(found, note)
            if info is None:
                continue
            members, total = members + 1, total + info.size
            if members > caps.members:
                raise ArchiveError(f"more than {caps.members} files")
            if total > caps.size:
                raise ArchiveError(
                    f"more than {caps.size / 2**30:.4g} GiB of files (at {found.path})"
                )
            if info.isreg():
                fd = dirfd.open_regular(found.parent, found.parts[-1])
                with os.fdopen(fd, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return members


def _member(found: dirfd.Found, note: Callable[[str], None]) -> tarfile.TarInfo | None:
    """The header of what was found, or None when it does not go into an archive."""
    info = tarfile.TarInfo(found.path)
    info.mode, info.mtime = stat.S_IMODE(found.stat.st_mode) & 0o755, int(found.stat.st_mtime)
    kind = stat.S_IFMT(found.stat.st_mode)
    if kind == stat.S_IFREG:
        info.size = found.stat.st_size
    elif kind == stat.S_IFDIR:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif kind == stat.S_IFLNK:
        target = os.readlink(found.parts[-1], dir_fd=found.parent)
        if not safe_link(found.parts, target):
            note(f"left out {found.path}: a link that leads outside")
            return None
        info.type, info.linkname = tarfile.SYMTYPE, target
    else:
        words = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
        note(f"left out {found.path}: {words}")
        return None
    return info


def unpack(blob: Blob, target: int, caps: Caps | None = None) -> int:
    """The (gzipped or plain) tar in `blob` lies beneath the directory `target`; its members' number.

    What tarfile's `data` filter refuses (absolute and climbing names, devices, FIFOs, links that
    lead outside) is refused, and nothing is written through a link. Raises ArchiveError, beyond
    `caps` and for what is no tar too; what was unpacked before stays for the caller to remove.
    """
    count = 0
    with _readable():
        for tar, info in _members(blob, caps or Caps()):
            count += 1
            _extract(tar, info, target)
    return count


def member(blob: Blob, name: str, limit: int, caps: Caps | None = None) -> bytes | None:
    """The regular file `name` of the (gzipped or plain) tar in `blob`, of at most `limit` bytes.

    None where there is none, where it is larger, and where a link stands at that name: whoever
    unpacks the archive sees further. Where it comes twice, the later one counts. Nothing is
    written and memory stays flat. Raises ArchiveError as `unpack` does.
    """
    found: bytes | None = None
    with _readable():
        for tar, info in _members(blob, caps or Caps()):
            if "/".join(part for part in info.name.split("/") if part not in ("", ".")) != name:
                continue
            body = tar.extractfile(info) if info.isreg() and info.size <= limit else None
            found = body.read() if body is not None else None
    return found


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What is no complete tar archive becomes an ArchiveError."""
    try:
        yield
    except (tarfile.TarError, INFLATE_ERROR, EOFError, igzip.BadGzipFile) as error:
        raise ArchiveError(f"not a complete tar archive: {error}") from error


def _members(blob: Blob, caps: Caps) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of the archive one by one; raises ArchiveError beyond `caps`."""
    count = 0
    raw = _Stream(blob)
    zipped = raw.peek(2) == b"\x1f\x8b"
    stream = igzip.IGzipFile(fileobj=cast(IO[bytes], raw)) if zipped else raw
    limited = _Limited(cast(IO[bytes], stream), caps.size + caps.members * 2048)
    kind = type("CappedInfo", (_CappedInfo,), {"cap": caps.header})
    with tarfile.open(
        fileobj=cast(IO[bytes], limited), mode="r|", bufsize=BLOCK, tarinfo=kind
    ) as tar:
        left = caps.size
        for info in tar:
            count, left = count + 1, left - max(info.size, 0)
            if count > caps.members:
                raise ArchiveError(f"more than {caps.members} members")
            if left < 0:
                raise ArchiveError(f"more than {caps.size / 2**30:.4g} GiB of files")
            yield tar, info


class _Stream(io.RawIOBase):
    """A blob as a file that is read once, from its beginning."""

    def __init__(self, blob: Blob) -> None:
        self._chunks, self._rest = blob.chunks(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer at the end), which stay to be read."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest = memoryview(bytes(self._rest) + chunk)
        return bytes(self._rest[:size])

    def read(self, size: int = -1) -> bytes:
        self.peek(1 if size else 0)
        end = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:end]), self._rest[end:]
        return data

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _CappedInfo(tarfile.TarInfo):
    """Refuses extended headers that would fill the memory."""

    cap = 1 << 20

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> tarfile.TarInfo:
        info = super().frombuf(buf, encoding or "utf-8", errors)
        plain = info.isreg() or info.isdir() or info.issym() or info.islnk() or info.isdev()
        if not plain and info.size > cls.cap:
            raise ArchiveError(f"an extended header of {info.size} bytes")
        return info


class _Limited:
    """A stream that raises ArchiveError once more than `limit` bytes came out of it."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError("it unpacks to more than is allowed")
        return data


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: int) -> None:
    """Writes one member beneath `target`."""
    member = _judged(member)
    parts = tuple(p for p in member.name.split("/") if p not in ("", "."))
    try:
        if member.isdir():
            with dirfd.directory(target, parts, make=True):
                return
        if not parts:
            raise ArchiveError("a file without a name")
        with dirfd.directory(target, parts[:-1], make=True) as parent:
            _remove(parent, parts[-1])
            if member.issym():
                if not safe_link(parts, member.linkname):
                    raise ArchiveError(f"{member.name} is a link that leads outside")
                os.symlink(member.linkname, parts[-1], dir_fd=parent)
            elif member.islnk():
                _hard_link(target, member, parent, parts[-1])
            else:
                _file(tar, member, parent, parts[-1])
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise ArchiveError(
            f"{member.name} is both a file and a directory, or beneath a link"
        ) from error
    except OSError as error:
        if error.errno in (40, 62):  # ELOOP: a directory of its path is a link
            raise ArchiveError(f"{member.name} lies beneath a link") from error
        raise


def _judged(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member as the `data` filter of PEP 706 leaves it, judged by names alone.

    tarfile has that filter from Python 3.11.4 on, and Debian 12 comes with 3.11.2. Links are judged
    again where they are made. Raises ArchiveError for special files, absolute links and names or
    links that lead outside.
    """
    name = member.name.lstrip("/")
    if _outside(name):
        raise ArchiveError(f"{member.name!r} would be extracted outside")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise ArchiveError(f"{member.name!r} is a special file")
    if member.issym() or member.islnk():
        if os.path.isabs(member.linkname):
            raise ArchiveError(f"{member.name!r} is a link to an absolute path")
        start = os.path.dirname(name) if member.issym() else ""
        if _outside(os.path.join(start, member.linkname)):
            raise ArchiveError(
                f"{member.name!r} would link to {member.linkname!r}, which is outside"
            )
    mode = member.mode & 0o755 | 0o600
    executable = member.mode & 0o100
    member = copy.copy(member)
    member.name, member.mode = name, mode if executable else mode & ~0o111
    return member


def _outside(path: str) -> bool:
    """Whether a relative path leads out of where it starts."""
    return os.path.normpath(path).split("/")[0] == ".."


def _remove(parent: int, name: str) -> None:
    """What an earlier member put at that name is gone (the later one counts, as in any tar)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _hard_link(target: int, member: tarfile.TarInfo, parent: int, name: str) -> None:
    """A link to a regular file that was unpacked earlier."""
    source = tuple(p for p in member.linkname.split("/") if p not in ("", "."))
    if not source or ".." in source:
        raise ArchiveError(f"{member.name} links to {member.linkname}")
    try:
        with dirfd.directory(target, source[:-1]) as there:
            os.close(dirfd.open_regular(there, source[-1]))
            os.link(source[-1], name, src_dir_fd=there, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        raise ArchiveError(f"{member.name} links to {member.linkname}, which is no file") from error


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    body = tar.extractfile(member)
    if body is None:
        raise ArchiveError(f"{member.name} is neither file nor directory")
    with os.fdopen(
        os.open(name, flags, (member.mode or 0o644) & 0o755, dir_fd=parent), "wb"
    ) as out:
        while chunk := body.read(1 << 20):
            out.write(chunk)
