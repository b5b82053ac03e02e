"""An object's bytes cut into records (SplitType) and packed into requests (BatchStrategy), as they stream by.

Sources: CreateTransformJob, TransformInput (SplitType), BatchStrategy and MaxPayloadInMB; dmlc-core's
recordio.h; TensorFlow's "TFRecord and tf.train.Example".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from sagebrush.companion.recordio import MAGIC

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Bytes = bytes | bytearray | memoryview

MIB = 1 << 20
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
BLANK = (b"", b"\r")
"""Lines that are no records."""
_CASTAGNOLI = 0x82F63B78


class Broken(Exception):
    """The object is not in the format that it is to be split by; the text says where."""


class TooLarge(Exception):
    """A record is larger than a payload may be."""

    def __init__(self, number: int, size: int, limit: int) -> None:
        super().__init__(
            f"record {number} has {size} bytes, more than MaxPayloadInMB ({limit / MIB:g} MB) allows"
        )
        self.number = number


@dataclass(frozen=True)
class Record:
    """One record."""

    data: bytes
    """What it is, without what wraps it; a request of SingleRecord sends that."""
    framed: bytes
    """As it stands in the object; requests of MultiRecord send that."""
    own: bytes | None = None
    """The record itself, where what is sent is only a part of it."""

    @property
    def whole(self) -> bytes:
        """The record itself."""
        return self.data if self.own is None else self.own


@dataclass(frozen=True)
class Payload:
    """The body of one request: records from number `first` (the object's first is 1) on."""

    body: bytes
    first: int
    count: int
    parts: tuple[bytes, ...] = ()
    """The data of each record, where they are kept apart."""


class Stream:
    """Takes bytes in the sizes that are asked for from pieces of any size."""

    def __init__(self, pieces: Iterable[Bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()
        self._at = 0
        self.offset = 0
        """Bytes that were taken."""

    def take(self, count: int) -> bytes:
        """The next `count` bytes; fewer where the object ends."""
        while len(self._held) - self._at < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            if self._at:
                del self._held[: self._at]
                self._at = 0
            self._held += piece
        found = bytes(self._held[self._at : self._at + count])
        self._at += len(found)
        self.offset += len(found)
        return found


def gunzipped(pieces: Iterable[Bytes]) -> Iterator[bytes]:
    """The bytes of a gzip file (of several members too), piece by piece. Raises Broken."""
    unpack, begun, ended = zlib.decompressobj(wbits=31), False, True
    try:
        for piece in pieces:
            data = bytes(piece)
            while data:
                if unpack.eof:
                    if not data.strip(b"\0"):  # padding after the last member
                        break
                    unpack = zlib.decompressobj(wbits=31)
                begun = True
                found = unpack.decompress(data, MIB)
                if found:
                    yield found
                data = unpack.unconsumed_tail or (unpack.unused_data if unpack.eof else b"")
            ended = unpack.eof
    except zlib.error as error:
        raise Broken(f"it is not compressed by gzip: {error}") from error
    if begun and not ended:
        raise Broken("it is not compressed by gzip: it ends in the middle")


def lines(pieces: Iterable[Bytes], limit: int | None) -> Iterator[Record]:
    """The lines that are not blank, without their ends. Raises TooLarge."""
    held, number = b"", 0
    for piece in pieces:
        *whole, held = (held + bytes(piece)).split(b"\n")
        for line in whole:
            if line not in BLANK:
                number += 1
                yield Record(line, line)
        if limit is not None and len(held) > limit:
            raise TooLarge(number + 1, len(held), limit)
    if held not in BLANK:
        yield Record(held, held)


def recordio(pieces: Iterable[Bytes], limit: int | None) -> Iterator[Record]:
    """The records of a RecordIO file. Raises Broken and TooLarge."""
    stream, number = Stream(pieces), 0
    data, framed = b"", b""
    while head := stream.take(8):
        at = stream.offset - len(head)
        if len(head) < 8 or head[:4] != MAGIC:
            raise Broken(f"no RecordIO record begins at byte {at}")
        (word,) = struct.unpack("<I", head[4:])
        kind, size = word >> 29, word & (1 << 29) - 1
        if limit is not None and len(framed) + size > limit:
            raise TooLarge(number + 1, len(framed) + size, limit)
        body = stream.take(size)
        padding = stream.take(-size % 4)
        if len(body) < size or len(padding) < -size % 4:
            raise Broken(f"the RecordIO record at byte {at} is cut off")
        if (kind in (_WHOLE, _FIRST)) != (not framed):
            raise Broken(f"the parts of the RecordIO record at byte {at} are out of order")
        data = body if not framed else data + MAGIC + body
        framed += head + body + padding
        if kind in (_WHOLE, _LAST):
            number += 1
            yield Record(data, framed)
            data, framed = b"", b""
    if framed:
        raise Broken("the last RecordIO record is cut off")


def tfrecord(pieces: Iterable[Bytes], limit: int | None) -> Iterator[Record]:
    """The records of a TFRecord file. Raises Broken and TooLarge."""
    stream, number = Stream(pieces), 0
    while head := stream.take(12):
        at = stream.offset - len(head)
        if len(head) < 12 or _masked(head[:8]) != struct.unpack("<I", head[8:])[0]:
            raise Broken(f"no TFRecord record begins at byte {at}")
        (size,) = struct.unpack("<Q", head[:8])
        number += 1
        if limit is not None and size > limit:
            raise TooLarge(number, size, limit)
        data, check = stream.take(size), stream.take(4)
        if len(data) < size or len(check) < 4:
            raise Broken(f"the TFRecord record at byte {at} is cut off")
        yield Record(data, head + data + check)


def _table() -> tuple[int, ...]:
    found = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (_CASTAGNOLI if n & 1 else 0)
        found.append(n)
    return tuple(found)


_CRC = _table()


def _masked(data: bytes) -> int:
    """TFRecord's masked CRC-32C; of a length alone, since of all data Python would take too long."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def whole(pieces: Iterable[Bytes], limit: int | None) -> Iterator[Record]:
    """The object as one record; none where it is empty. Raises TooLarge."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if limit is not None and len(held) > limit:
            raise TooLarge(1, len(held), limit)
    if held:
        body = bytes(held)
        yield Record(body, body)


def single(found: Iterable[Record], limit: int | None) -> Iterator[Payload]:
    """A request for each record, without what wraps it (SingleRecord). Raises TooLarge."""
    for number, record in enumerate(found, 1):
        if limit is not None and len(record.data) > limit:
            raise TooLarge(number, len(record.data), limit)
        yield Payload(record.data, number, 1, (record.whole,))


def several(found: Iterable[Record], limit: int | None, glue: bytes) -> Iterator[Payload]:
    """As many records in each request as its limit takes (MultiRecord), with `glue` between them.
    Raises TooLarge."""
    held: list[Record] = []
    size, first, number = 0, 1, 0
    for number, record in enumerate(found, 1):
        own = len(record.framed)
        if limit is not None and own > limit:
            raise TooLarge(number, own, limit)
        if held and limit is not None and size + len(glue) + own > limit:
            yield _packed(held, first, glue)
            held, size, first = [], 0, number
        size += own + (len(glue) if held else 0)
        held.append(record)
    if held:
        yield _packed(held, first, glue)


def _packed(held: list[Record], first: int, glue: bytes) -> Payload:
    body = glue.join(record.framed for record in held)
    return Payload(body, first, len(held), tuple(record.whole for record in held))


def blocks(pieces: Iterable[Bytes], limit: int) -> Iterator[Payload]:
    """As `several` of `lines`, without looking at each line: what is cut is cut at the last line's end
    that fits. Raises TooLarge."""
    held, number = bytearray(), 1
    for piece in pieces:
        held += piece
        while len(held) > limit:
            end = held.rfind(b"\n", 0, limit + 1)
            if end < 0:
                end = held.find(b"\n")
                raise TooLarge(number, len(held) if end < 0 else end, limit)
            block, count = _dense(_start(held, end))
            del held[: end + 1]
            if count:
                yield Payload(block, number, count)
                number += count
    block, count = _dense(_start(held, len(held) - held.endswith(b"\n")))
    if count:
        yield Payload(block, number, count)


def _start(held: bytearray, end: int) -> bytes:
    """The first `end` bytes, copied once."""
    with memoryview(held) as view:
        return bytes(view[:end])


def _dense(block: bytes) -> tuple[bytes, int]:
    """The block without blank lines, and without the last line's end; how many lines it has.

    Cut into lines, since a search for two bytes in a row takes CPython three times as long.
    """
    lines = block.split(b"\n")
    blank = sum(map(lines.count, BLANK))
    if not blank:
        return block, len(lines)
    return b"\n".join(line for line in lines if line not in BLANK), len(lines) - blank


class Flow:
    """An object's bytes as they are read, to be sent once; `count` are the records so far."""

    def __init__(self, pieces: Iterable[Bytes], split: str) -> None:
        self._pieces = iter(pieces)
        self._lines = split == "Line"
        self._first = next((bytes(piece) for piece in self._pieces if len(piece)), b"")
        self.empty = not self._first
        self.count = 0 if self._lines else 1

    def __iter__(self) -> Iterator[bytes]:
        last = piece = self._first
        yield self._counted(piece)
        for each in self._pieces:
            if len(each):
                last = bytes(each)
                yield self._counted(last)
        if self._lines and not last.endswith(b"\n"):
            self.count += 1

    def _counted(self, piece: bytes) -> bytes:
        if self._lines:
            self.count += piece.count(b"\n")
        return piece


SPLITS = {"Line": lines, "RecordIO": recordio, "TFRecord": tfrecord, "None": whole}
"""SplitType -> what cuts an object so."""


@dataclass(frozen=True)
class Cut:
    """How a job cuts objects into requests."""

    split: str
    """SplitType."""
    strategy: str
    """BatchStrategy."""
    limit: int | None
    """The most bytes of a payload; None: no limit."""
    asked: Callable[[bytes], bytes] | None = None
    """What of a record the model gets; None: all."""
    apart: bool = False
    """Whether each record itself is wanted with its request."""

    @property
    def flows(self) -> bool:
        """Whether an object is one request of any size, whose records nobody looks at: it can be sent
        as it is read (MaxPayloadInMB 0, HTTP chunked encoding)."""
        one = self.split == "None" or (self.split == "Line" and self.strategy != "SingleRecord")
        return one and self.limit is None and self.asked is None and not self.apart

    def payloads(self, pieces: Iterable[Bytes]) -> Iterator[Payload]:
        """The requests for an object. Raises Broken, TooLarge, and what `asked` raises."""
        many = self.strategy != "SingleRecord" and self.split != "None"
        plain = self.asked is None and not self.apart
        if many and self.split == "Line" and plain and self.limit is not None:
            return blocks(pieces, self.limit)
        found = SPLITS[self.split](pieces, None if self.asked else self.limit)
        if self.asked:
            found = _filtered(found, self.asked)
        if many:
            return several(found, self.limit, b"\n" if self.split == "Line" else b"")
        return single(found, self.limit)


def _filtered(found: Iterable[Record], asked: Callable[[bytes], bytes]) -> Iterator[Record]:
    for record in found:
        part = asked(record.data)
        yield Record(part, part, record.data)
