"""Comprehend's model server: `{"Task": ..., "LanguageCode": ..., "Texts": [...]}` in, `{"Results": [...]}` out.

A task is the name of the operation that asks, a result the document that it answers
(`nlp.analyser`). Requests that wait are answered together, so that texts share the encoder's batches.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("comprehend").__name__, None

from contract.errors import BadRequest

from . import package

JSON = "application/json"


class Request(NamedTuple):
    """What is asked of some texts."""

    task: str
    language: str
    texts: tuple[str, ...]


def model_fn(model_dir: str) -> Any:
    """The analyser over the models that come with Sagebrush, or those of SAGEBRUSH_MODELS."""
    package.nlp()
    return importlib.import_module("nlp.analyser").Analyser(package.models())


def input_fn(body: bytes | str, content_type: str = JSON) -> Request:
    """The request. Raises BadRequest for what is none; its message has nothing of the text."""
    try:
        found = json.loads(body)
        request = Request(found["Task"], found["LanguageCode"], tuple(found["Texts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest("The request is not JSON with Task, LanguageCode and Texts") from error
    if not all(isinstance(text, str) for text in request.texts):
        raise BadRequest("Texts must be strings")
    return request


def predict_fn(request: Request, analyser: Any) -> list[dict[str, Any]]:
    """A document for each text. Raises BadRequest for a task that there is not, and RuntimeError.

    What a model raises may quote the text, and would be in a log: only its kind is told.
    """
    unknown = importlib.import_module("nlp.analyser").UnknownTask
    try:
        return analyser.answer(request.task, request.language, request.texts)
    except unknown as error:
        raise BadRequest(f"There is no task {request.task}") from error
    except Exception as error:
        raise RuntimeError(f"{request.task} failed: {type(error).__name__}") from None


def predict_batch_fn(requests: Sequence[Request], analyser: Any) -> list[list[dict[str, Any]]]:
    """The answers to several requests: those of one task and language go through the models together."""
    answers: list[list[dict[str, Any]]] = [[] for _ in requests]
    groups: dict[tuple[str, str], list[int]] = {}
    for place, request in enumerate(requests):
        groups.setdefault((request.task, request.language), []).append(place)
    for (task, language), places in groups.items():
        texts = tuple(text for place in places for text in requests[place].texts)
        found = iter(predict_fn(Request(task, language, texts), analyser))
        for place in places:
            answers[place] = [next(found) for _ in requests[place].texts]
    return answers


def output_fn(results: list[dict[str, Any]], accept: str = JSON) -> tuple[str, str]:
    """The body and its content type."""
    return json.dumps({"Results": results}, ensure_ascii=False), JSON
