"""A trained model as AWS's NTM leaves it: `model_algo-1`, a zip of MXNet's `params` and `symbol.json`.

The guide's notebooks unzip it and read `arg:projection_weight` (words, topics), the decoder's weights.
`symbol.json` is the encoder as MXNet's graph, from the word counts (`data`) to the topic weights; MXNet
runs it. What AWS calls the encoder's arrays is not published, so a model that AWS trained is not read
here. NumPy alone: an endpoint loads no PyTorch.

Source: aws/amazon-sagemaker-examples, ntm_20newsgroups_topic_model.ipynb.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt
from contract import ndarrays

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

PREFIX = "model_"
"""The archive's file of a host: `model_algo-1`."""
PARAMS, SYMBOL, META = "params", "symbol.json", "meta.json"
_MXNET = 10_901
"""The version of MXNet whose graph format it is: 1.9.1."""
Floats = npt.NDArray[np.float32]
Counts = Union["csr_matrix", Floats]


@dataclass(frozen=True)
class Model:
    """What inference needs: the encoder, and the topics."""

    layers: Sequence[tuple[Floats, Floats]]
    """Weight (in, out) and bias of each of the encoder's layers; the last gives the topics' scores."""
    activation: str
    topics: Floats
    """(words, topics): arg:projection_weight."""

    @property
    def words(self) -> int:
        return self.layers[0][0].shape[0]

    def mixtures(self, counts: Counts) -> Floats:
        """(documents, topics): the topic weights of each document; each row adds up to 1."""
        hidden = np.log1p(counts) if isinstance(counts, np.ndarray) else counts.log1p()
        for weight, bias in self.layers[:-1]:
            hidden = _ACTIVATIONS[self.activation](np.asarray(hidden @ weight) + bias)
        weight, bias = self.layers[-1]
        score = np.asarray(hidden @ weight) + bias
        powers = np.exp(score - score.max(1, keepdims=True))
        return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def write(file: Path, arrays: Mapping[str, Floats], activation: str) -> None:
    """The file holds the model whose arrays are `encoder_0_weight`, `encoder_0_bias`, …,
    `mean_weight`, `mean_bias`, `projection_weight`, `projection_bias` and further ones."""
    names = _layer_names(arrays)
    params = io.BytesIO()
    ndarrays.save(params, {f"arg:{name}": array for name, array in arrays.items()})
    words, topics = arrays["projection_weight"].shape
    meta = {
        "algorithm": "ntm",
        "feature_dim": words,
        "num_topics": topics,
        "encoder_layers": [len(arrays[f"{name}_bias"]) for name in names[:-1]],
        "encoder_layers_activation": activation,
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SYMBOL, json.dumps(_symbol(arrays, names, activation), indent=2))
        archive.writestr(PARAMS, params.getvalue())
        archive.writestr(META, json.dumps(meta))


def find(folder: Path) -> Path:
    """The model's file in an archive that was unpacked into `folder`: the first host's, as all are the
    same. Raises ValueError."""
    found = sorted(file for file in folder.glob(f"{PREFIX}*") if file.is_file())
    if not found:
        raise ValueError(f"no {PREFIX}algo-1 in the model archive: it must hold one, at its top")
    return found[0]


def load(file: Path) -> Model:
    """The model in `file`. Raises ValueError where it is none of this algorithm's."""
    try:
        with zipfile.ZipFile(file) as archive:
            arrays = ndarrays.load(io.BytesIO(archive.read(PARAMS)))
            meta = json.loads(archive.read(META))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{file.name} is no model of NTM: {error}") from None
    if not isinstance(arrays, dict) or "arg:mean_weight" not in arrays:
        raise ValueError(
            f"{file.name} was not trained here: the names of its encoder's arrays are not known"
        )
    plain = {name.partition(":")[2]: array for name, array in arrays.items()}
    layers = [
        # A sparse document takes rows of the first: they lie together.
        (np.ascontiguousarray(plain[f"{each}_weight"].T), plain[f"{each}_bias"])
        for each in _layer_names(plain)
    ]
    return Model(layers, meta["encoder_layers_activation"], plain["projection_weight"])


def _layer_names(arrays: Mapping[str, Any]) -> list[str]:
    """The encoder's layers, in order."""
    hidden = sum(name.startswith("encoder_") and name.endswith("_weight") for name in arrays)
    return [*(f"encoder_{number}" for number in range(hidden)), "mean"]


def _symbol(
    arrays: Mapping[str, Floats], names: Sequence[str], activation: str
) -> dict[str, object]:
    """The encoder as a graph of MXNet (nnvm's JSON)."""
    nodes: list[dict[str, object]] = []

    def node(op: str, name: str, inputs: Sequence[int], **attrs: str) -> int:
        entry: dict[str, object] = {"op": op, "name": name}
        if attrs:
            entry["attrs"] = attrs
        nodes.append({**entry, "inputs": [[i, 0, 0] for i in inputs]})
        return len(nodes) - 1

    last = node("log1p", "counts", [node("null", "data", [])])
    for name in names:
        size = str(len(arrays[f"{name}_bias"]))
        weight, bias = node("null", f"{name}_weight", []), node("null", f"{name}_bias", [])
        last = node("FullyConnected", name, [last, weight, bias], num_hidden=size)
        if name != "mean":
            last = node("Activation", f"{name}_activation", [last], act_type=activation)
    last = node("softmax", "topic_weights", [last])
    return {
        "nodes": nodes,
        "arg_nodes": [number for number, each in enumerate(nodes) if each["op"] == "null"],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[last, 0, 0]],
        "attrs": {"mxnet_version": ["int", _MXNET]},
    }


def _sigmoid(values: Floats) -> Floats:
    return np.float32(0.5) * (np.float32(1) + np.tanh(np.float32(0.5) * values))


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0)


_ACTIVATIONS = {"sigmoid": _sigmoid, "tanh": np.tanh, "relu": _relu}
