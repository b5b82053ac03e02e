"""The training loop: updates, checkpoints, early stopping."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from contract import log
from contract.errors import ClientError
from torch import nn  # pyright: ignore[reportMissingImports]

from . import bleu, data, schedules
from .data import Batch, Pairs
from .model import Translator

TOLD = 50
"""Batches between two lines about the progress."""
DIRECTIONS = {"perplexity": -1, "accuracy": 1, "bleu": 1}
"""Whether more is better."""


@dataclass
class Sums:
    """Loss and right tokens over some batches."""

    loss: float = 0.0
    right: int = 0
    tokens: int = 0

    def add(self, loss: float, right: int, tokens: int) -> None:
        """One batch more."""
        self.loss, self.right, self.tokens = (
            self.loss + loss,
            self.right + right,
            self.tokens + tokens,
        )

    def metrics(self) -> dict[str, float]:
        """`perplexity` and `accuracy` a token."""
        mean = self.loss / self.tokens
        return {
            "perplexity": math.exp(mean) if mean < 700 else math.inf,
            "accuracy": self.right / self.tokens,
        }


@dataclass
class Trainer:
    """One training of a translator's network."""

    model: Translator
    train: Pairs
    validation: Pairs
    host: str
    stopping: Callable[[], bool]
    """Whether the job was asked to end."""
    seed: int = 0
    best: float | None = None
    weights: Mapping[str, torch.Tensor] | None = None
    checkpoints: int = 0
    stale: int = 0
    _since: Sums = field(default_factory=Sums)

    def run(self) -> None:
        """The network has the weights of its best checkpoint."""
        wanted = self.model.settings
        optimizer = _optimizer(self.model.network, wanted)
        schedule = schedules.schedule(
            wanted["lr_scheduler_type"],
            wanted["learning_rate"],
            wanted["plateau_reduce_lr_factor"],
            wanted["plateau_reduce_lr_threshold"],
            wanted["fixed_rate_lr_half_life"] * wanted["checkpoint_frequency_num_batches"],
        )
        updates, epoch = 0, 0
        started, samples = time.monotonic(), 0
        for epoch, number, batch in self._batches():
            updates += 1
            for group in optimizer.param_groups:
                group["lr"] = schedule.at(updates)
            self._update(batch, optimizer)
            samples += len(batch.labels)
            if number % TOLD == 0:
                self._tell(epoch, number, samples / (time.monotonic() - started))
                started, samples = time.monotonic(), 0
            if updates % wanted["checkpoint_frequency_num_batches"] == 0:
                schedule.measured(self._checkpoint(epoch, updates))
                started, samples = time.monotonic(), 0
                if self._enough():
                    break
            if updates == wanted["max_num_batches"] or self.stopping():
                break
        if updates % wanted["checkpoint_frequency_num_batches"]:
            self._checkpoint(epoch, updates)
        if self.weights is None:
            raise ClientError(
                "Training diverged (no checkpoint has a finite perplexity on the validation data): lower"
                f" learning_rate, which is {wanted['learning_rate']}, or weight_init_scale"
            )
        self.model.network.load_state_dict(self.weights)

    def _enough(self) -> bool:
        wanted = self.model.settings
        if wanted["max_num_epochs"] is not None or self.stale < wanted["checkpoint_threshold"]:
            return False
        log.info(
            f"Maximum number of not improved checkpoints ({wanted['checkpoint_threshold']}) reached:"
            f" {self.stale}. Stopping fit."
        )
        return True

    def _batches(self) -> Iterator[tuple[int, int, Batch]]:
        """(epoch, number within it, batch), without end where nothing limits the epochs."""
        wanted, chance, epoch = self.model.settings, random.Random(self.seed), 0
        sizes = data.sizes(self.train, wanted)
        while wanted["max_num_epochs"] is None or epoch < wanted["max_num_epochs"]:
            parts = data.batches(self.train, sizes, wanted["batch_size"], chance)
            for number, members in enumerate(parts, 1):
                yield epoch, number, self._batch(self.train, members)
            epoch += 1

    def _batch(self, pairs: Pairs, members: list[int]) -> Batch:
        numbers = self.model.target.numbers
        return data.batch(pairs, members, numbers["<s>"], numbers["</s>"])

    def _update(self, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
        network, clip = self.model.network, self.model.settings["clip_gradient"]
        network.train()
        loss, right, tokens = self._loss(batch)
        optimizer.zero_grad(set_to_none=True)
        (loss / tokens).backward()
        if clip > 0:
            nn.utils.clip_grad_value_(network.parameters(), clip)
        optimizer.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ClientError(
                "Training diverged (the loss is not a number): lower learning_rate, which is"
                f" {self.model.settings['learning_rate']}"
            )
        self._since.add(value, right, tokens)

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, int, int]:
        """(summed cross-entropy, right tokens, tokens)."""
        device = next(self.model.network.parameters()).device
        sources, lengths, inputs, labels = (
            torch.from_numpy(each).to(device)
            for each in (batch.sources, batch.source_lengths, batch.inputs, batch.labels)
        )
        # Padding is left out before, not after the largest product of all.
        kept = labels != 0
        hidden, wanted = self.model.network.hidden(sources, lengths, inputs)[kept], labels[kept]
        logits = self.model.network.logits(hidden)
        loss = nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return loss, int((logits.argmax(1) == wanted).sum()), len(wanted)

    def _tell(self, epoch: int, number: int, speed: float) -> None:
        metric = self.model.settings["training_metric"]
        value = self._since.metrics()[metric]
        log.info(
            f"Epoch[{epoch}] Batch [{number}]\tSpeed: {speed:.2f} samples/sec\t{metric}={value:.6f}"
        )

    def _checkpoint(self, epoch: int, updates: int) -> bool:
        """Whether the network is better on the validation data than at any checkpoint before."""
        wanted = self.model.settings
        self.checkpoints += 1
        trained, self._since = self._since, Sums()
        measured = self.evaluate()
        for name, value in trained.metrics().items():
            log.info(f"Checkpoint [{self.checkpoints}]\tTrain-{name}={value:.6f}")
        for name, value in measured.items():
            log.info(f"Checkpoint [{self.checkpoints}]\tValidation-{name}={value:.6f}")
            log.info(
                f"#quality_metric: host={self.host}, epoch={epoch}, batch={updates},"
                f" validation {name} <loss>={value:.6f}"
            )
        found = measured[wanted["optimized_metric"]]
        sign = DIRECTIONS[wanted["optimized_metric"]]
        improved = math.isfinite(measured["perplexity"]) and (
            self.best is None or sign * found > sign * self.best
        )
        if improved:
            before = "none" if self.best is None else f"{self.best:.6f}"
            log.info(
                f"Validation-{wanted['optimized_metric']} improved from {before} to {found:.6f}:"
                f" checkpoint {self.checkpoints} is the best"
            )
            self.best, self.stale = found, 0
            state = self.model.network.state_dict()
            self.weights = {name: values.detach().clone() for name, values in state.items()}
        else:
            self.stale += 1
        return improved

    def evaluate(self) -> dict[str, float]:
        """`perplexity`, `accuracy` and, if it is wanted, `bleu` on the validation data."""
        wanted, sums = self.model.settings, Sums()
        self.model.network.eval()
        sizes = [(wanted["max_seq_len_source"], wanted["max_seq_len_target"])]
        with torch.no_grad():
            for members in data.batches(self.validation, sizes, wanted["batch_size"], None):
                loss, right, tokens = self._loss(self._batch(self.validation, members))
                sums.add(float(loss), right, tokens)
        found = sums.metrics()
        if size := wanted["bleu_sample_size"]:
            members = list(range(len(self.validation)))
            if 0 < size < len(members):
                members = random.Random(self.seed).sample(members, size)
            said = self.model.translate([self.validation.sources[n].tolist() for n in members])
            meant = [self.validation.targets[n].tolist() for n in members]
            found["bleu"] = bleu.score([each.tokens for each in said], meant)
        return found


def _optimizer(network: nn.Module, wanted: Mapping[str, Any]) -> torch.optim.Optimizer:
    options = {"lr": wanted["learning_rate"], "weight_decay": wanted["weight_decay"]}
    if wanted["optimizer_type"] == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=wanted["momentum"] or 0.0, **options)
    if wanted["optimizer_type"] == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), **options)
    return torch.optim.Adam(network.parameters(), fused=True, **options)
