"""LDA's training job: /opt/ml in, `model_algo-1` out. Run as `python -m lda.train`.

Source: Amazon SageMaker AI Developer Guide, "Latent Dirichlet Allocation (LDA) Algorithm". The lines of the
log are those of AWS's algorithm where it has them (aws/amazon-sagemaker-examples, LDA-Science.ipynb).
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from contract import channels, errors, job, log, matrices, topics
from contract.channels import CSV, Channel
from contract.errors import ClientError
from contract.job import Job
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

from . import documents, memory, model, moments, parameters, spectral
from .decomposition import Limits
from .model import Model
from .parameters import Parameters

ALGORITHM = "LDA"


def train(given: Job) -> None:
    """model/model_algo-1 is there; raises ClientError for whatever the user can correct."""
    wanted = parameters.read(given.hyperparameters)
    if len(given.hosts) > 1:
        raise ClientError("LDA currently only supports single-instance training")
    channels.check(given.channels, ("train",), ("test", "auxiliary"))
    processors, limit = given.resources()
    memory.check(limit, wanted.num_topics, wanted.feature_dim, threads=processors)
    words = None
    if "auxiliary" in given.channels:
        words = topics.vocabulary(given.channel("auxiliary"), wanted.feature_dim)
    corpus = counts(given.channel("train"), wanted.feature_dim)
    _enough(corpus, wanted)
    size = len(corpus.indptr) - 1
    memory.check(limit, wanted.num_topics, wanted.feature_dim, size, corpus.nnz, processors)
    started = time.time()
    made, shares = fitted(given, corpus, wanted, processors)
    log.progress(given.host, 100)
    log.throughput(given.host, size / max(time.time() - started, 1e-9))
    alpha = made.alpha.astype(np.float32)
    if not ((alpha > 0) & np.isfinite(alpha)).all() or not np.isfinite(made.beta).all():
        raise ClientError(
            "The topics are not finite numbers above 0: the word counts of channel 'train' are too large,"
            f" or alpha0 is too small (it is {wanted.alpha0:g})"
        )
    file = given.model / f"{model.PREFIX}{given.host}"
    log.info(f"Serializing LDA model to {file}")
    model.save(made, file)
    topics.write(given.output / topics.FILE, "lda", made.beta, shares, corpus, words)
    _test(given, made, wanted, processors)


def counts(channel: Channel, feature_dim: int) -> csr_matrix:
    """The channel's documents; raises ClientError."""
    if channel.streamed and channel.content_type == CSV:
        raise ClientError(
            f"The channel '{channel.name}' is CSV in Pipe mode: LDA reads CSV in File mode only, and"
            " recordIO-wrapped protobuf in both"
        )
    found: Any = csr_matrix(matrices.read(channel, feature_dim).features)
    found.eliminate_zeros()
    if found.nnz and found.data.min() < 0:
        row = int(np.searchsorted(found.indptr, int(found.data.argmin()), side="right")) - 1
        raise errors.unreadable(
            channel.name,
            channel.content_type or channels.RECORDIO_PROTOBUF,
            f"Sample {row} holds {found.data.min():g}: word counts must not be negative",
        )
    return found


def _enough(corpus: csr_matrix, wanted: Parameters) -> None:
    """Raises ClientError where the documents cannot have so many topics."""
    lengths = np.asarray(corpus.sum(1)).ravel()
    long = int((lengths >= moments.LEAST_WORDS).sum())
    log.info(f"Loaded all data into matrix with shape: {corpus.shape}")
    if not long:
        raise errors.empty("train", f"no document has {moments.LEAST_WORDS} words or more")
    if wanted.num_topics > long:
        raise ClientError(
            f"num_topics is {wanted.num_topics}, but the channel 'train' has only {long} documents of"
            f" {moments.LEAST_WORDS} words or more: there cannot be more topics than documents"
        )
    if corpus.shape[0] != wanted.mini_batch_size:
        log.info(
            f"mini_batch_size is {wanted.mini_batch_size}, the channel 'train' has {corpus.shape[0]}"
            " documents: all of them are used",
            "WARNING",
        )
    if corpus.nnz and (corpus.data % 1).any():
        log.info("Some counts are not whole numbers: the moments assume word counts", "WARNING")


def fitted(
    given: Job, corpus: csr_matrix, wanted: Parameters, processors: int
) -> tuple[Model, Any]:
    """(the model, its topics' shares of all words): the decomposition, then the refinement."""
    log.info(f"Running LDA for {wanted.num_topics} topics ({wanted.num_topics} requested)")
    started = time.time()
    limits = Limits(wanted.max_restarts, wanted.max_iterations, wanted.tol, wanted.allow_svd_init)
    found = spectral.estimate(corpus, wanted.num_topics, wanted.alpha0, limits, log.info)
    if found.found < wanted.num_topics:
        log.info(
            f"The documents distinguish {found.found} topics of {wanted.num_topics}: the others begin as"
            " single documents",
            "WARNING",
        )
    times = {name: 1000 * seconds for name, seconds in found.seconds.items()}
    made, shares = found.model, found.model.alpha / found.model.alpha.sum()
    if wanted.refinement_sweeps:
        refined = documents.refine(
            documents.parts(corpus, processors), made, wanted.refinement_sweeps, _said,
            given.stopping.is_set,
        )  # fmt: skip
        made, shares = refined.model, refined.shares
        log.info(
            f"Refined by {refined.sweeps} sweeps: log-likelihood of a word {refined.likelihood:.6f}"
        )
    times["LDA.update.time"] = 1000 * (time.time() - started)
    log.metrics(times, started=started, host=given.host, algorithm=ALGORITHM)
    order = np.argsort(-made.alpha, kind="stable")
    return made.ordered(), shares[order]


def _said(sweep: int, likelihood: float) -> None:
    if sweep == 1 or sweep % 10 == 0:
        log.info(f"Refinement sweep {sweep}: log-likelihood of a word {likelihood:.6f}")


def _test(given: Job, made: Model, wanted: Parameters, processors: int) -> None:
    """The log has the score of the channel `test`."""
    if "test" not in given.channels:
        log.info("Test data is not provided.")
        return
    tested = counts(given.channel("test"), wanted.feature_dim)
    if not tested.nnz:
        raise errors.empty("test", "no document has a word")
    log.quality("test pwll", documents.infer(tested, made, processors)[1], given.host, kind="score")


if __name__ == "__main__":
    sys.exit(job.run(train))
