"""What cannot be exported is refused with its reason; answers are compared as each task needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sagebrush.toolkit.optimize import compare, export


@pytest.mark.parametrize(
    ("task", "files", "message"),
    [
        ("text-generation", {}, "text-generation is answered by PyTorch alone"),
        ("fill-mask", {"adapter_config.json": {}}, "merge it into its model first"),
        ("fill-mask", {}, "no config.json"),
        (
            "zero-shot-classification",
            {"config.json": {"model_type": "bart", "is_encoder_decoder": True}},
            "a bart model is an encoder with a decoder",
        ),
        ("fill-mask", {"config.json": {"auto_map": {"AutoModel": "m.M"}}}, "code of its own"),
        (
            "fill-mask",
            {"config.json": {"quantization_config": {"quant_method": "gptq"}}},
            r"quantised already \(gptq\)",
        ),
    ],
)
def test_what_is_no_encoder_is_refused(
    tmp_path: Path, task: str, files: dict[str, Any], message: str
) -> None:
    for name, doc in files.items():
        (tmp_path / name).write_text(json.dumps(doc))
    with pytest.raises(export.Refused, match=message):
        export.check(tmp_path, task)


def test_agreement_is_by_answer_by_token_or_by_direction() -> None:
    assert compare.agreement(["a", "b", "c", "d"], ["a", "b", "c", "x"]) == 0.75
    assert compare.agreement([["A", "B"], ["A"]], [["A", "C"], ["A"]]) == pytest.approx(2 / 3)
    assert compare.agreement([[1.0, 0.0]], [[1.0, 1.0]]) == pytest.approx(0.5**0.5)
    assert compare.agreement([[0.0]], [[0.0]]) == 1.0


def test_accuracy_is_known_only_with_labels() -> None:
    rows = [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]
    assert compare.accuracy(["A", "A"], rows) == 0.5
    assert compare.accuracy(["A", "A"], [rows[0], {"text": "y"}]) is None


@pytest.mark.parametrize(
    ("task", "told", "wanted"),
    [
        ("text-classification", [{"label": "A"}], ["A"]),
        ("zero-shot-classification", [{"labels": ["b", "a"]}], ["b"]),
        ("token-classification", [[{"entity": "O"}, {"entity": "B"}]], [["O", "B"]]),
        ("feature-extraction", [[[[1.0, 2.0], [3.0, 4.0]]]], [[2.0, 3.0]]),
        ("question-answering", {"answer": "Ann"}, ["Ann"]),
        ("fill-mask", [{"token_str": "x"}], ["x"]),
        ("fill-mask", [[{"token_str": "x"}], [{"token_str": "y"}]], ["x"]),
    ],
)
def test_each_tasks_answer_is_what_is_compared(task: str, told: Any, wanted: list[Any]) -> None:
    row = {"text": "t", "question": "q", "context": "c"}
    assert compare.asked(task, [row], ["a"])(lambda *_, **__: told, [row]) == wanted


def test_a_model_is_measured_by_what_it_answers() -> None:
    rows = [{"text": str(n), "label": "even" if n % 2 == 0 else "odd"} for n in range(20)]
    shares: list[float] = []

    def model(texts: Sequence[str], truncation: bool) -> list[dict[str, str]]:
        assert truncation
        return [{"label": "even"} for _ in texts]

    ask = compare.asked("text-classification", rows, ())
    found, answers = compare.measured(model, ask, rows, ["even"] * 15 + ["odd"] * 5, shares.append)
    assert (found.accuracy, found.agreement, len(answers)) == (0.5, 0.75, 20)
    assert found.per_second > 0
    assert (shares, shares[-1]) == (sorted(shares), 1.0)
