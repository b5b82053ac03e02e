"""Feeds a channel's FIFOs: `<channel>_0` holds the first epoch's bytes; once it is read, `_1` is there.

A job may have put anything where its FIFO was: nothing here follows a link, and only a FIFO is
written to. Source: "Access Training Data" and "Augmented Manifest Files for Training Jobs"
(developer guide).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import threading
import zlib

from sagebrush.companion import fetch, order, recordio

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

ROOM = 1 << 20
"""Bytes that a FIFO holds, where the system lets it."""
OPEN = 16
"""Epochs that a job may read at once; it waits for the next until it closed one."""
_SET_PIPE_SIZE = 1031
REFERENCE = "-ref"
"""What the name of an attribute ends with whose value is the URI of an object."""


class Broken(Exception):
    """The channel cannot be fed, for a reason of its data's; the text says why."""


class Moved(Exception):
    """There is no FIFO of that name any more."""


class Feeder:
    """Feeds one channel; `fail(text)` ends the job, `say(text)` writes to its log."""

    def __init__(
        self,
        channel: dict[str, Any],
        directory: int,
        role: fetch.Role,
        fail: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self.channel = channel
        self.directory = directory
        self.role = role
        self.fail = fail
        self.say = say
        self._turns = threading.BoundedSemaphore(OPEN)
        self._lines: list[bytes] | None = None
        if "lines" in channel:
            with open(
                channel["lines"], "rb"
            ) as file:  # a descriptor: the job's user cannot read it
                self._lines = file.read().splitlines()

    def start(self) -> None:
        """It feeds, in threads of its own."""
        threading.Thread(target=self._guarded, args=(self._run,), daemon=True).start()

    def _guarded(self, run: Callable[..., None], *given: Any) -> None:
        name = self.channel["name"]
        try:
            run(*given)
        except Moved as moved:
            self.say(f"channel {name} is fed no more: {moved}")
        except (Broken, fetch.Gone, recordio.TooLarge) as failure:
            self.fail(f"{failure} (channel {name})")
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error} (channel {name})")

    def _run(self) -> None:
        """Epoch after epoch: the next FIFO is there once the one before has been opened."""
        epoch = 0
        while True:
            fifo = f"{self.channel['name']}_{epoch}"
            self._turns.acquire()
            out = opened(self.directory, fifo)
            made(self.directory, f"{self.channel['name']}_{epoch + 1}")
            feed = (self._epoch, epoch, fifo, out)
            threading.Thread(target=self._guarded, args=feed, daemon=True).start()
            epoch += 1

    def _epoch(self, epoch: int, fifo: str, out: int) -> None:
        """The FIFO `out` has had its epoch, or its reader closed it; its name is gone.

        Where that fails, it stays open: its end would look like the end of the data.
        """
        reader = fetch.Reader(self.role)
        with contextlib.suppress(BrokenPipeError):
            for piece in self._pieces(reader, epoch):
                write(out, piece)
        reader.close()
        with contextlib.suppress(OSError):
            os.unlink(fifo, dir_fd=self.directory)
        os.close(out)
        self._turns.release()

    def _pieces(self, reader: fetch.Reader, epoch: int) -> Iterator[bytes | memoryview]:
        """The bytes of an epoch."""
        channel = self.channel
        count = len(channel["objects"] if self._lines is None else self._lines)
        for place in order.arranged(count, channel["seed"], epoch, channel["shard"]):
            if self._lines is None:
                bucket, key = channel["objects"][place][:2]
                yield from self._object(reader, bucket, key)
            else:
                yield from self._line(reader, json.loads(self._lines[place]))

    def _line(self, reader: fetch.Reader, values: list[Any]) -> Iterator[bytes | memoryview]:
        """The attributes of one line of an augmented manifest."""
        for name, value in zip(self.channel["attributes"], values, strict=True):
            if name.endswith(REFERENCE):
                bucket, key = split(value)
                yield from self._object(reader, bucket, key)
            elif self.channel["recordio"]:
                yield from recordio.record(text(value))
            else:
                yield text(value)

    def _object(self, reader: fetch.Reader, bucket: str, key: str) -> Iterator[bytes | memoryview]:
        """An object as the channel wants it."""
        pieces: Iterable[bytes | memoryview] = reader.stream(bucket, key)
        if self.channel["gzip"]:
            pieces = inflated(pieces, f"s3://{bucket}/{key}")
        if self.channel["recordio"]:
            pieces = recordio.record(_joined(pieces, f"s3://{bucket}/{key}"))
        yield from pieces


def _joined(pieces: Iterable[bytes | memoryview], what: str) -> bytes:
    """All of them; raises TooLarge for more than a record holds."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > recordio.LARGEST:
            raise recordio.TooLarge(
                f"{what}: a RecordIO record holds at most {recordio.LARGEST} bytes"
            )
    return bytes(found)


def inflated(pieces: Iterable[bytes | memoryview], what: str) -> Iterator[bytes]:
    """What a gzip file holds, all of its members. Raises Broken where it is none, or ends early."""
    member, fed = zlib.decompressobj(31), False
    try:
        for piece in pieces:
            data: bytes | memoryview = piece
            while data:
                if member.eof:
                    if not bytes(data).strip(b"\0"):  # padding, as gzip itself lets pass
                        break
                    member = zlib.decompressobj(31)
                fed = True
                if made := member.decompress(data, fetch.PIECE):
                    yield made
                data = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise Broken(f"{what} is not gzip, which CompressionType says it is: {error}") from error
    while fed and not member.eof and (made := member.decompress(member.unconsumed_tail)):
        yield made
    if fed and not member.eof:
        raise Broken(f"{what} is gzip that ends early")


def text(value: Any) -> bytes:
    """An attribute's value as the job gets it: a text as it is, all else as JSON."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told.encode()


def split(uri: Any) -> tuple[str, str]:
    """Bucket and key of an S3 URI; raises Broken."""
    found = re.fullmatch(r"s3://([^/]+)/(.+)", uri, re.DOTALL) if isinstance(uri, str) else None
    if not found:
        raise Broken(f"{uri!r} is not an object's S3 URI")
    return found[1], found[2]


# ---- FIFOs


def made(directory: int, name: str) -> None:
    """There is something of that name; a FIFO, unless the job was faster."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(name, 0o600, dir_fd=directory)


def opened(directory: int, name: str) -> int:
    """A descriptor, for writing, of the FIFO; returns once the job opens it. Raises Moved."""
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    try:
        if not stat.S_ISFIFO(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            raise Moved(f"{name} is no FIFO any more")
        out = os.open(name, flags, dir_fd=directory)
    except OSError as error:
        raise Moved(f"{name}: {error.strerror}") from error
    if not stat.S_ISFIFO(os.fstat(out).st_mode):
        os.close(out)
        raise Moved(f"{name} is no FIFO any more")
    with contextlib.suppress(OSError):
        fcntl.fcntl(out, _SET_PIPE_SIZE, ROOM)
    return out


def write(out: int, data: bytes | memoryview) -> None:
    """All of `data` is in the FIFO. Raises BrokenPipeError once it has no reader."""
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]
