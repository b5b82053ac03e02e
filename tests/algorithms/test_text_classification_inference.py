"""The endpoint's handlers of Text Classification - TensorFlow, without a model."""

from __future__ import annotations

import importlib
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from contract.errors import BadRequest

inference = importlib.import_module("text_classification_tensorflow.inference")
PREDICTIONS = {"predictions": [[0.25, 0.75]]}


def request(kind: str = "application/x-text", accept: str = "application/json") -> Any:
    """TensorFlow Serving's context."""
    return SimpleNamespace(request_content_type=kind, accept_header=accept)


def response(status: int, told: object) -> Any:
    """TensorFlow Serving's answer."""
    content = json.dumps(told).encode()
    return SimpleNamespace(status_code=status, content=content, json=lambda: told)


def test_a_text_becomes_one_instance() -> None:
    said = inference.input_handler(io.BytesIO('"good", Größe\n'.encode()), request())
    assert json.loads(said) == {"instances": ['"good", Größe']}


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", "text/html, application/json"])
def test_json_has_probabilities_alone(accept: str) -> None:
    body, kind = inference.output_handler(response(200, PREDICTIONS), request(accept=accept))
    assert (json.loads(body), kind) == ({"probabilities": [0.25, 0.75]}, "application/json")


def test_verbose_json_has_labels_too() -> None:
    accept = "application/json;verbose"
    body, kind = inference.output_handler(response(200, PREDICTIONS), request(accept=accept))
    assert kind == accept
    assert json.loads(body) == {
        "probabilities": [0.25, 0.75],
        "labels": [0, 1],
        "predicted_label": 1,
    }
    assert inference.answer([0.7, 0.3], [4, 9])["predicted_label"] == 4


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status"),
    [
        (b" \n", "application/x-text", "application/json", 400),
        (b"\xff", "application/x-text", "application/json", 400),
        (b"a", "text/csv", "application/json", 415),
        (b"a", "application/x-text", "text/csv", 406),
    ],
)
def test_bad_requests_are_refused(body: bytes, kind: str, accept: str, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        inference.input_handler(io.BytesIO(body), request(kind, accept))
    assert refused.value.status_code == status
    with pytest.raises(BadRequest):
        inference.output_handler(response(400, {"error": "no"}), request())
