"""Archives of what jobs wrote: packed and unpacked under a directory descriptor, never outside."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    holes: int = 64 * 2**30
    """Bytes of holes in sparse files: they cost their writer nothing, and whoever packs them all."""
    depth: int = 256
    """Directories within one another."""


def safe_link(parts: tuple[str, ...], target: str) -> bool:
    """Whether a link at `parts` to `target` stays inside, with any other safe links present.

    Only leading `..` are allowed, no more than the link is deep: a later one could climb out
    through another link.
    """
    if not target or target.startswith("/") or "\0" in target:
        return False
    climbs, names = _split(target)
    return ".." not in names and climbs <= len(parts) - 1


def inner_link(parts: tuple[str, ...], target: str, tops: Sequence[str] = ()) -> str | None:
    """What the link at `parts` is to say so that it leads, safely, where `target` led: a relative path;
    None where that is outside.

    `tops` are absolute paths by which the link's writer knew the directory that `parts` are under.
    `os.symlink(f"{SM_MODEL_DIR}/step-9", f"{SM_MODEL_DIR}/best")` names one of them, though it
    stays inside.
    """
    if safe_link(parts, target):
        return target
    climbs, names = _split(target)
    if not target or "\0" in target or ".." in names:
        return None
    for top in tops:
        base = tuple(name for name in top.split("/") if name)
        start = () if target.startswith("/") else (*base, *parts[:-1])
        full = (*start[: max(len(start) - climbs, 0)], *names)
        if full[: len(base)] == base:
            return "/".join((*[".."] * (len(parts) - 1), *full[len(base) :])) or "."
    return None


def _split(target: str) -> tuple[int, tuple[str, ...]]:
    """How far up a link leads first, and the names after that."""
    names = [name for name in target.split("/") if name not in ("", ".")]
    climbs = next((i for i, name in enumerate(names) if name != ".."), len(names))
    return climbs, tuple(names[climbs:])


def pack(
    wanted: Iterable[dirfd.Found],
    out: IO[bytes],
    caps: Caps,
    note: Callable[[str], None],
    tops: Sequence[str] = (),
) -> int:
    """Writes a gzipped tar of `wanted` (`dirfd.walk`); the number of its members.

    Regular files, directories and links that stay inside (as relative ones, see `inner_link`), in the
    order in which they come; anything else is left out and reported to `note`, and so is what changes
    into something else meanwhile. Hard links become files of their own. Memory stays flat. Raises
    ArchiveError beyond `caps`.
    """
    weighed = Weighed(caps)
    with (
        igzip.IGzipFile("", "wb", LEVEL, cast(IO[bytes], out), mtime=0) as packed,
        tarfile.open(  # pyright: ignore[reportCallIssue] - typeshed lacks copybufsize
            fileobj=packed, mode="w|", bufsize=BLOCK, copybufsize=BLOCK, format=tarfile.PAX_FORMAT
        ) as tar,
    ):
        for found in wanted:
            if stat.S_ISREG(found.stat.st_mode):
                _pack_file(tar, found, weighed, note)
            elif (info := _member(found, note, tops)) is not None:
                weighed.add(found)
                tar.addfile(info)
    return weighed.members


class Weighed:
    """What goes into an archive, or into a prefix, so far."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.members = self.size = self.holes = 0

    def add(self, found: dirfd.Found, file: os.stat_result | None = None) -> None:
        """What was found, a `file` perhaps, is one more member; raises ArchiveError."""
        self.members += 1
        if file is not None:
            self.size += file.st_size
            self.holes += max(0, file.st_size - file.st_blocks * 512)
        caps = self.caps
        if self.members > caps.members:
            raise ArchiveError(f"more than {caps.members} files")
        if self.size > caps.size:
            raise ArchiveError(f"more than {caps.size / 2**30:.4g} GiB of files (at {found.shown})")
        if self.holes > caps.holes:
            raise ArchiveError(
                f"more than {caps.holes / 2**30:.4g} GiB of holes in sparse files (at {found.shown})"
            )


def _pack_file(
    tar: tarfile.TarFile, found: dirfd.Found, weighed: Weighed, note: Callable[[str], None]
) -> None:
    """The regular file is a member, as it is when it is opened."""
    try:
        fd = dirfd.open_regular(found.parent, found.parts[-1])
    except dirfd.Changed:
        note(f"{found.shown}: it changed while it was read")
        return
    with os.fdopen(fd, "rb") as file:
        now = os.fstat(fd)
        weighed.add(found, now)
        info = _header(found)
        info.size = now.st_size
        tar.addfile(info, file)


def _header(found: dirfd.Found) -> tarfile.TarInfo:
    info = tarfile.TarInfo(found.path)
    info.mode, info.mtime = stat.S_IMODE(found.stat.st_mode) & 0o755, int(found.stat.st_mtime)
    return info


def _member(
    found: dirfd.Found, note: Callable[[str], None], tops: Sequence[str]
) -> tarfile.TarInfo | None:
    """The header of what was found, which is no file; None when it does not go into an archive."""
    info, kind = _header(found), stat.S_IFMT(found.stat.st_mode)
    if kind == stat.S_IFDIR:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif kind == stat.S_IFLNK:
        try:
            target = os.readlink(found.parts[-1], dir_fd=found.parent)
        except OSError:
            note(f"{found.shown}: it changed while it was read")
            return None
        inner = inner_link(found.parts, target, tops)
        if inner is None:
            note(f"{found.shown}: a link that leads outside")
            return None
        info.type, info.linkname = tarfile.SYMTYPE, inner
    else:
        note(f"{found.shown}: {kind_of(found.stat)}")
        return None
    return info


def kind_of(info: os.stat_result) -> str:
    """What a thing is that is neither file nor directory, in words."""
    words = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return words.get(stat.S_IFMT(info.st_mode), "a device")


def unpack(blob: Blob, target: int, caps: Caps | None = None, tops: Sequence[str] = ()) -> int:
    """The (gzipped or plain) tar in `blob` lies under the directory `target`; its members' number.

    What tarfile's `data` filter refuses (absolute and climbing names, devices, FIFOs, links that
    lead outside) is refused, and nothing is written through a link. A link that names one of `tops`,
    absolute paths that stand for `target`, becomes a relative one (`inner_link`). Raises
    ArchiveError, beyond `caps` and for what is no tar too; what was unpacked before stays for the
    caller to remove.
    """
    count, caps = 0, caps or Caps()
    with _readable():
        for tar, info in _members(blob, caps):
            count += 1
            if info.name.count("/") > caps.depth:
                raise ArchiveError(f"{info.name[:80]}… is more than {caps.depth} directories deep")
            _extract(tar, info, target, tops)
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


def _extract(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: int, tops: Sequence[str]
) -> None:
    """Writes one member under `target`."""
    if tops and member.issym():
        member = _inwards(member, tops)
    member = _judged(member)
    parts = _parts(member.name)
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


def _inwards(member: tarfile.TarInfo, tops: Sequence[str]) -> tarfile.TarInfo:
    """The link as a relative one, where it names a place under one of `tops`."""
    parts = _parts(os.path.normpath(member.name.lstrip("/")))
    inner = inner_link(parts, member.linkname, tops) if parts and ".." not in parts else None
    if inner is not None:
        member = copy.copy(member)
        member.linkname = inner
    return member


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


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _outside(path: str) -> bool:
    """Whether a relative path leads out of where it starts."""
    return os.path.normpath(path).split("/")[0] == ".."


def _remove(parent: int, name: str) -> None:
    """What an earlier member put at that name is gone (the later one counts, as in any tar)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _hard_link(target: int, member: tarfile.TarInfo, parent: int, name: str) -> None:
    """A link to a regular file that was unpacked earlier."""
    source = _parts(member.linkname)
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
