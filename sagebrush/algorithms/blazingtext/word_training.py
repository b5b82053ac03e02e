"""The Word2Vec modes as a training job: channel `train` in; vectors.txt, vectors.bin, eval.json out.

The log's lines are those of AWS's container, as the logs of public jobs show them. Source: Amazon
SageMaker AI Developer Guide, BlazingText algorithm, Input/Output Interface.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contract import channels
from contract.channels import Channel
from contract.job import Job

from . import evaluation, memory, pipe, sentences, shards, word_model
from .parameters import ClientError, WordParameters
from .peers import Average, PeerLost, Peers
from .word_model import Trained

ECHO = 3.0
"""Seconds by which an instance that fails because another one did reports later: that one's reason
is the job's."""
SEED = 1


def train(this: Job, wanted: WordParameters, scratch: Path) -> None:
    """The model is in the job's folder for it, on the first host; raises ClientError for whatever the
    user can correct, PeerLost where another instance has ended.
    """
    check(this, wanted)
    place = Place(this, scratch)
    if len(this.hosts) == 1:
        print(f"Running single machine CPU BlazingText training using {wanted.mode} mode.")
        _train(place, wanted, None)
        return
    group = Peers(this.host, this.hosts)
    print(
        f"Running distributed CPU BlazingText training using {wanted.mode} on {len(group.hosts)} "
        f"hosts.\nNumber of hosts: {len(group.hosts)}, master: {group.master}, host: {this.host}.",
        flush=True,
    )
    try:
        group.connect()
        _train(place, wanted, group)
    except PeerLost:
        time.sleep(ECHO)
        raise
    finally:
        group.close()


def check(this: Job, wanted: WordParameters) -> None:
    """Raises ClientError for channels and instances that the mode cannot use."""
    channels.check(this.channels, optional=(evaluation.CHANNEL,))
    if wanted.mode != "batch_skipgram":
        single(wanted.mode, this.hosts)
    tuned = str(this.hyperparameters.get("_tuning_objective_metric", ""))
    evaluation.required(wanted.evaluation, tuned, evaluation.CHANNEL in this.channels)


def single(mode: str, hosts: Sequence[str]) -> None:
    """Raises ClientError where a mode that trains on one instance is given several."""
    if len(hosts) > 1:
        raise ClientError(
            f"Mode {mode} supports a single instance only, and the job has {len(hosts)}: "
            "multiple CPU instances are supported by batch_skipgram"
        )


@dataclass(frozen=True)
class Place:
    """A job, and a folder for what is read of its channels."""

    job: Job
    scratch: Path

    def channel(self, name: str) -> Channel:
        """The channel, also one in Pipe mode, with its files."""
        return pipe.as_files(self.job.channel(name), self.scratch, labelled=False)


def _distribution(this: Job) -> str | None:
    """How the train channel's files are spread over the job's instances."""
    file = this.root / "input" / "config" / "inputdataconfig.json"
    return json.loads(file.read_text())["train"].get("S3DistributionType")


def _train(place: Place, wanted: WordParameters, group: Peers | None) -> None:
    pairs = _pairs(place, wanted, group)
    corpus = _corpus(place, wanted, group)
    leads = group is None or group.first
    if leads:
        million = corpus.read / 1e6
        print(f"Read {int(million) if million >= 1 else f'{million:.6g}'}M words")
        print(f"Number of words:  {len(corpus.words)}", flush=True)
    text = memory.size(corpus.words, len(corpus.ids), wanted)
    memory.check(text, wanted, place.job.resources()[1], len(place.job.hosts))
    trainer = _trained(place.job, corpus, wanted, group)
    if not leads:
        print(
            f"Training has finished: the logs of {group.master if group else ''} have its figures."
        )
        return
    vectors = trainer.vectors()
    if not np.isfinite(vectors).all():
        raise ClientError(
            f"Training diverged (NaN): lower learning_rate (it is {wanted.learning_rate})"
        )
    model = place.job.model
    _write(model, corpus, wanted, trainer)
    word_model.write_text(model / "vectors.txt", corpus.words, vectors)
    if wanted.evaluation:
        _evaluate(model, pairs, corpus.words, vectors)


def _pairs(
    place: Place, wanted: WordParameters, group: Peers | None
) -> dict[str, list[evaluation.Pair]] | None:
    """The pairs to evaluate with, read before the training: a wrong line should not cost it."""
    if not wanted.evaluation or (group and not group.first):
        return None
    if evaluation.CHANNEL not in place.job.channels:
        return None
    return evaluation.read(place.channel(evaluation.CHANNEL))


def _corpus(place: Place, wanted: WordParameters, group: Peers | None) -> Any:
    """The text as word numbers: with several hosts, this one's part of it."""
    # Imported here: a job with a wrong hyperparameter should not wait for the compiled loops.
    from . import word_vectors

    files = place.channel("train").paths()
    if group is None or group.first:
        for file in files:
            print(f"Processing {file} . File size: {file.stat().st_size / 2**20} MB", flush=True)
    sharded = group is not None and _distribution(place.job) == "ShardedByS3Key"
    files = [sentences.plain(file, place.scratch) for file in files]
    corpus = word_vectors.vocabulary_and_corpus(files, 1 if sharded else wanted.min_count)
    if group is not None:
        corpus = shards.merged(corpus, group, wanted.min_count) if sharded else corpus
        corpus = corpus if sharded else shards.part(corpus, group.rank, len(group.hosts))
    if not corpus.words:
        raise ClientError(f"No word occurs at least min_count={wanted.min_count} times")
    return corpus


def _trained(this: Job, corpus: Any, wanted: WordParameters, group: Peers | None) -> Any:
    """A trainer that has gone through all epochs, or those up to the SIGTERM by which the job is to
    end, with the log's lines of its progress.
    """
    from . import word_vectors

    settings = word_vectors.Settings(
        mode=wanted.mode,
        vector_dim=wanted.vector_dim,
        window_size=wanted.window_size,
        negative_samples=wanted.negative_samples,
        sampling_threshold=wanted.sampling_threshold,
        learning_rate=wanted.learning_rate,
        epochs=wanted.epochs,
        batch_size=wanted.batch_size,
        subwords=wanted.subwords,
        min_char=wanted.min_char,
        max_char=wanted.max_char,
        buckets=wanted.buckets if wanted.subwords else 0,
        threads=this.resources()[0],
        seed=SEED + (group.rank if group else 0),
    )
    trainer = word_vectors.Trainer(corpus, settings)
    leads, hosts = group is None or group.first, len(group.hosts) if group else 1
    if group is not None:
        average = Average(group)
        updates = shards.updates(corpus, wanted, hosts * word_vectors.PARTS)
        average.start(trainer.input, updates[0])
        average.start(trainer.output, updates[1])
        trainer.share(average)
    started, epoch = time.monotonic(), 0
    for epoch in range(1, wanted.epochs + 1):
        trainer.epoch()
        if leads:
            done = epoch / wanted.epochs
            rate = len(corpus.ids) * hosts * epoch / 1e6 / max(time.monotonic() - started, 1e-9)
            print(
                f"##### Alpha: {wanted.learning_rate * (1 - done):.4f}  Progress: {done:.2%}  "
                f"Million Words/sec: {rate:.2f} #####",
                flush=True,
            )
        if _stopped(this, group):
            print(f"The job is asked to stop: the vectors are those of epoch {epoch}", flush=True)
            break
    seconds = max(time.monotonic() - started, 1e-9)
    if leads:
        print("\nTraining finished!")
        million = len(corpus.ids) * hosts * epoch / 1e6  # of those that it was not stopped before
        print(f"Average throughput in Million words/sec: {million / seconds:.2f}")
        print(f"Total training time in seconds: {seconds:.2f}\n", flush=True)
    return trainer


def _stopped(this: Job, group: Peers | None) -> bool:
    """Whether the job is to end; with several instances all know it at the same epoch."""
    mine = b"stop" if this.stopping.is_set() else b""
    return bool(mine if group is None else group.exchange(mine, max))


def _write(folder: Path, corpus: Any, wanted: WordParameters, trainer: Any) -> None:
    """vectors.bin, in fastText's format."""
    args = word_model.trained_with(
        wanted.mode,
        dim=wanted.vector_dim,
        ws=wanted.window_size,
        epoch=wanted.epochs,
        min_count=wanted.min_count,
        neg=wanted.negative_samples,
        bucket=wanted.buckets if wanted.subwords else 0,
        minn=wanted.min_char if wanted.subwords else 0,
        maxn=wanted.max_char if wanted.subwords else 0,
        t=wanted.sampling_threshold,
    )
    counts = np.asarray(corpus.counts, np.int64)
    word_model.save(
        Trained(args, corpus.words, counts, trainer.input, trainer.output), folder / "vectors.bin"
    )


def _evaluate(
    folder: Path,
    pairs: Mapping[str, list[evaluation.Pair]] | None,
    words: list[bytes],
    vectors: np.ndarray,
) -> None:
    """eval.json, and its content and `#mean_rho` in the log."""
    print("Evaluating word embeddings....")
    result: dict[str, object]
    if pairs is None:
        print(f"No #mean_rho ({evaluation.METRIC}): {evaluation.MISSING}", flush=True)
        result = {"mean_rho": None, "not_evaluated": evaluation.MISSING}
    else:
        print(f"Vectors read from: {folder / 'vectors.txt'} ")
        result = evaluation.evaluate(pairs, words, vectors)
        print(evaluation.told(result))
        mean = result["mean_rho"]
        if isinstance(mean, float) and math.isfinite(mean):
            print(f"#mean_rho: {mean}", flush=True)
        else:
            print("No #mean_rho: fewer than two pairs have words of the training text", flush=True)
    (folder / "eval.json").write_text(evaluation.told(result) + "\n")
