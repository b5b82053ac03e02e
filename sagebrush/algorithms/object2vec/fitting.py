"""Object2Vec's training loop: epochs, their measures in AWS's lines, early stopping, the best weights.

Source: Amazon SageMaker AI Developer Guide, Object2Vec Hyperparameters, and Tune an Object2Vec Model.
"""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from contract import log
from torch.nn import functional

from . import batches
from .data import Pairs, Sequences
from .network import Network, Ragged
from .parameters import Parameters

MEASURING = 1024
"""Pairs at a time where nothing is learnt."""
Optimizers = Sequence[torch.optim.Optimizer]


@dataclass(frozen=True)
class Measures:
    """How well a channel's labels are met."""

    loss: float
    """Cross-entropy, or the mean squared error."""
    accuracy: float | None
    """The share of pairs with the right class; None for a regression."""


class Diverged(Exception):
    """The loss is no number any more."""


def optimizers(network: Network, wanted: Parameters) -> Optimizers:
    """What updates the weights that are not frozen: one for dense gradients, and one for sparse ones.

    As in MXNet, which AWS's algorithm is written in, adadelta knows no learning rate. Weight decay leaves
    embeddings with sparse gradients as they are: lazy updates touch only the rows of a batch.
    """
    sparse = [each.weight for each in network.tables() if each.sparse and each.weight.requires_grad]
    apart = {id(each) for each in sparse}
    dense = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
    rate, decay = wanted.learning_rate, wanted.weight_decay
    makers: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": lambda p: torch.optim.Adam(p, rate, weight_decay=decay, fused=True),
        "adagrad": lambda p: torch.optim.Adagrad(p, rate, weight_decay=decay, eps=1e-7),
        "sgd": lambda p: torch.optim.SGD(p, rate, weight_decay=decay),
        "rmsprop": lambda p: torch.optim.RMSprop(p, rate, alpha=0.9, weight_decay=decay),
        "adadelta": lambda p: torch.optim.Adadelta(p, 1.0, eps=1e-5, weight_decay=decay),
    }
    lazy: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": lambda p: torch.optim.SparseAdam(p, rate),
        "adagrad": lambda p: torch.optim.Adagrad(p, rate, eps=1e-7),
        "sgd": lambda p: torch.optim.SGD(p, rate),
    }
    found = [makers[wanted.optimizer](dense)]
    return [*found, lazy[wanted.optimizer](sparse)] if sparse else found


def fit(
    network: Network,
    wanted: Parameters,
    channels: Mapping[str, Pairs],
    host: str,
    stopping: Callable[[], bool],
) -> None:
    """The network has the weights of the epoch with the lowest loss (of the validation channel, where
    there is one). Ends early after `early_stopping_patience` epochs in which the loss fell by no more than
    `early_stopping_tolerance`, and soon after `stopping` says so. Raises Diverged."""
    chance = np.random.default_rng(0)
    updates = optimizers(network, wanted)
    train, validation = channels["train"], channels.get("validation")
    best: dict[str, torch.Tensor] = {}
    lowest = reference = math.inf
    waited = 0
    for number in range(wanted.epochs):
        measures = _epoch(network, wanted, train, updates, chance, (host, number), stopping)
        if stopping() and best:
            break
        if validation is not None:
            measures = measure(network, wanted, validation)
            told(measures, wanted, host, "validation", number)
        log.progress(host, 100 * (number + 1) / wanted.epochs)
        if not math.isfinite(measures.loss):
            raise Diverged(f"the loss is {measures.loss} after epoch {number}")
        if measures.loss < lowest:
            lowest = measures.loss
            best = {name: value.detach().cpu().clone() for name, value in _learnt(network).items()}
        improved = reference - measures.loss > wanted.early_stopping_tolerance
        waited = 0 if improved else waited + 1
        reference = measures.loss if improved else reference
        if stopping():
            break
        if waited >= wanted.early_stopping_patience and number + 1 < wanted.epochs:
            log.info(f"Early stop condition met. Stopping training after epoch {number}.")
            break
    with torch.no_grad():
        for name, value in _learnt(network).items():
            value.copy_(best[name])


def _learnt(network: Network) -> dict[str, torch.Tensor]:
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def _epoch(
    network: Network,
    wanted: Parameters,
    pairs: Pairs,
    updates: Optimizers,
    chance: np.random.Generator,
    when: tuple[str, int],
    stopping: Callable[[], bool],
) -> Measures:
    """The measures of the training pairs while they were learnt, which are in the log."""
    host, number = when
    started = time.time()
    samples = batches.drawn(pairs, wanted.negative_sampling_rate, chance)
    device = network.output.weight.device
    labels = torch.from_numpy(samples.labels).to(device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    right = torch.zeros((), dtype=torch.int64, device=device)
    seen = 0
    # Lazy gradients gain nothing from buckets: the guide turns them off.
    sparse = wanted.token_embedding_storage_type == "row_sparse"
    width = 0 if sparse else wanted.bucket_width
    network.train()
    for batch in batches.shuffled(pairs, samples, wanted.mini_batch_size, width, chance):
        sides = [samples.left[batch], samples.right[batch]]
        scores = network(*(ragged(s, i, device) for s, i in zip(pairs.sides, sides)))
        expected = labels[torch.from_numpy(batch).to(device)]
        loss = _loss(scores, expected, wanted)
        for each in updates:
            each.zero_grad(set_to_none=True)
        loss.backward()
        for each in updates:
            each.step()
        loss_sum += loss.detach() * len(batch)
        right += _right(scores, expected)
        seen += len(batch)
        if stopping():
            break
    took = time.time() - started
    accuracy = None if wanted.regression else int(right) / seen
    measures = Measures(float(loss_sum) / seen, accuracy)
    log.info(f"Completed Epoch: {number}, time taken: {took:.3f} s")
    told(measures, wanted, host, "train", number)
    log.throughput(host, seen / max(took, 1e-9))
    return measures


def measure(network: Network, wanted: Parameters, pairs: Pairs) -> Measures:
    """The measures of a channel's pairs."""
    device = network.output.weight.device
    network.eval()
    loss, right = 0.0, 0
    longest = np.maximum(pairs.sides[0].lengths, pairs.sides[1].lengths)
    with torch.inference_mode():
        for batch in batches.by_length(longest, MEASURING):
            scores = network(*(ragged(side, batch, device) for side in pairs.sides))
            expected = torch.from_numpy(pairs.labels[batch]).to(device)
            loss += float(_loss(scores, expected, wanted)) * len(batch)
            right += int(_right(scores, expected))
    return Measures(loss / len(pairs), None if wanted.regression else right / len(pairs))


def told(
    measures: Measures, wanted: Parameters, host: str, channel: str, epoch: int | None = None
) -> None:
    """The measures are in the log, in AWS's lines."""
    loss = "mean_squared_error" if wanted.regression else "cross_entropy"
    log.quality(f"{channel} {loss}", measures.loss, host, epoch)
    if measures.accuracy is not None:
        log.quality(f"{channel} accuracy", measures.accuracy, host, epoch, kind="score")


def ragged(side: Sequences, which: batches.Indices, device: torch.device) -> Ragged:
    """Those sequences on the device."""
    ids, lengths = side.take(which)
    return Ragged(torch.from_numpy(ids).to(device), torch.from_numpy(lengths))


def _loss(scores: torch.Tensor, labels: torch.Tensor, wanted: Parameters) -> torch.Tensor:
    if wanted.regression:
        return functional.mse_loss(scores[:, 0], labels)
    return functional.cross_entropy(scores, labels.long())


def _right(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (scores.argmax(1) == labels.long()).sum()
