"""Object2Vec's training job: /opt/ml in, the model's files out. Run as `python -m object2vec.train`."""

# pyright: reportMissingImports=false
# (the packages are those of the pytorch environment)

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from contract import channels, log
from contract.bodies import JSON_LINES
from contract.errors import ClientError
from contract.job import Job, run

from . import artefact, data, fitting, parameters, pretrained
from .data import Pairs
from .network import Network
from .parameters import Encoder, Parameters

STATES = {"adam": 2, "adadelta": 2, "adagrad": 1, "rmsprop": 1, "sgd": 0}
"""Numbers that an optimizer keeps for each weight."""
FLOAT = 4
SAMPLE = 28
"""Bytes of one sample of an epoch: its two sequences, its label, its place in the order."""
SMALL = 20_000_000
"""Multiplications of a batch (by each weight, for each pair) up to which one thread is the fastest."""


def train(job: Job) -> None:
    """The model's files are there; raises ClientError for whatever the user can correct."""
    wanted = parameters.read(job.hyperparameters)
    _check(job, wanted)
    log.info(f"Hyperparameters: {wanted}")
    vectors = _vectors(job, wanted)
    pairs: dict[str, Pairs] = {}
    for name in ("train", "validation", "test"):
        if name in job.channels:
            pairs[name] = data.read(job.channels[name], wanted)
            log.info(f"The channel {name!r} holds {len(pairs[name])} pairs")
    _check_batches(pairs["train"], wanted, job.resources()[1])
    network = _network(wanted, vectors)
    if wanted.regression:
        # A score that is always their mean is where learning begins.
        torch.nn.init.constant_(network.output.bias, float(pairs["train"].labels.mean()))
    torch.set_num_threads(threads(network, wanted, job.resources()[0]))
    network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    log.info(f"Training on {network.output.weight.device} begins")
    try:
        fitting.fit(network, wanted, pairs, job.host, job.stopping.is_set)
    except fitting.Diverged as error:
        raise ClientError(
            f"Training has diverged: {error}. Lower learning_rate, now {wanted.learning_rate}"
        ) from None
    if "test" in pairs:
        fitting.told(fitting.measure(network, wanted, pairs["test"]), wanted, job.host, "test")
    artefact.save(job.model, network, wanted)


def _check(job: Job, wanted: Parameters) -> None:
    """Raises ClientError for what can be known before data is read."""
    channels.check(job.channels, ("train",), ("validation", "test", "auxiliary"))
    for name in ("train", "validation", "test"):
        kind = job.channels[name].content_type if name in job.channels else ""
        if kind not in ("", JSON_LINES):
            raise ClientError(
                f"The channel {name!r} has the content type {kind}; Object2Vec reads {JSON_LINES}"
            )
    if len(job.hosts) > 1:
        raise ClientError("Object2Vec can train only on a single machine: set InstanceCount to 1")
    needs, has = needed(wanted), job.resources()[1]
    if needs > has:
        raise ClientError(
            f"Out of memory: the weights and what {wanted.optimizer} keeps of them take at least"
            f" {needs / 2**30:.3g} GiB, and the instance has {has / 2**30:.3g} GiB. Use an instance type"
            f" with more, or {_cure(wanted, has)}"
        )


def _cure(wanted: Parameters, has: int) -> str:
    """What would fit into `has` bytes, in words."""

    def narrower(size: int) -> Parameters:
        first, second = (
            replace(each, token_embedding_dim=min(size, each.token_embedding_dim))
            for each in wanted.encoders
        )
        return replace(wanted, encoders=(first, second))

    sizes = {
        "token_embedding_dim": (max(e.token_embedding_dim for e in wanted.encoders), 2, narrower),
        "enc_dim": (wanted.enc_dim, 4, lambda size: replace(wanted, enc_dim=size)),
    }
    if any(each.pretrained_embedding_file for each in wanted.encoders):
        del sizes["token_embedding_dim"]  # it is the file's
    for name, (now, least, sized) in sizes.items():
        smaller = range(least, now)
        if fits := bisect_right(smaller, has, key=lambda size: needed(sized(size))):
            return f"{name}={smaller[fits - 1]} or less"
    return "lower the vocabulary size"


def needed(wanted: Parameters) -> int:
    """Bytes that the network takes at least while it learns: weights, the best ones so far, gradients
    and the optimizer's state."""
    with torch.device("meta"):
        network = Network(wanted, one_table(wanted))
    frozen = sum(
        each.vocab_size * each.token_embedding_dim for _, each in _tables(wanted) if _frozen(each)
    )
    learnt = sum(each.numel() for each in network.parameters()) - frozen
    return FLOAT * (frozen + learnt * (3 + STATES[wanted.optimizer]))


def _check_batches(pairs: Pairs, wanted: Parameters, has: int) -> None:
    """Raises ClientError where an epoch's samples, or the tokens of a batch, cannot be held."""
    drawn = len(pairs) + int(np.count_nonzero(pairs.labels)) * wanted.negative_sampling_rate
    if (needs := drawn * SAMPLE) > has:
        raise ClientError(
            f"Out of memory: {drawn} pairs in an epoch take {needs / 2**30:.3g} GiB, and the instance"
            f" has {has / 2**30:.3g} GiB. Lower negative_sampling_rate, now"
            f" {wanted.negative_sampling_rate}"
        )
    size = min(wanted.mini_batch_size, drawn)
    needs = batch_needs(pairs, wanted, size)
    if needs <= has:
        return
    raise ClientError(
        f"Out of memory: the tokens of a batch of {size} pairs take at least {needs / 2**30:.3g} GiB, and"
        f" the instance has {has / 2**30:.3g} GiB. It holds mini_batch_size={size * has // needs}; lower"
        " max_seq_len or token_embedding_dim otherwise"
    )


def batch_needs(pairs: Pairs, wanted: Parameters, size: int) -> int:
    """Bytes that the embeddings of a batch's tokens and their gradients take on average."""
    means = (side.lengths.mean() for side in pairs.sides)
    dims = (each.token_embedding_dim for each in wanted.encoders)
    return int(2 * FLOAT * size * sum(mean * dim for mean, dim in zip(means, dims)))


def threads(network: Network, wanted: Parameters, processors: int) -> int:
    """Threads that PyTorch computes with: one where a batch is so little that it would wait for them.

    Measured on two processors with an hcnn of 40,000 multiplications a sample: 5.7 s with one thread and
    7.0 s with two; with other work on the machine, ten times as long with two.
    """
    tables = sum(table.weight.numel() for table in network.tables())
    weights = sum(each.numel() for each in network.parameters()) - tables
    return processors if weights * wanted.mini_batch_size > SMALL else 1


def one_table(wanted: Parameters) -> bool:
    """Whether both encoders read one table of token embeddings: tied, or the same frozen ones."""
    first, second = wanted.encoders
    return wanted.tied_token_embedding_weight or (first == second and _frozen(first))


def _tables(wanted: Parameters) -> list[tuple[int, Encoder]]:
    """The encoder, with its number, that says what each table of token embeddings is at the beginning."""
    both = list(enumerate(wanted.encoders))
    if not one_table(wanted):
        return both
    return [next((each for each in both if each[1].pretrained_embedding_file), both[0])]


def _frozen(encoder: Encoder) -> bool:
    return bool(encoder.pretrained_embedding_file) and encoder.freeze_pretrained_embedding


def _vectors(job: Job, wanted: Parameters) -> list[pretrained.Vectors | None]:
    """The pretrained vectors of each of the network's tables; raises ClientError."""
    found: list[pretrained.Vectors | None] = []
    for number, encoder in _tables(wanted):
        if not encoder.pretrained_embedding_file:
            found.append(None)
        elif number and encoder == wanted.encoders[0] and found:
            found.append(found[0])
        else:
            channel = job.channel("auxiliary")
            channel.paths()  # refuses one that is empty
            vectors = pretrained.read(channel.folder, encoder, f"enc{number}")
            found.append(vectors)
            log.info(
                f"enc{number}: {len(vectors.ids)} of {vectors.vocabulary} tokens have a pretrained"
                " embedding"
            )
    return found


def _network(wanted: Parameters, vectors: Sequence[pretrained.Vectors | None]) -> Network:
    """The network at its beginning, the same in each run."""
    torch.manual_seed(0)
    network = Network(wanted, one_table(wanted))
    with torch.no_grad():
        for table, (_, encoder), given in zip(network.tables(), _tables(wanted), vectors):
            if given is not None:
                values = torch.from_numpy(given.values)
                # Tokens without a vector get random ones of the same size: what two objects share
                # counts for these tokens too.
                table.weight.normal_(0.0, max(float(values.std()), 1e-6))
                table.weight[torch.from_numpy(given.ids)] = values
                table.weight.requires_grad_(not _frozen(encoder))
    first, second = network.encoders
    if wanted.encoders[0] == wanted.encoders[1]:
        # Each has weights of its own, but they begin as the same: a difference of encodings means
        # something from the first step on, and not only when both have learnt one and the same space.
        second.load_state_dict(first.state_dict())
    return network


if __name__ == "__main__":
    sys.exit(run(train))
