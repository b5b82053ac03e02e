"""Sequence-to-Sequence's endpoint: sentences or token numbers in, their translations out."""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("seq2seq").__name__, None

import numpy as np
from contract import record_protobuf, recordio
from contract.errors import ClientError
from contract.record_protobuf import Record, Tensor

from . import model, questions
from .model import Translator
from .questions import JSON, JSON_LINES, RECORDS, BadRequest, Batch, Question


def model_fn(model_dir: str) -> Translator:
    """The model in `model_dir`; raises ValueError where there is none."""
    try:
        return model.load(Path(model_dir))
    except ClientError as error:
        raise ValueError(str(error)) from error


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The questions that a request asks; raises BadRequest."""
    return questions.read(body, content_type)


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
