"""Object2Vec's endpoint: pairs in, scores out; single objects in, their embeddings out.

Source: Amazon SageMaker AI Developer Guide, Data Formats for Object2Vec Inference, and Encoder Embeddings
for Object2Vec.
"""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # loaded by its path, as the model server loads any inference code
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__, __spec__ = importlib.import_module("object2vec").__name__, None

import torch
from contract.errors import BadRequest, ClientError

from . import artefact, batches, data, fitting
from .network import Network
from .parameters import Parameters
from .requests import Batch, input_fn, output_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_batch_fn", "predict_fn"]
AT_ONCE = 512
"""Objects that are encoded at a time."""


@dataclass(frozen=True)
class Model:
    """A trained network and what it was trained with."""

    network: Network
    parameters: Parameters


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`, on a GPU where there is one; raises ValueError where there is none.

    Scores and embeddings come from the same weights, so that INFERENCE_PREFERRED_MODE, which on AWS
    chooses the network that is put on the GPU, changes nothing.
    """
    network, wanted = artefact.load(Path(model_dir))
    return Model(network.to("cuda" if torch.cuda.is_available() else "cpu"), wanted)


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
    """The ids that count; one beyond the vocabulary is its last, as MXNet's Embedding has it.

    AWS's notebook object2vec_multilabel_genre_classification asks with such ids: it numbers unknown
    words one above the size that it trained with.
    """
    encoder = wanted.encoders[side]
    try:
        tokens = data.listed(item, side, where)[: encoder.max_seq_len]
    except ClientError as error:
        raise BadRequest(str(error)) from None
    return [min(token, encoder.vocab_size - 1) for token in tokens]


def _lengthened(wanted: Parameters, longest: tuple[int, int] | None) -> Parameters:
    """The parameters with the lengths that the request asks for."""
    if longest is None:
        return wanted
    first, second = (
        dataclasses.replace(encoder, max_seq_len=most)
        for encoder, most in zip(wanted.encoders, longest)
    )
    return dataclasses.replace(wanted, encoders=(first, second))
