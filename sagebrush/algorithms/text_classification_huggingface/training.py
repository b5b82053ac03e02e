"""The training job: data and base model in, fine-tuned model out."""

# pyright: reportMissingImports=false
# (the packages are those of the huggingface environment)

from __future__ import annotations

from contract import channels, labelled_texts
from contract.errors import ClientError
from contract.job import Job

from . import base_model, data, parameters
from .base_model import Source
from .data import Samples
from .metrics import say
from .parameters import Parameters

OPTIONAL = ("validation", "model", "code", "sm_drivers")
"""Channels that a job may have; SDK 3 brings the script itself in the last two."""


def train(job: Job) -> None:
    """The model's files are there; raises ClientError for whatever the user can correct."""
    wanted = parameters.read(job.hyperparameters)
    channels.check(job.channels, required=("training",), optional=OPTIONAL)
    if len(job.hosts) > 1:
        raise ClientError(f"Training runs on one instance; this job has {len(job.hosts)}")
    parts = _parts(job, wanted)
    source = base_model.find(job.channels.get("model"), wanted.hub_key)
    labels, fresh = _labels(parts[0], source, wanted)
    for part, channel in zip(parts, ("training", "validation")):
        labelled_texts.known(part, labels, channel, "the model")
    say(
        f"{len(parts[0])} texts to train on, {len(parts[1])} to validate with, {len(labels)} labels;"
        f" base model: {'the channel model' if source.reference is None else source.place}"
    )
    # They take seconds to load, and wrong input is told before.
    from . import artefact, fitting

    tokens = base_model.tokenizer(source)
    named = tuple(map(data.shown, labels))
    network = base_model.model(source, named, fresh)
    length = fitting.length(network, tokens, wanted.max_seq_length)
    numbers = {label: number for number, label in enumerate(labels)}
    encoded = [fitting.encode(part, tokens, numbers, length) for part in parts]
    fitting.fit(network, tokens, encoded[0], encoded[1], fitting.Run(job, wanted))
    artefact.save(job.model, network, tokens, labels, length)
    say(f"The model is saved: {network.num_parameters():,} parameters, {len(labels)} labels")


def _parts(job: Job, wanted: Parameters) -> tuple[Samples, Samples]:
    """(training, validation), the second from the channel of that name or split off."""
    samples = data.read(job.channels["training"])
    data.classes(samples)
    if "validation" in job.channels:
        return samples, data.read(job.channels["validation"])
    return data.split(samples, wanted.validation_split_ratio, wanted.seed)


def _labels(samples: Samples, source: Source, wanted: Parameters) -> tuple[tuple[str, ...], bool]:
    """(the labels by number, whether the classifier is new); raises ClientError."""
    found = data.classes(samples)
    again = wanted.reinitialize_top_layer
    if not source.labels:
        return found, again != "False"
    if again == "True":
        return found, True
    labelled_texts.known(samples, source.labels, "training", "the model that is trained further")
    return source.labels, False
