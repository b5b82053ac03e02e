"""Which patterns an event matches.

An event is its leaves by path, as aws/event-ruler reads it: a path names no index, so each element of
an array is a value of the array's path, and what one branch asks of several fields must hold within the
same elements of the arrays that those fields share (event-ruler's README, "JSON Array Matching").
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sagebrush.errors import Doc
from sagebrush.patterns.conditions import Branch, Field, Leaf, key

Membership = Mapping[int, int]
"""Number of an array -> index of its element."""
Leaves = Mapping[str, Sequence[tuple[Leaf, Membership]]]
Name = TypeVar("Name", bound=Hashable)
_NONE: Membership = {}


def leaves(event: Doc) -> Leaves:
    """The event's leaves by path. Not recursive: events nest as deeply as JSON can be read."""
    found: dict[str, list[tuple[Leaf, Membership]]] = {}
    arrays = 0
    todo: list[tuple[str, Any, Membership]] = [
        (name, event[name], _NONE) for name in reversed(list(event))
    ]
    while todo:
        path, value, within = todo.pop()
        if isinstance(value, dict):
            todo.extend((f"{path}.{name}", inner, within) for name, inner in value.items())
        elif isinstance(value, list):
            arrays += 1
            number = arrays
            todo.extend((path, inner, {**within, number: at}) for at, inner in enumerate(value))
        else:
            found.setdefault(path, []).append((value, within))
    return found


def matches(branches: Iterable[Branch], event: Leaves) -> bool:
    """Whether one of the branches holds of the event."""
    return any(_holds(branch, event) for branch in branches)


def _holds(branch: Branch, event: Leaves) -> bool:
    candidates: list[list[Membership]] = []
    for path, asked in branch.items():
        values = event.get(path)
        if values is None:
            if not asked.absent:
                return False
            continue
        found = [within for value, within in values if asked.holds(value)]
        if not found:
            return False
        if _NONE not in found:
            candidates.append(found)
    return len(candidates) < 2 or _agree(candidates)


def _agree(candidates: list[list[Membership]]) -> bool:
    """Whether one of each can be chosen so that all are in the same elements of shared arrays."""
    arrays = [{array for within in each for array in within} for each in candidates]
    shared = {a for n, each in enumerate(arrays) for a in each
              if any(a in other for other in arrays[n + 1 :])}  # fmt: skip
    so_far: set[Choice] = {frozenset()}
    steps = 0
    for at, each in enumerate(candidates):
        choices = {frozenset((a, i) for a, i in within.items() if a in shared) for within in each}
        later = set[int]().union(*arrays[at + 1 :])
        lookup = _Lookup(so_far)
        following: set[Choice] = set()
        for choice in choices:
            for before in lookup.near(choice):
                steps += 1
                if steps > MOST_STEPS:
                    return False
                if _fits(before, choice):
                    following.add(frozenset(pair for pair in before | choice if pair[0] in later))
        if not following:
            return False
        so_far = following
    return True


Choice = frozenset[tuple[int, int]]
"""(number of an array, index of its element) that were chosen."""
MOST_STEPS = 200_000
"""Combinations that are tried for one pattern; an event that needs more, which only one made for that
purpose does, does not match."""


class _Lookup:
    """Choices by their elements, so that not every one is compared with every other."""

    def __init__(self, choices: set[Choice]) -> None:
        self._all = choices
        self._by_pair: dict[tuple[int, int], list[Choice]] = {}
        for choice in choices:
            for pair in choice:
                self._by_pair.setdefault(pair, []).append(choice)
        self._without: dict[int, list[Choice]] = {}

    def near(self, choice: Choice) -> Iterator[Choice]:
        """Those that may fit: all in the same element of the outermost array, or not in that array."""
        if not choice:
            yield from self._all
            return
        pair = min(choice)
        yield from self._by_pair.get(pair, ())
        if pair[0] not in self._without:
            self._without[pair[0]] = [
                each for each in self._all if all(a != pair[0] for a, _ in each)
            ]
        yield from self._without[pair[0]]


def _fits(before: Choice, choice: Choice) -> bool:
    chosen = dict(before)
    return all(chosen.get(array, index) == index for array, index in choice)


@dataclass
class Index(Generic[Name]):
    """Many patterns, of which an event asks only those that its own values lead to.

    A branch that names the values of some field (`source`, mostly) is looked up by them; the others
    are tried one by one.
    """

    _keyed: dict[str, dict[Hashable, list[tuple[Name, Branch]]]] = field(default_factory=dict)
    _others: list[tuple[Name, Branch]] = field(default_factory=list)

    @staticmethod
    def of(patterns: Mapping[Name, Sequence[Branch]]) -> Index[Name]:
        """The index of these patterns by their names."""
        made: Index[Name] = Index()
        values: dict[str, set[Hashable]] = {}
        for branches in patterns.values():
            for branch in branches:
                for path, asked in branch.items():
                    if _plain(asked):
                        values.setdefault(path, set()).update(asked.keys)
        for name, branches in patterns.items():
            for branch in branches:
                made._add(name, branch, values)
        return made

    def _add(self, name: Name, branch: Branch, values: Mapping[str, set[Hashable]]) -> None:
        paths = [path for path, asked in branch.items() if _plain(asked)]
        if not paths:
            self._others.append((name, branch))
            return
        path = max(paths, key=lambda each: len(values[each]))  # tells most patterns apart
        table = self._keyed.setdefault(path, {})
        for value in branch[path].keys:
            table.setdefault(value, []).append((name, branch))

    def matching(self, event: Leaves) -> set[Name]:
        """The names of the patterns that the event matches."""
        found: set[Name] = set()
        for path, table in self._keyed.items():
            for value in {key(value) for value, _ in event.get(path, ())}:
                self._try(table.get(value, ()), event, found)
        self._try(self._others, event, found)
        return found

    @staticmethod
    def _try(tried: Iterable[tuple[Name, Branch]], event: Leaves, found: set[Name]) -> None:
        for name, branch in tried:
            if name not in found and _holds(branch, event):
                found.add(name)


def _plain(asked: Field) -> bool:
    """Whether the field must have one of some values."""
    return bool(asked.keys) and not asked.conditions and not asked.absent
