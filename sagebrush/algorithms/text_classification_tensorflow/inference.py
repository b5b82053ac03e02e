"""The endpoint's code, for TensorFlow Serving: one text in, the probabilities of the classes out.

Source: Amazon SageMaker AI Developer Guide, Inference with the Text Classification - TensorFlow algorithm.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if (
    not __package__
):  # loaded by its path: beside its packages in a model, below them in the repository
    for _folder in Path(__file__).resolve().parents[:2]:
        if (_folder / "contract").is_dir():
            sys.path.insert(0, str(_folder))

from contract.errors import BadRequest
from text_classification_tensorflow import artefact, text_ops

TEXT = "application/x-text"
JSON = "application/json"
VERBOSE = ";verbose"
ANY = ("*/*", "application/*", "")


def input_handler(data: Any, context: Any) -> str:
    """TensorFlow Serving's request for the text in the body; raises BadRequest."""
    kind = str(context.request_content_type).partition(";")[0].strip().lower()
    if kind != TEXT:
        raise BadRequest(f"The content type {kind!r} is not supported: expected {TEXT}", 415)
    _verbose(context.accept_header)
    try:
        text = data.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The text is not UTF-8: {error}") from None
    if not text.strip():
        raise BadRequest("The text is empty: expected one text")
    return json.dumps({"instances": [text.rstrip("\r\n")]})


def output_handler(response: Any, context: Any) -> tuple[str, str]:
    """The answer that the request accepts, and its content type; raises BadRequest."""
    if response.status_code != 200:
        told = response.content.decode("utf-8", "replace")
        if response.status_code == 400:
            raise BadRequest(told)
        raise ValueError(told)
    verbose = _verbose(context.accept_header)
    found = response.json()["predictions"][0]
    probabilities = found["probabilities"] if isinstance(found, Mapping) else found
    if not verbose:
        return json.dumps({"probabilities": probabilities}), JSON
    return json.dumps(answer(probabilities, labels(len(probabilities)))), JSON + VERBOSE


def answer(probabilities: Sequence[float], names: Sequence[Any]) -> dict[str, Any]:
    """The verbose answer."""
    best = max(range(len(probabilities)), key=lambda place: probabilities[place])
    return {
        "probabilities": list(probabilities),
        "labels": list(names),
        "predicted_label": names[best],
    }


def labels(count: int) -> list[Any]:
    """The labels of the model's classes, as numbers where they are; 0, 1, ... where no file says."""
    file = _beside(artefact.INDEX)
    if file is None:
        return list(range(count))
    index = json.loads(file.read_text(encoding="utf-8"))
    names = sorted(index, key=lambda name: index[name])
    return [int(name) if name.lstrip("-").isdigit() else name for name in names]


def _verbose(accept: str) -> bool:
    """Whether the request wants labels too; raises BadRequest where it accepts something else."""
    for part in (accept or "").lower().replace(" ", "").split(","):
        if part == JSON + VERBOSE:
            return True
        if part.partition(";")[0] in (JSON, *ANY):
            return False
    raise BadRequest(
        f"The accept type {accept!r} is not supported: expected {JSON} or {JSON}{VERBOSE}", 406
    )


def _beside(name: str) -> Path | None:
    """The file of the model's folder, which is above the code's."""
    places = (*Path(__file__).resolve().parents[:3], Path("/opt/ml/model"))
    return next((place / name for place in places if (place / name).is_file()), None)


def _prepare() -> None:
    """The operations that the model needs are there before it is loaded; raises FileNotFoundError
    where there is a reference to a model of AWS's in its place."""
    reference = _beside(artefact.REFERENCE)
    if reference is not None:
        told = json.loads(reference.read_text(encoding="utf-8"))
        raise FileNotFoundError(
            f"the model {told.get('model_id')} is not here: its place holds a reference only. Deploy a"
            f" model that was fine-tuned here, or put AWS's file there (`sagebrush samples add"
            f" jumpstart-cache-prod-REGION/{told.get('key')} FILE.tar.gz`)"
        )
    file = _beside(artefact.TRAINING)
    if file is not None and json.loads(file.read_text(encoding="utf-8")).get("text_ops"):
        import tensorflow  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

        text_ops.load("operations", tensorflow.__version__)


_prepare()
