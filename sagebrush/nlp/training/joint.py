"""The shared encoder from data to files: trained on all tasks, exported, calibrated, measured.

Steps keep what they made in a working folder, so that one may be repeated:

    train      encoder.pt      weights after learning
    export     float.onnx, encoder.onnx (int8)
    calibrate  encoder.json    heads, temperatures, figures of both graphs
    taggers    confidence.json  how sure spans are
    card       encoder.md
"""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from .. import calibration
from ..encoder import GRAPH, SETTINGS, TOKENIZER
from ..text.tokens import Reader
from . import card, evaluation, graph, model, toxicity
from .encoding import encode
from .model import Encoder
from .tasks import Kind, Task
from .trainer import Plan, Progress, train

TASKS = ("sentiment", "targeted", "toxicity", "entities", "pii")
"""Modules beside this one; each has `task(data)`, and may have `judged(data)`: further examples that
figures are given for."""
PLAN = Plan(average=0.15)
LAST: dict[str, Any] = {"passes": 0.1, "rate": 6e-5, "head_rate": 3e-4, "average": 0.4}
"""How the mean of two learnings learns on."""

TOGETHER = 16
"""Texts that go through the float32 graph together."""
CONFIDENCE = "confidence.json"
"""How sure the taggers' spans are (`nlp.confidence`)."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Workshop:
    """Where a training finds what it needs, and puts what it makes."""

    data: Path
    base: Path
    """MiniLM: config.json, model.safetensors, tokenizer.json."""
    work: Path
    out: Path

    def reader(self) -> Reader:
        """The tokenizer of the base."""
        return Reader(self.base / "tokenizer.json")


def tasks(data: Path, names: Sequence[str] = TASKS) -> list[Task]:
    """The tasks of these names."""
    return [importlib.import_module(f".{name}", __package__).task(data) for name in names]


def learn(shop: Workshop, chosen: Sequence[Task], plan: Plan, progress: Progress) -> None:
    """encoder.pt lies in the working folder. CPUs that do not multiply bf16 learn in float32.

    Two learnings begin with the same weights: one is given the tasks' `first` examples, one all. The mean of
    the weights of both (Wortsman et al. 2022, "Model soups") learns a little more from all examples: it
    had lost most of what one of the two knew alone.
    """
    half = plan.half and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    last = replace(plan, half=half, **LAST)
    plan, parts = replace(plan, half=half), 2 * plan.passes + last.passes

    def learned(
        encoder: Encoder, given: Sequence[Task], how: Plan, before: float
    ) -> dict[str, Tensor]:
        def draw(done: int, steps: int, loss: float) -> None:
            each = steps / how.passes
            progress(
                min(done + round(before * each), round(parts * each)), round(parts * each), loss
            )

        train(encoder, given, shop.reader(), how, draw)
        return encoder.state_dict()

    states = []
    for at, given in enumerate(([replace(t, train=t.first or t.train) for t in chosen], chosen)):
        torch.manual_seed(plan.seed)
        encoder = model.begin(shop.base, chosen)
        states.append(learned(encoder, given, plan, at * plan.passes))
    encoder = model.begin(shop.base, chosen)
    encoder.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    torch.save(learned(encoder, chosen, last, 2 * plan.passes), shop.work / "encoder.pt")


def export(shop: Workshop, chosen: Sequence[Task]) -> None:
    """Both graphs and the tokenizer lie where they belong."""
    encoder = model.begin(shop.base, chosen)
    encoder.load_state_dict(torch.load(shop.work / "encoder.pt"))
    encoder.eval()
    graph.write(encoder, chosen, shop.work / "float.onnx", rounded=False)
    graph.write(encoder, chosen, shop.out / GRAPH, rounded=True)
    shutil.copyfile(shop.base / "tokenizer.json", shop.out / TOKENIZER)


def calibrate(shop: Workshop, chosen: Sequence[Task], say: Say) -> None:
    """The settings file holds each head with its temperature and figures."""
    rounded = evaluation.session(shop.out / GRAPH)
    exact = evaluation.session(shop.work / "float.onnx")
    heads = []
    for task in chosen:
        start = time.monotonic()
        heads.append(_head(shop, task, rounded, exact))
        say(f"{task.name}: measured in {time.monotonic() - start:.0f} s")
        for name, value in heads[-1]["figures"].items():
            say(f"  {name:44} {value:.3f}  (float {heads[-1]['float'][name]:.3f})")
    told = {"heads": heads, "digest": card.digest(shop.out / GRAPH)}
    (shop.out / SETTINGS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _head(shop: Workshop, task: Task, rounded: Any, exact: Any) -> dict[str, Any]:
    module = importlib.import_module(f".{task.name}", __package__)
    reader = shop.reader()
    examples = encode(task, task.valid, reader)
    logits = evaluation.answers(rounded, task, examples)
    plain = evaluation.answers(exact, task, examples, TOGETHER)
    heat, before, after = evaluation.calibrated(task, examples, logits)
    found = evaluation.measure(task, examples, logits)
    wanted = evaluation.measure(task, examples, plain)
    if hasattr(module, "judged"):
        others = encode(task, module.judged(shop.data), reader)
        found |= evaluation.measure(task, others, evaluation.answers(rounded, task, others))
        wanted |= evaluation.measure(
            task, others, evaluation.answers(exact, task, others, TOGETHER)
        )
    if task.name == "toxicity":
        given = [each.example for each in examples]
        found |= toxicity.figures_of_sets(given, _chances(logits, heat))
        wanted |= toxicity.figures_of_sets(given, _chances(plain, heat))
    return {
        "name": task.name,
        "kind": task.kind.value,
        "classes": list(task.classes),
        "temperature": round(heat, 4),
        "calibration": {"before": round(before, 4), "after": round(after, 4)},
        "agreement": round(evaluation.agreement(task, logits, plain), 4),
        "figures": {name: round(value, 4) for name, value in found.items()},
        "float": {name: round(value, 4) for name, value in wanted.items()},
        "examples": len(task.train),
    }


def _chances(logits: evaluation.Logits, heat: float) -> list[list[float]]:
    return [calibration.sigmoid(each, heat).tolist() for each in logits]


def build(shop: Workshop, names: Sequence[str], progress: Progress, say: Say) -> None:
    """All steps: the files and the card lie in the folder of models."""
    chosen = tasks(shop.data, names)
    learn(shop, chosen, PLAN, progress)
    finish(shop, chosen, say)


def finish(shop: Workshop, chosen: Sequence[Task], say: Say) -> None:
    """All steps after learning."""
    export(shop, chosen)
    calibrate(shop, chosen, say)
    spans = tagged(shop, chosen, say)
    baselines = toxicity.baselines(shop.data) if "toxicity" in [t.name for t in chosen] else {}
    for name, value in baselines.items():
        say(f"  TF-IDF + logistic regression: {name:30} {value:.3f}")
    card.write(shop.out, baselines, spans)
    say(f"written: {shop.out / GRAPH} and its card")


def tagged(shop: Workshop, chosen: Sequence[Task], say: Say) -> dict[str, dict[str, float]]:
    """The file says how sure the taggers' spans are; the figures of those that are told, by head."""
    if not any(task.kind is Kind.TOKENS for task in chosen):
        return {}
    taggers = importlib.import_module(".taggers", __package__)
    told = taggers.finish(evaluation.session(shop.out / GRAPH), chosen, shop.reader(), say)
    save = importlib.import_module("...confidence", __name__).save
    save(shop.out / CONFIDENCE, {name: each.confidence for name, each in told.items()})
    return {name: each.figures for name, each in told.items()}
