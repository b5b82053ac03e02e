"""The errors that Lambda itself reports of an environment: documents and names. Pure.

Source: AWS Lambda Developer Guide, "Troubleshoot invocation issues in Lambda".
"""

from __future__ import annotations

import json
import signal

from sagebrush.compute.base import Exited
from sagebrush.routing.functions.lines import TIMED_OUT

EXIT = "Runtime.ExitError"
ENTRY = "Runtime.InvalidEntrypoint"
DIRECTORY = "Runtime.InvalidWorkingDir"
MEMORY = "Runtime.OutOfMemory"
NOWHERE = "executable file not found in $path"
TOO_LARGE = "Function.ResponseSizeTooLarge"
UNREADABLE = "Runtime.Unknown"
_SIGNALS = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
    signal.SIGABRT: "aborted",
    signal.SIGINT: "interrupt",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGILL: "illegal instruction",
    signal.SIGPIPE: "broken pipe",
}
"""Signals in the words of the program that reports them (Go's)."""


def document(kind: str, message: str) -> bytes:
    """The error's document."""
    return json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()


def of_exit(exited: Exited | None) -> tuple[str, str]:
    """(error type, message) of a runtime that ended by itself or was killed."""
    if exited is None or exited.reason == "lost":
        return EXIT, "Runtime exited with error: signal: killed"
    if exited.reason == "oom":
        return MEMORY, "Runtime exited with error: signal: killed"
    if exited.reason.startswith("sandbox"):
        return _unstarted(exited.message)
    if exited.code == 0:
        return EXIT, "Runtime exited without providing a reason"
    if exited.code < 0:
        return EXIT, f"Runtime exited with error: signal: {_signal(-exited.code)}"
    return EXIT, f"Runtime exited with error: exit status {exited.code}"


def _unstarted(message: str) -> tuple[str, str]:
    """The same of a runtime that could not be started; `message` is the shim's."""
    step, _, rest = message.partition(": ")
    why, _, path = rest.rpartition(": ")
    why = f"{why[:1].lower()}{why[1:]}"
    if step == "chdir":
        return DIRECTORY, f"chdir {path}: {why}"
    if step == "exec" and why == NOWHERE:
        return ENTRY, f'exec: "{path}": executable file not found in $PATH'
    if step != "exec" or not path.startswith("/"):
        return "Runtime.Unknown", f"Couldn't start the execution environment: {message}"
    if path.endswith("/bootstrap") and why == "no such file or directory":
        return ENTRY, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    return ENTRY, f"fork/exec {path}: {why}"


def _signal(number: int) -> str:
    known = {each.value: name for each, name in _SIGNALS.items()}
    return known.get(number, f"signal {number}")


def exit_document(request_id: str, kind: str, message: str) -> bytes:
    """What the caller gets where the runtime ended."""
    return document(kind, f"RequestId: {request_id} Error: {message}")


def timeout_document(request_id: str, seconds: float) -> bytes:
    """What the caller gets where the function took too long."""
    words = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return document(TIMED_OUT, words)


def too_large_document(limit: int) -> bytes:
    """What the caller gets where the response is larger than so many bytes."""
    words = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    # in the order and form that AWS answers it
    return json.dumps({"errorMessage": words, "errorType": TOO_LARGE}).encode()


def told(document: bytes) -> tuple[str, str]:
    """(error type, the document as text) of an error's document."""
    text = document.decode(errors="replace")
    try:
        return str(json.loads(text).get("errorType") or UNREADABLE), text
    except (ValueError, AttributeError, RecursionError):
        return UNREADABLE, text
