"""Documents a second of Comprehend's shared encoder beside a Hugging Face pipeline of the same encoder.

    SAGEBRUSH_EVAL_DATA=... python benchmarks/comprehend_models.py [FOLDER OF MODELS]

in the environment `huggingface`. Both run in this process, one after the other, on one thread, over the
same texts. The pipeline is transformers' on PyTorch in float32: a BERT of the encoder's weights (made
float again) whose classifier, logistic regression over [CLS], is learned here on training sentences that
the encoder has seen as well. Ours gives the answers of all heads for each text, the pipeline's of one.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Beside this file lies an onnx.py of another benchmark.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy
import torch  # pyright: ignore[reportMissingImports]
import transformers  # pyright: ignore[reportMissingImports]

from sagebrush.nlp import sentiment
from sagebrush.nlp.encoder import GRAPH, TOKENIZER, Encoder
from sagebrush.nlp.training.sentiment import snippets
from sagebrush.settings import Settings

LEARNED = 1500
"""Sentences that the pipeline's classifier is learned on."""
LABELS = ("POSITIVE", "NEGATIVE")
LENGTH = 200
"""Characters of the text whose latency is measured."""


def main() -> None:
    """Prints both, with their accuracies."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Settings.load(os.environ).models_folder
    data = Path(os.environ["SAGEBRUSH_EVAL_DATA"])
    torch.set_num_threads(1)
    encoder = Encoder(folder)
    examples = snippets(data, "valid")
    texts, truth = [each.text for each in examples], [each.labels[0] for each in examples]
    train = snippets(data, "train")
    random.Random(1).shuffle(train)

    def ours(given: Sequence[str]) -> list[str]:
        scores = sentiment.scores(encoder.read(given))
        return [max(LABELS, key=each.__getitem__) for each in scores]

    pipeline = _pipeline(folder, train[:LEARNED])

    def theirs(given: Sequence[str]) -> list[str]:
        return [each["label"] for each in pipeline(list(given), batch_size=8)]

    print(f"{len(texts)} sentences of sentence_polarity's validation part, one thread")
    fast = _told("ONNX Runtime, int8, all heads", ours, texts, truth)
    slow = _told("transformers' pipeline, float32", theirs, texts, truth)
    print(f"ratio: {fast / slow:.2f}")
    text = (" ".join(texts))[:LENGTH]
    for name, answer in (("ours", ours), ("pipeline", theirs)):
        print(f"p50 of one text of {LENGTH} characters, {name}: {_p50(answer, text):.2f} ms")


def _told(
    name: str, answer: Callable[[Sequence[str]], list[str]], texts: list[str], truth: list[str]
) -> float:
    """Texts a second: the best of three runs."""
    answer(texts[:20])
    rates = []
    told: list[str] = []
    for _ in range(3):
        start = time.perf_counter()
        told = answer(texts)
        rates.append(len(texts) / (time.perf_counter() - start))
    right = sum(a == b for a, b in zip(truth, told, strict=True)) / len(truth)
    print(f"{name:34} {max(rates):7.1f} documents/s   accuracy {right:.3f}")
    return max(rates)


def _p50(answer: Callable[[Sequence[str]], list[str]], text: str) -> float:
    times = []
    for _ in range(100):
        start = time.perf_counter()
        answer([text])
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _pipeline(folder: Path, train: Sequence[Any]) -> Any:
    """transformers' pipeline for the sentiment of texts."""
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingImports]

    weights = _weights(folder / GRAPH)
    width = weights["embeddings.word_embeddings.weight"].shape[1]
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder."))
    config = transformers.BertConfig(
        vocab_size=len(weights["embeddings.word_embeddings.weight"]),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=len(weights["encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
        num_labels=2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: at for at, label in enumerate(LABELS)},
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.bert.load_state_dict(weights, strict=False)
    with torch.no_grad():  # the pooler passes [CLS] on, nearly as it is: tanh of a tenth of it
        model.bert.pooler.dense.weight.copy_(torch.eye(width) * 0.1)
        model.bert.pooler.dense.bias.zero_()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / TOKENIZER),
        pad_token="[PAD]",
        model_max_length=config.max_position_embeddings,
    )
    pipeline = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    features = []
    with torch.inference_mode():
        for start in range(0, len(train), 16):
            batch = [each.text for each in train[start : start + 16]]
            given = tokenizer(batch, padding=True, return_tensors="pt")
            features.append(model.bert(**given).pooler_output.numpy())
    fitted = LogisticRegression(max_iter=2000).fit(
        numpy.concatenate(features), [each.labels[0] == LABELS[1] for each in train]
    )
    with torch.no_grad():
        half = torch.from_numpy(fitted.coef_[0]).float() / 2
        model.classifier.weight.copy_(torch.stack((-half, half)))
        bias = float(fitted.intercept_[0]) / 2
        model.classifier.bias.copy_(torch.tensor([-bias, bias]))
    return pipeline


def _weights(graph: Path) -> dict[str, Any]:
    """The encoder's weights in float32, by the names that transformers' BERT gives them."""
    from onnx import load, numpy_helper  # pyright: ignore

    kept = {each.name: numpy_helper.to_array(each) for each in load(graph).graph.initializer}

    def matrix(name: str) -> torch.Tensor:
        return torch.from_numpy((kept[f"{name}.weight"] * kept[f"{name}.scale"]).T.copy())

    def vector(name: str) -> torch.Tensor:
        return torch.from_numpy(kept[name].copy())

    told = {
        "embeddings.word_embeddings.weight": torch.from_numpy(kept["words"] * kept["words.scale"]),
        "embeddings.position_embeddings.weight": vector("positions"),
        "embeddings.token_type_embeddings.weight": vector("table.types"),
        "embeddings.LayerNorm.weight": vector("norm.weight"),
        "embeddings.LayerNorm.bias": vector("norm.bias"),
    }
    at = 0
    while f"layers.{at}.qkv.weight" in kept:
        prefix, ours = f"encoder.layer.{at}", f"layers.{at}"
        for part, weight, bias in zip(
            ("query", "key", "value"),
            matrix(f"{ours}.qkv").chunk(3),
            vector(f"{ours}.qkv.bias").chunk(3),
            strict=True,
        ):
            told[f"{prefix}.attention.self.{part}.weight"] = weight
            told[f"{prefix}.attention.self.{part}.bias"] = bias
        for name, theirs in _NAMES.items():
            told[f"{prefix}.{theirs}.weight"] = matrix(f"{ours}.{name}")
            told[f"{prefix}.{theirs}.bias"] = vector(f"{ours}.{name}.bias")
        for name, theirs in _NORMS.items():
            for part in ("weight", "bias"):
                told[f"{prefix}.{theirs}.{part}"] = vector(f"{ours}.{name}.{part}")
        at += 1
    return told


_NAMES = {
    "out": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
_NORMS = {"norm": "attention.output.LayerNorm", "last": "output.LayerNorm"}


if __name__ == "__main__":
    main()
