"""Run in the environment `pytorch`: whole targets and step by step give the same, a small language is
learnt as a job learns it, and the model answers. Prints one JSON line for each."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from contract import record_protobuf, recordio
from contract.record_protobuf import Record, Tensor
from seq2seq import inference, parameters, search, train
from seq2seq.attention import Memory
from seq2seq.network import Network
from seq2seq.search import Words

SMALL = {
    "rnn_num_hidden": "8",
    "cnn_num_hidden": "6",
    "num_embed_source": "5",
    "num_embed_target": "4",
}
KINDS = [
    {},
    *({"rnn_attention_type": kind} for kind in ("dot", "fixed", "bilinear")),
    {"rnn_cell_type": "gru", "rnn_decoder_state_init": "avg"},
    {"num_layers_encoder": "3", "num_layers_decoder": "3", "rnn_residual_connections": "true"},
    {"num_layers_decoder": "2", "rnn_attention_in_upper_layers": "false", "rnn_decoder_state_init": "zero"},
    {"encoder_type": "cnn"},
    {"decoder_type": "cnn", "num_layers_decoder": "2"},
    *({"encoder_type": "cnn", "decoder_type": "cnn", "cnn_activation_type": kind}
      for kind in ("relu", "softrelu", "sigmoid", "tanh")),
]  # fmt: skip
WORDS = Words(2, 3, (0, 2))


def difference(settings: dict[str, Any]) -> float:
    """How far the logits of whole targets are from those of one token after the other, where the
    sources of a batch are of different lengths and each is also alone."""
    network = Network(settings, 11, 9).eval()
    sources, lengths = torch.randint(4, 11, (2, 5)), torch.tensor([5, 3])
    sources[1, 3:] = 0
    inputs = torch.randint(4, 9, (2, 4))
    with torch.no_grad():
        whole = network(sources, lengths, inputs)
        alone = network(sources[1:, :3], lengths[1:], inputs[1:])
        memory, last = network.encode(sources, lengths)
        state, steps = network.decoder.start(memory, last), []
        for token in network.embedded(inputs).unbind(1):
            hidden, state, weights = network.decoder.step(memory, token, state)
            assert torch.allclose(weights.sum(1), torch.ones(2), atol=1e-5)
            assert float(weights[1, 3:].abs().sum()) == 0.0
            steps.append(network.logits(hidden))
    stepwise = float((torch.stack(steps, 1) - whole).abs().max())
    return max(stepwise, float((alone[0] - whole[1]).abs().max()))


def slope(settings: dict[str, Any]) -> float:
    """How far the gradients are from the loss' own change along some direction, as a share of it."""
    network = Network(settings, 11, 9).double().train()
    sources, lengths = torch.randint(4, 11, (3, 5)), torch.tensor([5, 3, 4])
    inputs = torch.randint(4, 9, (3, 4))
    mixed = torch.randn(3, 4, 9, dtype=torch.float64)

    def loss() -> torch.Tensor:
        return (network(sources, lengths, inputs).log_softmax(2) * mixed).sum()

    loss().backward()
    weights = list(network.parameters())
    way = [torch.randn_like(each) for each in weights]
    told = sum(
        float((each.grad * step).sum())
        for each, step in zip(weights, way, strict=True)
        if each.grad is not None
    )
    ends = []
    with torch.no_grad():
        for far in (1e-6, -2e-6):
            for each, step in zip(weights, way, strict=True):
                each += far * step
            ends.append(float(loss()))
    return abs((ends[0] - ends[1]) / 2e-6 - told) / abs(told)


def beams(settings: dict[str, Any]) -> bool:
    """Whether a wide beam finds what trying every sequence finds."""
    network = Network({**settings, "weight_init_scale": 200.0}, 11, 6).eval()
    sources, lengths = torch.randint(4, 11, (3, 4)), torch.tensor([4, 2, 3])
    found = search.best(network, sources, lengths, WORDS, 200, [3, 3, 3])
    for row, result in enumerate(found):
        best = max(
            (score(network, sources[row : row + 1, : lengths[row]], target), target)
            for size in range(4)
            for target in itertools.product((1, 4, 5), repeat=size)
        )
        if abs(best[0] - result.score) > 1e-4 or len(result.attention) != len(result.tokens):
            return False
        narrow = search.best(network, sources, lengths, WORDS, 1, [3, 3, 3])[row]
        own = score(network, sources[row : row + 1, : lengths[row]], tuple(narrow.tokens))
        if abs(narrow.score - own) > 1e-4 or own > result.score + 1e-4:
            return False
    return True


class Sure:
    """Stands for a network that is nearly sure to say 4 six times, then to end."""

    decoder = property(lambda self: self)

    def encode(self, sources: torch.Tensor, lengths: torch.Tensor) -> tuple[Memory, None]:
        return Memory(sources, sources > 0, sources), None

    def start(self, memory: Memory, last: None) -> tuple[torch.Tensor]:
        return (torch.zeros(len(memory.outputs)),)

    def embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens

    def step(self, memory: Memory, token: torch.Tensor, state: tuple[torch.Tensor]) -> Any:
        # Who said something else than 4 is as sure of the rest.
        return state[0], (state[0] + 1,), torch.zeros(memory.outputs.shape)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        likely = torch.full((len(hidden), 6), 0.001)
        likely[:, 3] = 0.004
        likely[range(len(hidden)), [4 if at < 6 else 3 for at in hidden.tolist()]] = 0.99
        return likely.log()


def lasting(beam: int) -> list[int]:
    """What the search says for that network: its unlikely ends come first."""
    sources = torch.tensor([[4, 5]])
    network: Any = Sure()
    (found,) = search.best(network, sources, torch.tensor([2]), WORDS, beam, [20])
    return found.tokens


def score(network: Network, source: torch.Tensor, target: tuple[int, ...]) -> float:
    """The mean log probability of the target's tokens and its end, never said words left out."""
    inputs = torch.tensor([[2, *target]])
    with torch.no_grad():
        logs = network(source, torch.tensor([source.shape[1]]), inputs).log_softmax(2)[0]
    labels = [*target, 3]
    return float(logs[range(len(labels)), labels].mean())


def records(chance: np.random.Generator, count: int) -> bytes:
    """Sequences of letters, and the same in reverse in another alphabet."""
    out = io.BytesIO()
    for _ in range(count):
        source = chance.integers(4, 10, chance.integers(1, 6)).astype(np.int32)
        target = (source[::-1] + 6).astype(np.int32)
        features = {
            name: Tensor(each, None, (len(each),))
            for name, each in (("source", source), ("target", target))
        }
        recordio.write(out, record_protobuf.encode(Record(features, {}, "", "")))
    return out.getvalue()


def targets(body: Any) -> list[list[int]]:
    """The target of each record."""
    found = [record_protobuf.decode(each).features for each in recordio.records(io.BytesIO(body))]
    return [each["target"].values.tolist() for each in found]  # pyright: ignore[reportAttributeAccessIssue]


def job(root: Path) -> None:
    """A job's /opt/ml for that language."""
    chance = np.random.default_rng(0)
    symbols = ["<pad>", "<unk>", "<s>", "</s>"]
    vocabulary = {word: n for n, word in enumerate([*symbols, *"abcdefABCDEF"])}
    files = {
        "train/train.rec": records(chance, 1500),
        "validation/val.rec": records(chance, 60),
        "vocab/vocab.src.json": json.dumps(vocabulary).encode(),
        "vocab/vocab.trg.json": json.dumps(vocabulary).encode(),
    }
    for name, content in files.items():
        file = root / "input" / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    config = root / "input" / "config"
    config.mkdir()
    wanted = {
        "rnn_num_hidden": "32", "num_embed_source": "16", "num_embed_target": "16",
        "learning_rate": "0.02", "batch_size": "30", "checkpoint_frequency_num_batches": "50",
        "max_num_batches": "150", "optimized_metric": "bleu", "bleu_sample_size": "10",
    }  # fmt: skip
    channels = {name: {"TrainingInputMode": "File"} for name in ("train", "validation", "vocab")}
    (config / "hyperparameters.json").write_text(json.dumps(wanted))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))


def main(root: Path) -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)
    told = {
        "differences": [difference(parameters.settings({**SMALL, **kind})) for kind in KINDS],
        "slopes": [slope(parameters.settings({**SMALL, **kind})) for kind in KINDS],
        "beams": beams(parameters.settings(SMALL)),
        "lasting": [lasting(beam) for beam in (1, 2, 3, 5)],
    }
    job(root)
    os.environ["SAGEBRUSH_ML"] = str(root)
    told["status"] = train.run(train.train)
    translator = inference.model_fn(str(root / "model"))
    asked = {
        "instances": [
            {"data": "a b c", "configuration": {"attention_matrix": "true"}},
            {"data": ""},
        ]
    }
    questions = inference.input_fn(json.dumps(asked), "application/json")
    answers, _ = inference.output_fn(inference.predict_fn(questions, translator))
    told["answers"] = json.loads(answers)["predictions"]
    body = records(np.random.default_rng(9), 3)
    questions = inference.input_fn(body, "application/x-recordio-protobuf")
    answers, kind = inference.output_fn(inference.predict_fn(questions, translator))
    told["kind"] = kind
    told["tokens"], told["wanted"] = targets(answers), targets(body)
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[2]))
