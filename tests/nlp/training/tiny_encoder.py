"""A whole training of a tiny encoder in an environment with torch: `tiny_encoder.py FOLDER`.

Prints what it found as JSON; `test_tiny_encoder.py` says what it must be.
"""

from __future__ import annotations

import itertools
import json
import random
import string
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch  # pyright: ignore[reportMissingImports]
from safetensors.torch import save_file  # pyright: ignore[reportMissingImports]
from tokenizers import (  # pyright: ignore[reportMissingImports]
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
)

from sagebrush.nlp import sentiment, targeted, toxicity
from sagebrush.nlp.encoder import GRAPH, SETTINGS, TOKENIZER, Encoder, Reading
from sagebrush.nlp.spans import Span
from sagebrush.nlp.text.tokens import Reader
from sagebrush.nlp.training import evaluation, graph, joint, model, trainer
from sagebrush.nlp.training.encoding import encode
from sagebrush.nlp.training.tasks import Example, Kind, Task

WORDS = "good bad the a film is was so not and but anna berlin paris tom likes hates damn".split()  # noqa: SIM905
WIDTH, INNER, LAYERS, HEADS = 48, 96, 2, 4
AWKWARD = [
    "", " ", "\x00", "a\x00b good", "x" * 100_000, "good " * 20_000, "é\u0301 e\u0301 good.\r\nBad!",
    "👍🏽 good 👨‍👩‍👧 bad 🇺🇸", "שלום עולם good مرحبا", "\u200bgood\u200b \u202ebad", "[SEP] [CLS] good",
    "这是好。good", "http://example.org/" + "a" * 500, "\ufeffgood", "good\u0301\u0301\u0301 bad",
]  # fmt: skip


def base(folder: Path) -> None:
    """A BERT of random weights with a vocabulary of letters and a few words."""
    names = ["[PAD]", *(f"[unused{at}]" for at in range(1, 100)), "[UNK]", "[CLS]", "[SEP]"]
    names += [*string.ascii_lowercase, *(f"##{each}" for each in string.ascii_lowercase)]
    names += [*string.digits, *(f"##{each}" for each in string.digits), *string.punctuation]
    names += [word for word in WORDS if word not in names]
    vocabulary = {name: at for at, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "vocab_size": len(names), "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "max_position_embeddings": 300,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_weights(len(names)), str(folder / "model.safetensors"))


def _weights(vocabulary: int) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def norm(name: str) -> None:
        told[f"{name}.weight"], told[f"{name}.bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)

    def linear(name: str, inputs: int, outputs: int) -> None:
        told[f"{name}.weight"] = torch.randn(outputs, inputs) * inputs**-0.5
        told[f"{name}.bias"] = torch.zeros(outputs)

    sizes = {"word": vocabulary, "position": 300, "token_type": 2}
    for name, rows in sizes.items():
        told[f"embeddings.{name}_embeddings.weight"] = torch.randn(rows, WIDTH) * 0.3
    norm("embeddings.LayerNorm")
    for at in range(LAYERS):
        prefix = f"encoder.layer.{at}"
        for name in ("query", "key", "value"):
            linear(f"{prefix}.attention.self.{name}", WIDTH, WIDTH)
        linear(f"{prefix}.attention.output.dense", WIDTH, WIDTH)
        linear(f"{prefix}.intermediate.dense", WIDTH, INNER)
        linear(f"{prefix}.output.dense", INNER, WIDTH)
        norm(f"{prefix}.attention.output.LayerNorm")
        norm(f"{prefix}.output.LayerNorm")
    return told


def made(count: int, seed: int) -> list[tuple[str, list[Span], list[str]]]:
    """Sentences with their names, and the judgement of each name's clause."""
    chance = random.Random(seed)
    told = []
    for _ in range(count):
        text, spans, signs = "", [], []
        for clause in range(chance.choice((1, 1, 2))):
            name = chance.choice(("Anna", "Berlin", "Tom", "Paris"))
            sign = chance.choice(("good", "bad"))
            text += " but " if clause else ""
            spans.append(Span(len(text), len(text) + len(name), "NAME"))
            text += f"{name} is {chance.choice(('so ', ''))}{sign}"
            signs.append("POSITIVE" if sign == "good" else "NEGATIVE")
        told.append((text + chance.choice((".", "!", " damn")), spans, signs))
    return told


def tasks() -> list[Task]:
    """One of each kind."""

    def examples(kind: Kind, count: int, seed: int) -> list[Example]:
        told = []
        for text, spans, signs in made(count, seed):
            if kind is Kind.SINGLE:
                label = "MIXED" if len(set(signs)) > 1 else signs[0]
                told.append(Example(text, (label,)))
            elif kind is Kind.MULTIPLE:
                told.append(Example(text, ("PROFANITY", "TOXICITY") if "damn" in text else ()))
            elif kind is Kind.TOKENS:
                told.append(Example(text, spans=tuple(spans)))
            else:
                told += [Example(text, (sign,), (span,)) for span, sign in zip(spans, signs)]  # noqa: B905
        return told

    labels = {
        "sentiment": (Kind.SINGLE, sentiment.LABELS),
        "toxicity": (Kind.MULTIPLE, (*toxicity.LABELS, toxicity.OVERALL)),
        "names": (Kind.TOKENS, ("NAME",)),
        "targeted": (Kind.TARGET, ("POSITIVE", "NEGATIVE", "NEUTRAL")),
    }
    return [
        Task(name, kind, chosen, examples(kind, 400, 1), examples(kind, 60, 2), sampling=12)
        for name, (kind, chosen) in labels.items()
    ]


def spans_hold(reading: Reading) -> bool:
    """Whether tokens lie in the text, in order, and words keep what they stand for."""
    last = 0
    for window in reading.windows:
        begins, ends = window.tokens.begins, window.tokens.ends
        if not (begins < ends).all() or begins[0] < last or ends[-1] > len(reading.text):
            return False
        if (numpy.diff(begins) < 0).any():
            return False
        last = int(begins[-1])
    return True


def soup(folder: Path, chosen: list[Task], plan: trainer.Plan) -> dict[str, Any]:
    """What two learnings and their mean leave, and how far they said they were."""
    work = folder / "work"
    work.mkdir()
    seen: list[tuple[int, int]] = []
    shop = joint.Workshop(folder, folder, work, work)
    short = [replace(chosen[0], first=chosen[0].train[:100]), *chosen[1:]]
    joint.learn(
        shop, short, replace(plan, passes=0.1), lambda done, steps, _: seen.append((done, steps))
    )
    encoder = model.begin(folder, chosen)
    encoder.load_state_dict(torch.load(work / "encoder.pt"))
    return {
        "rising": all(a[0] <= b[0] for a, b in itertools.pairwise(seen)),
        "last": seen[-1][0] / seen[-1][1],
    }


def main() -> None:
    """Trains, exports, reads; prints the findings."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    base(folder)
    chosen, reader = tasks(), Reader(folder / "tokenizer.json")
    encoder = model.begin(folder, chosen, own=1, dropout=0.0)
    plan = trainer.Plan(
        rate=1e-3, head_rate=3e-3, tokens=160, embeddings=True, half=False, average=0.2
    )
    trainer.train(encoder, chosen, reader, plan)
    graph.write(encoder, chosen, folder / "float.onnx", rounded=False)
    graph.write(encoder, chosen, folder / GRAPH, rounded=True)
    exact, rounded = (evaluation.session(folder / name) for name in ("float.onnx", GRAPH))
    found: dict[str, Any] = {"figures": {}, "apart": 0.0, "agreement": {}, "calibration": {}}
    found["soup"] = soup(folder, chosen, plan)
    heads = []
    for task in chosen:
        examples = encode(task, task.valid, reader)
        truth = trainer.predict(encoder, task, examples, half=False)
        ours = evaluation.answers(exact, task, examples)
        small = evaluation.answers(rounded, task, examples)
        apart = max(float(numpy.abs(a - b).max()) for a, b in zip(truth, ours, strict=True))
        found["apart"] = max(found["apart"], apart)
        found["figures"][task.name] = evaluation.measure(task, examples, small)
        found["agreement"][task.name] = evaluation.agreement(task, ours, small)
        found["calibration"][task.name] = evaluation.calibrated(task, examples, small)
        heads.append(
            {
                "name": task.name,
                "kind": task.kind.value,
                "classes": task.classes,
                "temperature": 1.0,
            }
        )
    (folder / SETTINGS).write_text(json.dumps({"heads": heads}))
    (folder / "tokenizer.json").rename(folder / TOKENIZER)
    found |= read(Encoder(folder))
    print(json.dumps(found))


def read(encoder: Encoder) -> dict[str, Any]:
    """What inference makes of texts, also of awkward ones."""
    texts = ["Anna is good but Tom is bad.", "Berlin is so good! " * 60]
    readings = encoder.read(texts)
    alone = encoder.read(texts[:1])[0]
    scores = sentiment.scores(readings)
    targets = [Span(0, 4, "NAME"), Span(17, 20, "NAME")]
    both = targeted.scores(encoder, readings[:1], [targets])[0]
    awkward = encoder.read(AWKWARD)
    sums = [sum(each.values()) for each in sentiment.scores(awkward)]
    return {
        "scores": scores,
        "targets": both,
        "toxicity": toxicity.scores(encoder.read(["damn Tom is bad damn", "Anna is good.", ""])),
        "windows": [len(each.windows) for each in readings],
        "same alone": all(
            bool((alone.windows[0].logits[name] == readings[0].windows[0].logits[name]).all())
            for name in alone.windows[0].logits
        ),
        "states": [
            [each.begins.tolist(), each.ends.tolist(), list(each.values.shape)]
            for each in encoder.hidden(["Anna is good.", ""], layers=(2,))
        ],
        "awkward hold": [spans_hold(each) for each in awkward],
        "awkward sums": sums,
        "awkward windows": [len(each.windows) for each in awkward],
    }


if __name__ == "__main__":
    main()
