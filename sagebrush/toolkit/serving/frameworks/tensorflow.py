"""TensorFlow Serving's REST contract, answered by TensorFlow itself, and AWS's handlers around it.

Sources: "Deploying to TensorFlow Serving Endpoints" of the SageMaker SDK, TensorFlow Serving's
RESTful API, and the request rules of AWS's TensorFlow Serving container. Without code, JSON, JSON
Lines and CSV become `{"instances": …}`; code/inference.py may define `handler(data, context)`, or
`input_handler` and `output_handler`.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from sagebrush.toolkit.serving import formats, handler
from sagebrush.toolkit.serving.frameworks import savedmodel

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
JSON_KINDS = (formats.JSON, formats.JSON_LINES, "application/jsons")


class Context(NamedTuple):
    """The context of a request for handlers, with AWS's names."""

    model_name: str | None
    model_version: str | None
    method: str | None
    rest_uri: str
    grpc_port: str | None
    channel: Any
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int


class Target(NamedTuple):
    """The model, version and method that a request names."""

    model: str
    version: str | None
    method: str


def load(folder: Path, script: Path | None) -> Callable[..., handler.Answer]:
    """The server of the models below `folder`, all of them loaded; raises NoHandler."""
    if script is None:
        return _Plain(savedmodel.Models.load(folder)).answer
    # AWS's container looks here for what scripts import.
    sys.path.insert(0, str(script.parent / "lib"))
    handlers = _handlers(handler.load_module(script))
    return _Scripted(savedmodel.Models.load(folder), *handlers).answer


def _handlers(module: ModuleType) -> tuple[Any, Any, Any]:
    """`handler`, `input_handler` and `output_handler` of a script; raises NoHandler."""
    names = ("handler", "input_handler", "output_handler")
    found = [getattr(module, name, None) for name in names]
    if found[0] is None and not (found[1] and found[2]):
        raise handler.NoHandler(
            f"{module.__file__}: Handlers are not implemented correctly in user script. Write"
            " handler(data, context), or input_handler(data, context) and"
            " output_handler(response, context)."
        )
    return found[0], found[1], found[2]


def target(headers: Mapping[str, str], default: str) -> Target:
    """The values of the custom attributes tfs-model-name, -version and -method."""
    found = re.findall(r"(tfs-[a-z\-]+)=([^,]+)", headers.get(ATTRIBUTES, ""))
    said = {name: value.strip() for name, value in found}
    return Target(
        said.get("tfs-model-name", default),
        said.get("tfs-model-version"),
        said.get("tfs-method", "predict"),
    )


class _Plain:
    """Answers without the user's code."""

    def __init__(self, models: savedmodel.Models) -> None:
        self._models = models

    def answer(self, body: bytes, headers: Mapping[str, str]) -> handler.Answer:
        """TensorFlow Serving's answer to the request."""
        kind = formats.base(headers.get("content-type", ""))
        try:
            if kind in JSON_KINDS:
                text = instances(body.decode())
            elif kind == formats.CSV:
                text = instances_of_csv(body.decode())
            else:
                told = headers.get("content-type") or "Unknown"
                return error(415, f"Unsupported Media Type: {told}")
        except UnicodeDecodeError as failed:
            return error(400, f"The body is not valid UTF-8: {failed}")
        status, told = self._models.ask(target(headers, self._models.default), text)
        return handler.Answer(status, told, _accepted(headers))


class _Scripted:
    """Answers through the user's handlers."""

    def __init__(self, models: savedmodel.Models, whole: Any, before: Any, after: Any) -> None:
        self._models = models
        self._handler, self._input, self._output = whole, before, after
        self._port = savedmodel.listen(models)

    def answer(self, body: bytes, headers: Mapping[str, str]) -> handler.Answer:
        """The handlers' answer to the request; their failures are answers of 500, or of the status that
        the exception carries as `status_code` (AWS's container knows only 500)."""
        asked = target(headers, self._models.default)
        version = f"/versions/{asked.version}" if asked.version else ""
        place = f"http://localhost:{self._port}/v1/models/{asked.model}{version}:{asked.method}"
        named = {k.partition("=")[0] for k in headers.get(ATTRIBUTES, "").split(",")}
        context = Context(
            model_name=asked.model if "tfs-model-name" in named else None,
            model_version=asked.version,
            method=asked.method if "tfs-method" in named else None,
            rest_uri=place,
            grpc_port=None,
            channel=None,
            custom_attributes=headers.get(ATTRIBUTES),
            request_content_type=headers.get("content-type") or formats.JSON,
            accept_header=headers.get("accept") or formats.JSON,
            content_length=len(body),
        )
        try:
            if self._handler is not None:
                result, kind = self._handler(io.BytesIO(body), context)
            else:
                given = self._input(io.BytesIO(body), context)
                response = self._respond(asked, given)
                result, kind = self._output(response, context)
            result = result.encode() if isinstance(result, str) else bytes(result)
            return handler.Answer(200, result, kind or formats.JSON)
        except Exception as failed:
            handler.tell(failed)
            return error(handler.status_of(failed), str(failed))

    def _respond(self, asked: Target, given: Any) -> Any:
        """TensorFlow Serving's answer as `requests` would bring it, without going over a socket."""
        import requests

        response = requests.Response()
        if hasattr(given, "read"):
            given = given.read()
        status, told = self._models.ask(asked, given)
        response.status_code = status
        response._content = told
        response.headers["Content-Type"] = formats.JSON
        response.encoding = "utf-8"
        return response


def instances(text: str) -> str:
    """`text` as TensorFlow Serving takes it: lists and JSON Lines become `{"instances": …}`."""
    if re.search(r'"(instances|inputs|examples)"\s*:', text):
        return text
    if re.search(r"[}\]]\s*[\[{]", text):  # values with only blanks between: JSON Lines
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        return '{"instances":[' + ",".join(lines) + "]}"
    if not re.match(r"\s*\[\s*\[", text):
        text = f"[{text}]"
    return '{"instances":' + text + "}"


def instances_of_csv(text: str) -> str:
    """Rows as instances: a list where there are several columns; text is quoted where it is not."""
    quote = re.match(r'\s*("|[\d.Ee+\-]+.*)', text) is None
    rows = []
    for line in filter(None, (line.strip() for line in text.strip().splitlines())):
        cells = [json.dumps(cell) for cell in line.split(",")] if quote else [line]
        row = ",".join(cells)
        rows.append(f"[{row}]" if "," in line else row)
    return '{"instances":[' + ",".join(rows) + "]}"


def error(status: int, message: str) -> handler.Answer:
    """TensorFlow Serving's form of an error."""
    return handler.Answer(status, json.dumps({"error": message[:2000]}).encode(), formats.JSON)


def _accepted(headers: Mapping[str, str]) -> str:
    """The content type that AWS's container names: the first requested one if it is JSON."""
    kinds = [kind.strip() for kind in headers.get("accept", "").split(",")]
    return kinds[0] if {formats.JSON, formats.JSON_LINES} & set(kinds) else formats.JSON
