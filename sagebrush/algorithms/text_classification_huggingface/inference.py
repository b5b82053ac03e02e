"""The endpoint: sentences in, a probability for each label out.

Requests: `application/x-text` (one sentence), `application/list-text` (a JSON list), `text/csv` (a
sentence a row, as batch transform sends them), `application/json` ({"inputs": ...}). Answers: with
`;verbose` in the accept type also the labels and the predicted one. Sources: AWS's notebook
Amazon_JumpStart_HuggingFace_Text_Classification, and the guide's page "Text Classification -
TensorFlow" (inference).
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contract.errors import BadRequest

TEXT = ("application/x-text", "text/plain")
LIST = "application/list-text"
CSV = "text/csv"
JSON = "application/json"
LINES = ("application/jsonlines", "application/x-jsonlines")
AT_ONCE = 64
"""Sentences that go through the network together."""
CONFIG, LABELS, REFERENCE = "config.json", "label_info.json", "reference.json"


@dataclass(frozen=True)
class Classifier:
    """A loaded model."""

    network: Any
    tokens: Any
    labels: tuple[str, ...]
    length: int


@dataclass(frozen=True)
class Batch:
    """The sentences of a request, or the probabilities of each; `form`: one, list or rows."""

    form: str
    items: Sequence[Any]
    labels: tuple[str, ...] = ()


def model_fn(model_dir: str) -> Classifier:
    """The model of the folder, or that of HF_MODEL_ID; raises ValueError where there is none."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    place, known = _place(Path(model_dir))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = AutoModelForSequenceClassification.from_pretrained(place).float().eval().to(device)
    tokens = AutoTokenizer.from_pretrained(place)
    if getattr(tokens, "pad_token", None) is None:
        tokens.pad_token = tokens.eos_token or tokens.unk_token
    names = network.config.id2label
    labels = tuple(str(names[number]) for number in range(network.config.num_labels))
    places = getattr(network.config, "max_position_embeddings", None) or 512
    length = int(known.get("max_seq_length", 0)) or min(places - 2, tokens.model_max_length)
    return Classifier(network, tokens, labels, length)


def input_fn(body: bytes | str, content_type: str = JSON) -> Batch:
    """The sentences that a request asks of; raises BadRequest."""
    base = content_type.partition(";")[0].strip().lower()
    try:
        text = body if isinstance(body, str) else bytes(body).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}") from None
    if base in TEXT:
        return Batch("one", [_sentence(text, "The body")])
    if base == CSV:
        return Batch("rows", _rows(text))
    if base not in (LIST, JSON):
        raise BadRequest(
            f"Content type {content_type} is not supported: use {TEXT[0]}, {LIST}, {CSV} or {JSON}",
            415,
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}") from None
    if base == JSON and isinstance(found, dict):
        found = found.get("inputs", found.get("text_inputs"))
    if isinstance(found, str):
        return Batch("one", [_sentence(found, "The body")])
    if not isinstance(found, list) or not found:
        raise BadRequest('The body must be a list of sentences: ["good", "bad"]')
    return Batch("list", [_sentence(each, f"[{number}]") for number, each in enumerate(found)])


def predict_fn(asked: Batch, model: Classifier) -> Batch:
    """The probabilities of each sentence, in order."""
    import torch

    texts = list(asked.items)
    found: list[Any] = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    with torch.no_grad():
        for at in range(0, len(order), AT_ONCE):
            some = order[at : at + AT_ONCE]
            inputs = model.tokens(
                [texts[number] for number in some], truncation=True, padding=True,
                max_length=model.length, return_tensors="pt",
            ).to(model.network.device)  # fmt: skip
            shares = torch.softmax(model.network(**inputs).logits, -1).cpu().tolist()
            for number, each in zip(some, shares):
                found[number] = each
    return Batch(asked.form, found, model.labels)


def output_fn(answers: Batch, accept: str = JSON) -> tuple[str, str]:
    """(the body, its content type); raises BadRequest (406)."""
    base = accept.partition(";")[0].strip().lower()
    verbose = "verbose" in [part.strip().lower() for part in accept.split(";")[1:]]
    if base not in (JSON, CSV, *LINES, "*/*", ""):
        raise BadRequest(
            f"Accept type {accept} is not supported: use {JSON};verbose or {JSON}", 406
        )
    if answers.form == "rows" or base in (CSV, *LINES):
        lines = [
            json.dumps(_answer([each], answers.labels, verbose, True)) for each in answers.items
        ]
        return "\n".join(lines) + "\n", base if base in (CSV, *LINES) else JSON
    return json.dumps(_answer(answers.items, answers.labels, verbose, answers.form == "one")), JSON


def _answer(
    shares: Sequence[Sequence[float]], labels: tuple[str, ...], verbose: bool, single: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"probabilities": shares[0] if single else list(shares)}
    if verbose:
        best = [labels[max(range(len(each)), key=each.__getitem__)] for each in shares]
        found["labels"] = list(labels)
        found["predicted_label"] = best[0] if single else best
    return found


def _sentence(text: object, what: str) -> str:
    """The text; raises BadRequest where it is none, or empty, or half a surrogate pair."""
    if not isinstance(text, str):
        raise BadRequest(f"{what} must be text, not {type(text).__name__}")
    if not text.strip():
        raise BadRequest(f"{what} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{what} is not Unicode: {error}") from None
    return text


def _rows(text: str) -> list[str]:
    """The first column of each row that is not empty; raises BadRequest."""
    try:
        found = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error}") from None
    if not found:
        raise BadRequest("The body is empty")
    for number, row in enumerate(found, 1):
        if len(row) > 1:
            raise BadRequest(
                f"Row {number} has {len(row)} columns: a sentence that has commas is to be in quotes"
            )
    return [_sentence(row[0], f"Row {number}") for number, row in enumerate(found, 1)]


def _place(folder: Path) -> tuple[str, dict[str, Any]]:
    """(Where the model is, what training said of it); raises ValueError where there is none."""
    if identity := os.environ.get("HF_MODEL_ID"):
        return identity, {}
    configs = sorted(folder.rglob(CONFIG), key=lambda path: (len(path.parts), str(path)))
    if configs:
        known = configs[0].parent / LABELS
        told = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
        return str(configs[0].parent), told
    if (folder / REFERENCE).is_file():
        told = json.loads((folder / REFERENCE).read_text(encoding="utf-8"))
        raise ValueError(
            f"The classifier of {told['model_id']} is not here: AWS could not be reached for it. Put it"
            f" there (sagebrush samples add jumpstart-cache-prod-REGION/{told['key']} FOLDER-OR-TAR.GZ),"
            " name one on the hub (HF_MODEL_ID), or train one first and deploy that"
        )
    raise ValueError(f"the model archive has no {CONFIG}: it is no model of Transformers")
