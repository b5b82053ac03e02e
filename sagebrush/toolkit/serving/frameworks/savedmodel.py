"""Models as TensorFlow Serving has them: loaded by version, called by JSON, over HTTP if needed.

Besides SavedModels, a `.keras` or `.h5` file in the model directory is served by Keras, which AWS
does not offer.
TensorFlow is imported when models are loaded.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sagebrush.toolkit.serving.handler import NoHandler

DEFAULT_SIGNATURE = "serving_default"
KERAS = (".keras", ".h5", ".hdf5")


class Asked(Protocol):
    """The model, version and method of a request."""

    @property
    def model(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def method(self) -> str: ...


class Refused(Exception):
    """The request cannot be answered; `status` and the text are TensorFlow Serving's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Models:
    """Name -> version -> model, and the name that is used when none is given."""

    found: Mapping[str, Mapping[int, Any]]
    default: str

    @staticmethod
    def load(folder: Path) -> Models:
        """Every model below `folder`, loaded; raises NoHandler where there is none."""
        places = _saved_models(folder)
        found: dict[str, dict[int, Any]] = {}
        for path in places:
            versions = found.setdefault(path.parent.name, {})
            versions[int(path.name)] = SavedModel(path)
        if not found:
            files = sorted(p for p in folder.iterdir() if p.suffix in KERAS)
            for file in files:
                found[file.stem] = {1: KerasModel(file)}
        if not found:
            raise NoHandler(_none(folder))
        named = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME")
        if named and named not in found:
            raise NoHandler(
                f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME {named}: there are {', '.join(sorted(found))}"
            )
        return Models(found, named or next(iter(found)))

    def ask(self, asked: Asked, body: Any) -> tuple[int, bytes]:
        """(status, JSON) that TensorFlow Serving answers to `body`."""
        try:
            if asked.method != "predict":
                raise Refused(
                    f"The method {asked.method} needs serialised tf.Example records and is not"
                    " served here: use predict"
                )
            told = self._version(asked).predict(_parsed(body))
            return 200, json.dumps(told, default=_plain).encode()
        except Refused as error:
            return error.status, json.dumps({"error": str(error)[:2000]}).encode()
        except Exception as error:  # the model's own error: the caller still gets an answer
            traceback.print_exc()
            sys.stderr.flush()
            return 500, json.dumps({"error": str(error)[:2000]}).encode()

    def _version(self, asked: Asked) -> Any:
        versions = self.found.get(asked.model)
        if not versions:
            raise Refused(f"Servable not found for request: Latest({asked.model})", 404)
        if asked.version is None:
            return versions[max(versions)]
        number = int(asked.version) if asked.version.isdigit() else -1
        if number not in versions:
            raise Refused(
                f"Servable not found for request: Specific({asked.model}, {asked.version})", 404
            )
        return versions[number]


def _saved_models(folder: Path) -> list[Path]:
    """The version directories, in order: those with a number as name and saved_model.pb inside."""
    found = (path.parent for path in folder.rglob("saved_model.pb"))
    return sorted((p for p in found if p.name.isdigit()), key=lambda p: (p.parent, int(p.name)))


def _none(folder: Path) -> str:
    astray = [str(path.parent) for path in folder.rglob("saved_model.pb")]
    if astray:
        return (
            f"no SavedModel bundles found! {astray[0]} holds one, but TensorFlow Serving wants it"
            f" in a directory with a number as its name: {folder}/1/saved_model.pb"
        )
    return (
        f"no SavedModel bundles found! {folder} must hold <version>/saved_model.pb or"
        " <name>/<version>/saved_model.pb (model.export('…/1') of Keras 3 writes one), or a .keras"
        " or .h5 file"
    )


class _Served:
    """What SavedModels and Keras's have in common: JSON to tensors and back."""

    def call(self, signature: str, values: Any, rows: bool) -> dict[str, Any]:
        """Output name -> array."""
        raise NotImplementedError

    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """TensorFlow Serving's answer in rows or in columns. Raises Refused."""
        signature = request.get("signature_name") or DEFAULT_SIGNATURE
        if "instances" in request:
            given = request["instances"]
            if not isinstance(given, list) or not given:
                raise Refused("Request data JSON object 'instances' must be a non-empty list")
            told = self.call(signature, _decoded(_columns(given)), True)
            return {"predictions": _rows(told, len(given))}
        if "inputs" in request:
            told = self.call(signature, _decoded(request["inputs"]), False)
            values = {name: _encoded(name, value) for name, value in told.items()}
            return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
        raise Refused("Missing 'inputs' or 'instances' key")


class SavedModel(_Served):
    """A SavedModel and its signatures."""

    def __init__(self, path: Path) -> None:
        """The model is loaded; raises what TensorFlow raises."""
        import tensorflow  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

        self._tf = tensorflow
        self._model = tensorflow.saved_model.load(str(path))

    def call(self, signature: str, values: Any, rows: bool) -> dict[str, Any]:
        """Output name -> array, of one call for all instances."""
        function = self._model.signatures.get(signature)
        if function is None:
            known = ", ".join(sorted(self._model.signatures))
            raise Refused(f'Serving signature name: "{signature}" not found; there are: {known}')
        wanted = function.structured_input_signature[1]
        given = _by_name(values, list(wanted))
        tensors = {}
        for name, spec in wanted.items():
            tensors[name] = _tensor(self._tf, name, given[name], spec.dtype)
        try:
            return {name: value.numpy() for name, value in function(**tensors).items()}
        except (self._tf.errors.OpError, TypeError, ValueError) as error:
            raise Refused(str(error)) from error


class KerasModel(_Served):
    """A model in Keras's own file."""

    def __init__(self, file: Path) -> None:
        """The model is loaded; raises what Keras raises."""
        import keras  # pyright: ignore[reportMissingImports]
        import tensorflow  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

        self._tf = tensorflow
        self._model = keras.models.load_model(file, compile=False)

    def call(self, signature: str, values: Any, rows: bool) -> dict[str, Any]:
        """Output name -> array; Keras knows one signature."""
        if signature != DEFAULT_SIGNATURE:
            raise Refused(f'Serving signature name: "{signature}" not found in a Keras model')
        wanted = {each.name: each.dtype for each in self._model.inputs}
        given = _by_name(values, list(wanted))
        tensors = [_tensor(self._tf, n, given[n], dtype) for n, dtype in wanted.items()]
        try:
            told = self._model(tensors if len(tensors) > 1 else tensors[0], training=False)
        except (self._tf.errors.OpError, TypeError, ValueError) as error:
            raise Refused(str(error)) from error
        if isinstance(told, dict):
            return {name: value.numpy() for name, value in told.items()}
        parts = told if isinstance(told, (list, tuple)) else [told]
        # The names that Keras gives them in a SavedModel.
        return {f"output_{at}": part.numpy() for at, part in enumerate(parts)}


def _parsed(body: Any) -> Mapping[str, Any]:
    """The request as JSON. Raises Refused."""
    try:
        request = json.loads(body)
    except (ValueError, TypeError) as error:
        raise Refused(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise Refused("Request JSON must be an object with 'instances' or 'inputs'")
    return request


def _columns(instances: list[Any]) -> Any:
    """Rows as columns: a list, or name -> list where the instances name their inputs."""
    first = instances[0]
    if not isinstance(first, dict) or set(first) == {"b64"}:
        return instances
    if any(not isinstance(each, dict) or each.keys() != first.keys() for each in instances):
        raise Refused("Failed to process element: instances must all name the same inputs")
    return {name: [each[name] for each in instances] for name in first}


def _by_name(values: Any, names: list[str]) -> dict[str, Any]:
    """Input name -> value. Raises Refused where names are missing or unknown."""
    if not isinstance(values, dict):
        if len(names) != 1:
            raise Refused(
                f"This signature has several inputs, name each: {', '.join(sorted(names))}"
            )
        return {names[0]: values}
    if set(values) != set(names):
        raise Refused(
            f"Expected the inputs {', '.join(sorted(names))}, got {', '.join(sorted(values))}"
        )
    return values


def _tensor(tf: Any, name: str, value: Any, dtype: Any) -> Any:
    try:
        return tf.constant(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise Refused(f"input {name} is no tensor of {tf.as_dtype(dtype).name}: {error}") from error


def _decoded(value: Any) -> Any:
    """`value` with every {"b64": …} as bytes."""
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (ValueError, TypeError) as error:
                raise Refused(f"Unable to base64 decode: {error}") from error
        return {name: _decoded(each) for name, each in value.items()}
    return value


def _rows(told: Mapping[str, Any], count: int) -> list[Any]:
    """One value an instance, an object where there are several outputs. Raises Refused."""
    columns = {name: _encoded(name, value) for name, value in told.items()}
    for name, values in columns.items():
        if not isinstance(values, list) or len(values) != count:
            raise Refused(f"Tensor name: {name} has no batch dimension of {count}: ask by 'inputs'")
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [{name: values[at] for name, values in columns.items()} for at in range(count)]


def _encoded(name: str, value: Any) -> Any:
    """An output for JSON: bytes as text, or as {"b64": …} where the name ends in `_bytes`."""
    return _text(value.tolist(), name.endswith("_bytes"))


def _text(value: Any, binary: bool) -> Any:
    if isinstance(value, list):
        return [_text(each, binary) for each in value]
    if isinstance(value, bytes):
        if binary:
            return {"b64": base64.b64encode(value).decode()}
        return value.decode(errors="replace")
    return value


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


# ---- over HTTP, for scripts that call context.rest_uri themselves


def listen(models: Models) -> int:
    """The port on loopback where this process answers as TensorFlow Serving; a thread does it."""

    class Rest(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(*self._asked(body))

        def do_GET(self) -> None:
            self._answer(*_status(models, self.path))

        def _asked(self, body: bytes) -> tuple[int, bytes]:
            match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:(\w+)", self.path)
            if match is None:
                told = {"error": f"Malformed request: POST {self.path}"}
                return 400, json.dumps(told).encode()
            return models.ask(_Place(*match.groups()), body)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: the platform counts requests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


@dataclass(frozen=True)
class _Place:
    """The request that a REST path names."""

    model: str
    version: str | None
    method: str


def _status(models: Models, path: str) -> tuple[int, bytes]:
    """TensorFlow Serving's model status."""
    match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?", path)
    versions = models.found.get(match[1]) if match else None
    if match is None or not versions:
        told: dict[str, Any] = {"error": f"Could not find any versions of model {path[11:]}"}
        return 404, json.dumps(told).encode()
    shown = [v for v in sorted(versions, reverse=True) if match[2] in (None, str(v))]
    fine = {"error_code": "OK", "error_message": ""}
    states = [{"version": str(v), "state": "AVAILABLE", "status": fine} for v in shown]
    return 200, json.dumps({"model_version_status": states}).encode()
