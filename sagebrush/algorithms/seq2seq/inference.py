"""Sequence-to-Sequence's endpoint: sentences or token numbers in, their translations out.

Source: Amazon SageMaker AI Developer Guide, Sequence-to-Sequence Algorithm, Input/Output Interface;
AWS's example notebook of it for the names in JSON.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("seq2seq").__name__, None

import numpy as np
from contract import record_protobuf, recordio
from contract.errors import ClientError
from contract.record_protobuf import Record, Tensor

from . import model
from .data import sequence
from .model import Translator

JSON = "application/json"
JSON_LINES = "application/jsonlines"
RECORDS = "application/x-recordio-protobuf"


class BadRequest(ValueError):
    """The request cannot be answered; the text says why."""

    def __init__(self, message: str, status_code: int = 400) -> None:
        super().__init__(message)
        self.status_code = status_code


@dataclass(frozen=True)
class Question:
    """One sequence: a sentence of tokens between spaces, or their numbers."""

    source: str | list[int]
    attention: bool = False


@dataclass(frozen=True)
class Batch:
    """The questions of a request, or their answers, in order; the answer's form is the request's."""

    form: str
    items: Sequence[Any]


def model_fn(model_dir: str) -> Translator:
    """The model in `model_dir`; raises ValueError where there is none."""
    try:
        return model.load(Path(model_dir))
    except ClientError as error:
        raise ValueError(str(error)) from error


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The questions that a request asks; raises BadRequest."""
    form = content_type.partition(";")[0].strip().lower()
    raw = body.encode() if isinstance(body, str) else body
    if form == RECORDS:
        return Batch(form, _from_records(raw))
    if form not in (JSON, JSON_LINES):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {JSON}, {JSON_LINES} or {RECORDS}",
            415,
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    return Batch(form, _from_json(text) if form == JSON else _from_lines(text))


def predict_fn(questions: Batch, translator: Translator) -> Batch:
    """The answers, in order; raises BadRequest for numbers that are no tokens."""
    return predict_batch_fn([questions], translator)[0]


def predict_batch_fn(requests: Sequence[Batch], translator: Translator) -> list[Batch]:
    """The answers to several requests, whose sequences are translated together."""
    asked = [question for each in requests for question in each.items]
    found = iter(translator.translate([_numbers(each, translator) for each in asked]))
    answers = []
    for request in requests:
        rows = []
        for question in request.items:
            result = next(found)
            if request.form == RECORDS:
                rows.append(result.tokens)
                continue
            row: dict[str, Any] = {"target": " ".join(translator.target.decode(result.tokens))}
            if question.attention:
                row["matrix"] = result.attention
            rows.append(row)
        answers.append(Batch(request.form, rows))
    return answers


def output_fn(answers: Batch, accept: str = JSON) -> tuple[str | bytes, str]:
    """The body and its content type, which is the request's (the guide: both are the same)."""
    if answers.form == RECORDS:
        out = io.BytesIO()
        for tokens in answers.items:
            values = Tensor(np.array(tokens, np.int32), None, (len(tokens),))
            recordio.write(out, record_protobuf.encode(Record({"target": values}, {}, "", "")))
        return out.getvalue(), RECORDS
    if answers.form == JSON_LINES:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in answers.items)
        return "".join(lines), JSON_LINES
    return json.dumps({"predictions": answers.items}, ensure_ascii=False), JSON


def _numbers(question: Question, translator: Translator) -> list[int]:
    if isinstance(question.source, str):
        return translator.source.encode(question.source.split())
    if wrong := [n for n in question.source if not 0 <= n < len(translator.source)]:
        raise BadRequest(
            f"The token {wrong[0]} is not in the vocabulary, which has {len(translator.source)}"
        )
    return question.source


def _from_records(body: bytes) -> list[Question]:
    found = []
    try:
        for number, payload in enumerate(recordio.records(io.BytesIO(body)), 1):
            source = record_protobuf.decode(payload).features.get("source")
            values = sequence(source, "source", 1 << 31, f"record {number}")
            found.append(Question(values.tolist()))
    except ClientError as error:
        raise BadRequest(str(error)) from None
    return found


def _from_json(text: str) -> list[Question]:
    request = _json(text, "The body")
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest('The body must be {"instances": [{"data": "a sentence"}, ...]}')
    found = []
    for number, instance in enumerate(request["instances"]):
        if not isinstance(instance, dict) or not isinstance(instance.get("data"), str):
            raise BadRequest(f'instances[{number}] must be {{"data": "a sentence"}}')
        configuration = instance.get("configuration", {})
        if not isinstance(configuration, dict):
            raise BadRequest(f"instances[{number}]: \"configuration\" must be an object")
        attention = str(configuration.get("attention_matrix", "false")).lower() == "true"
        found.append(Question(instance["data"], attention))
    return found


def _from_lines(text: str) -> list[Question]:
    found = []
    # Not splitlines: a sentence may hold U+2028, which ends no line of JSON Lines.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        sample = _json(line, f"Line {number}")
        if not isinstance(sample, dict) or not isinstance(sample.get("source"), str):
            raise BadRequest(f'Line {number} must be {{"source": "a sentence"}}')
        found.append(Question(sample["source"]))
    return found


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None
