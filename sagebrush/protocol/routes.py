"""HTTP method, path and query -> operation: a trie of URI templates per REST service."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from botocore.model import OperationModel

from sagebrush.aws import models
from sagebrush.errors import AwsError

S3_TWINS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
"""Operations whose requests are the same as another's -> the one that answers them.

The first four are the deprecated forms; directory buckets are listed on a host of their own.
"""


@dataclass(frozen=True)
class Route:
    """One operation at the end of a path: what its query and headers must hold."""

    name: str
    labels: tuple[str, ...]
    """The names of the path's variables, in order."""
    fixed: tuple[tuple[str, str], ...]
    """Query parameters of the template; an empty value stands for any."""
    keys: tuple[str, ...]
    """Required query parameters."""
    headers: tuple[str, ...]
    """Required headers, in lower case."""

    @property
    def weight(self) -> int:
        """How many conditions the request must meet; more go first."""
        return len(self.fixed) + len(self.keys) + len(self.headers)

    def named(self, query: dict[str, str]) -> bool:
        """Whether the query holds the parameters of the template."""
        return all(k in query and (not v or query[k] == v) for k, v in self.fixed)

    def fits(self, query: dict[str, str], headers: Container[str]) -> bool:
        """Whether the request's query and headers meet every condition."""
        return (
            self.named(query)
            and all(k in query for k in self.keys)
            and all(h in headers for h in self.headers)
        )


@dataclass
class Step:
    """A place in the trie: below it literal segments, a variable, or the rest of the path."""

    literal: dict[str, Step] = field(default_factory=dict)
    variable: Step | None = None
    rest: Step | None = None
    plain: list[Route] = field(default_factory=list)
    """Routes that no query parameter marks, heaviest first."""
    marked: dict[str, list[Route]] = field(default_factory=dict)
    """Query parameter -> the routes that need it."""

    def add(self, route: Route) -> None:
        """Makes `route` end here."""
        marks = [k for k, _ in route.fixed[:1]] or route.keys
        for found in [self.marked.setdefault(key, []) for key in marks] or [self.plain]:
            found.append(route)
            found.sort(key=lambda r: r.weight, reverse=True)

    def choose(self, query: dict[str, str], headers: Container[str]) -> Route | None:
        """The heaviest route that fits, or None.

        A request that names a subresource and lacks what that needs is still for it, so that
        `DELETE /bucket?analytics` without an id cannot delete the bucket.
        """
        marked = [r for key in query for r in self.marked.get(key, ())] if self.marked else []
        fitting = [r for r in marked if r.fits(query, headers)]
        if fitting:
            return max(fitting, key=lambda r: r.weight)
        named = [r for r in marked if r.named(query)]
        if named:
            return min(named, key=lambda r: r.weight)
        return next((r for r in self.plain if r.fits(query, headers)), None)


def _required(op: OperationModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    shape: Any = op.input_shape
    keys, headers = [], []
    for name in shape.required_members if shape else ():
        traits = shape.members[name].serialization
        if traits.get("location") == "querystring":
            keys.append(traits["name"])
        elif traits.get("location") == "header":
            headers.append(traits["name"].lower())
    return tuple(keys), tuple(headers)


@cache
def table(service: str) -> dict[str, Step]:
    """Method -> the trie of the service's operations."""
    roots: dict[str, Step] = {}
    for name in models.names(service):
        if service == "s3" and name in S3_TWINS:
            continue
        op = models.model(service).operation_model(name)
        path, _, query = op.http.get("requestUri", "/").partition("?")
        at = roots.setdefault(op.http["method"], Step())
        labels = []
        for segment in path.strip("/").split("/") if path.strip("/") else []:
            label = re.fullmatch(r"\{(\w+)(\+?)\}", segment)
            if not label:
                at = at.literal.setdefault(segment, Step())
                continue
            labels.append(label[1])
            if label[2]:
                at.rest = at.rest or Step()
                at = at.rest
            else:
                at.variable = at.variable or Step()
                at = at.variable
        keys, headers = _required(op)
        fixed = tuple(parse_qsl(query, keep_blank_values=True))
        at.add(Route(name, tuple(labels), fixed, keys, headers if service == "s3" else ()))
    return roots


def match(
    service: str,
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Container[str],
) -> tuple[str, Mapping[str, str]] | None:
    """The operation's name and its path variables, decoded once; None when nothing fits.

    A variable that takes the rest of the path (an S3 key) keeps its slashes, doubled and
    trailing ones included. Raises AwsError InvalidURI when a variable is not UTF-8.
    """
    if service != "s3" and not query:  # then the path alone decides, and is mostly the last one
        return _by_path(service, method, path)
    return _search(service, method, path, dict(query), headers)


@lru_cache(1024)
def _by_path(service: str, method: str, path: str) -> tuple[str, Mapping[str, str]] | None:
    return _search(service, method, path, {}, ())


def _search(
    service: str, method: str, path: str, asked: dict[str, str], headers: Container[str]
) -> tuple[str, Mapping[str, str]] | None:
    root = table(service).get(method)
    if root is None:
        return None
    for step, values in _ends(root, path[1:] if path.startswith("/") else path, ()):
        route = step.choose(asked, headers)
        if route:
            return route.name, {
                label: decode(value) for label, value in zip(route.labels, values, strict=True)
            }
    return None


def _ends(step: Step, path: str, values: tuple[str, ...]) -> Iterable[tuple[Step, tuple[str, ...]]]:
    """Every step at which `path` may end, with its variables; literal segments go first."""
    if not path:
        yield step, values
        return
    segment, _, below = path.partition("/")
    if segment in step.literal:
        yield from _ends(step.literal[segment], below, values)
    if segment and step.variable:
        yield from _ends(step.variable, below, (*values, segment))
    if step.rest:
        yield step.rest, (*values, path)


def decode(text: str) -> str:
    """`text` with its percent-escapes decoded once; raises AwsError InvalidURI."""
    if "%" not in text and text.isascii():
        return text
    try:
        # What the server could not decode it passes on as surrogates.
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError as error:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.") from error
