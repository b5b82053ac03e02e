"""Selectable inference: what of a prediction an endpoint of AWS's XGBoost algorithm answers, as
SAGEMAKER_INFERENCE_OUTPUT asks, and the formats of its answers.

Source: Amazon SageMaker AI Developer Guide, "Inference container definitions for Autopilot" (the keys),
and github.com/aws/sagemaker-xgboost-container, `algorithm_mode/serve_utils.py`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sagebrush.toolkit.serving import formats

VARIABLE = "SAGEMAKER_INFERENCE_OUTPUT"
RECORDIO = "application/x-recordio-protobuf"
ACCEPTED = [formats.JSON, formats.JSON_LINES, RECORDIO, formats.CSV]
_BINARY = ("predicted_label", "labels", "raw_score", "raw_scores")
_CHANCES = ("predicted_label", "labels", "probability", "probabilities", "raw_score", "raw_scores")
_NUMBER = ("predicted_score",)
KEYS: Mapping[str, Sequence[str]] = {
    "reg:squarederror": _NUMBER,
    "reg:linear": _NUMBER,
    "reg:logistic": _NUMBER,
    "reg:gamma": _NUMBER,
    "reg:tweedie": _NUMBER,
    "binary:logistic": _CHANCES,
    "binary:logitraw": _BINARY,
    "binary:hinge": _BINARY,
    "multi:softmax": _BINARY,
    "multi:softprob": _CHANCES,
}
"""Objective -> what can be selected."""
NAN = float("nan")


def chosen(given: str) -> list[str]:
    """The keys that the variable asks for."""
    return [key for key in given.replace(" ", "").lower().split(",") if key]


def select(
    predictions: Sequence[Any], keys: Sequence[str], objective: str, classes: int
) -> list[dict[str, Any]]:
    """For each prediction (a number, or a list of them), key -> value; a key that the objective lacks
    is NaN. Raises ValueError for an objective without such keys."""
    if objective not in KEYS:
        raise ValueError(
            f"Objective `{objective}` unsupported for selectable inference predictions."
        )
    return [
        {
            key: _value(key, each, objective, classes) if key in KEYS[objective] else NAN
            for key in keys
        }
        for each in predictions
    ]


def _value(key: str, raw: Any, objective: str, classes: int) -> Any:
    if key == "predicted_score":
        return raw
    if key == "predicted_label":
        return _label(raw, objective)
    if key == "labels":
        return [0, 1] if objective.startswith("binary:") else list(range(classes))
    if isinstance(raw, list):
        return max(raw) if key in ("probability", "raw_score") else raw
    return raw if key in ("probability", "raw_score") else [1.0 - raw, raw]


def _label(raw: Any, objective: str) -> Any:
    if isinstance(raw, list):
        return raw.index(max(raw))
    if objective == "binary:logistic":
        return int(raw > 0.5)
    return int(raw > 0) if objective == "binary:logitraw" else raw


def encode(rows: Sequence[Mapping[str, Any]], accept: str, batch: bool) -> bytes:
    """The answer in one of ACCEPTED; `batch`: CSV's last line ends."""
    if accept == formats.JSON:
        return json.dumps({"predictions": list(rows)}).encode()
    if accept == formats.JSON_LINES:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if accept == RECORDIO:
        return _records(rows)
    lines = "\n".join(",".join(map(_cell, row.values())) for row in rows)
    return (lines + "\n" * batch).encode()


def _cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)


def _records(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One record a row, in whose label each key is a tensor."""
    import numpy
    from contract import record_protobuf, recordio  # pyright: ignore[reportMissingImports]

    out = io.BytesIO()
    for row in rows:
        label = {
            key: record_protobuf.Tensor(numpy.array(value, "float32").reshape(-1))
            for key, value in row.items()
        }
        recordio.write(out, record_protobuf.encode(record_protobuf.Record({}, label)))
    return out.getvalue()
