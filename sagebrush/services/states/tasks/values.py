"""Parameters of Task states as operations take them, and operations' answers as states get them.

Numbers, texts, times and bytes of JSON against the shapes of botocore's models. As recorded: any
value where an operation takes text or bytes is written as JSON (S3's Body in quotes), a body that
comes back is text (localstack test_aws_sdk_task_service, `test_s3_put_object`, `test_s3_get_object`),
members are in alphabetical order, and a body is last.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

from sagebrush.asl.values import PAYLOAD_LIMIT, is_number, write
from sagebrush.aws import scalars
from sagebrush.aws.shapes import Node
from sagebrush.errors import Doc
from sagebrush.store.objects import Blob

Named = Callable[[str], str]
"""A member of a model -> what states call it."""
NUMBERS = ("integer", "long", "float", "double")
WRONG_FORMAT = "The value of the field '{}' has an invalid format"
UNKNOWN = "The field '{}' is not supported by Step Functions"


class Unfit(Exception):
    """Parameters that no request can be made of; `problems` in AWS's words."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def request_of(node: Node | None, given: Any, named: Named) -> Doc:
    """The request that parameters make; members that are null are left out. Raises Unfit."""
    if given is not None and not isinstance(given, dict):
        raise Unfit("Parameters must be a JSON object")
    if node is None:
        return {}
    return _structure(node, given or {}, named)


def _structure(node: Node, given: Doc, named: Named) -> Doc:
    known = {named(name): name for name in node.members}
    made: Doc = {}
    for key, value in given.items():
        name = known.get(key)
        if name is None:
            raise Unfit(UNKNOWN.format(key))
        if value is not None:
            made[name] = _read(node.members[name], value, key, named)
    return made


def _read(node: Node, value: Any, field: str, named: Named) -> Any:
    kind = node.kind
    if kind == "structure":
        return _structure(node, _of(dict, value, field), named)
    if kind == "list":
        return [_read(node.element, each, field, named) for each in _of(list, value, field)]
    if kind == "map":
        found = _of(dict, value, field)
        return {key: _read(node.element, each, field, named) for key, each in found.items()}
    if kind == "blob":
        return write(value).encode()
    if kind == "string":
        return value if isinstance(value, str) else write(value)
    if kind == "boolean":
        return _of(bool, value, field)
    if kind in NUMBERS:
        return _number(kind, value, field)
    if kind == "timestamp":
        return _time(value, field)
    return value


def _of(wanted: type, value: Any, field: str) -> Any:
    if not isinstance(value, wanted):
        raise Unfit(WRONG_FORMAT.format(field))
    return value


def _number(kind: str, value: Any, field: str) -> int | float:
    if not is_number(value) or (kind in ("integer", "long") and value != int(value)):
        raise Unfit(WRONG_FORMAT.format(field))
    return int(value) if kind in ("integer", "long") else value


def _time(value: Any, field: str) -> dt.datetime:
    try:
        return scalars.time(value if isinstance(value, str) else write(value))
    except scalars.BadValue:
        raise Unfit(WRONG_FORMAT.format(field)) from None


Times = Callable[[Any], Any]
"""How times are written."""


def instant(value: Any) -> str:
    """A time as `aws-sdk:` results have it: ISO 8601, with milliseconds where there are any."""
    moment = scalars.moment(value)
    return moment.isoformat(timespec="milliseconds")[:23].removesuffix(".000") + "Z"


def milliseconds(value: Any) -> int:
    """A time as optimised integrations have it: milliseconds since 1970 (recorded outputs)."""
    return round(scalars.moment(value).timestamp() * 1000)


def result_of(
    node: Node | None, answer: Doc, named: Named, times: Times, in_order: bool = True
) -> Doc:
    """The result that an answer makes: the members of its shape that have a value, in alphabetical
    order, or in the model's where not `in_order`."""
    if node is None:
        return {}
    made = {
        named(name): _written(member, answer[name], named, times, in_order)
        for name, member in node.members.items()
        if answer.get(name) is not None and not member.event_stream
    }
    if not in_order:
        return made
    bodies = {named(name) for name, member in node.members.items() if member.streaming}
    return {key: made[key] for key in sorted(made, key=lambda key: (key in bodies, key))}


def _written(node: Node, value: Any, named: Named, times: Times, in_order: bool) -> Any:
    kind = node.kind
    if kind == "structure":
        return result_of(node, value, named, times, in_order)
    if kind == "list":
        return [_written(node.element, each, named, times, in_order) for each in value]
    if kind == "map":
        return {
            key: _written(node.element, each, named, times, in_order) for key, each in value.items()
        }
    if kind == "timestamp":
        return times(value)
    if kind == "blob":
        return text_of(bytes_of(value))
    if kind in ("float", "double"):
        return scalars.float_text(value)
    return value


class TooLarge(Exception):
    """A body is larger than any output may be; it is not read."""


def bytes_of(value: Any) -> bytes:
    """The bytes of a body. Raises TooLarge."""
    if not isinstance(value, Blob):
        return scalars.raw(value)
    try:
        if value.length > PAYLOAD_LIMIT:
            raise TooLarge
        return value.read()
    finally:
        value.release()


def text_of(data: bytes) -> str:
    """Bytes as a state can hold them: text, or base64 of what is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
