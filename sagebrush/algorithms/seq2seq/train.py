"""Sequence-to-Sequence's training job: /opt/ml in, a model out. Run as `python -m seq2seq.train`."""

from __future__ import annotations

import math
import statistics
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contract import channels, log
from contract.errors import ClientError
from contract.job import Job, run

from . import data, parameters, vocabularies
from .data import Limits, Pairs

CHANNELS = ("train", "validation", "vocab")
WEIGHTS_AT_ONCE = 5
"""How often a network's parameters are in memory: they, their gradients, two moments, the best."""
MANY_LAYERS = 100
"""Layers up to which it is worth while to look for a number of units that fits."""
OTHER_CURES = (
    "lower the number of layers, num_embed_source, num_embed_target or the vocabularies' sizes"
)
TOGETHER = 64
"""Sequences that are translated at once."""
SCORES_AT_ONCE = 3
"""How often a batch's scores are in memory: they, their logarithms, their gradients."""


def train(job: Job) -> None:
    """The model's files are there; raises ClientError for whatever the user can correct."""
    wanted = parameters.settings(job.hyperparameters)
    channels.check(job.channels, CHANNELS)
    if len(job.hosts) > 1:
        raise ClientError(
            f"seq2seq trains on a single machine: InstanceCount must be 1, not {len(job.hosts)}"
        )
    folder = job.channels["vocab"].folder
    source = vocabularies.load(_file(folder, vocabularies.SOURCE))
    target = vocabularies.load(_file(folder, vocabularies.TARGET))
    limits = Limits(
        wanted["max_seq_len_source"], wanted["max_seq_len_target"], len(source), len(target)
    )
    pairs = data.read(job.channels["train"], limits)
    held_out = data.read(job.channels["validation"], limits)
    log.info(f"Training: {len(pairs)} pairs, validation: {len(held_out)}")
    log.info(f"Vocabulary sizes: source={len(source)} target={len(target)}")

    # Here, not above: a job with a wrong hyperparameter should not wait for it.
    import torch  # pyright: ignore[reportMissingImports]

    from .model import Lengths, Translator
    from .network import Network
    from .trainer import Trainer

    def weights(settings: Mapping[str, Any]) -> int:
        with torch.device("meta"):
            network = Network(dict(settings), len(source), len(target))
            return sum(each.numel() for each in network.parameters())

    cpus, memory = job.resources()
    check_weights(wanted, memory, weights)
    torch.set_num_threads(cpus)
    torch.set_flush_denormal(True)  # the tails of softmax cost ten times the time of the rest
    torch.set_float32_matmul_precision("medium")  # by bfloat16 where the processor has it
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _beam_fits(wanted["beam_size"], len(target), memory)
    _batch_fits(wanted["batch_size"], data.largest(pairs, wanted), len(target), memory)
    network = Network(wanted, len(source), len(target)).to(device)
    log.info(f"Parameters: {weights(wanted)}, device: {device}")
    model = Translator(network, wanted, source, target, Lengths(*_ratios(pairs)))
    Trainer(model, pairs, held_out, job.host, job.stopping.is_set).run()
    network.eval()
    model.save(job.model)
    log.info("Training finished, the best model is stored")


def bytes_of(weights: int) -> int:
    """Bytes that so many weights take in training."""
    return 4 * WEIGHTS_AT_ONCE * weights


def check_weights(
    wanted: Mapping[str, Any], memory: int, weights: Callable[[Mapping[str, Any]], int]
) -> None:
    """Raises ClientError where the network cannot be held in `memory` bytes, with the most hidden units
    that can. `weights` tells how many weights a network of such hyperparameters has."""
    # Of an absurd network not even the shapes can be made.
    needs = bytes_of(parameters.least_weights(wanted))
    if needs <= memory:
        needs = bytes_of(weights(wanted))
    if needs > memory:
        raise ClientError(
            f"Out of memory: the network's weights need at least {needs >> 20} MiB in training, and this"
            f" instance has {memory >> 20} MiB: use an instance type with more, or"
            f" {_cure(wanted, memory, weights)}"
        )


def _cure(
    wanted: Mapping[str, Any], memory: int, weights: Callable[[Mapping[str, Any]], int]
) -> str:
    """What would fit into `memory` bytes, in words."""
    names = [f"{kind}_num_hidden" for kind in ("rnn", "cnn") if kind in _kinds(wanted)]
    # A layer has more weights than its units' square: beyond, nothing needs to be tried.
    most = min(max(wanted[name] for name in names), math.isqrt(memory) + 1)
    fewer = range(2, most, 2)

    def needed(units: int) -> int:
        bounded = [*names, "rnn_attention_num_hidden"]
        return bytes_of(weights({**wanted, **{n: min(units, wanted[n]) for n in bounded}}))

    layers = wanted["num_layers_encoder"] + wanted["num_layers_decoder"]
    fits = bisect_right(fewer, memory, key=needed) if layers <= MANY_LAYERS else 0
    return f"{' and '.join(names)}={fewer[fits - 1]} or less" if fits else OTHER_CURES


def _kinds(wanted: Mapping[str, Any]) -> set[str]:
    """`rnn`, `cnn` or both: what its encoder and decoder are made of."""
    return {wanted["encoder_type"], wanted["decoder_type"]}


def _beam_fits(beam: int, words: int, memory: int) -> None:
    """Raises ClientError where the scores of all words for the beams of some sequences cannot be held."""
    each = 4 * TOGETHER * words * 2
    if memory and beam * each > memory:
        raise ClientError(
            f"Out of memory: {beam} beams with the scores of {words} words need about"
            f" {beam * each >> 20} MiB, and this instance has {memory >> 20} MiB: it holds"
            f" beam_size={memory // each} or less"
        )


def _batch_fits(size: int, tokens: int, words: int, memory: int) -> None:
    """Raises ClientError where the scores of all words for a batch's targets cannot be held."""
    needed = 4 * tokens * words * SCORES_AT_ONCE
    if memory and needed > memory:
        raise ClientError(
            f"Out of memory: the scores of {words} words for {tokens} tokens of a batch need about"
            f" {needed >> 20} MiB, and this instance has {memory >> 20} MiB: it holds"
            f" batch_size={size * memory // needed} or less"
        )


def _file(folder: Path, name: str) -> Path:
    """The file of that name in the channel or below it."""
    found = sorted(folder.rglob(name)) if folder.is_dir() else []
    return found[0] if found else folder / name


def _ratios(pairs: Pairs) -> tuple[float, float]:
    """The mean and the standard deviation of the targets' lengths by their sources'."""
    ratios = [len(t) / len(s) for s, t in zip(pairs.sources, pairs.targets, strict=True)]
    return statistics.fmean(ratios), statistics.pstdev(ratios)


if __name__ == "__main__":
    sys.exit(run(train))
