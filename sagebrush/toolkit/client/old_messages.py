"""Protocol buffers' modules that protoc before 3.19 made, under protobuf's packages of today.

Such a module makes descriptors of its messages one by one, which protobuf's compiled part refuses and
its Python part takes without their maps; AWS's notebook on translation brings a `record_pb2.py` of
2018. The module also holds the whole file as protoc wrote it (`serialized_pb`): today's builder, which
later protocs' modules call, makes the same names of that. Standard library, and protobuf.
"""

from __future__ import annotations

import ast
import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLD = b"_descriptor.FieldDescriptor("
"""In every old module whose messages have a field, in no later one."""


def is_old(source: str | None) -> bool:
    """Whether the module in that file was made by a protoc before 3.19."""
    try:
        with open(source or "", "rb") as file:
            return OLD in file.read()
    except OSError:
        return False


def load(module: Any, inner: Any) -> None:
    """The module has its messages, enumerations and DESCRIPTOR; `inner` is its own loader, which runs
    it where protobuf is older than the builder (3.20), and takes such modules."""
    with open(module.__spec__.origin, "rb") as file:
        tree = ast.parse(file.read())
    serialized = _serialized(tree)
    try:
        builder: Any = importlib.import_module("google.protobuf.internal.builder")
    except ImportError:
        builder = None
    if builder is None or serialized is None:
        inner.exec_module(module)
        return
    names = vars(module)
    exec(
        compile(_imports(tree), module.__spec__.origin, "exec"), names
    )  # what its messages refer to
    pool: Any = importlib.import_module("google.protobuf.descriptor_pool")
    names["DESCRIPTOR"] = pool.Default().AddSerializedFile(serialized)
    builder.BuildMessageAndEnumDescriptors(names["DESCRIPTOR"], names)
    builder.BuildTopDescriptorsAndMessages(names["DESCRIPTOR"], module.__name__, names)


def _serialized(tree: ast.Module) -> bytes | None:
    """What the module says of its whole file: b'…', or _b('…') in modules for Python 2, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            value = node.value
            if isinstance(value, ast.Call) and len(value.args) == 1:
                value = value.args[0]
            if isinstance(value, ast.Constant):
                found = value.value
                return found.encode("latin1") if isinstance(found, str) else found  # type: ignore[return-value]
    return None


def _imports(tree: ast.Module) -> ast.Module:
    """The module's imports of other modules of messages."""
    found = [
        node
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and any(
            name.endswith("_pb2")
            for name in (getattr(node, "module", None) or "", *(each.name for each in node.names))
        )
    ]
    return ast.Module(body=list(found), type_ignores=[])
