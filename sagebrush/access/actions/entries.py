"""The parts of a table of actions: permissions, their resources, their condition keys.

An operation needs one or more permissions. Each finds its resources in the request by the names of
members, never by their order, and says which condition keys the request sets for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from sagebrush.errors import Doc
from sagebrush.world import Ctx

Value = str | Sequence[str]
Tags = Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """A resource that a request is about."""

    arn: str
    tags: Callable[[], Tags] | None = None
    """Reads the resource's tags; asked only where a policy wants them."""
    tag_keys: tuple[str, ...] = ()
    """Prefixes of the condition keys that hold its tags, in lower case."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Condition keys that the resource itself gives, in lower case: `s3:versionid`."""
    aliases: tuple[str, ...] = ()
    """ARNs that policies may know it by too: a Deny of one of them holds."""


ANYTHING = Target("*")


class Resource(Protocol):
    """How a request names the resources of a permission."""

    @property
    def kind(self) -> str:
        """The resource type in the Service Authorization Reference; empty for none."""
        ...

    @property
    def members(self) -> tuple[str, ...]:
        """The request's members that name it, as dotted paths."""
        ...

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        """The resources that this request names."""
        ...


class Key(Protocol):
    """A condition key, or a family of them, that a request sets."""

    @property
    def names(self) -> tuple[str, ...]:
        """As in the Service Authorization Reference."""
        ...

    @property
    def members(self) -> tuple[str, ...]: ...

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        """The value of the key `name` (in lower case); None for another key, or for no value."""
        ...


class When(Protocol):
    """Whether a request needs a permission."""

    @property
    def members(self) -> tuple[str, ...]: ...

    def holds(self, ctx: Ctx, params: Doc) -> bool: ...


@dataclass(frozen=True)
class Anything:
    """No resource: policies must name `*`, or the ARN given here."""

    arn: str = "*"
    kind: str = ""
    members: tuple[str, ...] = ()

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        return (Target(self.arn),)


@dataclass(frozen=True)
class Need:
    """One action on one resource that must be allowed, with the condition keys for it."""

    action: str
    target: Target
    keys: tuple[Key, ...] = ()
    part: Doc = field(default_factory=dict)
    """The request, or the part of it that this is about, where the keys' values are."""
    twins: tuple[str, ...] = ()
    """Actions of which a Deny holds too."""

    @property
    def others(self) -> Sequence[tuple[str, str]]:
        """Further (action, ARN) pairs of which a Deny holds for this one too."""
        if not self.twins and not self.target.aliases:
            return ()
        arns = (self.target.arn, *self.target.aliases)
        return [(a, r) for a in (self.action, *self.twins) for r in arns][1:]


@dataclass(frozen=True)
class Permission:
    """An action, the resources that it is about, and its condition keys."""

    action: str
    on: Resource = Anything()
    keys: tuple[Key, ...] = ()
    when: When | None = None
    """Needed only where this holds."""
    versioned: str = ""
    """The action instead, for a resource that is named with a version."""
    twins: tuple[str, ...] = ()
    """Actions of which a Deny holds too."""
    parts: tuple[tuple[str, ...], ...] = ()
    """Lists (each with its sister lists) whose elements are decided on one by one: a condition
    about one training definition must not be met by another's."""
    optional: bool = False
    """Not needed where the request names no such resource."""
    apart: bool = False
    """Each of the `parts` names its own resources."""

    def needs(self, ctx: Ctx, params: Doc) -> Iterator[Need]:
        """What must be allowed for this request."""
        if self.when is not None and not self.when.holds(ctx, params):
            return
        if self.apart:
            one = replace(self, apart=False, parts=())
            for part in one_by_one(params, self.parts):
                yield from one.needs(ctx, part)
            return
        targets = self.on.find(ctx, params) or (() if self.optional else (ANYTHING,))
        for target in targets:
            action, twins = self.action, self.twins
            if self.versioned and "s3:versionid" in target.known:
                # Buckets here have no versions: `null` is the object, and what is denied for it is.
                action, twins = self.versioned, (self.action,)
            for part in one_by_one(params, self.parts) if self.parts else (params,):
                yield Need(action, target, self.keys, part, twins)

    @property
    def members(self) -> tuple[str, ...]:
        """All members of the request that this looks at."""
        found = [*self.on.members, *(self.when.members if self.when else ())]
        found += [member for key in self.keys for member in key.members]
        return (*found, *(path for group in self.parts for path in group))


Entry = tuple[Permission, ...]
Table = Mapping[str, Entry]
"""Operation -> what it needs."""


# Members ------------------------------------------------------------------------------------------


def values_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path of members, through every element of lists on the way."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from values_at(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        yield from values_at(value.get(path[0]), path[1:])


def at(params: Doc, member: str) -> list[Any]:
    """The values at a dotted path."""
    return list(values_at(params, member.split(".")))


def text(value: Any) -> str:
    """A member's value as conditions compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def one_by_one(params: Doc, groups: Sequence[Sequence[str]]) -> list[Doc]:
    """The request once for each element of the lists of each group, with that element alone."""
    found = [params]
    for group in groups:
        found = [part for whole in found for part in _apart(whole, group)]
    return found


def _apart(params: Doc, group: Sequence[str]) -> list[Doc]:
    given = [member for member in group if at(params, member)]
    found = []
    for member in given:
        others = {other.split(".")[0] for other in given if other != member}
        rest = {name: value for name, value in params.items() if name not in others}
        found += _alone(rest, member.split("."))
    return found or [params]


def _alone(doc: Doc, path: Sequence[str]) -> list[Doc]:
    """`doc` once for each element of the list at `path`, which is then the only one in it.

    Elements of lists on the way that have nothing at the path are left out.
    """
    name, rest = path[0], path[1:]
    value = doc.get(name)
    if isinstance(value, list):
        having = [each for each in value if not rest or list(values_at(each, rest))]
        inner = [one for each in having for one in (_alone(each, rest) if rest else [each])]
        return [{**doc, name: [one]} for one in inner]
    if isinstance(value, Mapping) and rest:
        return [{**doc, name: one} for one in _alone(dict(value), rest)]
    return [doc]


# Keys ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """A key whose values are those of members of the request."""

    name: str
    members: tuple[str, ...]
    many: bool = False
    """It is a list (`ArrayOf…` in the reference), of whatever length."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.name.lower():
            return None
        found = [text(value) for member in self.members for value in at(params, member)]
        return found[0] if len(found) == 1 and not self.many else found or None


@dataclass(frozen=True)
class Fixed:
    """A key that has one value for every request of the operation."""

    name: str
    given: str
    members: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        return self.given if name == self.name.lower() else None


@dataclass(frozen=True)
class RequestTags:
    """`aws:RequestTag/…` and `aws:TagKeys` of the tags in a request.

    `member` holds a list of Key and Value, or a map.
    """

    member: str = "Tags"
    one: str = "aws:RequestTag/"
    all: str = "aws:TagKeys"

    @property
    def names(self) -> tuple[str, ...]:
        return (f"{self.one}${{TagKey}}", self.all)

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def tags(self, params: Doc) -> list[tuple[str, str]]:
        """The tags of the request, in order."""
        found: list[tuple[str, str]] = []
        for value in at(params, self.member):
            if isinstance(value, Mapping) and "Key" in value:
                found.append((value["Key"], value.get("Value", "")))
            elif (
                isinstance(value, Mapping) and "key" in value
            ):  # a list's, as Step Functions has it
                found.append((value["key"], value.get("value", "")))
            elif isinstance(value, Mapping):
                found += value.items()
        return found

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name == self.all.lower():
            return [key for key, _ in self.tags(params)] or None
        prefix = self.one.lower()
        return tag_value(self.tags(params), name, prefix) if name.startswith(prefix) else None


def tag_value(tags: Sequence[tuple[str, str]], name: str, prefix: str) -> Value | None:
    """The value of the tag that the condition key `name` (in lower case) is about.

    Keys of conditions know no case: tags that differ in it alone are asked for by one name.
    """
    wanted = name.removeprefix(prefix)
    found = [value for key, value in tags if key.lower() == wanted]
    return found[0] if len(found) == 1 else found or None


@dataclass(frozen=True)
class Given:
    """Holds where the request has a value other than `but` for one of the members."""

    members: tuple[str, ...]
    but: tuple[str, ...] = ()

    @cached_property
    def _heads(self) -> frozenset[str]:
        return frozenset(member.partition(".")[0] for member in self.members)

    def holds(self, ctx: Ctx, params: Doc) -> bool:
        if self._heads.isdisjoint(params):  # most requests have none of them
            return False
        found = (value for member in self.members for value in at(params, member))
        return any(value and value not in self.but for value in found)


def given(*members: str, but: tuple[str, ...] = ()) -> Given:
    """`Given` in short."""
    return Given(members, but)


def key(name: str, *members: str, many: bool = False) -> Member:
    """`Member` in short."""
    return Member(name, members, many)
