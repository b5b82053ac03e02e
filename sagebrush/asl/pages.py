"""Large values lie in pages beside the position, so that a step writes what is new and no more.

A line of the position holds its state's input, the output of a branch that ended, and its variables.
While the large ones among these are small together, they are in the line itself; else the line has the
key of a page instead. A value that several lines have (what a Parallel gives to its branches) is one
page, and one that a later step hands on stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sagebrush.asl.steps import Pages
from sagebrush.errors import Doc

LARGE = 512
"""Characters from which on a value may lie in a page."""
TOGETHER = 8_192
"""Characters that such values of a position may have together until they do."""
MEMBERS = (
    ("input", "paged", "weight"),
    ("output", "paged", "weight"),
    ("variables", "held", "held_weight"),
)
"""Members of a line: that of a value, that of its page's key, that of its characters where it is large."""


class Values:
    """The pages of a step in the making: those that were stored before, and those that it makes."""

    def __init__(self, position: Doc, stored: Pages) -> None:
        self.made: dict[str, Any] = {}
        self.dropped: list[str] = []
        self._stored = stored
        self._read: dict[str, Any] = {}
        self._before = set(_keys(position)) if "pages" in position else set[str]()

    def get(self, key: str) -> Any:
        """The value of a page."""
        if key in self.made:
            return self.made[key]
        if key not in self._read:
            self._read[key] = self._stored.read(key)
        return self._read[key]

    def of(self, frame: Doc, name: str) -> Any:
        """A member of a line: `input`, `output` or `variables`; None where there is none."""
        page = "held" if name == "variables" else "paged"
        return self.get(frame[page]) if page in frame else frame.get(name)

    def drop(self, prefix: str) -> None:
        """Nothing will read the pages under the prefix."""
        for key in [key for key in self.made if key.startswith(prefix)]:
            del self.made[key]
        self.dropped.append(prefix)

    def settle(self, position: Doc, length: Callable[[Any], int]) -> None:
        """The position is as it is to be stored. `length`: the characters of a value that is new in
        this step; 0 for others."""
        inline = list(_inline(position, length))
        if sum(frame[weight] for frame, _, _, weight in inline) > TOGETHER:
            keys = {id(value): key for key, value in self._read.items() if key in self._before}
            for frame, name, page, _ in inline:
                value = frame[name]
                if id(value) not in keys:
                    number = position["pages"] = position.get("pages", 0) + 1
                    keys[id(value)] = key = f"={number}/"
                    self.made[key] = value
                frame[page] = keys[id(value)]
                if name == "output":  # whose presence tells that the branch has ended
                    frame[name] = None
                else:
                    del frame[name]
        if self._before:
            for key in sorted(self._before.difference(_keys(position))):
                self.drop(key)


def _inline(position: Doc, length: Callable[[Any], int]) -> Iterator[tuple[Doc, str, str, str]]:
    """The large values that are in lines: the line, and the members' names."""
    for frame in _frames(position):
        for name, page, weight in MEMBERS:
            if name not in frame or page in frame:
                continue
            size = length(frame[name])
            if size >= LARGE:
                frame[weight] = size
            if weight in frame:
                yield frame, name, page, weight


def _keys(position: Doc) -> Iterator[str]:
    """The pages that lines of the position have."""
    for frame in _frames(position):
        for page in ("paged", "held"):
            if page in frame:
                yield frame[page]


def _frames(position: Doc) -> Iterator[Doc]:
    """The lines of the position, and of the one that a redrive goes on from."""
    left = [position["root"]]
    if "failed" in position:
        left.append(position["failed"])
    while left:
        frame = left.pop()
        yield frame
        left += frame.get("branches", ())
        if "map" in frame:
            left += frame["map"]["running"].values()
