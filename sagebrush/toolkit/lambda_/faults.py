"""What the Python runtime reports of what went wrong, in the form that Lambda's callers know.

Source: the public runtime interface client for Python of AWS (github.com/aws/
aws-lambda-python-runtime-interface-client), whose words and members these are.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

IMPORT = "Runtime.ImportModuleError"
SYNTAX = "Runtime.UserCodeSyntaxError"
MISSING = "Runtime.HandlerNotFound"
MALFORMED = "Runtime.MalformedHandlerName"
BUILT_IN = "Runtime.BuiltInModuleConflict"
UNMARSHAL = "Runtime.UnmarshalError"
MARSHAL = "Runtime.MarshalError"
CONTEXT = "Runtime.LambdaContextUnmarshalError"
LANGUAGE = "/var/lang"
"""Where the interpreter is in Lambda's environments."""
RUNTIME = "/var/runtime"
"""Where the runtime and its packages are."""
SDK = "/function-runtimes/sdk-"
"""What is in the path of the same on the host (`workload.functions`)."""
_INDENT = "\u00a0"
"""Stands for a space at the start of a line in logs: consoles would strip those."""

Frame = tuple[str, int, str, "str | None"]


class Fault(Exception):
    """A mistake that the runtime itself finds, under Lambda's name for it."""

    def __init__(self, kind: str, message: str, trace: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace


def document(error: BaseException, request_id: str | None = None) -> dict[str, Any]:
    """The error as its invocation's caller sees it."""
    if isinstance(error, Fault):
        return _document(error.message, error.kind, error.trace, request_id)
    trace = traceback.format_list(frames(error.__traceback__))
    return _document(str(error), type(error).__name__, trace, request_id)


def _document(
    message: str, kind: str, trace: Sequence[str] | None, request_id: str | None
) -> dict[str, Any]:
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id or "",
        "stackTrace": list(trace or ()),
    }


def frames(trace: TracebackType | None) -> list[Frame]:
    """The frames from the first that is not the runtime's own; the interpreter's files are where
    Lambda has them."""
    found = [(f.filename, f.lineno or 0, f.name, f.line) for f in traceback.extract_tb(trace)]
    theirs = [n for n, frame in enumerate(found) if "/toolkit/lambda_/" not in frame[0]]
    kept = found[theirs[0] :] if theirs else []
    return [(_place(file), line, name, text) for file, line, name, text in kept]


def printed(error: BaseException) -> str:
    """The error as the interpreter prints it, without the runtime's own frames."""
    found = ["Traceback (most recent call last):\n"]
    found += traceback.format_list(frames(error.__traceback__))
    return "".join([*found, *traceback.format_exception_only(type(error), error)])


def placed(text: str) -> str:
    """`text`, in which the interpreter's files are where Lambda has them."""
    return text.replace(f"{sys.base_prefix}/", f"{LANGUAGE}/")


def _place(file: str) -> str:
    _, ours, rest = file.partition(SDK)
    if ours:
        return f"{RUNTIME}/{rest.partition('/')[2]}"
    for prefix in (sys.prefix, sys.base_prefix):
        if file.startswith(prefix + "/"):
            return LANGUAGE + file[len(prefix) :]
    return file


def xray(error: BaseException) -> str:
    """The header in which Lambda's runtimes describe an error to X-Ray."""
    import os

    found = [] if isinstance(error, Fault) else frames(error.__traceback__)
    kind = "LambdaValidationError" if isinstance(error, Fault) else type(error).__name__
    stack = [{"label": name, "path": file, "line": line} for file, line, name, _ in found]
    return json.dumps(
        {
            "working_directory": os.getcwd(),
            "exceptions": [{"message": str(error), "type": kind, "stack": stack}],
            "paths": list({file for file, *_ in found}),
        }
    )


def told(error: dict[str, Any], as_json: bool) -> str:
    """What the function's log says of the error: one event, whose lines a carriage return divides."""
    if as_json:
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        return json.dumps({"timestamp": stamp, "level": "ERROR", **error}) + "\n"
    first = "[ERROR]"
    if error["errorType"]:
        first += f" {error['errorType']}"
    if error["errorMessage"]:
        first += f"{':' if error['errorType'] else ''} {error['errorMessage']}"
    lines = [*first.splitlines(), "Traceback (most recent call last):"]
    for each in error["stackTrace"]:
        for line in each.splitlines() or [""]:
            bare = line.lstrip(" ")
            lines.append(_INDENT * (len(line) - len(bare)) + bare)
    return "\r".join(lines) + "\n"
