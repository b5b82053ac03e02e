"""A graph with its tokenizer and configuration: texts in, arrays out."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks.onnx.tokens import Cut, Text, Tokens
from sagebrush.toolkit.serving.handler import NoHandler

FED = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
"""The inputs that a text encoder may have."""
TYPES = {"tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32}
DYNAMIC = b"DynamicQuantize"
"""How the names of operators begin that round activations by their range."""
TOKENS = 512
"""Tokens that go through the graph at once: more are no faster on a CPU, and take memory."""
SPREAD = 1.1
"""How much longer the longest text of a batch may be than its shortest: padding is computed too."""
SHIFTED = ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "xlm-roberta-xl")
"""Model types whose positions begin after the padding token's id."""


class Model:
    """A loaded graph. `config` is config.json; `labels` its classes in the order of the logits.

    `rounds` says whether activations are rounded by the range that a batch has (int8, dynamic), so
    that a text's scores would depend, by some 0.01, on the texts beside it.
    """

    def __init__(self, graph: Path, folder: Path) -> None:
        """The graph is loaded; raises NoHandler for what is no graph of a text encoder."""
        import onnxruntime  # pyright: ignore[reportMissingImports]

        self.config = read(folder / "config.json")
        self.tokens = Tokens(folder, self._positions())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = _threads()
        # Threads that wait for work by spinning take the CPU from other models' workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own classes, which have no common one
            raise NoHandler(f"{graph} cannot be loaded: {error}") from error
        self.rounds = _rounds(graph)
        self._inputs = {each.name: each.type for each in self._session.get_inputs()}
        self.outputs = [each.name for each in self._session.get_outputs()]
        foreign = [name for name in self._inputs if name not in FED]
        if foreign or "input_ids" not in self._inputs:
            raise NoHandler(
                f"{graph} is no graph of a text encoder: it asks for {', '.join(self._inputs)}"
            )
        named = self.config.get("id2label") or {}
        self.labels = [named[key] for key in sorted(named, key=int)]

    def _positions(self) -> int | None:
        """The most tokens that the model's position embeddings are for; None where that is unknown."""
        limit = self.config.get("max_position_embeddings")
        if not isinstance(limit, int) or limit <= 0:
            return None
        pad = self.config.get("pad_token_id")
        shifted = self.config.get("model_type") in SHIFTED
        return limit - (1 if pad is None else pad + 1) if shifted else limit

    def label(self, index: int) -> str:
        """The name of a class, as transformers names those without a name."""
        return self.labels[index] if index < len(self.labels) else f"LABEL_{index}"

    def encode(self, texts: Sequence[Text], cut: Cut) -> list[Any]:
        """The texts as `tokenizers.Encoding`."""
        return self.tokens.encode(texts, cut)

    def run(self, encodings: Sequence[Any], wanted: Sequence[str]) -> list[list[Any]]:
        """The outputs `wanted` for each encoding, without the batch's axis, as float32.

        An output for each token may be longer than the encoding: what follows is padding. Texts
        of like length go together, but for a graph that `rounds`. Raises BadBody where a text is
        longer than the model takes.
        """
        found: list[list[Any]] = [[] for _ in encodings]
        lengths = [len(each.ids) for each in encodings]
        alone = [[n] for n in range(len(lengths))]
        for rows in alone if self.rounds else batches(lengths):
            told = self._batch([encodings[n] for n in rows], wanted)
            for at, row in enumerate(rows):
                found[row] = [array[at] for array in told]
        return found

    def _batch(self, encodings: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
        longest = max(len(each.ids) for each in encodings)
        ids = numpy.full((len(encodings), longest), self.tokens.pad_id, dtype=numpy.int64)
        mask, types = numpy.zeros_like(ids), numpy.zeros_like(ids)
        for row, each in enumerate(encodings):
            length = len(each.ids)
            ids[row, :length] = each.ids
            mask[row, :length] = each.attention_mask
            types[row, :length] = each.type_ids
        positions = numpy.broadcast_to(numpy.arange(longest), ids.shape)
        given = dict(zip(FED, (ids, mask, types, positions)))
        feed = {name: given[name].astype(TYPES[kind]) for name, kind in self._inputs.items()}
        try:
            told = self._session.run(list(wanted), feed)
        except Exception as error:
            limit = self._positions()
            if limit is None or longest <= limit:
                raise
            raise formats.BadBody(
                f"The text has {longest} tokens, more than the {limit} that the model takes. Send"
                ' "parameters": {"truncation": true} to have it cut.'
            ) from error
        return [array.astype(numpy.float32, copy=False) for array in told]


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """The texts, by their numbers, that go through the graph together: of like length, and few."""
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda n: lengths[n]):
        last = found[-1] if found else []
        full = not last or lengths[row] * (len(last) + 1) > TOKENS
        if full or lengths[row] > SPREAD * lengths[last[0]] + 2:
            found.append([row])
        else:
            last.append(row)
    return found


def read(file: Path) -> dict[str, Any]:
    """The JSON object in a file, {} where there is no such file; raises NoHandler."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise NoHandler(f"{file} is not JSON: {error}") from error


def _rounds(graph: Path) -> bool:
    """Whether operators of dynamic quantisation are in the graph, by their names in the file."""
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return whole.find(DYNAMIC) >= 0


def softmax(logits: Any) -> Any:
    """Probabilities along the last axis."""
    raised = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _threads() -> int:
    """This worker's share of the CPUs, which the model server gives it; 0: as many as there are."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() else 0
