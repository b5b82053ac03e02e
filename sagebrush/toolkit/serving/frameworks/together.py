"""Texts of several requests through one forward pass of a Hugging Face pipeline.

Tokenised and post-processed by the pipeline's own functions, each request with its own parameters.
What is padded is computed too, and a pass more costs as much as so many tokens: that is measured
when the model is loaded, and texts share passes as is cheapest by it. The scores of a text differ from those that it gets alone by rounding only (some 1e-7): PyTorch sums in another
order. That is tried on the loaded model before it is relied on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Hashable, Sequence
from typing import Any

from sagebrush.toolkit.serving import joint

NEAR = 1e-4
"""Largest difference of two scores that count as the same."""
PROBES = ("good", "A much longer sentence, of which the second half is padding for the others: no?",
          "not bad at all, but rather long", "")  # fmt: skip
MOST = 64
"""Texts of one pass, at most: the memory that it takes is bounded."""
PADDED = ("attention_mask", "token_type_ids", "input_ids")
"""What can be padded: by the pad token, and by zeros."""


def proven(pipeline: Any) -> joint.Joiner | None:
    """How `pipeline` takes several requests, None where that gives other answers than one by one."""
    if not all(hasattr(pipeline, name) for name in ("preprocess", "forward", "postprocess")):
        return None
    made = Texts(pipeline)
    inputs: list[dict[str, Any]] = [{"inputs": text} for text in PROBES]
    inputs.append({"inputs": list(PROBES[:2])})
    try:
        alone = [pipeline(each["inputs"]) for each in inputs]
        same = all(map(near, made.predict(inputs, pipeline), alone))
    except Exception as error:  # any failure means: not this model
        print(f"requests are answered one by one: {error!r}", file=sys.stderr)
        return None
    if not same:
        return None
    made.fixed = measured(made, pipeline)
    return made


def near(one: Any, other: Any) -> bool:
    """Whether two predictions are equal but for the rounding of their numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= NEAR * max(1.0, abs(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(near(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


def passes(lengths: Sequence[int], fixed: float) -> list[list[int]]:
    """The texts by their numbers, those that share a forward pass together: the cheapest way to
    share them out, where a pass costs `fixed` tokens beside all that it computes, padding too."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    costs, starts = (
        [0.0],
        [0],
    )  # of the shortest n texts: the least cost, where the last pass begins
    for end, number in enumerate(order, 1):
        cost, start = min(
            (costs[start] + fixed + lengths[number] * (end - start), start)
            for start in range(max(0, end - MOST), end)
        )
        costs.append(cost)
        starts.append(start)
    found, end = [], len(order)
    while end:
        found.append(order[starts[end] : end])
        end = starts[end]
    return found[::-1]


def measured(texts: Texts, pipeline: Any) -> float:
    """How many tokens' time a pass costs by itself: the quickest of three with one text, and with
    four."""
    seconds = []
    for count in (1, 4):
        given = [{"inputs": PROBES[1]}] * count
        took = []
        for _ in range(3):
            begun = time.perf_counter()
            texts.predict(given, pipeline)
            took.append(time.perf_counter() - begun)
        seconds.append(min(took))
    width = len(pipeline.tokenizer(PROBES[1])["input_ids"])
    token = (seconds[1] - seconds[0]) / (3 * width)
    return max(0.0, seconds[0] / token - width) if token > 0 else MOST * width


def texts_key(data: Any) -> Hashable | None:
    """The request's parameters as text: requests whose are equal may be predicted together; None
    where its inputs are no text or texts."""
    inputs = data.get("inputs") if isinstance(data, dict) else None
    texts = inputs if isinstance(inputs, list) else [inputs]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    try:
        return json.dumps(data.get("parameters") or {}, sort_keys=True)
    except TypeError:
        return None


class Texts:
    """`joint.Joiner` of a text classification or feature extraction pipeline."""

    size = joint.SIZE

    def __init__(self, pipeline: Any) -> None:
        """Nothing is computed yet."""
        self.fixed = 0.0
        """What a pass costs by itself, in tokens."""
        self._features = pipeline.task == "feature-extraction"
        self._pad = getattr(pipeline.tokenizer, "pad_token_id", None)

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """The parameters; None where the inputs are no text or texts."""
        return texts_key(data)

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """What the pipeline returns for each of `inputs`; raises as it does."""
        texts, counts = [], []
        for each in inputs:
            mine = each["inputs"] if isinstance(each["inputs"], list) else [each["inputs"]]
            texts += mine
            counts.append(len(mine))
        parameters = inputs[0].get("parameters") or {}
        before, during, after = model._sanitize_parameters(**parameters)
        before = {**model._preprocess_params, **before}
        during = {**model._forward_params, **during}
        after = {**model._postprocess_params, **after}
        outputs = self._outputs(model, texts, before, during)
        # As the classifier's own call does: one text without top_k is answered as a list of one.
        whole = not self._features and "top_k" not in parameters
        found, start = [], 0
        for each, count in zip(inputs, counts):
            mine = [model.postprocess(outputs[n], **after) for n in range(start, start + count)]
            start += count
            if isinstance(each["inputs"], list):
                found.append(mine)
            else:
                found.append([mine[0]] if whole else mine[0])
        return found

    def _outputs(self, model: Any, texts: list[str], before: Any, during: Any) -> list[Any]:
        """The model's output for each text, as `postprocess` takes it."""
        import torch  # pyright: ignore[reportMissingImports]

        options = dict(before.get("tokenize_kwargs") or {}, **before)
        for name in ("tokenize_kwargs", "return_tensors", "function_to_apply"):
            options.pop(name, None)
        encoded = model.tokenizer(texts, **options)
        if not set(encoded) <= set(PADDED):
            raise joint.NotByRow(f"{sorted(encoded)} cannot be padded")
        lengths = [len(ids) for ids in encoded["input_ids"]]
        outputs: list[Any] = [None] * len(texts)
        # without padding, only texts of one length share a pass
        for numbers in passes(lengths, self.fixed if self._pad is not None else 0.0):
            width = max(lengths[n] for n in numbers)
            if self._pad is None and width != min(lengths[n] for n in numbers):
                raise joint.NotByRow("the tokenizer has no pad token")
            given = {
                name: torch.tensor([self._row(name, encoded[name][n], width) for n in numbers])
                for name in encoded
            }
            made = model.forward(given, **during)
            for place, n in enumerate(numbers):
                if self._features:
                    outputs[n] = [made[0][place : place + 1, : lengths[n]]]
                else:
                    outputs[n] = {"logits": made["logits"][place : place + 1]}
        return outputs

    def _row(self, name: str, values: list[int], width: int) -> list[Any]:
        filler = self._pad if name == "input_ids" else 0
        return values + [filler] * (width - len(values)) if len(values) < width else values
