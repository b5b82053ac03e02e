"""The defaults of the Hugging Face inference toolkit: a transformers pipeline, no code needed.

The task is HF_TASK, else it is read from the model's architecture. The model is HF_MODEL_ID (an id
on the hub, or a directory), else the content of the model directory. Every failure is a 400 with
`{"code", "type", "message"}`, as that toolkit answers. transformers is imported when the model is
loaded, and not at all where the directory has an ONNX graph (the package `onnx`).
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sagebrush.toolkit.serving import formats, handler, joint
from sagebrush.toolkit.serving.frameworks import codec, onnx

ARCHITECTURES = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}
"""How an architecture's name ends -> task, first match: the toolkit's own table."""
NESTED = ("zero-shot-classification", "table-question-answering")
"""Tasks whose inputs do not fit into CSV."""
FEATURES = (
    "automatic-speech-recognition",
    "image-segmentation",
    "image-classification",
    "audio-classification",
    "object-detection",
    "zero-shot-image-classification",
)
"""Tasks whose model has a feature extractor where others have a tokenizer."""
TOGETHER = ("text-classification", "sentiment-analysis", "feature-extraction")
"""Tasks whose inputs are predicted together when several wait."""
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
REMEDY = (
    "Give the model's files as model data (model.tar.gz, ModelDataUrl), or let HF_MODEL_ID name a"
    " directory."
)
HTTP = ("httpx", "httpcore", "requests", "urllib3", "huggingface_hub")
"""How the packages that reach the hub are named."""
PATIENCE = 10.0
"""Seconds for the hub's first answer."""


class Defaults(handler.Defaults):
    """`load`, `preprocess`, `predict` and `postprocess`, by the names that handlers have here."""

    needs_code = False
    as_text = True

    def __init__(self) -> None:
        """The task, the device, and what serves the model are known."""
        self.task = os.environ.get("HF_TASK") or None
        folder = os.path.join(os.environ.get("SAGEBRUSH_ML", "/opt/ml"), "model")
        if self._choice(folder).graph is None:
            self.gpu = _gpu()

    def model_fn(self, model_dir: str) -> Any:
        """The pipeline of this model; raises NoHandler, which names what is missing."""
        identity = os.environ.get("HF_MODEL_ID", "")
        source = identity or model_dir
        if os.path.isdir(source):
            self.task = self.task or task_of_directory(source)
            return self._of_directory(source)
        if identity.startswith((os.sep, ".")):
            raise handler.NoHandler(f"HF_MODEL_ID {identity}: there is no such directory")
        self.task = self.task or _task_on_hub(identity)
        try:
            return self._pipeline(identity)
        except Exception as error:
            if not of_network(error):
                raise
            raise handler.NoHandler(_unreachable(identity, error)) from error

    def _choice(self, model_dir: str) -> onnx.Choice:
        source = os.environ.get("HF_MODEL_ID") or model_dir
        gpu = onnx.sees_gpu(os.environ)
        return onnx.choose(source, self.task or "", os.environ, gpu)

    def _of_directory(self, source: str) -> Any:
        """The model in a directory: its graph by ONNX Runtime, else its weights by PyTorch."""
        choice = self._choice(source)
        if choice.graph is not None:
            print(f"ONNX Runtime serves {choice.graph}", file=sys.stderr)
            return onnx.load(str(self.task), choice.graph, source)
        if choice.reason:
            if not onnx.weights(source):
                raise handler.NoHandler(f"{choice.reason}. {source} has no weights for PyTorch.")
            print(f"PyTorch serves the weights: {choice.reason}", file=sys.stderr)
        self.gpu = _gpu()
        return self._pipeline(source)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The body as `{"inputs": …}`. Raises UnsupportedFormat and BadBody."""
        if self.task in NESTED and formats.base(content_type) == formats.CSV:
            raise formats.BadBody(
                f"content type {content_type} not support with {self.task}, use different"
                " content_type"
            )
        return codec.decode(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The pipeline's answer to `inputs` with `parameters` as its further arguments."""
        if not isinstance(data, dict):
            raise formats.BadBody('The body must be an object: {"inputs": …, "parameters": {…}}')
        inputs = data.pop("inputs", data)
        parameters = data.pop("parameters", None) or {}
        return model(inputs, **parameters)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """The prediction in the first format of `accept` that is served."""
        return codec.encode(prediction, accept)

    def joiner(self, model: Any) -> joint.Joiner | None:
        """Texts are classified together where that was seen to be the same as one by one."""
        if hasattr(model, "joiner"):  # of ONNX Runtime's: it knows what its graph allows
            return model.joiner()
        if self.task not in TOGETHER:
            return None
        from sagebrush.toolkit.serving.frameworks import together

        return together.proven(model)

    def failed(self, error: Exception) -> handler.Answer:
        """400 with the message for every failure: the toolkit's own answer."""
        told = {"code": 400, "type": "InternalServerException", "message": str(error)[:2000]}
        body = json.dumps(told, indent=2).encode() + b"\n"
        return handler.Answer(400, body, formats.JSON)

    def _pipeline(self, source: str) -> Any:
        from transformers import pipeline  # pyright: ignore[reportMissingImports]
        from transformers.pipelines import PIPELINE_REGISTRY  # pyright: ignore[reportMissingImports]

        from sagebrush.toolkit.serving.frameworks import tasks

        settings: dict[str, Any] = {
            "device": -1 if self.gpu is None else self.gpu,
            "trust_remote_code": _truth("HF_TRUST_REMOTE_CODE"),
        }
        if not os.path.isdir(source):
            settings["revision"] = os.environ.get("HF_MODEL_REVISION") or None
            settings["token"] = _token()
        known = PIPELINE_REGISTRY.get_supported_tasks()
        task = str(self.task)
        if task not in known and not task.startswith("translation_") and task in tasks.TASKS:
            return tasks.load(task, source, settings)
        if task not in known and task.startswith("translation_"):
            return tasks.load("translation", source, settings)
        if task not in known and task.partition("-")[0] != "sentiment" and task != "ner":
            listed = ", ".join(sorted({*known, *tasks.TASKS}))
            raise handler.NoHandler(
                f"HF_TASK {task!r} is no task of this version; there are {listed}"
            )
        extra = "feature_extractor" if task in FEATURES else "tokenizer"
        return pipeline(task=task, model=source, **{extra: source}, **settings)


def _gpu() -> int | None:
    """The number of the GPU that PyTorch computes on; None for none."""
    import torch  # pyright: ignore[reportMissingImports]

    return 0 if torch.cuda.is_available() else None


def task_of_directory(folder: str) -> str:
    """The task that the model's architecture in `folder` is for; raises NoHandler."""
    file = os.path.join(folder, "config.json")
    if not os.path.isfile(file):
        raise handler.NoHandler(
            f"You need to define HF_TASK (for instance text-classification): {folder} has no"
            " config.json to infer the task from"
        )
    with open(file, encoding="utf-8") as text:
        try:
            config = json.load(text)
        except ValueError as error:
            raise handler.NoHandler(f"{file} is not JSON: {error}") from error
    architectures = config.get("architectures") or [None]
    return task_of(str(architectures[0]))


def task_of(architecture: str) -> str:
    """The task of a model class, by its name; raises NoHandler in the toolkit's words."""
    for end, task in ARCHITECTURES.items():
        if architecture.endswith(end):
            return task
    raise handler.NoHandler(
        f"Task couldn't be inferenced from {architecture}. Inference Toolkit can only inference"
        f" tasks from architectures ending with {list(ARCHITECTURES)}. Use env `HF_TASK` to define"
        " your task."
    )


def _task_on_hub(identity: str) -> str:
    """The hub's tag of the model, or the task of a cached configuration; raises NoHandler."""
    if _offline():
        from transformers import AutoConfig  # pyright: ignore[reportMissingImports]

        try:
            config = AutoConfig.from_pretrained(identity, token=_token())
        except OSError as error:
            raise handler.NoHandler(_unreachable(identity, error)) from error
        return task_of(str((config.architectures or [None])[0]))
    from huggingface_hub import HfApi  # pyright: ignore[reportMissingImports]

    revision = os.environ.get("HF_MODEL_REVISION") or None
    try:
        told = HfApi().model_info(identity, revision=revision, timeout=PATIENCE, token=_token())
    except Exception as error:  # its own errors, and those of the HTTP library that it uses
        raise handler.NoHandler(_unreachable(identity, error)) from error
    if told.pipeline_tag is None:
        raise handler.NoHandler(
            f"Task couldn't be inferenced from {identity}. Use env `HF_TASK` to define your task."
        )
    return told.pipeline_tag


def of_network(error: Exception) -> bool:
    """Whether `error` means that the hub, or the model on it, was not reached.

    transformers raises OSError for most such failures, and passes on others of its HTTP library.
    """
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package.startswith(HTTP)


def _unreachable(identity: str, error: Exception) -> str:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    if _offline():
        why = "HF_HUB_OFFLINE is set, and the model is not in the local cache"
    else:
        said = (str(error).strip().splitlines() or [""])[0][:300]
        why = f"it could not be fetched from the Hugging Face hub ({type(error).__name__}: {said})"
    return f"HF_MODEL_ID {identity}: {why}. {REMEDY}"


def _offline() -> bool:
    return any(_truth(name) for name in OFFLINE)


def _token() -> str | None:
    names = ("HF_API_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    return next((os.environ[n] for n in names if os.environ.get(n)), None)


def _truth(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes", "y", "t", "on")
