"""One encoder learns all tasks: batches of one task each, mixed at random.

    tasks = [sentiment.task(data), names.task(data)]
    model = model.begin(folder_of_MiniLM, tasks)
    train(model, tasks, reader, Plan())
    scores = predict(model, tasks[0], encode(tasks[0], tasks[0].valid, reader))

bf16 autocast (2.4 times as fast as float32 where the CPU has avx512_bf16), batches of equally long
texts, AdamW with a linear rise and fall of the rate. Word embeddings stay as they are: their gradient
costs a fifth of the time, and words that the training sets lack keep their place.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch  # pyright: ignore[reportMissingImports]
import torch.nn.functional as F  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from ..text.tokens import Reader
from .encoding import Encoded, batches, encode, padded
from .model import Encoder
from .tasks import Kind, Task

Progress = Callable[[int, int, float], None]
"""Called after each step: steps done, steps in all, the running loss."""


@dataclass(frozen=True)
class Plan:
    """How a training goes. `tokens` is the size of a batch; `average` is the part of the training at
    its end over which the weights are averaged (0: none)."""

    rate: float = 2e-4
    head_rate: float = 1e-3
    tokens: int = 768
    warmup: float = 0.06
    decay: float = 0.01
    seed: int = 7
    embeddings: bool = False
    half: bool = True
    passes: float = 1.0
    """Multiplies every task's `sampling`."""
    average: float = 0.0


def train(
    model: Encoder,
    tasks: Sequence[Task],
    reader: Reader,
    plan: Plan,
    progress: Progress | None = None,
) -> None:
    """The model has learned the tasks' training parts. Reproducible for a number of threads."""
    torch.manual_seed(plan.seed)
    chance = random.Random(plan.seed)
    todo = _schedule(tasks, reader, plan, chance)
    model.words.weight.requires_grad = plan.embeddings
    optimiser = _optimiser(model, plan)
    mean: list[Tensor] = []
    running = 0.0
    model.train()
    for step, (task, batch) in enumerate(todo):
        factor = _factor(step, len(todo), plan.warmup)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.half):
            loss = task.loss * _loss(model, task, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        running += 0.02 * (float(loss.detach()) - running) if step else float(loss.detach())
        if plan.average and step >= (1 - plan.average) * len(todo):
            _fold(mean, model, step - math.ceil((1 - plan.average) * len(todo)))
        if progress is not None:
            progress(step + 1, len(todo), running)
    for value, kept in zip(mean, (p for p in model.parameters() if p.requires_grad), strict=False):
        kept.data.copy_(value)
    model.eval()


def _fold(mean: list[Tensor], model: Encoder, count: int) -> None:
    """`mean` takes in the weights as they are now, after `count` others."""
    values = [p.detach() for p in model.parameters() if p.requires_grad]
    if not mean:
        mean.extend(value.clone() for value in values)
        return
    for kept, value in zip(mean, values, strict=True):
        kept.lerp_(value, 1 / (count + 1))


def _schedule(
    tasks: Sequence[Task], reader: Reader, plan: Plan, chance: random.Random
) -> list[tuple[Task, list[Encoded]]]:
    """All batches of the training, mixed: each task's `sampling` passes over its examples."""
    todo: list[tuple[Task, list[Encoded]]] = []
    for task in tasks:
        examples = encode(task, task.train, reader)
        passes = task.sampling * plan.passes
        for turn in range(math.ceil(passes)):
            made = list(batches(examples, plan.tokens, chance))
            part = min(1.0, passes - turn)
            todo += [(task, batch) for batch in made[: math.ceil(part * len(made))]]
    chance.shuffle(todo)
    return todo


def _optimiser(model: Encoder, plan: Plan) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fresh = name.startswith(("heads.", "shapes."))
            groups.setdefault((fresh, parameter.dim() > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "peak": plan.head_rate if fresh else plan.rate,
                "weight_decay": plan.decay if matrix else 0.0,
            }
            for (fresh, matrix), parameters in groups.items()
        ],
        lr=plan.rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def _factor(step: int, steps: int, warmup: float) -> float:
    rise = max(1, int(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (steps - step) / max(1, steps - rise))


def _tensors(batch: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
    ids, types, shapes = torch.from_numpy(padded(batch))
    return ids, types, shapes


def _loss(model: Encoder, task: Task, batch: Sequence[Encoded]) -> Tensor:
    logits = model(task.name, *_tensors(batch)).float()
    if task.kind is Kind.TOKENS:
        logits = torch.cat([logits[row, each.places] for row, each in enumerate(batch)])
    allowed = torch.from_numpy(numpy.concatenate([each.allowed for each in batch]))
    weights = torch.tensor(
        [each.example.weight for each in batch for _ in range(len(each.allowed))]
    )
    if task.kind is Kind.MULTIPLE:
        told = F.binary_cross_entropy_with_logits(logits, allowed.clamp(min=0), reduction="none")
        return (told * (allowed >= 0) * weights[:, None]).sum() / len(batch)
    logs = logits.log_softmax(-1)
    losses = -logs.masked_fill(allowed == 0, -1e4).logsumexp(-1)
    if task.smoothing:
        losses = (1 - task.smoothing) * losses - task.smoothing * logs.mean(-1)
    return (losses * weights).sum() / weights.sum()


def predict(
    model: Encoder, task: Task, examples: Sequence[Encoded], half: bool = True
) -> list[numpy.ndarray]:
    """The logits of each example, in their order: [classes], or [words, classes] for TOKENS."""
    told: list[numpy.ndarray] = [numpy.zeros(0)] * len(examples)
    order = sorted(range(len(examples)), key=lambda at: len(examples[at]))
    model.eval()
    for chosen in _chunks(order, 32):
        batch = [examples[at] for at in chosen]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(task.name, *_tensors(batch)).float().numpy()
        for row, at in enumerate(chosen):
            tokens = task.kind is Kind.TOKENS
            told[at] = logits[row, examples[at].places] if tokens else logits[row]
    return told


def _chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
