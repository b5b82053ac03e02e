"""XML documents (rest-xml bodies, query answers) between the wire and dicts, driven by shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from sagebrush.aws.scalars import BadValue, read, write
from sagebrush.aws.shapes import Node
from sagebrush.errors import AwsError, Doc

_MAX_DEPTH = 100
_BODY_ELSEWHERE = ("header", "headers", "statusCode")


def malformed(message: str = "") -> AwsError:
    """The error for a body that is not well-formed XML of its shape."""
    words = (
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
    return AwsError("MalformedXML", f"{words}: {message}" if message else words)


# ---- reading ---------------------------------------------------------------------------------


class _Builder(TreeBuilder):
    """A tree without namespaces, at most _MAX_DEPTH deep."""

    depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise BadValue("nested too deeply")
        return super().start(_local(tag), {_local(k): v for k, v in attrs.items()})

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(_local(tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _refuse(*_: Any) -> None:
    raise BadValue("document type declarations and entities are refused")


def parse(body: bytes) -> Element:
    """The root element of `body`, names without namespaces; raises MalformedXML.

    Document types, and with them entities and their expansion, are refused.
    """
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
        return builder.close()
    except (expat.ExpatError, BadValue, ValueError, LookupError, AssertionError) as error:
        raise malformed(str(error)) from error


def read_xml(node: Node, body: bytes) -> Any:
    """The parameters in an XML body; raises MalformedXML."""
    root = parse(body)
    if node.location == "" and node.root and root.tag != node.root:
        raise malformed(f"expected {node.root}, found {root.tag}")
    try:
        return read_element(node, root)
    except BadValue as error:
        raise malformed(str(error)) from error


def read_element(node: Node, element: Element) -> Any:
    """The value of `node` in `element`; raises BadValue."""
    if node.kind == "structure":
        return _read_structure(node, element)
    if node.kind == "list":
        return [read_element(node.element, child) for child in element]
    if node.kind == "map":
        return _read_map(node, element.iterfind("entry"))
    if len(element):
        raise BadValue(f"{element.tag} should hold text")
    return read(node, element.text or "")


def _read_structure(node: Node, element: Element) -> Doc:
    out: Doc = {}
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(child.tag, []).append(child)
    for name, member in node.members.items():
        if member.attribute:
            text = element.get(member.wire.rpartition(":")[2])
            if text is not None:
                out[name] = text
        elif not member.location:
            found = children.get(member.wire)
            if found is None and member.flattened and member.kind == "list":
                found = children.get(member.item_wire)
            if found:
                out[name] = _read_member(member, found)
    return out


def _read_member(member: Node, found: list[Element]) -> Any:
    if member.flattened and member.kind == "list":
        return [read_element(member.element, child) for child in found]
    if member.flattened and member.kind == "map":
        return _read_map(member, found)
    return read_element(member, found[0])


def _read_map(node: Node, entries: Iterable[Element]) -> Doc:
    out: Doc = {}
    for entry in entries:
        key, value = entry.find(node.key_wire), entry.find(node.item_wire or "value")
        if key is None or value is None:
            raise BadValue(f"{entry.tag} needs a key and a value")
        out[key.text or ""] = read_element(node.element, value)
    return out


# ---- writing ---------------------------------------------------------------------------------


def write_xml(node: Node, value: Any, name: str, namespace: str = "") -> str:
    """The element `name` that carries `value`; members that the shape lacks are left out.

    `namespace` is an `xmlns` attribute for this element, with its leading space.
    """
    out: list[str] = []
    _write(node, value, name, out, namespace)
    return "".join(out)


_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def text(value: str) -> str:
    """`value` escaped for XML; characters that XML cannot hold become U+FFFD."""
    if not _SPECIAL.search(value):
        return value
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\ufffd"), value)


def _write(node: Node, value: Any, name: str, out: list[str], namespace: str = "") -> None:
    kind, opening = node.kind, f"<{name}{namespace or node.namespace}"
    if kind == "string":
        out.append(f"{opening}>{text(str(value))}</{name}>")
    elif kind == "structure":
        _write_structure(node, value, name, opening, out)
    elif kind == "list":
        _write_list(node, value, name, opening, out)
    elif kind == "map":
        _write_map(node, value, name, opening, out)
    else:
        out.append(f"{opening}>{text(write(node, value, 'iso8601'))}</{name}>")


def _write_structure(node: Node, value: Doc, name: str, opening: str, out: list[str]) -> None:
    start = len(out)
    out.append("")  # the opening tag, once its attributes are known
    for key, member in node.members.items():
        item = value.get(key)
        if item is None or member.location in _BODY_ELSEWHERE:
            continue
        if member.attribute:
            shown = text(write(member, item, "iso8601"))
            opening += f' {member.wire}="{shown}"'
        else:
            _write(member, item, member.wire, out)
    out[start] = f"{opening}>"
    out.append(f"</{name}>")


def _write_list(node: Node, value: Any, name: str, opening: str, out: list[str]) -> None:
    element = node.element
    if node.flattened:
        for item in value:
            _write(element, item, node.item_wire or name, out)
        return
    out.append(f"{opening}>")
    for item in value:
        _write(element, item, node.item_wire or "member", out)
    out.append(f"</{name}>")


def _write_map(node: Node, value: Doc, name: str, opening: str, out: list[str]) -> None:
    entry = name if node.flattened else "entry"
    if not node.flattened:
        out.append(f"{opening}>")
    for key, item in value.items():
        out.append(f"<{entry}><{node.key_wire}>{text(str(key))}</{node.key_wire}>")
        _write(node.element, item, node.item_wire or "value", out)
        out.append(f"</{entry}>")
    if not node.flattened:
        out.append(f"</{name}>")
