"""NTM's artefact, and the answers of its endpoint."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import ndarrays, record_protobuf, recordio
from contract.errors import BadRequest
from contract.record_protobuf import Record, Tensor
from ntm import artefact, inference
from ntm.artefact import Model

RANDOM = np.random.default_rng(7)
SHAPES = {
    "encoder_0_weight": (4, 6), "encoder_0_bias": (4,), "encoder_1_weight": (3, 4),
    "encoder_1_bias": (3,), "mean_weight": (2, 3), "mean_bias": (2,), "variance_weight": (2, 3),
    "variance_bias": (2,), "projection_weight": (6, 2), "projection_bias": (6,),
}  # fmt: skip
ARRAYS = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
DOCUMENT = [0, 2, 0, 1, 0, 3]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    artefact.write(tmp_path / "model_algo-1", ARRAYS, "sigmoid")
    return inference.model_fn(str(tmp_path))


def expected(document: list[int]) -> Any:
    """The topic weights, written out."""
    hidden = np.log1p(np.array(document, np.float32))
    for number in (0, 1):
        hidden = ARRAYS[f"encoder_{number}_weight"] @ hidden + ARRAYS[f"encoder_{number}_bias"]
        hidden = 1 / (1 + np.exp(-hidden))
    powers = np.exp(ARRAYS["mean_weight"] @ hidden + ARRAYS["mean_bias"])
    return powers / powers.sum()


def answer(model: Model, body: bytes | str, kind: str, accept: str = "application/json") -> Any:
    return inference.output_fn(inference.predict_fn(inference.input_fn(body, kind), model), accept)


def record(tensor: Tensor) -> bytes:
    out = io.BytesIO()
    recordio.write(out, record_protobuf.encode(Record({"values": tensor}, {})))
    return out.getvalue()


def test_the_artefact_is_what_the_guides_notebooks_unzip(tmp_path: Path) -> None:
    artefact.write(tmp_path / "model_algo-1", ARRAYS, "relu")
    with zipfile.ZipFile(tmp_path / "model_algo-1") as archive:
        assert sorted(archive.namelist()) == ["meta.json", "params", "symbol.json"]
        arrays = ndarrays.load(io.BytesIO(archive.read("params")))
        symbol = json.loads(archive.read("symbol.json"))
    assert isinstance(arrays, dict)
    assert (arrays["arg:projection_weight"] == ARRAYS["projection_weight"]).all()
    operations = [node["op"] for node in symbol["nodes"] if node["op"] != "null"]
    assert operations == [
        "log1p", "FullyConnected", "Activation", "FullyConnected", "Activation", "FullyConnected",
        "softmax",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (",".join(map(str, DOCUMENT)) + "\n", "text/csv"),
        (json.dumps({"instances": [{"features": DOCUMENT}]}), "application/json"),
        (json.dumps({"instances": [{"data": {"features": {"values": DOCUMENT}}}]}),
         "application/json"),
        (json.dumps({"features": DOCUMENT}) + "\n", "application/jsonlines"),
        (record(Tensor(np.array(DOCUMENT, np.float32))), "application/x-recordio-protobuf"),
    ],
)  # fmt: skip
def test_word_counts_become_topic_weights(model: Model, body: bytes | str, kind: str) -> None:
    said, form = answer(model, body, kind)
    (found,) = json.loads(said)["predictions"]
    assert found["topic_weights"] == pytest.approx(expected(DOCUMENT), rel=1e-5)
    assert form == "application/json"


def test_answers_have_the_form_that_is_accepted(model: Model) -> None:
    body = "\n".join([",".join(map(str, DOCUMENT)), "1,0,0,0,0,0"])
    lines, _ = answer(model, body, "text/csv", "application/jsonlines")
    assert [len(json.loads(line)["topic_weights"]) for line in lines.splitlines()] == [2, 2]
    records, _ = answer(model, body, "text/csv", "application/x-recordio-protobuf")
    found = [record_protobuf.decode(each) for each in recordio.records(io.BytesIO(records))]
    weights = found[1].label["topic_weights"]
    assert isinstance(weights, Tensor)
    assert weights.values == pytest.approx(expected([1, 0, 0, 0, 0, 0]), rel=1e-5)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("1,2,3\n", "text/csv", 400),
        ("1,2,3,4,5,nan\n", "text/csv", 400),
        ("1,0,0,0,0,-1\n", "text/csv", 400),
        ("{}", "application/json", 400),
        ("hello", "text/plain", 415),
    ],
)
def test_what_is_no_document_is_refused(model: Model, body: str, kind: str, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        answer(model, body, kind)
    assert refused.value.status_code == status


def test_a_model_of_another_making_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model_algo-1 in the model archive"):
        inference.model_fn(str(tmp_path))
    file = tmp_path / "model_algo-1"
    file.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="no model of NTM"):
        artefact.load(file)
    params = io.BytesIO()
    ndarrays.save(params, {"arg:projection_weight": ARRAYS["projection_weight"]})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("params", params.getvalue())
        archive.writestr("meta.json", "{}")
    with pytest.raises(ValueError, match="was not trained here"):
        artefact.load(file)
