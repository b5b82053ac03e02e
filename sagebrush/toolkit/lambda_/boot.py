"""Begins a Python function: its handler is found, and each of its events is handled.

Two ways in: `Boot`, in a fork of a warm interpreter (`compute.shim.standby`) that has entered
the function's sandbox; and as a program, where the interpreter has to be a new one: a wrapper script
(AWS_LAMBDA_EXEC_WRAPPER) comes first, or libraries of a layer are to be found by the dynamic linker,
which reads LD_LIBRARY_PATH once. Standard library only.
"""

from __future__ import annotations

import atexit
import contextlib
import glob
import importlib
import io
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a program: /var/runtime/sagebrush/toolkit/lambda_/boot.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit.lambda_ import faults, language_data, logs
from sagebrush.toolkit.lambda_.client import Client, Event
from sagebrush.toolkit.lambda_.context import LambdaContext
from sagebrush.toolkit.lambda_.faults import Fault

FAILED_TO_BEGIN = 1
_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
_OURS = "sagebrush"
"""The package of this module, which functions do not see."""
_OFTEN = 20
"""Runs after which CPython has specialised what it can (PEP 659)."""
_MODULE = Path(__file__).with_name("context.py")
"""Is imported as a function's module is, for nobody."""
_GIVEN = (
    b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: -\r\nLambda-Runtime-Deadline-Ms: 0\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
)
"""An event, and what is said to its answer."""


class Boot:
    """What a function is, in a fork of a warm interpreter (`compute.shim.blank.Program`)."""

    def __init__(self) -> None:
        """In the warm interpreter: what runs often enough is made faster by the interpreter, and its
        forks find it so."""
        self._client: Client | None = None
        self.fds: set[int] = set()
        self._source = _MODULE.read_bytes()
        for _ in range(_OFTEN):
            _rehearse(self._source)

    def ready(self, spec: dict[str, Any]) -> None:
        """The Runtime API is connected to, and, where nobody waits, what begins a function and handles an
        event has run once: a fork copies each page of memory when it first writes to it."""
        if runtime := spec["listeners"].get("runtime"):
            self._client = Client("{}:{}".format(*runtime))
            self.fds = {self._client.fileno()}
        sys.stdout = sys.stderr = io.StringIO()
        if not spec["awaited"]:
            _rehearse(self._source)

    def begin(self, spec: dict[str, Any]) -> None:
        """This process is the function that `spec` describes, until it ends. Never returns."""
        code = 1
        try:
            os.environ.clear()
            os.environ.update(spec["env"])
            time.tzset()
            if _needs_a_new_interpreter(os.environ):
                argv = [*filter(None, [os.environ.get(_WRAPPER)]), *spec["argv"]]
                os.execve(argv[0], argv, dict(os.environ))
            sys.argv = ["/var/runtime/bootstrap.py"]
            _signals()
            code = _run(self._client)
        except BaseException:
            with contextlib.suppress(BaseException):  # what it would be printed to may be closed
                traceback.print_exc()
        os._exit(code)


def _signals() -> None:
    """Signals do what they do in an interpreter that has just begun."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Rehearsal(Client):
    """Gives one event and takes its answer, for nobody."""

    def __init__(self) -> None:
        self._address, self._asked, self._unread = "", False, bytearray()
        self._socket, self._other = socket.socketpair()
        self._other.sendall(_GIVEN)

    def close(self) -> None:
        """Both ends are closed."""
        self._socket.close()
        self._other.close()


def _rehearse(source: bytes) -> None:
    """All that begins a function, whose module has that source, and handles an event has run, and
    nothing is left of it."""
    path, before, finders = list(sys.path), set(sys.modules), set(sys.path_importer_cache)
    environ = {"LAMBDA_TASK_ROOT": "/nowhere", "SAGEBRUSH_LAYERS": "/nowhere", "PYTHONPATH": "/"}
    _needs_a_new_interpreter(environ)
    os.environ.update(environ)
    os.environ.clear()
    sys.path[:] = [str(_MODULE.parent), *_paths(environ)[1]]
    _forget(_tops(["/nowhere"]))
    _ours()
    exec(compile(source, "", "exec"), {"__name__": _MODULE.stem})
    with contextlib.suppress(ImportError, OSError):  # the sandbox may have been entered meanwhile
        importlib.import_module(_MODULE.stem)
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    for name in set(sys.path_importer_cache) - finders:
        del sys.path_importer_cache[name]
    logging.getLogger().removeHandler(logs.set_up(False, "", lambda: ""))
    _output(1)
    client = _Rehearsal()
    _handle(client, client.next(), lambda event, context: event, (_encoder(""), False))
    client.close()


def _needs_a_new_interpreter(environ: Mapping[str, str]) -> bool:
    """Whether what is warm does not do."""
    if environ.get(_WRAPPER):
        return True
    root = environ["LAMBDA_TASK_ROOT"]
    layers = environ["SAGEBRUSH_LAYERS"]
    return any(glob.glob(f"{each}/lib/*.so*") for each in (root, layers))


def _run(client: Client | None) -> int:
    """The process's exit status, once it is to end; `client`: where it is connected already."""
    sys.stdout = _output(1)
    sys.stderr = _output(2)
    code = 0
    try:
        _serve(client or Client(os.environ["AWS_LAMBDA_RUNTIME_API"]))
    except SystemExit as ended:
        code = _status(ended)
    except ConnectionError:
        return 1  # the server has ended, and with it this environment
    except KeyboardInterrupt as error:
        sys.stderr.write(faults.printed(error))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        sys.stderr.write(faults.printed(error))
        code = 1
    atexit._run_exitfuncs()
    return code


def _status(ended: SystemExit) -> int:
    """The exit status of `sys.exit`, whose text is printed as the interpreter does."""
    if ended.code is None or isinstance(ended.code, int):
        return (ended.code or 0) & 0xFF
    sys.stderr.write(f"{ended.code}\n")
    return 1


def _output(fd: int) -> io.TextIOWrapper:
    """The function's log: what is written is there at once."""
    return io.TextIOWrapper(
        open(fd, "wb", 0, closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


class _Current:
    """The invocation under way, which log lines name."""

    request_id = ""


def _serve(client: Client) -> None:
    """Handles events until the process is ended; raises SystemExit where it ends itself."""
    environ, current = os.environ, _Current()
    as_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    logs.set_up(as_json, level, lambda: current.request_id)
    _see(environ)
    language_data.install()
    try:
        handler = _handler(environ.get("_HANDLER", ""))
    except Exception as error:
        found = faults.document(error)
        sys.stdout.write(faults.told(found, as_json))
        client.failed_to_begin(found["errorType"], json.dumps(found).encode())
        raise SystemExit(FAILED_TO_BEGIN) from None
    encode = _encoder(environ.get("AWS_EXECUTION_ENV", ""))
    while True:
        event = client.next()
        current.request_id = event.request_id
        _handle(client, event, handler, (encode, as_json))


def _see(environ: os._Environ[str]) -> None:
    """Modules are found where Lambda has them, the function's own before any that is warm."""
    own, sys.path[:] = _paths(environ)
    del environ["SAGEBRUSH_LAYERS"]
    program = f"{faults.LANGUAGE}/bin/{_python()}"
    if sys.prefix == sys.base_prefix and os.path.exists(program):  # else an environment's has more
        sys.executable = program
    _forget(_tops(own))
    for module in _ours():
        del sys.modules[module]


def _paths(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(the folders of the function's own modules, all that modules are looked for in)."""
    root, layers = environ["LAMBDA_TASK_ROOT"], environ["SAGEBRUSH_LAYERS"]
    own = [root, f"{layers}/python/lib/{_python()}/site-packages", f"{layers}/python"]
    given = [each for each in environ.get("PYTHONPATH", "").split(":") if each]
    standard = [each for each in map(_shown, sys.path) if each and each not in (*own, *given)]
    return own, list(dict.fromkeys((*own, *given, *standard)))


def _python() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def _ours() -> list[str]:
    """The modules that functions do not see."""
    return [each for each in sys.modules if each.partition(".")[0] == _OURS]


def _shown(path: str) -> str:
    """The directory of modules as Lambda has it, where it is there."""
    _, ours, _ = path.partition(faults.SDK)
    if ours:
        return faults.RUNTIME if os.path.isdir(faults.RUNTIME) else path
    base = sys.base_prefix + "/"
    there = os.path.isdir(faults.LANGUAGE)
    return f"{faults.LANGUAGE}/{path[len(base) :]}" if there and path.startswith(base) else path


def _tops(folders: Iterable[str]) -> set[str]:
    """The names of modules and packages in the folders."""
    found: set[str] = set()
    for folder in folders:
        try:
            found |= {name.partition(".")[0] for name in os.listdir(folder)}
        except OSError:
            continue
    return found


def _forget(names: set[str]) -> None:
    """Packages that the function brings itself are imported anew; the standard library's stay."""
    mine = {each for each in names if each not in sys.stdlib_module_names} - {_OURS}
    for module in [each for each in sys.modules if each.partition(".")[0] in mine]:
        del sys.modules[module]


def _handler(name: str) -> Callable[[Any, LambdaContext], Any]:
    """The function that `name` (`module.function`) means; raises Fault, and what its module does."""
    try:
        module, function = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault(faults.MALFORMED, f"Bad handler '{name}': {error}") from None
    if module.split(".")[0] in sys.builtin_module_names:
        words = f"Cannot use built-in module {module} as a handler module"
        raise Fault(faults.BUILT_IN, words)
    try:
        found = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        words = f"Unable to import module '{module}': {faults.placed(str(error))}"
        raise Fault(faults.IMPORT, words) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        words = f"Syntax error in module '{module}': {error}"
        raise Fault(faults.SYNTAX, words, trace) from error
    try:
        return getattr(found, function)
    except AttributeError:
        words = f"Handler '{function}' missing on module '{module}'"
        raise Fault(faults.MISSING, words) from None


def _handle(
    client: Client,
    event: Event,
    handler: Callable[[Any, LambdaContext], Any],
    how: tuple[Callable[[Any], str], bool],
) -> None:
    """The event's result, or its error, has been handed over."""
    encode, as_json = how
    _trace(event.headers.get("lambda-runtime-trace-id"))
    try:
        result, kind = _answered(handler(_event(event), _context(event)), encode)
    except Exception as error:
        found = faults.document(error, event.request_id)
        sys.stdout.write(faults.told(found, as_json))
        cause = faults.xray(error)
        client.failed(event.request_id, found["errorType"], json.dumps(found).encode(), cause)
    else:
        client.succeeded(event.request_id, result, kind)


def _trace(given: str | None) -> None:
    if given:
        os.environ["_X_AMZN_TRACE_ID"] = given
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def _event(event: Event) -> Any:
    try:
        return json.loads(event.body)
    except ValueError as error:
        raise Fault(faults.UNMARSHAL, f"Unable to unmarshal input: {error}") from None


def _context(event: Event) -> LambdaContext:
    headers = event.headers
    return LambdaContext(
        event.request_id,
        headers.get("lambda-runtime-invoked-function-arn", ""),
        int(headers["lambda-runtime-deadline-ms"]),
        _parsed(headers.get("lambda-runtime-client-context"), "Client Context"),
        _parsed(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity"),
    )


def _parsed(header: str | None, name: str) -> Any:
    if not header:
        return None
    try:
        # a header's bytes were read as Latin-1
        return json.loads(header.encode("latin-1"))
    except ValueError as error:
        raise Fault(faults.CONTEXT, f"Unable to parse {name} JSON: {error}") from None


def _answered(result: Any, encode: Callable[[Any], str]) -> tuple[bytes, str]:
    """The result's bytes and their type."""
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return encode(result).encode(), "application/json"
    except Exception as error:
        raise Fault(faults.MARSHAL, f"Unable to marshal response: {error}") from None


def _encoder(runtime: str) -> Callable[[Any], str]:
    """JSON as that runtime writes it: from Python 3.12 on in UTF-8 as it is, before that in ASCII;
    decimals are numbers."""
    minor = runtime.rpartition(".")[2]
    ascii_only = minor.isdigit() and int(minor) < 12

    def encode(value: Any) -> str:
        numbers: list[str] = []

        def other(each: Any) -> Any:
            if not isinstance(each, Decimal):
                raise TypeError(f"Object of type {type(each).__name__} is not JSON serializable")
            if each.is_nan():
                return float("nan")
            numbers.append(str(each))
            return f"\0{len(numbers) - 1}\0"

        text = json.dumps(_named(value, set()), default=other, ensure_ascii=ascii_only)
        for place, number in enumerate(numbers):
            text = text.replace(f'"\\u0000{place}\\u0000"', number, 1)
        return text

    return encode


_LEAVES = frozenset((str, int, float, bool, type(None)))


def _named(value: Any, within: set[int]) -> Any:
    """`value` with its named tuples as objects, as AWS's runtime writes them; `within`: the ids of what
    it is in. What is in itself stays so: it is refused later."""
    if type(value) in _LEAVES or id(value) in within or not isinstance(value, (dict, list, tuple)):
        return value
    within.add(id(value))
    try:
        if isinstance(value, dict):
            return {key: _named(each, within) for key, each in value.items()}
        if (members := getattr(value, "_asdict", None)) is not None:
            return _named(members(), within)
        return [_named(each, within) for each in value]
    finally:
        within.discard(id(value))


if __name__ == "__main__":
    code = _run(None)
    sys.stdout.flush()
    os._exit(code)
