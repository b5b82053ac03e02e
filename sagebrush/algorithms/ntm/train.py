"""NTM's training job: /opt/ml in, `model_algo-1` and topics.json out. Run as `python -m ntm.train`.

Source: Amazon SageMaker AI Developer Guide, Neural Topic Model (NTM) Algorithm.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse  # pyright: ignore[reportMissingImports]
from contract import channels, errors, job, log, matrices
from contract import topics as plotted
from contract.channels import Channel
from contract.errors import ClientError
from contract.job import Job

from . import artefact, coherence, parameters, topics
from .parameters import Parameters

_COPIES = 5
"""Of each weight in memory: itself, its gradient, two of an optimiser, the best epoch's."""


def train(job: Job) -> None:
    """model/ and output/data/ hold the trained model and its topics; raises ClientError."""
    channels.check(job.channels, optional=("validation", "test", "auxiliary"))
    wanted = parameters.read(job.hyperparameters)
    check_memory(wanted, job.resources()[1])
    words = None
    if "auxiliary" in job.channels:
        words = plotted.vocabulary(job.channels["auxiliary"], wanted.feature_dim)
    found = {
        name: documents(job.channels[name], wanted.feature_dim)
        for name in ("train", "validation", "test")
        if name in job.channels
    }
    _fit(job, wanted, found, words)


def documents(channel: Channel, size: int) -> sparse.csr_matrix:
    """The channel's word counts, (documents, words) in float32; raises ClientError."""
    found = sparse.csr_matrix(matrices.read(channel, size).features, dtype=np.float32)
    if found.nnz and found.data.min() < 0:
        place = int(np.flatnonzero(found.data < 0)[0])
        row = int(np.searchsorted(found.indptr, place, side="right")) - 1
        raise errors.unreadable(
            channel.name,
            channel.content_type or channels.RECORDIO_PROTOBUF,
            f"document {row} has the negative word count {found.data[place]:g}",
        )
    found.eliminate_zeros()
    if not found.nnz:
        raise errors.empty(channel.name, "no document of the channel has a word")
    return found


def check_memory(wanted: Parameters, memory: int) -> None:
    """Raises ClientError where the network and one mini-batch cannot fit into `memory` bytes."""
    sizes = (wanted.feature_dim, *wanted.encoder_layers)
    weights = sum(a * b for a, b in zip(sizes, sizes[1:]))
    weights += (2 * sizes[-1] + wanted.feature_dim) * wanted.num_topics
    batch = 4 * wanted.mini_batch_size * wanted.feature_dim
    needed = 4 * (_COPIES * weights + batch)
    if needed <= memory:
        return
    left = memory // 4 - _COPIES * weights
    fits = left // (4 * wanted.feature_dim)
    cure = f"mini_batch_size={fits} or less" if fits >= 1 else "a smaller feature_dim or num_topics"
    raise ClientError(
        f"Out of memory: training needs about {needed / 2**30:.1f} GiB and the instance has"
        f" {memory / 2**30:.1f} GiB. Please use an instance type with more memory, or {cure}."
    )


def _fit(
    job: Job,
    wanted: Parameters,
    found: dict[str, sparse.csr_matrix],
    words: Sequence[str] | None,
) -> None:
    # PyTorch takes two seconds to load: what is wrong with the input is said before.
    import torch  # pyright: ignore[reportMissingImports]

    from . import model, training
    from .hosts import Hosts

    torch.set_num_threads(job.resources()[0])
    with Hosts(job) as hosts:
        trainer = training.Trainer(wanted, found["train"], found.get("validation"), hosts, job.host)
        log.info(f"Training on {trainer.device.type} with {hosts.count} host(s)")
        trainer.run(job.stopping)
        arrays = model.arrays(trainer.network)
        artefact.write(
            job.model / f"{artefact.PREFIX}{job.host}", arrays, wanted.encoder_layers_activation
        )
        _tell_topics(job, arrays["projection_weight"], found["train"], words)
        if "test" in found:
            tested = trainer.evaluate(found["test"])
            log.quality("test total_loss", tested.total, job.host)


def _tell_topics(
    job: Job, weights: topics.Floats, train: sparse.csr_matrix, words: Sequence[str] | None
) -> None:
    """The topics are in the log, and for plots in topics.json."""
    weights = weights.T
    tops, present = plotted.top(weights, topics.TOP), coherence.sample(train)
    wetc = None
    if words is not None:
        if unknown := coherence.unknown(train):
            log.info(
                f"{unknown} out of {len(words)} in vocabulary do not have embeddings! Default vector"
                " used for unknown embedding!",
                "WARNING",
            )
        log.info("wetc is measured with word embeddings of the training documents themselves")
        wetc = coherence.wetc(tops, present)
    for line in topics.lines(topics.Scores(tops, topics.uniqueness(tops), wetc), words):
        log.info(line)
    model = artefact.load(job.model / f"{artefact.PREFIX}{job.host}")
    shares = np.asarray(model.mixtures(train[: coherence.DOCUMENTS])).mean(0)
    chances = topics.softmax(weights)
    plotted.write(job.output / plotted.FILE, "ntm", chances, shares, present, words)


if __name__ == "__main__":
    sys.exit(job.run(train))
