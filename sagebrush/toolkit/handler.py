"""The user's inference functions: model_fn, input_fn, predict_fn, output_fn, or transform_fn.

The contract is that of AWS's inference toolkit ("Adapt your own inference container" in the
SageMaker guide): each function may be left out where a default does, and may take one further
argument, the request's context.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sagebrush.toolkit import formats


class NoHandler(Exception):
    """The model brings no usable inference code; the text says what is missing."""


@dataclass(frozen=True)
class Answer:
    """What goes back: a whole body, or pieces as they come."""

    status: int
    body: bytes | Iterator[bytes]
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Context:
    """What user functions with one more parameter get, by the names that AWS's toolkit gives."""

    def __init__(self, model_dir: str, headers: Mapping[str, str] | None = None) -> None:
        self.system_properties = {"model_dir": model_dir, "gpu_id": None}
        self._headers = headers or {}
        self.response_headers: dict[str, str] = {}
        self.response_content_type: str | None = None

    def get_request_header(self, index: int, name: str) -> str | None:
        """The request's header `name`; `index` is there for batches and always 0."""
        return self._headers.get(name.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """All headers of the request, names in lower case."""
        return dict(self._headers)

    def set_response_content_type(self, index: int, value: str) -> None:
        """The answer's content type is `value`."""
        self.response_content_type = value

    def set_response_header(self, index: int, key: str, value: str) -> None:
        """The answer has the header `key`."""
        self.response_headers[key] = value


def locate(ml: Path, environ: Mapping[str, str], algorithms: Path) -> Path:
    """The file with the inference functions of this model; raises NoHandler.

    A built-in algorithm's own (`SAGEBRUSH_ALGORITHM`), else `SAGEMAKER_PROGRAM` in the submit
    directory (unpacked at `code` by Sagebrush when it is on S3), else `inference.py` there, in the
    model's `code` folder or beside the model.
    """
    algorithm = environ.get("SAGEBRUSH_ALGORITHM")
    if algorithm:
        return _existing([algorithms / algorithm], "inference.py")
    submit = environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://")
    folders = [ml / "code"]
    if submit.startswith("/opt/ml/"):  # in process mode /opt/ml is another directory
        folders.append(ml / submit.removeprefix("/opt/ml/"))
    elif submit.startswith("/"):
        folders.append(Path(submit))
    folders += [ml / "model" / "code", ml / "model"]
    return _existing(folders, environ.get("SAGEMAKER_PROGRAM") or "inference.py")


def _existing(folders: Iterable[Path], name: str) -> Path:
    tried = [folder / name for folder in folders]
    for path in tried:
        if path.is_file():
            return path
    where = ", ".join(str(path) for path in dict.fromkeys(tried))
    raise NoHandler(
        f"no inference code: none of {where} is there. Put inference.py into the model archive's"
        " code/ folder, or set SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY."
    )


def load_module(path: Path) -> ModuleType:
    """The module at `path`, run with its own folder first on the import path."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise NoHandler(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


class Handler:
    """A loaded model and the functions that answer for it."""

    def __init__(self, module: ModuleType, model_dir: str) -> None:
        """The model is loaded; raises NoHandler, or whatever the user's model_fn raises."""
        self._model_dir = model_dir
        self._transform = getattr(module, "transform_fn", None)
        parts = [getattr(module, n, None) for n in ("input_fn", "predict_fn", "output_fn")]
        if self._transform is not None and any(parts):
            raise NoHandler("transform_fn cannot be used with input_fn, predict_fn or output_fn.")
        model_fn = getattr(module, "model_fn", None)
        if model_fn is None:
            raise NoHandler(
                f"{module.__file__} has no model_fn(model_dir): there is no default for loading a"
                " model."
            )
        self._input = parts[0] or formats.decode
        self._predict = parts[1] or _predict
        self._output = parts[2] or formats.encode
        # Asked once: inspect costs more than a small model's prediction.
        self._wants = {
            f: _takes(f, n)
            for f, n in ((self._input, 3), (self._predict, 3), (self._output, 3))
        }  # fmt: skip
        self._transform_wants = self._transform is not None and _takes(self._transform, 5)
        context = Context(model_dir)
        self._model = model_fn(model_dir, context) if _takes(model_fn, 2) else model_fn(model_dir)
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", formats.JSON)

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What the model says to one request; the user's failures are answers of 4xx and 500."""
        content_type = headers.get("content-type") or formats.JSON
        accept = headers.get("accept") or formats.ANY
        accept = self._default_accept if accept == formats.ANY else accept
        context = Context(self._model_dir, headers)
        try:
            if self._transform is not None:
                args = (self._model, body, content_type, accept)
                result = self._transform(*args, *([context] if self._transform_wants else ()))
            else:
                data = self._call(self._input, context, body, content_type)
                prediction = self._call(self._predict, context, data, self._model)
                result = self._call(self._output, context, prediction, accept)
            return _answer(result, accept, context)
        except formats.UnsupportedFormat as error:
            return failure(error.status, str(error))
        except formats.BadBody as error:
            return failure(400, str(error))
        except Exception as error:
            traceback.print_exception(without_ours(error))
            sys.stderr.flush()
            return failure(_status_of(error), f"{type(error).__name__}: {error}")

    def _call(self, function: Callable[..., Any], context: Context, *args: Any) -> Any:
        return function(*args, context) if self._wants[function] else function(*args)


def without_ours(error: BaseException) -> BaseException:
    """The exception with a traceback that begins in the user's code, where there is any."""
    ours, trace = str(Path(__file__).parent), error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename.startswith((ours, "<frozen importlib"))
    ):
        trace = trace.tb_next
    return error.with_traceback(trace) if trace is not None else error


def failure(status: int, message: str) -> Answer:
    """An error as plain text, short enough for an error message."""
    return Answer(status, message[:2000].encode(), "text/plain")


def _predict(data: Any, model: Any) -> Any:
    """The default: the model's own `predict`."""
    if not hasattr(model, "predict"):
        raise NoHandler(
            f"the model is a {type(model).__name__} without predict(): write predict_fn(data, model)"
        )
    return model.predict(data)


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether `function` takes `count` positional arguments (the last is the context)."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return function not in (formats.decode, formats.encode)


def _status_of(error: Exception) -> int:
    """500, or the 4xx that the user's exception carries as `status_code`, as AWS's toolkit reads it."""
    code = getattr(error, "status_code", 500)
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _answer(result: Any, accept: str, context: Context) -> Answer:
    """The user's result, `body` or `(body, content type)`, as an answer."""
    content_type = context.response_content_type
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result[0], result[1]
    elif hasattr(result, "mimetype"):  # the Response of AWS's older containers
        result, content_type = getattr(result, "response", b""), getattr(result, "mimetype", None)
    content_type = content_type or accept.split(",")[0]
    headers = context.response_headers
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Answer(200, bytes(result), content_type, headers)
    if isinstance(result, str):
        return Answer(200, result.encode(), content_type, headers)
    if isinstance(result, Iterator):
        return Answer(200, _pieces(result), content_type, headers)
    body, kind = formats.encode(result, content_type)
    return Answer(200, body, kind, headers)


def _pieces(parts: Iterator[Any]) -> Iterator[bytes]:
    for part in parts:
        yield part.encode() if isinstance(part, str) else bytes(part)
