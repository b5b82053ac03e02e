"""AWS's query protocol: flattened `A.member.1.B=value` forms as parameters."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from sagebrush.aws.scalars import BadValue, read
from sagebrush.aws.shapes import Node
from sagebrush.errors import AwsError, Doc

Tree = dict[str, Any]
"""Nested by the dots of the form's names; a value itself is under ""."""

_MAX_DEPTH = 60
_MAX_FIELDS = 50_000


def malformed(message: str) -> AwsError:
    """The error for a form that is not what its shape says."""
    return AwsError("MalformedInput", message)


def fields(body: bytes) -> list[tuple[str, str]]:
    """The decoded fields of a form body; raises MalformedInput."""
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise malformed(f"The form could not be decoded: {error}") from error


def read_form(node: Node, form: list[tuple[str, str]]) -> Doc:
    """The parameters in `form`; raises MalformedInput."""
    try:
        return _structure(node, _tree(form)) or {}
    except BadValue as error:
        raise malformed(str(error)) from error


def _tree(form: list[tuple[str, str]]) -> Tree:
    root: Tree = {}
    for name, value in form:
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH:
            raise BadValue("The form is nested too deeply")
        if "" in parts:
            continue  # names no member
        at = root
        for part in parts:
            at = at.setdefault(part, {})
        at[""] = value
    return root


def _value(node: Node, tree: Tree) -> Any:
    if node.kind == "structure":
        return _structure(node, tree)
    if node.kind == "list":
        return _list(node, tree if node.flattened else tree.get(node.item_wire or "member", {}))
    if node.kind == "map":
        return _map(node, tree if node.flattened else tree.get("entry", {}))
    return read(node, tree[""]) if "" in tree else None


def _structure(node: Node, tree: Tree) -> Doc | None:
    out: Doc = {}
    for name, member in node.members.items():
        below = tree.get(member.wire)
        if below is None and member.flattened and member.kind == "list":
            below = tree.get(member.item_wire)
        if below is None:
            continue
        if member.kind == "list" and below.get("") == "":
            out[name] = []
        elif (value := _value(member, below)) is not None:
            out[name] = value
    return out


def _numbered(tree: Tree) -> list[Tree]:
    """The entries `1`, `2` … in order; gaps are closed, as AWS does."""
    found = [(int(key), below) for key, below in tree.items() if key.isdecimal() and len(key) < 10]
    return [below for _, below in sorted(found, key=lambda pair: pair[0])]


def _list(node: Node, tree: Tree) -> list[Any]:
    return [_value(node.element, below) for below in _numbered(tree)]


def _map(node: Node, tree: Tree) -> Doc:
    out: Doc = {}
    for entry in _numbered(tree):
        key = entry.get(node.key_wire, {}).get("")
        if key is None:
            raise BadValue("A map entry has no key")
        out[key] = _value(node.element, entry.get(node.item_wire or "value", {}))
    return out
