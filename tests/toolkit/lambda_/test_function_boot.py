"""The Python runtime of functions: handlers are found, events handled, errors told as AWS's client does."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sagebrush.toolkit.lambda_ import boot, faults, logs
from sagebrush.toolkit.lambda_.client import Client, Event
from sagebrush.toolkit.lambda_.context import LambdaContext
from sagebrush.toolkit.lambda_.faults import Fault

HEADERS = {
    "lambda-runtime-deadline-ms": "9999999999999",
    "lambda-runtime-invoked-function-arn": "a",
}


class Told(Client):
    """Keeps what the Runtime API would have been told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    def succeeded(self, request_id: str, body: bytes, kind: str) -> None:
        self.said.append((request_id, body.decode(), kind))

    def failed(self, request_id: str, error: str, body: bytes, xray: str) -> None:
        self.said.append((request_id, error, body.decode(), xray))


def handled(handler: Callable[[Any, Any], Any], body: bytes = b'{"a": 1}', **more: str) -> Any:
    """What the client was told of one event."""
    client = Told()
    event = Event("id-1", {**HEADERS, **more}, body)
    boot._handle(client, event, handler, (boot._encoder("AWS_Lambda_python3.11"), False))
    (said,) = client.said
    return said


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Makes a module with that text and returns its name; it is forgotten at the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(text: str) -> str:
        made.append(f"handler_module_{len(made)}_{tmp_path.name}".replace("-", "_"))
        (tmp_path / f"{made[-1]}.py").write_text(text)
        return made[-1]

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("import nothing_of_that_name", faults.IMPORT,
         "Unable to import module '{}': No module named 'nothing_of_that_name'"),
        ("x = 1", faults.MISSING, "Handler 'handler' missing on module '{}'"),
        ("def handler(:", faults.SYNTAX, "Syntax error in module '{}': invalid syntax ({}.py, line 1)"),
    ],
)  # fmt: skip
def test_a_handler_that_is_not_there(
    module: Callable[[str], str], text: str, kind: str, message: str
) -> None:
    name = module(text)
    with pytest.raises(Fault) as raised:
        boot._handler(f"{name}.handler")
    assert faults.document(raised.value)["errorType"] == kind
    assert raised.value.message == message.format(name, name)


def test_names_that_are_no_handlers() -> None:
    for name, kind in (("nodot", faults.MALFORMED), ("sys.exit", faults.BUILT_IN)):
        with pytest.raises(Fault) as raised:
            boot._handler(name)
        assert raised.value.kind == kind


def test_an_error_of_the_handler(module: Callable[[str], str]) -> None:
    name = module("def handler(event, context):\n    raise KeyError('x')\n")
    request_id, kind, body, xray = handled(boot._handler(f"{name}.handler"))
    found = json.loads(body)
    assert (request_id, kind) == ("id-1", "KeyError")
    assert list(found) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (found["errorMessage"], found["requestId"]) == ("'x'", "id-1")
    (frame,) = found["stackTrace"]
    assert frame.endswith(", line 2, in handler\n    raise KeyError('x')\n")
    assert json.loads(xray)["exceptions"][0]["type"] == "KeyError"


def test_results_as_json() -> None:
    assert handled(lambda event, context: event)[1:] == ('{"a": 1}', "application/json")
    assert handled(lambda event, context: b"raw")[1:] == ("raw", "application/unknown")
    assert handled(lambda event, context: {"d": Decimal("1.10")})[1] == '{"d": 1.10}'
    error = json.loads(handled(lambda event, context: {1, 2})[2])
    assert error["errorType"] == faults.MARSHAL
    words = "Unable to marshal response: Object of type set is not JSON serializable"
    assert error["errorMessage"] == words
    assert json.loads(handled(lambda event, context: 1, b"{")[2])["errorType"] == faults.UNMARSHAL


def test_named_tuples_are_objects_and_circles_are_refused() -> None:
    point = namedtuple("point", "x y")
    result = handled(lambda event, context: {"p": [point(1, (2, 3))]})[1]
    assert result == '{"p": [{"x": 1, "y": [2, 3]}]}'
    circle: list[Any] = []
    circle.append(circle)
    error = json.loads(handled(lambda event, context: circle)[2])
    assert error["errorMessage"] == "Unable to marshal response: Circular reference detected"


def test_text_is_ascii_before_python_3_12() -> None:
    assert boot._encoder("AWS_Lambda_python3.11")("é") == '"\\u00e9"'
    assert boot._encoder("AWS_Lambda_python3.12")("é") == '"é"'


def test_the_context_has_all_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    seen: list[LambdaContext] = []
    given = json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}})
    more = {"lambda-runtime-client-context": given}
    handled(lambda event, context: seen.append(context), b"{}", **more)
    (context,) = seen
    assert (context.function_name, context.memory_limit_in_mb) == ("f", "128")
    assert context.client_context is not None
    assert context.client_context.custom == {"k": "v"}  # type: ignore[attr-defined]
    assert context.client_context.client.app_title == "t"  # type: ignore[attr-defined]
    assert context.identity.cognito_identity_id is None  # type: ignore[attr-defined]
    assert context.get_remaining_time_in_millis() > 0
    assert repr(context).startswith("LambdaContext([aws_request_id=id-1,")


def test_errors_in_the_log_are_one_event() -> None:
    trace = ['  File "/var/task/f.py", line 2, in h\n    raise E\n']
    told = faults.told({"errorType": "E", "errorMessage": "m", "stackTrace": trace}, False)
    assert told == (
        "[ERROR] E: m\rTraceback (most recent call last):"
        '\r\u00a0\u00a0File "/var/task/f.py", line 2, in h\r\u00a0\u00a0\u00a0\u00a0raise E\n'
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_logging_names_the_request(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    root, out = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging.Formatter, "converter", logging.Formatter.converter)
    monkeypatch.setattr(sys, "stdout", out)
    logs.set_up(as_json, "INFO", lambda: "id-1")
    logging.getLogger("mine").warning("two\nlines", extra={"more": 2})
    (line,) = out.getvalue().splitlines() if as_json else [out.getvalue().rstrip("\n")]
    if as_json:
        found = json.loads(line)
        assert (found["level"], found["message"]) == ("WARNING", "two\nlines")
        assert (found["logger"], found["requestId"], found["more"]) == ("mine", "id-1", 2)
    else:
        level, _, request_id, message = line.split("\t")
        assert (level, request_id, message) == ("[WARNING]", "id-1", "two\rlines")


def test_a_functions_own_packages_come_before_warm_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "six.py").write_text("")
    (tmp_path / "json.py").write_text("")  # the standard library's stays: it is imported already
    modules = {name: sys.modules[name] for name in ("json",)} | {"six": sys, "six.moves": sys}
    monkeypatch.setattr(boot.sys, "modules", modules)
    boot._forget(boot._tops([str(tmp_path), "/not/there"]))
    assert sorted(modules) == ["json"]
