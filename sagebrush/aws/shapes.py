"""botocore's shapes, converted once into nodes that are read without property lookups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.model import OperationModel, Shape

_CONSTRAINTS = frozenset({"min", "max", "pattern", "enum"})


@dataclass(eq=False, slots=True)
class Node:
    """One shape in one place of a model: its kind, its name on the wire and its traits.

    `kind` is botocore's type name, with `document` for free JSON and `jsonvalue` for JSON text in
    base64. `location` is where a REST member travels ("" = the body). Nodes of recursive shapes
    refer to themselves.
    """

    kind: str
    shape: str
    wire: str
    location: str = ""
    time_format: str = ""
    flattened: bool = False
    attribute: bool = False
    namespace: str = ""
    """XML: the `xmlns` attribute to write, with its leading space."""
    root: str = ""
    """XML: the locationName or resultWrapper of the shape itself."""
    payload: str = ""
    streaming: bool = False
    event_stream: bool = False
    event: str = ""
    """`payload` or `header` for a member of an event."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    enum: frozenset[str] = frozenset()
    """The values that a string may take; empty for any."""
    constrained: bool = False
    """Whether `min`, `max`, `pattern` or `enum` limits its values."""
    required: tuple[str, ...] = ()
    members: dict[str, Node] = field(default_factory=dict)
    by_wire: dict[str, tuple[str, Node]] = field(default_factory=dict)
    item: Node | None = None
    key: Node | None = None
    value: Node | None = None

    @property
    def element(self) -> Node:
        """The item of a list, or the value of a map."""
        found = self.item or self.value
        if found is None:
            raise TypeError(f"{self.shape} ({self.kind}) has no elements")
        return found

    @property
    def key_wire(self) -> str:
        """The name of a map's keys on the wire."""
        return self.key.root if self.key and self.key.root else "key"

    @property
    def item_wire(self) -> str:
        """The name on the wire of a list's or map's elements, or ""."""
        return self.element.root


def _kind(shape: Any) -> str:
    if getattr(shape, "is_document_type", False):
        return "document"
    if shape.serialization.get("jsonvalue"):
        return "jsonvalue"
    return "string" if shape.type_name == "char" else shape.type_name


def _namespace(traits: Mapping[str, Any]) -> str:
    found = traits.get("xmlNamespace")
    if not found:
        return ""
    prefix = f":{found['prefix']}" if found.get("prefix") else ""
    return f' xmlns{prefix}="{found["uri"]}"'


class _Builder:
    """Builds the nodes of one operation's input or output; recurring shapes share nodes."""

    def __init__(self) -> None:
        self.seen: dict[str, Node] = {}

    def node(self, shape: Any, wire: str) -> Node:
        traits = shape.serialization
        identity = json.dumps([shape.name, wire, shape.metadata, traits], default=str)
        if identity in self.seen:
            return self.seen[identity]
        node = self.seen[identity] = Node(
            kind=_kind(shape),
            shape=shape.name,
            wire=traits.get("name", wire),
            location=traits.get("location", ""),
            time_format=traits.get("timestampFormat", ""),
            flattened=bool(traits.get("flattened")),
            attribute=bool(traits.get("xmlAttribute")),
            namespace=_namespace(traits),
            root=traits.get("resultWrapper", "") or traits.get("name", ""),
            payload=traits.get("payload", ""),
            streaming=bool(traits.get("streaming")) or bool(shape.metadata.get("streaming")),
            event_stream=bool(traits.get("eventstream")),
            event="payload" if traits.get("eventpayload") else "",
            metadata=dict(shape.metadata),
            enum=frozenset(shape.metadata.get("enum", ())),
            constrained=not _CONSTRAINTS.isdisjoint(shape.metadata),
        )
        if traits.get("eventheader"):
            node.event = "header"
        self._fill(node, shape)
        return node

    def _fill(self, node: Node, shape: Any) -> None:
        if node.kind == "structure":
            node.required = tuple(shape.required_members)
            for name, member in shape.members.items():
                child = node.members[name] = self.node(member, name)
                node.by_wire[child.wire] = (name, child)
        elif node.kind == "list":
            node.item = self.node(shape.member, "member")
        elif node.kind == "map":
            node.key = self.node(shape.key, "key")
            node.value = self.node(shape.value, "value")


@cache
def input_of(op: OperationModel) -> Node | None:
    """The node of the operation's input, or None where it has none."""
    shape: Any = op.input_shape
    return of(shape)


@cache
def output_of(op: OperationModel) -> Node | None:
    """The node of the operation's output, or None where it has none."""
    shape: Any = op.output_shape
    return of(shape)


def of(shape: Shape | None) -> Node | None:
    """A new node of `shape`, to be kept by the caller."""
    return None if shape is None else _Builder().node(shape, shape.name)
