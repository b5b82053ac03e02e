"""Object2Vec's endpoint: pairs in, scores out; single objects in, their embeddings out.

Source: Amazon SageMaker AI Developer Guide, Data Formats for Object2Vec Inference, and Encoder Embeddings
for Object2Vec.
"""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("object2vec").__name__, None

import numpy as np
import torch
from contract import channels
from contract.errors import BadRequest, ClientError

from . import artefact, batches, data, fitting
from .network import Network
from .parameters import Parameters

JSON = "application/json"
JSON_LINES = "application/jsonlines"
LENGTHS = "infer_max_seqlens"
AT_ONCE = 512
"""Objects that are encoded at a time."""


@dataclass(frozen=True)
class Model:
    """A trained network and what it was trained with."""

    network: Network
    parameters: Parameters


@dataclass(frozen=True)
class Batch:
    """The instances of a request, or their answers, in order."""

    form: str
    """The content type of the request."""
    items: Sequence[Any]
    longest: tuple[int, int] | None = None
    """What `infer_max_seqlens` says: tokens of in0 and of in1 that count."""


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`, on a GPU where there is one; raises ValueError where there is none.

    Scores and embeddings come from the same weights, so that INFERENCE_PREFERRED_MODE, which on AWS
    chooses the network that is put on the GPU, changes nothing.
    """
    network, wanted = artefact.load(Path(model_dir))
    return Model(network.to("cuda" if torch.cuda.is_available() else "cpu"), wanted)


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The instances of a request; raises BadRequest."""
    form, options = channels.content_type(content_type)
    if form not in (JSON, JSON_LINES):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {JSON} or {JSON_LINES}", 415
        )
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    items = _from_json(text) if form == JSON else _from_lines(text)
    return Batch(form, items, _longest(options[LENGTHS]) if LENGTHS in options else None)


def predict_fn(request: Batch, model: Model) -> Batch:
    """The scores of pairs and the embeddings of single objects, in order; raises BadRequest."""
    return predict_batch_fn([request], model)[0]


def predict_batch_fn(requests: Sequence[Batch], model: Model) -> list[Batch]:
    """The answers to several requests, computed together; raises BadRequest."""
    places: list[tuple[int, int]] = []
    tokens: tuple[list[list[int]], list[list[int]]] = ([], [])
    owners: tuple[list[int], list[int]] = ([], [])
    for number, request in enumerate(requests):
        wanted = _lengthened(model.parameters, request.longest)
        for index, item in enumerate(request.items):
            for side, name in enumerate(data.SIDES):
                if name in item:
                    tokens[side].append(_tokens(item, side, wanted, f"instances[{index}]"))
                    owners[side].append(len(places))
            places.append((number, index))
    encoded = [_encoded(model, side, tokens[side]) for side in (0, 1)]
    rows = [dict(zip(owners[side], range(len(owners[side])))) for side in (0, 1)]
    found: list[dict[str, list[float]]] = [{}] * len(places)
    both = sorted(rows[0].keys() & rows[1].keys())
    if both:
        left, right = (encoded[side][[rows[side][place] for place in both]] for side in (0, 1))
        for place, scores in zip(both, _scores(model, left, right)):
            found[place] = {"scores": scores}
    for side in (0, 1):
        for place in rows[side].keys() - set(both):
            found[place] = {"embeddings": encoded[side][rows[side][place]].tolist()}
    answers: list[list[Any]] = [[] for _ in requests]
    for (number, _), answer in zip(places, found):
        answers[number].append(answer)
    return [Batch(request.form, items) for request, items in zip(requests, answers)]


def output_fn(answers: Batch, accept: str, context: Any = None) -> tuple[str, str]:
    """The body and its content type: what the request accepts, in the form of the request where it
    accepts anything; raises BadRequest."""
    # `accept` is JSON where the request names nothing.
    named = accept if context is None else context.get_request_header(0, "accept")
    form = channels.content_type((named or "*/*").partition(",")[0])[0]
    if form in ("", "*/*", "application/*"):
        form = answers.form
    if form == JSON_LINES:
        return "".join(json.dumps(each) + "\n" for each in answers.items), JSON_LINES
    if form == JSON:
        return json.dumps({"predictions": answers.items}), JSON
    raise BadRequest(f"Accept type {named} is not supported: use {JSON} or {JSON_LINES}", 406)


def _encoded(model: Model, side: int, tokens: Sequence[list[int]]) -> torch.Tensor:
    """(sequences, dim): those of like length are encoded together."""
    network = model.network
    device = network.output.weight.device
    found = torch.empty((len(tokens), network.dim), device=device)
    given = data.sequences(tokens)
    with torch.inference_mode():
        for batch in batches.by_length(given.lengths, AT_ONCE):
            found[torch.from_numpy(batch).to(device)] = network.encode(
                side, fitting.ragged(given, batch, device)
            )
    return found


def _scores(model: Model, left: torch.Tensor, right: torch.Tensor) -> list[list[float]]:
    with torch.inference_mode():
        scores = model.network.compare(left, right)
        if not model.parameters.regression:
            scores = scores.softmax(1)
        return scores.tolist()


def _tokens(item: dict[str, Any], side: int, wanted: Parameters, where: str) -> list[int]:
    try:
        return data.checked(item, side, wanted, where)[: wanted.encoders[side].max_seq_len]
    except ClientError as error:
        raise BadRequest(str(error)) from None


def _lengthened(wanted: Parameters, longest: tuple[int, int] | None) -> Parameters:
    """The parameters with the lengths that the request asks for."""
    if longest is None:
        return wanted
    first, second = (
        dataclasses.replace(encoder, max_seq_len=most)
        for encoder, most in zip(wanted.encoders, longest)
    )
    return dataclasses.replace(wanted, encoders=(first, second))


def _longest(text: str) -> tuple[int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(p.isdigit() and 1 <= int(p) <= 5000 for p in parts):
        raise BadRequest(f"{LENGTHS}={text} must be two whole numbers from 1 to 5000, like 20,30")
    return int(parts[0]), int(parts[1])


def _from_json(text: str) -> list[dict[str, Any]]:
    request = _json(text, "The body")
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise BadRequest('The body must be {"instances": [{"in0": [6, 17], "in1": [16]}, ...]}')
    return [
        _instance(each, f"instances[{number}]") for number, each in enumerate(request["instances"])
    ]


def _from_lines(text: str) -> list[dict[str, Any]]:
    return [
        _instance(_json(line, f"Line {number}"), f"Line {number}")
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]


def _instance(found: Any, where: str) -> dict[str, Any]:
    """An object with in0, in1 or both; other members, such as the label of test data, do not matter."""
    if not isinstance(found, dict) or not any(name in found for name in data.SIDES):
        raise BadRequest(f'{where} must be an object with "in0", "in1" or both, like {{"in0": [6, 17]}}')
    return found


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON: {error}") from None
