"""Tasks that transformers 4's `pipeline` knew and transformers 5's does not.

AWS's images carry transformers 4, whose scripts and clients ask for these by HF_TASK; they answer
here as they did there (its pipelines question_answering.py and text2text_generation.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from sagebrush.toolkit.serving import formats

GENERATED = {
    "text2text-generation": "generated_text",
    "summarization": "summary_text",
    "translation": "translation_text",
}
TASKS = ("question-answering", *GENERATED)
SPECIFIC = ("summarization", "translation")
"""Tasks for which many models' configurations hold a prefix and lengths."""


def load(task: str, source: str, settings: dict[str, Any]) -> Any:
    """A callable like a pipeline, for `task` with the model at `source`."""
    if task == "question-answering":
        return QuestionAnswering(source, settings)
    return TextToText(task, source, settings)


class _Loaded:
    """A model of a class and its tokenizer, on their device."""

    def __init__(self, kind: str, source: str, settings: dict[str, Any]) -> None:
        import torch  # pyright: ignore[reportMissingImports]
        import transformers  # pyright: ignore[reportMissingImports]

        rest = {k: v for k, v in settings.items() if k != "device"}
        device = settings["device"]
        self.torch = torch
        self.device = torch.device("cpu" if device == -1 else f"cuda:{device}")
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(source, **rest)
        model = getattr(transformers, kind).from_pretrained(source, **rest)
        self.model = model.to(self.device).eval()


class QuestionAnswering(_Loaded):
    """Finds the span of a context that answers a question."""

    def __init__(self, source: str, settings: dict[str, Any]) -> None:
        """The model is loaded."""
        super().__init__("AutoModelForQuestionAnswering", source, settings)

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """`{"score", "start", "end", "answer"}` for each question, a list where several are given.

        Parameters: `top_k`, `max_answer_len`, `doc_stride`, `max_seq_len`,
        `max_question_len`, `handle_impossible_answer`.
        """
        found = [self._one(q, parameters) for q in questions(inputs)]
        return found if isinstance(inputs, list) and len(found) != 1 else found[0]

    def _one(self, asked: dict[str, str], parameters: dict[str, Any]) -> Any:
        limit = min(int(parameters.get("max_seq_len") or 384), self.tokenizer.model_max_length)
        encoded = self.tokenizer(
            asked["question"],
            asked["context"],
            truncation="only_second",
            max_length=limit,
            stride=int(parameters.get("doc_stride") or min(limit // 2, 128)),
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        encoded.pop("overflow_to_sample_mapping", None)
        with self.torch.no_grad():
            told = self.model(**encoded.to(self.device))
        found, null = [], 1.0
        for at in range(len(told.start_logits)):
            mask = [part == 1 for part in encoded.sequence_ids(at)]
            scores = (told.start_logits[at], told.end_logits[at])
            starts, ends, none = self._probabilities(scores, mask)
            null = min(null, none)
            places = [
                _place(encoded, at, token) if mask[token] else None for token in range(len(mask))
            ]
            found += spans(starts, ends, int(parameters.get("max_answer_len") or 15), places)
        if parameters.get("handle_impossible_answer"):
            found.append((null, 0, 0))
        return ranked(found, asked["context"], parameters)

    def _probabilities(
        self, logits: tuple[Any, Any], mask: list[bool]
    ) -> tuple[list[float], list[float], float]:
        """The probability of each token to begin or end the answer, and of no answer."""
        allowed = self.torch.tensor(mask, device=self.device)
        allowed[0] = True  # [CLS]: no answer here
        both = [self.torch.where(allowed, x, -10000.0).softmax(-1).tolist() for x in logits]
        none = both[0][0] * both[1][0]
        both[0][0] = both[1][0] = 0.0
        return both[0], both[1], none


def questions(inputs: Any) -> list[dict[str, str]]:
    """The questions with their contexts; raises BadBody for what is none."""
    rows = inputs if isinstance(inputs, list) else [inputs]
    for row in rows:
        if not isinstance(row, dict) or not row.get("question") or not row.get("context"):
            raise formats.BadBody('inputs must be {"question": …, "context": …} or a list of such')
    return rows


def ranked(found: list[tuple[float, int, int]], context: str, parameters: Mapping[str, Any]) -> Any:
    """The `top_k` likeliest of (score, first character, end) as answers; one by itself for 1."""
    top = int(parameters.get("top_k") or parameters.get("topk") or 1)
    answers = [
        {"score": score, "start": start, "end": end, "answer": context[start:end]}
        for score, start, end in heapq.nlargest(top, found)
    ]
    return answers[0] if top == 1 and answers else answers


def _place(encoded: Any, at: int, token: int) -> tuple[int, int] | None:
    """The characters of the whole word that a token of the context is part of."""
    word = encoded.token_to_word(at, token)
    chars = encoded.word_to_chars(at, word, 1) if word is not None else None
    chars = chars or encoded.token_to_chars(at, token)
    return tuple(chars) if chars is not None else None  # type: ignore[return-value]


def spans(
    starts: list[float], ends: list[float], longest: int, places: list[tuple[int, int] | None]
) -> list[tuple[float, int, int]]:
    """(score, first character, end) of each span of one window that may be the answer."""
    found = []
    for start, likely in enumerate(starts):
        for end in range(start, min(start + longest, len(ends))):
            score, first, last = likely * ends[end], places[start], places[end]
            if score and first and last:
                found.append((score, first[0], last[1]))
    return found


class TextToText(_Loaded):
    """Text out of text: an encoder and a decoder."""

    def __init__(self, task: str, source: str, settings: dict[str, Any]) -> None:
        """The model is loaded, with its configuration for `task`."""
        super().__init__("AutoModelForSeq2SeqLM", source, settings)
        self._name = GENERATED[task]
        specific = (getattr(self.model.config, "task_specific_params", None) or {}).get(task, {})
        self._specific = dict(specific) if task in SPECIFIC else {}
        self._prefix = self._specific.pop("prefix", "")

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """A list of `{"generated_text": …}` (`summary_text`, `translation_text`), one per input.

        Parameters are those of transformers' `generate`.
        """
        texts = inputs if isinstance(inputs, list) else [inputs]
        if not all(isinstance(text, str) for text in texts):
            raise formats.BadBody("inputs must be a text or a list of texts")
        keep = parameters.pop("clean_up_tokenization_spaces", False)
        truncation = parameters.pop("truncation", True)
        encoded = self.tokenizer(
            [self._prefix + text for text in texts],
            padding=len(texts) > 1,
            truncation=truncation,
            return_tensors="pt",
        ).to(self.device)
        encoded.pop("token_type_ids", None)
        with self.torch.no_grad():
            made = self.model.generate(**encoded, **{**self._specific, **parameters})
        told = self.tokenizer.batch_decode(
            made, skip_special_tokens=True, clean_up_tokenization_spaces=keep
        )
        return [{self._name: text} for text in told]
