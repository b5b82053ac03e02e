"""A model directory of transformers as an ONNX graph, and that graph with int8 weights."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADS = {
    "text-classification": ("AutoModelForSequenceClassification", ("logits",)),
    "zero-shot-classification": ("AutoModelForSequenceClassification", ("logits",)),
    "token-classification": ("AutoModelForTokenClassification", ("logits",)),
    "feature-extraction": ("AutoModel", ("last_hidden_state",)),
    "question-answering": ("AutoModelForQuestionAnswering", ("start_logits", "end_logits")),
    "fill-mask": ("AutoModelForMaskedLM", ("logits",)),
}
"""Task -> the class of its models, and the outputs that answers are made of."""
OPSET = 18
LARGEST = 1_800_000_000
"""Bytes of weights: a graph in one file ends at 2 GB."""
TOLERANCE = 1e-3
"""The most that an output of the float32 graph may differ from PyTorch's."""
PROBES = ("A short text.", "Two texts of different length go through the graph together, padded.")


class Refused(Exception):
    """The model cannot be made an ONNX graph; the text is the reason."""


@dataclass(frozen=True)
class Loaded:
    """A model for one task, as PyTorch has it, with its tokenizer."""

    task: str
    model: Any
    tokenizer: Any

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the outputs that the task needs."""
        return HEADS[self.task][1]


def check(folder: Path, task: str) -> None:
    """Raises Refused for what can be seen to be no encoder, before torch is imported."""
    if task not in HEADS:
        raise Refused(
            f"{task} is answered by PyTorch alone: ONNX graphs are made for"
            f" {', '.join(HEADS)}, whose models read a text once (encoders)"
        )
    if (folder / "adapter_config.json").is_file():
        raise Refused("it is an adapter: merge it into its model first (merge_and_unload of peft)")
    file = folder / "config.json"
    if not file.is_file():
        raise Refused("it has no config.json: transformers' save_pretrained writes one")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"its config.json is not JSON: {error}") from error
    kind = config.get("model_type", "of that kind")
    if config.get("is_encoder_decoder"):
        raise Refused(f"a {kind} model is an encoder with a decoder, not an encoder alone")
    if config.get("auto_map"):
        raise Refused("it needs code of its own (auto_map in config.json), which is not run here")
    quantised = (config.get("quantization_config") or {}).get("quant_method")
    if quantised:
        raise Refused(f"its weights are quantised already ({quantised})")


def load(folder: Path, task: str) -> Loaded:
    """The model in float32 on the CPU. Raises Refused where weights of the task's head are missing:
    transformers would make them up."""
    import torch  # pyright: ignore[reportMissingImports]
    import transformers  # pyright: ignore[reportMissingImports]

    kind = getattr(transformers, HEADS[task][0])
    try:
        model, told = kind.from_pretrained(
            str(folder), dtype=torch.float32, output_loading_info=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"transformers cannot load it for {task}: {error}") from error
    missing = [key for key in told["missing_keys"] if not _headless(key, task)]
    if missing:
        raise Refused(
            f"its weights lack {', '.join(sorted(missing)[:3])}, which {task} needs: it was trained"
            " for another task (--task names one)"
        )
    if not tokenizer.is_fast:
        raise Refused(f"its tokenizer ({type(tokenizer).__name__}) has no fast form")
    size = sum(each.numel() * each.element_size() for each in model.parameters())
    if size > LARGEST:
        raise Refused(f"its weights are {size / 1e9:.1f} GB; graphs end at {LARGEST / 1e9:.1f} GB")
    return Loaded(task, model.eval(), tokenizer)


def _headless(key: str, task: str) -> bool:
    return key.endswith("position_ids") or (task == "feature-extraction" and "pooler." in key)


def export(loaded: Loaded, file: Path) -> float:
    """The graph lies in `file`; how much its outputs differ from PyTorch's at most.

    Raises Refused where torch cannot export the model, or the graph computes something else.
    """
    import torch  # pyright: ignore[reportMissingImports]

    names = [name for name in loaded.tokenizer.model_input_names if name in _INPUTS]
    probes = loaded.tokenizer(list(PROBES), padding=True, return_tensors="pt")
    given = {name: probes[name] for name in names}
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("length", min=2)
    head = _head(loaded, names)
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                head,
                tuple(given.values()),
                str(file),
                input_names=names,
                output_names=list(loaded.outputs),
                dynamic_shapes=[tuple({0: batch, 1: length} for _ in names)],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch.onnx's and torch.export's own, which have no common class
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(f"torch cannot export it: {said[0][:300]}") from error
    differs = _difference(head, given, file, loaded.outputs)
    if not differs <= TOLERANCE:
        raise Refused(
            f"its graph computes something else than PyTorch does: outputs differ by {differs:.3g}"
        )
    return differs


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _head(loaded: Loaded, names: Sequence[str]) -> Any:
    """A module that takes the inputs by position and gives the wanted outputs alone."""
    import torch  # pyright: ignore[reportMissingImports]

    model, outputs = loaded.model, loaded.outputs

    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> tuple[Any, ...]:
            told = self.model(**dict(zip(names, inputs, strict=True)), return_dict=True)
            return tuple(told[name] for name in outputs)

    return Head().eval()


def _difference(head: Any, given: dict[str, Any], file: Path, outputs: Sequence[str]) -> float:
    """The greatest difference of any output, of the probes together and of one by itself."""
    import numpy
    import onnxruntime  # pyright: ignore[reportMissingImports]
    import torch  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    wanted = [each.name for each in session.get_inputs()]
    found = []
    for rows in (slice(0, 2), slice(1, 2)):
        tensors = {name: tensor[rows] for name, tensor in given.items()}
        with torch.no_grad():
            truth = head(*tensors.values())
        told = session.run(list(outputs), {name: tensors[name].numpy() for name in wanted})
        kept = tensors["attention_mask"].numpy().astype(bool)
        for ours, theirs in zip(told, truth, strict=True):
            apart = numpy.abs(ours - theirs.numpy())
            token = apart.ndim > 1 and apart.shape[:2] == kept.shape
            found.append(float(apart[kept].max() if token else apart.max()))
    return max(found)


def quantise(file: Path, out: Path) -> None:
    """`out` is the graph with int8 weights, a scale for each channel; activations are rounded while it
    runs (ONNX Runtime's dynamic quantisation).

    Weights take 7 bits: with 8, sums overflow on CPUs without VNNI, and a model may move. On one
    classifier of 20 classes as many answers were those before (95.4 %); one scale for each matrix
    gave 87.7 %.
    """
    from onnxruntime.quantization import (  # pyright: ignore[reportMissingImports]
        QuantType,
        quantize_dynamic,
    )

    with _quiet():
        quantize_dynamic(
            str(file),
            str(out),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What exporters say meanwhile goes nowhere: their failures are exceptions."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            try:
                yield
            finally:
                logging.disable(before)
