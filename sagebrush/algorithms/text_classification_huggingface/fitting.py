"""Fine-tuning itself: batches of like lengths, AdamW, a schedule, validation after each epoch.

What decides (decoupled weight decay but for biases and norms, linear warm-up and decay, clipped
gradients) is as in Transformers' Trainer. Source: Devlin et al., "BERT: Pre-training of Deep
Bidirectional Transformers for Language Understanding" (2019), A.3 fine-tuning procedure.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from contract.errors import ClientError
from contract.job import Job

from . import metrics
from .data import Samples
from .metrics import Quality, say
from .parameters import Parameters

NEIGHBOURS = 32
"""Batches that are sorted by length together: their padding is short, their order still random."""
LINES = 10
"""Lines of the training loss in an epoch."""
STATE = "state.pt"
NO_DECAY = ("bias", "LayerNorm.weight", "layer_norm.weight", "norm.weight")


@dataclass(frozen=True)
class Encoded:
    """Token numbers of each text, and the number of its label."""

    tokens: Sequence[Sequence[int]]
    labels: Sequence[int]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Run:
    """A job and its hyperparameters."""

    job: Job
    wanted: Parameters


@dataclass(frozen=True)
class Learner:
    """What learns, and by which steps."""

    network: Any
    tokens: Any
    optimizer: Any
    schedule: Any


@dataclass
class State:
    """Where training is; it is kept in a checkpoint after each epoch."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Updates that are done."""
    best: float = -1.0
    """The best accuracy so far; its weights are in `weights`."""
    loss: float = math.inf
    """The loss there: of epochs that are equally accurate the one with the least counts."""
    since: int = 0
    """Epochs since then."""
    weights: dict[str, Any] = field(default_factory=dict)


def length(network: Any, tokens: Any, asked: int) -> int:
    """How many tokens of a text count: no more than asked, nor than the model has places for."""
    places = getattr(network.config, "max_position_embeddings", None) or asked
    # RoBERTa's first places are those of padding.
    if getattr(network.config, "model_type", "") in ("roberta", "xlm-roberta", "camembert"):
        places -= 2
    return max(2, min(asked, places, tokens.model_max_length))


def encode(samples: Samples, tokens: Any, numbers: Mapping[str, int], most: int) -> Encoded:
    """The samples as numbers."""
    if not len(samples):
        return Encoded([], [])
    found = tokens(list(samples.texts), truncation=True, max_length=most)["input_ids"]
    return Encoded(found, [numbers[label] for label in samples.labels])


def fit(network: Any, tokens: Any, train: Encoded, valid: Encoded, run: Run) -> None:
    """The network is trained: it has the weights of the epoch with the best validation accuracy, or
    of the last where nothing was held back. SIGTERM ends it after the batch at hand."""
    wanted, job = run.wanted, run.job
    torch.manual_seed(wanted.seed)
    torch.set_num_threads(job.resources()[0])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    if wanted.train_only_top_layer:
        for weight in network.base_model.parameters():
            weight.requires_grad_(False)
    optimizer = _optimizer(network, wanted)
    epochs, steps = _steps(len(train), wanted)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(wanted, steps))
    learner = Learner(network, tokens, optimizer, schedule)
    state = _resumed(run, learner)
    say(f"Training on {device}: {epochs} epochs, {steps} updates, batches of {wanted.batch_size}")
    while state.epoch < epochs and state.step < steps:
        _epoch(learner, train, run, state, steps)
        if job.stopping.is_set():
            say("Training was asked to stop: the model is saved as it is")
            break
        state.epoch += 1
        if len(valid):
            _judged(learner, valid, run, state)
        _keep(run, learner, state)
        if wanted.early_stopping and state.since >= wanted.early_stopping_patience:
            say(f"Early stopping: {state.since} epochs without a better accuracy")
            break
    if state.weights:
        network.load_state_dict(state.weights)
    network.to("cpu")


def measure(network: Any, tokens: Any, samples: Encoded, size: int) -> Quality:
    """Loss, accuracy and F1 on the samples, which are not empty."""
    network.eval()
    said = [0] * len(samples)
    total = 0.0
    order = sorted(range(len(samples)), key=lambda n: len(samples.tokens[n]))
    with torch.no_grad():
        for at in range(0, len(order), size):
            some = order[at : at + size]
            inputs, labels = _batch(tokens, samples, some, network.device)
            logits = network(**inputs).logits
            total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            for number, label in zip(some, logits.argmax(-1).tolist()):
                said[number] = label
    return metrics.quality(total / len(samples), list(samples.labels), said)


def _epoch(learner: Learner, train: Encoded, run: Run, state: State, steps: int) -> None:
    """One pass over the training data, or up to the last update."""
    wanted, network = run.wanted, learner.network
    network.train()
    order = list(_batches(train, wanted, state.epoch))
    every = max(1, len(order) // LINES)
    summed, seen = 0.0, 0
    for number, some in enumerate(order, 1):
        inputs, labels = _batch(learner.tokens, train, some, network.device)
        loss = torch.nn.functional.cross_entropy(
            network(**inputs).logits, labels, label_smoothing=wanted.label_smoothing_factor
        )
        (loss / wanted.gradient_accumulation_steps).backward()
        summed, seen = summed + loss.item(), seen + 1
        if number % wanted.gradient_accumulation_steps == 0 or number == len(order):
            torch.nn.utils.clip_grad_norm_(network.parameters(), wanted.max_grad_norm)
            learner.optimizer.step()
            learner.schedule.step()
            learner.optimizer.zero_grad(set_to_none=True)
            state.step += 1
        if number % every == 0 or number == len(order):
            if not math.isfinite(summed):
                raise ClientError(
                    f"Training has diverged: the loss is {summed / seen}. Lower learning_rate, now"
                    f" {wanted.learning_rate}"
                )
            rate = learner.optimizer.param_groups[0]["lr"]
            when = state.epoch + number / len(order)
            told = {"loss": summed / seen, "learning_rate": rate, "epoch": when}
            say(metrics.line(told))
            summed, seen = 0.0, 0
        if run.job.stopping.is_set() or state.step >= steps:
            return


def _judged(learner: Learner, valid: Encoded, run: Run, state: State) -> None:
    """The validation's figures are told; the weights are kept where they are the best so far."""
    started = time.monotonic()
    found = measure(learner.network, learner.tokens, valid, run.wanted.eval_batch_size)
    seconds = time.monotonic() - started
    told = {"eval_loss": found.loss, "eval_accuracy": found.accuracy, "eval_f1": found.f1}
    say(metrics.line({**told, "eval_runtime": seconds, "epoch": float(state.epoch)}))
    if found.accuracy > state.best + run.wanted.early_stopping_min_delta or not state.weights:
        state.since = 0
    else:
        state.since += 1
    if (found.accuracy, -found.loss) > (state.best, -state.loss):
        state.best, state.loss = found.accuracy, found.loss
        weights = learner.network.state_dict()
        state.weights = {name: value.cpu().clone() for name, value in weights.items()}


def _batches(train: Encoded, wanted: Parameters, epoch: int) -> Iterator[list[int]]:
    """Numbers of samples, a batch each: shuffled, those of like lengths together, shuffled again."""
    dice = random.Random(wanted.seed + epoch)
    order = list(range(len(train)))
    dice.shuffle(order)
    size, batches = wanted.batch_size, []
    for at in range(0, len(order), size * NEIGHBOURS):
        near = sorted(order[at : at + size * NEIGHBOURS], key=lambda n: -len(train.tokens[n]))
        batches += [near[start : start + size] for start in range(0, len(near), size)]
    dice.shuffle(batches)
    yield from batches


def _batch(tokens: Any, samples: Encoded, some: Sequence[int], device: Any) -> tuple[Any, Any]:
    """(what the network takes, labels), padded to the longest."""
    inputs = tokens.pad({"input_ids": [samples.tokens[n] for n in some]}, return_tensors="pt")
    labels = torch.tensor([samples.labels[n] for n in some], device=device)
    return {name: value.to(device) for name, value in inputs.items()}, labels


def _steps(count: int, wanted: Parameters) -> tuple[int, int]:
    """(epochs, updates) of the whole training."""
    batches = math.ceil(count / wanted.batch_size)
    each = math.ceil(batches / wanted.gradient_accumulation_steps)
    if wanted.max_steps > 0:
        return math.ceil(wanted.max_steps / each), wanted.max_steps
    return wanted.epochs, each * wanted.epochs


def _rate(wanted: Parameters, steps: int) -> Any:
    """The factor of the learning rate at an update."""
    warm = wanted.warmup_steps or math.ceil(steps * wanted.warmup_ratio)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        left = (steps - step) / max(1, steps - warm)
        if wanted.lr_scheduler_type == "constant":
            return 1.0
        if wanted.lr_scheduler_type == "cosine":
            return 0.5 * (1 - math.cos(math.pi * max(0.0, left)))
        return max(0.0, left)

    return factor


def _optimizer(network: Any, wanted: Parameters) -> Any:
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            groups[not name.endswith(NO_DECAY)].append(weight)
    return torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": wanted.weight_decay},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        lr=wanted.learning_rate,
        betas=(wanted.adam_beta1, wanted.adam_beta2),
        eps=wanted.adam_epsilon,
    )


def _keep(run: Run, learner: Learner, state: State) -> None:
    """The state is in the job's folder of checkpoints, where it has one."""
    folder = run.job.checkpoints
    if not folder.is_dir():
        return
    kept = {
        "network": learner.network.state_dict(), "optimizer": learner.optimizer.state_dict(),
        "schedule": learner.schedule.state_dict(), "state": vars(state),
    }  # fmt: skip
    part = folder / f"{STATE}.part"
    torch.save(kept, part)
    os.replace(part, folder / STATE)


def _resumed(run: Run, learner: Learner) -> State:
    """The state of the checkpoint that an interrupted job left, or that of the beginning."""
    file = Path(run.job.checkpoints) / STATE
    if not file.is_file():
        return State()
    try:
        kept = torch.load(file, map_location="cpu", weights_only=True)
        learner.network.load_state_dict(kept["network"])
        learner.optimizer.load_state_dict(kept["optimizer"])
        learner.schedule.load_state_dict(kept["schedule"])
        state = State(**kept["state"])
    except Exception as error:
        raise ClientError(
            f"The checkpoint {STATE} does not fit this job: {type(error).__name__}: {error}. Empty"
            " checkpoint_s3_uri, or keep model, labels and hyperparameters as they were"
        ) from None
    say(f"Training goes on after epoch {state.epoch}, from the checkpoint")
    return state
