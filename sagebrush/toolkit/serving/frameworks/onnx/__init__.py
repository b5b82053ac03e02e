"""Encoder models as ONNX graphs: ONNX Runtime answers in the forms of transformers' pipelines.

Neither torch nor transformers is imported, which is most of what a first answer waits for. The
graph lies in the model directory as Optimum and the Hub lay it out: `model.onnx` or
`model_quantized.onnx`, there or in `onnx/`, beside config.json and the tokenizer's files.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.toolkit.serving.handler import NoHandler

ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
TASKS = (
    "text-classification",
    "token-classification",
    "feature-extraction",
    "question-answering",
    "fill-mask",
    "zero-shot-classification",
)
FOLDERS = ("", "onnx")
FILES = ("model.onnx", "model_quantized.onnx")
"""In this order: a graph whose weights were rounded answers only where it is the only one."""
SWITCH = "SAGEBRUSH_ONNX"
"""Set to 0 or false, the model's weights are served by PyTorch though a graph is there."""
NAMED = "SAGEBRUSH_ONNX_FILE"
"""The graph's path in the model directory, where it has another name or there are several."""
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
NO_RUNTIME = (
    "{graph} is an ONNX graph, but this image's environment has no ONNX Runtime. Add a line"
    " `onnxruntime` to code/requirements.txt in the model archive, or use an image without a"
    " release's tag (sagebrush/huggingface), whose environment has it."
)


@dataclass(frozen=True)
class Choice:
    """What a model directory is served by."""

    graph: Path | None
    """The graph that ONNX Runtime serves; None where PyTorch serves the weights."""
    reason: str = ""
    """Why a graph that is there is not served; "" where there is none, or it is."""


def choose(folder: str, task: str, environ: Mapping[str, str], gpu: bool) -> Choice:
    """What serves the model in `folder` for `task`: its graph on the CPU, unless something stands
    against it. `gpu` says that there is a GPU, on which PyTorch serves weights faster."""
    graph = find(Path(folder), environ.get(NAMED, ""))
    if graph is None:
        return Choice(None)
    if environ.get(SWITCH, "").lower() in ("0", "false", "off", "no"):
        return Choice(None, f"{SWITCH} is off")
    if task and ALIASES.get(task, task) not in TASKS:
        served = ", ".join(TASKS)
        return Choice(None, f"{graph}: ONNX Runtime serves {served} here, not {task}")
    if gpu and weights(folder):
        return Choice(None, "there is a GPU, and PyTorch's weights are in the model directory")
    if importlib.util.find_spec("onnxruntime") is None:
        return Choice(None, NO_RUNTIME.format(graph=graph))
    return Choice(graph)


def find(folder: Path, named: str = "") -> Path | None:
    """The graph in a model directory, None where there is none. Raises NoHandler where `named`, a
    path in it, is not there."""
    if named:
        if not (folder / named).is_file():
            raise NoHandler(f"{NAMED} {named}: there is no such file in {folder}")
        return folder / named
    places = [folder / below / name for below in FOLDERS for name in FILES]
    return next((place for place in places if place.is_file()), None)


def weights(folder: str) -> bool:
    """Whether PyTorch's weights are in a model directory, whole or as shards."""
    names = [*WEIGHTS, *(f"{name}.index.json" for name in WEIGHTS)]
    return any(os.path.isfile(os.path.join(folder, name)) for name in names)


def sees_gpu(environ: Mapping[str, str]) -> bool:
    """Whether this process may use an NVIDIA GPU, told without torch, by its device files."""
    hidden = environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and bool(glob.glob("/dev/nvidia[0-9]*"))


def load(task: str, graph: Path, folder: str) -> Any:
    """A callable like transformers' pipeline for `task`: `model(inputs, **parameters)`.

    Raises NoHandler where the graph, or what lies beside it, cannot be served for that task.
    """
    from sagebrush.toolkit.serving.frameworks.onnx import (
        answers,
        classes,
        entities,
        features,
        masks,
    )
    from sagebrush.toolkit.serving.frameworks.onnx.model import Model

    kinds: dict[str, Any] = {
        "text-classification": classes.TextClassification,
        "zero-shot-classification": classes.ZeroShot,
        "token-classification": entities.TokenClassification,
        "feature-extraction": features.FeatureExtraction,
        "question-answering": answers.QuestionAnswering,
        "fill-mask": masks.FillMask,
    }
    kind = kinds[ALIASES.get(task, task)]
    model = Model(graph, Path(folder))
    missing = [name for name in kind.OUTPUTS if name not in model.outputs]
    if missing:
        raise NoHandler(
            f"{graph} has no output {' or '.join(missing)}, which {task} needs; it has"
            f" {', '.join(model.outputs)}. Let HF_TASK name the task that it was exported for."
        )
    return kind(model)
