"""Texts into classes: text-classification and zero-shot-classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks.onnx.model import Model, softmax
from sagebrush.toolkit.serving.frameworks.onnx.together import Texts
from sagebrush.toolkit.serving.frameworks.onnx.tokens import Cut, Text, cut

FUNCTIONS = ("softmax", "sigmoid", "none")
TEMPLATE = "This example is {}."
UNSET: Any = object()


class TextClassification:
    """The class of each text, or of each pair of texts."""

    OUTPUTS = ("logits",)

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(
        self,
        inputs: Any,
        top_k: Any = UNSET,
        function_to_apply: str | None = None,
        return_all_scores: bool | None = None,
        **tokenizer: Any,
    ) -> Any:
        """`[{"label", "score"}]` for a text, one such for each of several texts.

        With `top_k` a list for each, the best first; null for all classes. `function_to_apply` is
        softmax, sigmoid or none. `return_all_scores` is transformers 4's: all classes in their own
        order. Others are the tokenizer's. A pair of texts is `{"text", "text_pair"}`.
        """
        several = isinstance(inputs, list)
        texts = [_text(each) for each in (inputs if several else [inputs])]
        ranked = top_k is None or isinstance(top_k, int)
        told = []
        for [logits] in self.model.run(self.model.encode(texts, cut(tokenizer)), self.OUTPUTS):
            scores = self._scores(logits, function_to_apply).tolist()
            rows = [{"label": self.model.label(n), "score": s} for n, s in enumerate(scores)]
            if ranked:
                told.append(sorted(rows, key=lambda row: row["score"], reverse=True)[:top_k])
            elif return_all_scores:
                told.append(rows)
            else:
                told.append(max(rows, key=lambda row: row["score"]))
        if several:
            return told
        return told[0] if isinstance(inputs, dict) else self.single(told[0], {"top_k": top_k})

    def joiner(self) -> Texts | None:
        """How several requests are predicted together; None where that would change answers."""
        return None if self.model.rounds else Texts()

    def single(self, row: Any, parameters: Mapping[str, Any]) -> Any:
        """The answer to a text by itself: as transformers has it, a list also without `top_k`."""
        return row if parameters.get("top_k", UNSET) is not UNSET else [row]

    def _scores(self, logits: Any, function: str | None) -> Any:
        problem = self.model.config.get("problem_type")
        if function is None:
            single = problem == "multi_label_classification" or len(logits) == 1
            function = "none" if problem == "regression" else "sigmoid" if single else "softmax"
        if function.lower() not in FUNCTIONS:
            raise formats.BadBody(f"function_to_apply {function!r} is none of {FUNCTIONS}")
        if function.lower() == "softmax":
            return softmax(logits)
        return 1 / (1 + numpy.exp(-logits)) if function.lower() == "sigmoid" else logits


def _text(given: Any) -> Text:
    """One input as the tokenizer takes it; raises BadBody."""
    if isinstance(given, dict):
        text, pair = given.get("text"), given.get("text_pair")
        if not isinstance(text, str) or not isinstance(pair, (str, type(None))):
            raise formats.BadBody('an object of inputs is {"text": "…", "text_pair": "…"}')
        return text if pair is None else (text, pair)
    if not isinstance(given, str):
        raise formats.BadBody(
            'inputs must be a text, {"text": "…", "text_pair": "…"} for a pair of texts, or a list'
            f" of such, not {given!r:.100}"
        )
    return given


class ZeroShot:
    """Which of the request's own labels a text entails, by a model of inference (NLI)."""

    OUTPUTS = ("logits",)

    def __init__(self, model: Model) -> None:
        self.model = model
        named = model.config.get("label2id") or {}
        entail = [number for label, number in named.items() if label.lower().startswith("entail")]
        self._entail = entail[0] if entail else -1

    def __call__(
        self,
        inputs: Any,
        candidate_labels: str | Sequence[str] = (),
        hypothesis_template: str = TEMPLATE,
        multi_label: bool = False,
    ) -> Any:
        """`{"sequence", "labels", "scores"}` for each text, the likeliest label first.

        `candidate_labels` is a list, or a text with commas. Scores sum to 1 unless `multi_label`.
        """
        labels = _labels(candidate_labels)
        if hypothesis_template.format(labels[0]) == hypothesis_template:
            raise formats.BadBody(f"hypothesis_template {hypothesis_template!r} has no {{}}")
        texts = inputs if isinstance(inputs, list) else [inputs]
        if not texts or not all(isinstance(each, str) for each in texts):
            raise formats.BadBody("inputs must be a text or a list of texts")
        pairs = [(text, hypothesis_template.format(label)) for text in texts for label in labels]
        encodings = self.model.encode(pairs, Cut("only_first"))
        logits = numpy.stack([row for [row] in self.model.run(encodings, self.OUTPUTS)])
        found = []
        for text, rows in zip(texts, logits.reshape(len(texts), len(labels), -1)):
            scores = self._scores(rows, multi_label or len(labels) == 1)
            order = list(reversed(scores.argsort()))
            ranked = {"labels": [labels[n] for n in order], "scores": scores[order].tolist()}
            found.append({"sequence": text, **ranked})
        return found if isinstance(inputs, list) else found[0]

    def _scores(self, rows: Any, apart: bool) -> Any:
        """The labels' probabilities: each against its contradiction, or all against one another."""
        if not apart:
            return softmax(rows[:, self._entail])
        contradict = -1 if self._entail == 0 else 0
        return softmax(rows[:, [contradict, self._entail]])[:, 1]


def _labels(given: str | Sequence[str]) -> list[str]:
    if isinstance(given, str):
        given = [label.strip() for label in given.split(",") if label.strip()]
    if not isinstance(given, (list, tuple)) or not given:
        raise formats.BadBody('"parameters": {"candidate_labels": [...]} must name labels')
    return [str(label) for label in given]
