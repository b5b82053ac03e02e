"""Objects by blocks, as they are asked for: fetched ahead while they are read in order, then forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sagebrush.companion import fetch

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

BLOCK = fetch.PIECE
KEPT = 64
"""Blocks in memory at most, of all channels; what was read once is in the kernel's cache of pages."""
AHEAD = 8
"""Blocks that are fetched at once, at most, where an object is read in order."""
IDLE = 4
"""Connections that are kept for the next fetch."""


class Interrupted(Exception):
    """Who asked does not wait any more."""


class Blocks:
    """The blocks of many objects; `objects` are lists that begin with bucket, key, size and ETag."""

    def __init__(
        self,
        objects: Sequence[list[Any]],
        role: fetch.Role,
        told: Callable[[str], None],
        kept: int = KEPT,
    ) -> None:
        """`told(text)` reports an object that cannot be read; `kept` blocks stay in memory."""
        self.objects = objects
        self.role = role
        self.told = told
        self.kept = max(kept, 2 * AHEAD)
        self._change = threading.Condition()
        self._have: OrderedDict[tuple[int, int], memoryview] = OrderedDict()
        self._coming: set[tuple[int, int]] = set()
        self._failed: dict[int, fetch.Gone] = {}
        self._next: dict[int, tuple[int, int]] = {}
        self._readers: list[fetch.Reader] = []

    def ready(self, place: int, offset: int, size: int) -> list[memoryview] | None:
        """Those bytes of an object, in pieces, when they are in memory; None otherwise."""
        found = []
        with self._change:
            for number in range(offset // BLOCK, -(-(offset + size) // BLOCK)):
                block = self._have.get((place, number))
                if block is None:
                    return None
                self._have.move_to_end((place, number))
                begin = max(0, offset - number * BLOCK)
                found.append(block[begin : offset + size - number * BLOCK])
            self._ahead(place, (offset + size - 1) // BLOCK, asked=False)
        return found

    def read(
        self, place: int, offset: int, size: int, waits: Callable[[], bool]
    ) -> list[memoryview]:
        """The same, waiting for what has to be fetched. Raises Gone, and Interrupted once `waits()`
        is false."""
        while (found := self.ready(place, offset, size)) is None:
            with self._change:
                if place in self._failed:
                    raise self._failed[place]
                if not waits():
                    raise Interrupted
                missing = False
                for number in range(offset // BLOCK, -(-(offset + size) // BLOCK)):
                    if (place, number) not in self._have:
                        missing = True
                        self._ahead(place, number, asked=True)
                if missing:
                    self._change.wait(1.0)
        return found

    def wake(self) -> None:
        """All that wait look whether they still do."""
        with self._change:
            self._change.notify_all()

    def _ahead(self, place: int, number: int, asked: bool) -> None:
        """What is to be fetched for the block `number` and, where the object is read in order, after it.

        A block that follows those before it doubles how far is read ahead.
        """
        follows, width = self._next.get(place, (0, 1))
        last = -(-self.objects[place][2] // BLOCK)
        if asked and (place, number) not in self._coming:
            in_order = number in (follows, follows - 1)
            width = min(AHEAD, width * 2) if in_order and number else 1
            self._fetch(place, number, min(last, number + width))
            self._next[place] = (min(last, number + width), width)
        elif not asked and width > 1 and 0 <= follows - number <= width // 2 and follows < last:
            width = min(AHEAD, width * 2)
            self._fetch(place, follows, min(last, follows + width))
            self._next[place] = (min(last, follows + width), width)

    def _fetch(self, place: int, begin: int, end: int) -> None:
        """The blocks from `begin` on, before the first that is there or on its way, are on theirs."""
        numbers = []
        for number in range(begin, end):
            if (place, number) in self._have or (place, number) in self._coming:
                break
            numbers.append(number)
        if not numbers:
            return
        self._coming |= {(place, number) for number in numbers}
        threading.Thread(target=self._run, args=(place, numbers), daemon=True).start()

    def _run(self, place: int, numbers: list[int]) -> None:
        bucket, key, size, etag = self.objects[place][:4]
        with self._change:
            reader = self._readers.pop() if self._readers else fetch.Reader(self.role)
        try:
            begin, end = numbers[0] * BLOCK, min(size, (numbers[-1] + 1) * BLOCK)
            filled, held = memoryview(bytearray(min(BLOCK, end - begin))), 0
            left = list(numbers)
            for piece in reader.stream(bucket, key, begin, end, etag):
                while piece:
                    count = min(len(piece), len(filled) - held)
                    filled[held : held + count] = piece[:count]
                    piece, held = piece[count:], held + count
                    if held == len(filled):
                        number = left.pop(0)
                        self._keep(place, number, filled)
                        rest = end - (number + 1) * BLOCK
                        filled, held = memoryview(bytearray(max(0, min(BLOCK, rest)))), 0
        except fetch.Gone as gone:
            self._lose(place, gone)
        except Exception as error:
            self._lose(place, fetch.Gone(f"{type(error).__name__}: {error}"))
        finally:
            with self._change:
                self._coming -= {(place, number) for number in numbers}
                if len(self._readers) < IDLE:
                    self._readers.append(reader)
                    reader = None
                self._change.notify_all()
            if reader is not None:
                reader.close()

    def _keep(self, place: int, number: int, block: memoryview) -> None:
        with self._change:
            self._have[place, number] = block
            self._coming.discard((place, number))
            while len(self._have) > self.kept:
                self._have.popitem(last=False)
            self._change.notify_all()

    def _lose(self, place: int, gone: fetch.Gone) -> None:
        """The object fails whoever reads it from now on."""
        with self._change:
            first = place not in self._failed
            self._failed[place] = gone
        if first:
            self.told(str(gone))
