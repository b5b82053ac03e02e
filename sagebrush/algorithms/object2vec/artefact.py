"""Object2Vec's model files: model.json says what the network is, weights.npz holds its arrays.

AWS's are closed; these are ours, described in docs/object2vec.md, and hold nothing that is run.
"""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from .network import Network
from .parameters import Encoder, Parameters

CONFIGURATION, WEIGHTS = "model.json", "weights.npz"
FORMAT = 1


def save(folder: Path, network: Network, wanted: Parameters) -> None:
    """The model is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "algorithm": "object2vec",
        "format": FORMAT,
        "one_table": len(network.tables()) == 1,
        "parameters": asdict(wanted),
    }
    (folder / CONFIGURATION).write_text(json.dumps(about, indent=1))
    # A table that both encoders share is in the state twice, and in the file once.
    arrays = {name: value.detach().cpu().numpy() for name, value in network.named_parameters()}
    with (folder / WEIGHTS).open("wb") as out:
        np.savez(out, **arrays)


def load(folder: Path) -> tuple[Network, Parameters]:
    """The network, not learning; raises ValueError where `folder` holds no model of this algorithm."""
    for name in (CONFIGURATION, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(
                f"no {name} in the model archive: it must hold one, at its top (models that AWS's own"
                " Object2Vec trained are in a closed format)"
            )
    about = json.loads((folder / CONFIGURATION).read_text())
    if about.get("algorithm") != "object2vec" or about.get("format") != FORMAT:
        raise ValueError(f"{CONFIGURATION} is not of an Object2Vec model of format {FORMAT}")
    given = dict(about["parameters"])
    first, second = (Encoder(**each) for each in given.pop("encoders"))
    comparators = tuple(given.pop("comparators"))
    wanted = Parameters(encoders=(first, second), comparators=comparators, **given)
    with torch.device("meta"):  # nothing is initialised that is read in the next moment
        network = Network(wanted, about["one_table"])
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    expected = dict(network.named_parameters())
    if state.keys() != expected.keys():
        raise ValueError(
            f"{WEIGHTS} does not hold the arrays of the network that {CONFIGURATION} describes"
        )
    for name, value in state.items():
        if value.shape != expected[name].shape:
            raise ValueError(f"{WEIGHTS}: {name} has the shape {tuple(value.shape)}")
    network.load_state_dict(state, assign=True, strict=False)
    return network.eval().requires_grad_(False), wanted
