"""Object2Vec tried out in one process of the environment `pytorch`: what came of it is JSON on the last
line. Run as `python object2vec_probe.py FOLDER WHAT`, with the algorithms' folder on the path.

Objects are sequences of tokens of five topics (ten tokens each); pairs of one topic are labelled 1.
"""

# pyright: reportMissingImports=false
# (torch is in the environment, not in the tests')

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

TOPICS, TOKENS = 5, 10
COMMON = {
    **{"enc0_max_seq_len": "12", "enc0_vocab_size": "50", "enc0_token_embedding_dim": "16"},
    **{"enc_dim": "17", "mlp_dim": "16", "mlp_activation": "relu", "learning_rate": "0.01"},
}


def sequence(topic: int, chance: random.Random) -> list[int]:
    return [topic * TOKENS + chance.randrange(TOKENS) for _ in range(chance.randrange(1, 9))]


def pairs(count: int, seed: int, positive: float = 0.5) -> list[dict[str, Any]]:
    """Pairs, that share of them of one topic."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        topic = other = chance.randrange(TOPICS)
        if chance.random() >= positive:
            other = (topic + chance.randrange(1, TOPICS)) % TOPICS
        sides = {"in0": sequence(topic, chance), "in1": sequence(other, chance)}
        found.append({"label": int(topic == other), **sides})
    return found


def job(root: Path, channels: dict[str, list[dict[str, Any]]], **hyperparameters: str) -> int:
    """The exit status of a training job in `root`, as the platform lays it out."""
    from contract.job import run
    from object2vec.train import train

    config = root / "input" / "config"
    config.mkdir(parents=True)
    entries = {}
    for name, lines in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        entries[name] = {"ContentType": "application/jsonlines", "TrainingInputMode": "File"}
    if "enc0_vocab_file" in hyperparameters:
        folder = root / "input" / "data" / "auxiliary"
        folder.mkdir()
        (folder / "vocab.json").write_text(json.dumps({f"w{n}": n for n in range(40)}))
        rows = (f"w{n} " + " ".join(str(n // 10 == k) for k in range(16)) for n in range(40))
        text = "\n".join(rows).replace("True", "1").replace("False", "0")
        (folder / "vectors.txt").write_text(f"40 16\n{text}\n")
        entries["auxiliary"] = {}
    (config / "hyperparameters.json").write_text(json.dumps({**COMMON, **hyperparameters}))
    (config / "inputdataconfig.json").write_text(json.dumps(entries))
    os.environ["SAGEBRUSH_ML"] = str(root)
    return run(train)


def answer(folder: Path, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from object2vec import inference

    model = inference.model_fn(str(folder / "model"))
    request = inference.input_fn(json.dumps({"instances": instances}))
    body, _ = inference.output_fn(inference.predict_fn(request, model), "application/json")
    return json.loads(body)["predictions"]


def accuracy(folder: Path, test: list[dict[str, Any]]) -> float:
    found = answer(folder, test)
    return sum(
        (a["scores"][1] > 0.5) == b["label"] for a, b in zip(found, test, strict=True)
    ) / len(test)


def kinds(folder: Path, test: list[dict[str, Any]]) -> dict[str, Any]:
    """The networks and ways to train: the test accuracy of each, and how far answers to a request are
    from those to its instances one by one."""
    ways = {
        "hcnn": {"enc0_network": "hcnn", "enc0_layers": "2", "bucket_width": "3"},
        "bilstm": {"enc0_network": "bilstm", "epochs": "8"},
        "mixed": {
            **{"enc0_network": "pooled_embedding", "enc1_network": "hcnn", "enc1_layers": "1"},
            **{"enc1_max_seq_len": "9", "enc1_vocab_size": "50", "enc1_cnn_filter_width": "2"},
        },
        "sparse": {
            **{"enc0_network": "pooled_embedding", "token_embedding_storage_type": "row_sparse"},
            **{"tied_token_embedding_weight": "true", "negative_sampling_rate": "2"},
            **{"comparator_list": "hadamard", "dropout": "0.1"},
        },
    }
    found = {}
    for name, given in ways.items():
        # Where the two sides begin unlike, more is needed.
        count = 3000 if name == "mixed" else 1500
        train = pairs(count, 3, 1.0 if name == "sparse" else 0.5)
        root = folder / name
        status = job(root, {"train": train}, **{"epochs": "6", **given})
        few = test[:12]
        together, alone = answer(root, few), [answer(root, [each])[0] for each in few]
        apart = max(
            abs(a["scores"][1] - b["scores"][1]) for a, b in zip(together, alone, strict=True)
        )
        found[name] = {"status": status, "accuracy": accuracy(root, test), "apart": apart}
    return found


def starts() -> dict[str, list[bool]]:
    """Of networks that have learnt nothing: whether both encoders encode a sequence alike, by weights of
    their own, and whether the last of four layers of an hcnn still tells sequences apart."""
    import torch
    from object2vec import parameters, train
    from object2vec.network import Ragged

    tokens = Ragged(torch.arange(12), torch.tensor([7, 5]))
    found = {}
    for name in ("hcnn", "bilstm", "pooled_embedding"):
        network = train._network(parameters.read({**COMMON, "enc0_network": name}), [None, None])
        left, right = (network.encode(side, tokens) for side in (0, 1))
        own = {weight.data_ptr() for weight in network.encoders.parameters()}
        apart = len(own) == len(list(network.encoders.parameters()))
        found[name] = [bool((left == right).all()), apart]
        if name == "hcnn":
            spread = (left[0] - left[1]).abs()
            found[name].append(bool(spread[-4:].mean() > spread[:4].mean() / 4))
    return found


def basics(folder: Path, test: list[dict[str, Any]]) -> dict[str, Any]:
    """What `pooled_embedding` learns, classes and scores; and what becomes of jobs that cannot be."""
    channels = {"train": pairs(1000, 0), "validation": pairs(200, 1), "test": test}
    pretrained = {"enc0_vocab_file": "vocab.json", "enc0_pretrained_embedding_file": "vectors.txt"}
    pooled = {"enc0_network": "pooled_embedding", "epochs": "5"}
    first, second, third = (folder / name for name in ("first", "second", "third"))
    found: dict[str, Any] = {"status": job(first, channels, **pooled, **pretrained)}
    scores = [{**each, "label": 0.5 + 3 * each["label"]} for each in channels["train"]]
    job(second, {"train": scores}, **pooled, output_layer="mean_squared_error")
    bad = pairs(9, 5)
    bad[4]["in1"] = [50]
    huge = {"enc0_vocab_size": "3000000", "enc0_token_embedding_dim": "1000"}
    singles = [{"in0": [1, 2]}, {"in1": [2, 1]}, {"in0": [1], "in1": [1]}]
    return {
        **found,
        "accuracy": accuracy(first, test),
        "answers": answer(first, singles),
        "regression": answer(second, [{"in0": [1], "in1": [2]}, {"in0": [1], "in1": [42]}]),
        "starts": starts(),
        "bad": job(third, {"train": bad}),
        "huge": job(folder / "huge", {"train": bad}, **huge),
    }


if __name__ == "__main__":
    os.environ["SAGEBRUSH_MEMORY"] = str(16 << 30)
    tried = {"basics": basics, "kinds": kinds}[sys.argv[2]]
    print(json.dumps(tried(Path(sys.argv[1]), pairs(200, 2))))
