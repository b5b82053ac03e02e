"""BlazingText's endpoint: JSON and JSON Lines in, labels and probabilities or word vectors out.

Source: Amazon SageMaker AI Developer Guide, BlazingText algorithm, Model Artifacts and Inference.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("blazingtext").__name__, None

from contract.bodies import JSON, JSON_LINES
from contract.errors import BadRequest

from . import fasttext_model, word_model
from .fasttext_model import SUPERVISED, Model
from .word_model import WordVectors

MODEL = "model.bin"


@dataclass(frozen=True)
class Question:
    """One sentence and how many labels it asks for; with word vectors a word."""

    text: str
    k: int


@dataclass(frozen=True)
class Batch:
    """The questions of a request, or their answers, in order; the answer's form is the request's."""

    form: str
    items: Sequence[Any]


def model_fn(model_dir: str) -> Model | WordVectors:
    """The model in `model_dir`; raises ValueError where there is none.

    A classifier is model.bin; one that fastText made, and word vectors (vectors.bin), may have any
    name, when the file is the only one.
    """
    folder = Path(model_dir)
    found = [folder / MODEL] if (folder / MODEL).is_file() else sorted(folder.glob("*.bin"))
    if len(found) != 1:
        raise ValueError(f"no {MODEL} in the model archive: it must hold one, at its top")
    if word_model.arguments(found[0]).model == SUPERVISED:
        return fasttext_model.load(found[0])
    return word_model.load(found[0])


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The questions that a request asks; raises BadRequest."""
    form = content_type.partition(";")[0].strip().lower()
    if form not in (JSON, JSON_LINES):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {JSON} or {JSON_LINES}", 415
        )
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    return Batch(form, _from_json(text) if form == JSON else _from_lines(text))


def predict_fn(questions: Batch, model: Model | WordVectors) -> Batch:
    """The answers, in order."""
    if isinstance(model, WordVectors):
        words = [question.text for question in questions.items]
        found = [{"vector": model.vector(word).tolist(), "word": word} for word in words]
        return Batch(questions.form, found)
    return Batch(questions.form, _classified(questions.items, model))


def predict_batch_fn(requests: Sequence[Batch], model: Model | WordVectors) -> list[Batch]:
    """The answers to several requests: each sentence is answered by itself, so they are those that
    the requests get one by one."""
    if isinstance(model, WordVectors):
        return [predict_fn(each, model) for each in requests]
    answers = iter(_classified([item for each in requests for item in each.items], model))
    return [Batch(each.form, [next(answers) for _ in each.items]) for each in requests]


def _classified(questions: Sequence[Question], model: Model) -> list[dict[str, object]]:
    """The labels of each sentence, those with the same `k` in one pass."""
    if len(questions) == 1:
        labels, shares = model.predict(questions[0].text, questions[0].k)
        return [{"label": labels, "prob": shares}]
    found = {}
    for k in {question.k for question in questions}:
        texts = [question.text for question in questions if question.k == k]
        found[k] = iter(model.predict_many(texts, k))
    answers = (next(found[question.k]) for question in questions)
    return [{"label": labels, "prob": shares} for labels, shares in answers]


def output_fn(answers: Batch, accept: str = JSON) -> tuple[str, str]:
    """The body and its content type. The guide: where `accept` is another than the content type of
    the request, it is ignored.
    """
    if answers.form == JSON_LINES:
        return "".join(json.dumps(answer) + "\n" for answer in answers.items), JSON_LINES
    return json.dumps(answers.items), JSON


def _from_json(text: str) -> list[Question]:
    request = _json(text, "The body")
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest('The body must be {"instances": ["a sentence", ...]}')
    configuration = request.get("configuration", {})
    if not isinstance(configuration, dict):
        raise BadRequest('"configuration" must be an object, like {"k": 2}')
    k = _k(configuration.get("k", 1))
    for number, sentence in enumerate(request["instances"]):
        if not isinstance(sentence, str):
            raise BadRequest(f"instances[{number}] must be a string")
        _check(sentence, f"instances[{number}]")
    return [Question(sentence, k) for sentence in request["instances"]]


def _from_lines(text: str) -> list[Question]:
    questions = []
    # Not splitlines: a sentence may hold U+2028, which ends no line of JSON Lines.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        sample = _json(line, f"Line {number}")
        asked = sample.get("source", sample.get("word")) if isinstance(sample, dict) else None
        if not isinstance(asked, str):
            raise BadRequest(f'Line {number} must be {{"source": "a sentence or a word"}}')
        _check(asked, f"Line {number}")
        questions.append(Question(asked, _k(sample.get("k", 1))))
    return questions


def _check(sentence: str, what: str) -> None:
    """Raises BadRequest for half of a surrogate pair, which JSON can escape and UTF-8 lacks."""
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{what} is not Unicode: {error}") from None


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None


def _k(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest(f'"k" must be a positive whole number, not {value!r}')
    return value
