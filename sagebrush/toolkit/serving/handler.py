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
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from sagebrush.toolkit.serving import batches, formats, joint

SCRIPT = "inference.py"
"""The default file of the functions."""


class NoHandler(Exception):
    """The model has no usable inference code; the text says what is missing."""


@dataclass(frozen=True)
class Answer:
    """An answer: a whole body, or pieces as they come."""

    status: int
    body: bytes | Iterator[bytes]
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Request:
    """What `context.request_processor[0]` is: the request's headers as TorchServe gives them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def get_request_properties(self) -> dict[str, str]:
        """All headers of the request, names in lower case."""
        return dict(self._headers)

    def get_request_property(self, key: str) -> str | None:
        """The request's header `key`."""
        return self._headers.get(key.lower())


class Context:
    """The context for user functions with one more parameter, with TorchServe's names."""

    def __init__(
        self, model_dir: str, headers: Mapping[str, str] | None = None, gpu: int | None = None
    ) -> None:
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": gpu,
            "batch_size": 1,
            "server_name": "sagebrush",
            "server_version": "1",
        }
        self.model_name = "model"
        self.manifest: dict[str, Any] = {"model": {"modelName": "model"}}
        self.batch_size = 1
        self._headers = headers or {}
        self.request_processor = [Request(self._headers)]
        self.response_headers: dict[str, str] = {}
        self.response_content_type: str | None = None
        self.response_status = 200

    def get_request_header(self, index: int, name: str) -> str | None:
        """The request's header `name`; `index` is there for batches and always 0."""
        return self._headers.get(name.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """All headers of the request, names in lower case."""
        return dict(self._headers)

    def get_request_id(self, index: int = 0) -> str | None:
        """The id of the request, if the caller gave one."""
        return self._headers.get("x-amzn-sagemaker-inference-id")

    def set_response_content_type(self, index: int, value: str) -> None:
        """The answer's content type is `value`."""
        self.response_content_type = value

    def get_response_content_type(self, index: int) -> str | None:
        """The content type that was set."""
        return self.response_content_type

    def set_response_header(self, index: int, key: str, value: str) -> None:
        """The answer has the header `key`."""
        self.response_headers[key] = value

    def get_response_headers(self, index: int) -> dict[str, str]:
        """The headers that were set."""
        return self.response_headers

    def set_response_status(
        self, code: int = 200, phrase: str = "", idx: int = 0, index: int = 0
    ) -> None:
        """The answer's status is `code`."""
        self.response_status = code

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """The answer's status is `code`."""
        self.response_status = code


class Defaults:
    """The default functions where the user's code has none, and the answers to failures.

    These are those of AWS's scikit-learn toolkit; `toolkit/serving/frameworks` has the others.
    """

    needs_code = True
    """Whether there must be an inference script."""
    as_text = False
    """Whether JSON and CSV reach the user's functions as `str`, as AWS's toolkits pass them."""
    gpu: int | None = None
    """The GPU that the model is on."""
    accept = formats.JSON
    """What a request that accepts anything gets, unless SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT says."""

    def model_fn(self, model_dir: str) -> Any:
        """The model in `model_dir`; raises NoHandler where there is no default for loading it."""
        raise NoHandler(
            "the inference code has no model_fn(model_dir): there is no default for loading a model."
            " Write one that returns the model saved in model_dir, for instance"
            " joblib.load(os.path.join(model_dir, 'model.joblib'))."
        )

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The decoded body. Raises UnsupportedFormat and BadBody."""
        return formats.decode(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The result of the model's own `predict` for `data`."""
        if not hasattr(model, "predict"):
            raise NoHandler(
                f"the model is a {type(model).__name__} without predict():"
                " write predict_fn(data, model)"
            )
        return model.predict(data)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """The prediction in a format that `accept` lists. Raises UnsupportedFormat."""
        return formats.encode(prediction, accept)

    def joiner(self, model: Any) -> joint.Joiner | None:
        """How this class's `predict_fn` takes the inputs of several requests, None where that
        could differ from answering them one by one."""
        rows = joint.by_row(model)
        return joint.Rows(self.predict_fn, rows) if rows else None

    def failed(self, error: Exception) -> Answer:
        """The answer that reports `error`."""
        if isinstance(error, formats.UnsupportedFormat):
            return failure(error.status, str(error))
        if isinstance(error, formats.BadBody):
            return failure(400, str(error))
        return failure(status_of(error), f"{type(error).__name__}: {error}")


def locate(ml: Path, environ: Mapping[str, str], algorithms: Path) -> Path:
    """The file with the inference functions of this model; raises NoHandler.

    A built-in algorithm's own (`SAGEBRUSH_ALGORITHM`), else `SAGEMAKER_PROGRAM` in the submit
    directory (unpacked at `code` by Sagebrush when it is on S3), else `inference.py` there, in the
    model's `code` folder or next to the model.
    """
    algorithm = environ.get("SAGEBRUSH_ALGORITHM")
    if algorithm:
        return _existing([algorithms / algorithm], SCRIPT)
    submit = environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://")
    folders = [ml / "code"]
    if submit.startswith("/opt/ml/"):  # in process mode /opt/ml is another directory
        folders.append(ml / submit.removeprefix("/opt/ml/"))
    elif submit.startswith("/"):
        folders.append(Path(submit))
    folders += [ml / "model" / "code", ml / "model"]
    return _existing(folders, environ.get("SAGEMAKER_PROGRAM") or SCRIPT)


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


class Asked(NamedTuple):
    """What a request says of its body and of its answer."""

    content_type: str
    accept: str
    context: Context


class Failed(NamedTuple):
    """An exception in the place of a prediction."""

    error: BaseException


class Handler:
    """A loaded model and the functions that answer for it."""

    def __init__(
        self, module: ModuleType | None, model_dir: str, defaults: Defaults | None = None
    ) -> None:
        """The model is loaded; raises NoHandler, or the exception of the user's model_fn."""
        defaults = defaults or Defaults()
        self._defaults = defaults
        self._model_dir = model_dir
        self._transform = getattr(module, "transform_fn", None)
        names = ("input_fn", "predict_fn", "output_fn")
        if self._transform is not None and any(getattr(module, n, None) for n in names):
            raise NoHandler("transform_fn cannot be used with input_fn, predict_fn or output_fn.")
        parts = [getattr(module, n, None) or getattr(defaults, n) for n in names]
        self._input, self._predict, self._output = parts
        # Determined once: inspect costs more than a small model's prediction.
        self._wants = {f: _takes(f, 3) for f in parts}
        self._transform_wants = self._transform is not None and _takes(self._transform, 5)
        context = Context(model_dir, gpu=defaults.gpu)
        model_fn: Callable[..., Any] = getattr(module, "model_fn", None) or defaults.model_fn
        self._model = model_fn(model_dir, context) if _takes(model_fn, 2) else model_fn(model_dir)
        self._default_accept = os.environ.get(
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", defaults.accept
        )
        self.rule, self._joiner = self._together(module)

    def _together(self, module: ModuleType | None) -> tuple[batches.Rule, joint.Joiner | None]:
        """How many requests may be answered together, and how. Raises NoHandler."""
        try:
            asked = batches.rule(os.environ, module, 0)
        except ValueError as error:
            raise NoHandler(str(error)) from None
        if self._transform is not None or asked.size == 1:
            return batches.Rule(), None
        found: joint.Joiner | None = None
        if listed := getattr(module, "predict_batch_fn", None):
            found = joint.Listed(listed)
        elif self._predict == self._defaults.predict_fn:  # none of the user's stands in its place
            found = self._defaults.joiner(self._model)
        # A context is one request's, so a function that takes it gets no batch.
        if found is None and asked.fixed and not self._wants[self._predict]:
            found = joint.Rows(self._predict, lists=True)
        if found is None:
            if asked.fixed:
                print(f"{batches.SIZE}: predict_fn takes a context: it gets no batches. Write"
                      " predict_batch_fn(inputs, model).", file=sys.stderr)  # fmt: skip
            return batches.Rule(), None
        return batches.Rule(asked.size or found.size, asked.delay, asked.fixed), found

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The model's answer to one request; the user's failures are answers of 4xx and 500."""
        asked = self._asked(headers)
        try:
            given = self._given(body, asked.content_type)
            if self._transform is not None:
                args = (self._model, given, asked.content_type, asked.accept)
                context = (asked.context,) if self._transform_wants else ()
                return _answer(self._transform(*args, *context), asked)
            data = self._call(self._input, asked.context, given, asked.content_type)
            prediction = self._call(self._predict, asked.context, data, self._model)
            return self._written(prediction, asked)
        except BaseException as error:
            return self._failure(error)

    def answer_all(self, requests: Sequence[tuple[bytes, Mapping[str, str]]]) -> list[Answer]:
        """The answers to several requests, whose inputs go to the model together where they fit.

        Where that fails each is given to it alone: so a request that the model refuses fails by
        itself, and predict functions that take batches may see a request's data twice.
        """
        if self._joiner is None or len(requests) == 1:
            return [self.answer(*each) for each in requests]
        answers: list[Answer | None] = [None] * len(requests)
        groups: dict[Hashable, list[tuple[int, Asked, Any]]] = {}
        for number, (body, headers) in enumerate(requests):
            asked = self._asked(headers)
            try:
                given = self._given(body, asked.content_type)
                data = self._call(self._input, asked.context, given, asked.content_type)
                key = self._joiner.key(data, asked.content_type)
            except BaseException as error:
                answers[number] = self._failure(error)
                continue
            groups.setdefault((number,) if key is None else key, []).append((number, asked, data))
        for group in groups.values():
            for (number, asked, _), prediction in zip(group, self._predictions(group)):
                answers[number] = self._concluded(prediction, asked)
        return [each for each in answers if each is not None]

    def _predictions(self, group: list[tuple[int, Asked, Any]]) -> Iterable[Any]:
        """For each of a group the prediction, or the exception that it raised alone."""
        if len(group) > 1 and self._joiner is not None:
            try:
                return self._joiner.predict([data for _, _, data in group], self._model)
            except joint.NotByRow as error:
                print(f"requests are answered one by one from now on: {error}", file=sys.stderr)
                self._joiner = None
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                print(f"a batch of {len(group)} failed; each alone now ({told})", file=sys.stderr)
            sys.stderr.flush()
        return (self._alone(asked, data) for _, asked, data in group)

    def _alone(self, asked: Asked, data: Any) -> Any:
        try:
            return self._call(self._predict, asked.context, data, self._model)
        except BaseException as error:
            return Failed(error)

    def _concluded(self, prediction: Any, asked: Asked) -> Answer:
        """The answer with a prediction, or with the exception in its place."""
        if isinstance(prediction, Failed):
            return self._failure(prediction.error)
        try:
            return self._written(prediction, asked)
        except BaseException as error:
            return self._failure(error)

    def _written(self, prediction: Any, asked: Asked) -> Answer:
        return _answer(self._call(self._output, asked.context, prediction, asked.accept), asked)

    def _asked(self, headers: Mapping[str, str]) -> Asked:
        content_type = headers.get("content-type") or formats.JSON
        accept = headers.get("accept") or formats.ANY
        accept = self._default_accept if accept == formats.ANY else accept
        return Asked(content_type, accept, Context(self._model_dir, headers, self._defaults.gpu))

    def _failure(self, error: BaseException) -> Answer:
        """The answer that reports what a function raised. A SystemExit too is only an answer: a
        library that gives up on one request must not take the worker along."""
        if not isinstance(error, (formats.UnsupportedFormat, formats.BadBody)):
            tell(error)
        if not isinstance(error, Exception):
            return failure(500, f"{type(error).__name__}: {error}")
        return self._defaults.failed(error)

    def _given(self, body: bytes, content_type: str) -> bytes | str:
        """The body as the user's functions get it. Raises BadBody."""
        if not self._defaults.as_text or formats.base(content_type) not in formats.UTF8:
            return body
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise formats.BadBody(f"The body is not valid UTF-8: {error}") from error

    def _call(self, function: Callable[..., Any], context: Context, *args: Any) -> Any:
        return function(*args, context) if self._wants[function] else function(*args)


def without_ours(error: BaseException) -> BaseException:
    """The exception with a traceback that begins in the user's code, where there is any."""
    ours, trace = str(Path(__file__).parents[1]), error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename.startswith((ours, "<frozen importlib"))
    ):
        trace = trace.tb_next
    return error.with_traceback(trace) if trace is not None else error


def tell(error: BaseException) -> None:
    """The exception and where it comes from are in the log; Python 3.9 wants all three arguments."""
    error = without_ours(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.flush()


def failure(status: int, message: str) -> Answer:
    """An error as plain text, short enough for an error message."""
    return Answer(status, message[:2000].encode(), "text/plain")


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether `function` takes `count` positional arguments (the last is the context)."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def status_of(error: Exception) -> int:
    """500, or the 4xx or 5xx that the user's exception carries as `status_code`, as AWS's toolkit reads it."""
    code = getattr(error, "status_code", 500)
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _answer(result: Any, asked: Asked) -> Answer:
    """The user's result, `body` or `(body, content type)`, as an answer."""
    _, accept, context = asked
    content_type = context.response_content_type
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result[0], result[1]
    elif hasattr(result, "mimetype"):  # the Response of AWS's older containers, or Flask's
        content_type = getattr(result, "mimetype", None)
        whole = getattr(result, "get_data", None)  # Flask's own `response` is a list of pieces
        context.response_status = getattr(result, "status_code", context.response_status)
        result = whole() if whole is not None else getattr(result, "response", b"")
    content_type = content_type or accept.split(",")[0]
    headers, status = context.response_headers, context.response_status
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Answer(status, bytes(result), content_type, headers)
    if isinstance(result, str):
        return Answer(status, result.encode(), content_type, headers)
    if isinstance(result, Iterator):
        return Answer(status, _pieces(result), content_type, headers)
    body, kind = formats.encode(result, content_type)
    return Answer(status, body, kind, headers)


def _pieces(parts: Iterator[Any]) -> Iterator[bytes]:
    for part in parts:
        yield part.encode() if isinstance(part, str) else bytes(part)
