"""Comprehend's model server: `{"Task": ..., "LanguageCode": ..., "Texts": [...]}` in, `{"Results": [...]}` out.

A task is the name of the operation that asks, a result the document that it answers: by the models that come
with Sagebrush (`nlp.analyser`), or by the custom model in the model's folder (`custom.serving`), which takes
also the bytes of a file. Each text is read alone, so that requests which wait gain nothing by being answered
together.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("comprehend").__name__, None

from contract.errors import BadRequest

from . import package
from .custom import serving

JSON = "application/json"
FILE = "application/octet-stream"
UNKNOWN = "UnknownTask"
"""The analyser's error, whose module a custom model does not need."""


class Request(NamedTuple):
    """What is asked of some texts."""

    task: str
    language: str
    texts: tuple[str, ...]


class File(NamedTuple):
    """A file that a custom model is to read."""

    body: bytes


def model_fn(model_dir: str) -> Any:
    """The custom model in the folder; else the analyser over the models that come with Sagebrush, or those
    of SAGEBRUSH_MODELS."""
    if (Path(model_dir) / serving.SETTINGS).is_file():
        return serving.load(Path(model_dir))
    package.nlp()
    return importlib.import_module("nlp.analyser").Analyser(package.models())


def input_fn(body: bytes | str, content_type: str = JSON) -> Request | File:
    """The request. Raises BadRequest for what is none; its message has nothing of the text."""
    if content_type == FILE:
        return File(body.encode() if isinstance(body, str) else body)
    try:
        found = json.loads(body)
        request = Request(found["Task"], found["LanguageCode"], tuple(found["Texts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest("The request is not JSON with Task, LanguageCode and Texts") from error
    if not all(isinstance(text, str) for text in request.texts):
        raise BadRequest("Texts must be strings")
    return request


def predict_fn(request: Request | File, model: Any) -> list[dict[str, Any]]:
    """A document for each text, or for the file. Raises BadRequest for a task that there is not, and
    RuntimeError.

    What a model raises may quote the text, and would be in a log: only its kind is told.
    """
    file = isinstance(request, File)
    if file and not isinstance(model, serving.Custom):
        raise BadRequest("Files are read by custom models alone")
    try:
        if file:
            return [model.read(request.body)]
        return model.answer(request.task, request.language, request.texts)
    except Exception as error:
        if type(error).__name__ == UNKNOWN:
            raise BadRequest("There is no such task") from error
        raise RuntimeError(f"The model failed: {type(error).__name__}") from None


def output_fn(results: list[dict[str, Any]], accept: str = JSON) -> tuple[str, str]:
    """The body and its content type."""
    return json.dumps({"Results": results}, ensure_ascii=False), JSON
