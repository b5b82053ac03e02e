"""Which model directories are served by ONNX Runtime, how requests are read, how texts are batched."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy
import pytest

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.frameworks import onnx
from sagebrush.toolkit.serving.frameworks.huggingface import Defaults
from sagebrush.toolkit.serving.frameworks.onnx import classes, entities, model, tokens
from sagebrush.toolkit.serving.handler import NoHandler

TASK = "text-classification"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime seems to be installed."""
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda name: name)


def folder(place: Path, *names: str) -> str:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    return str(place)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["model.safetensors"], None),
        (["model.onnx"], "model.onnx"),
        (["onnx/model.onnx", "model.safetensors"], "onnx/model.onnx"),
        (["model_quantized.onnx", "model.onnx"], "model.onnx"),
        (["onnx/model_quantized.onnx"], "onnx/model_quantized.onnx"),
        (["onnx/decoder_model.onnx"], None),
    ],
)
def test_the_graph_is_found_where_optimum_and_the_hub_put_it(
    tmp_path: Path, names: list[str], chosen: str | None
) -> None:
    found = onnx.choose(folder(tmp_path, *names), TASK, {}, gpu=False)
    assert found == onnx.Choice(tmp_path / chosen if chosen else None)


def test_what_stands_against_the_graph_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(tmp_path, "model.onnx", "onnx/small.onnx", "model.safetensors.index.json")
    named = {onnx.NAMED: "onnx/small.onnx"}
    assert onnx.choose(place, "", named, gpu=False).graph == tmp_path / "onnx" / "small.onnx"
    assert onnx.choose(place, "sentiment-analysis", {}, gpu=False).graph
    assert onnx.choose(place, TASK, {onnx.SWITCH: "0"}, gpu=False).reason == "SAGEBRUSH_ONNX is off"
    assert "there is a GPU" in onnx.choose(place, TASK, {}, gpu=True).reason
    assert "not text-generation" in onnx.choose(place, "text-generation", {}, gpu=False).reason
    with pytest.raises(NoHandler, match=r"SAGEBRUSH_ONNX_FILE other.onnx: there is no such file"):
        onnx.choose(place, TASK, {onnx.NAMED: "other.onnx"}, gpu=False)
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda _: None)
    assert "no ONNX Runtime" in onnx.choose(place, TASK, {}, gpu=False).reason


def test_without_runtime_and_weights_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an environment of an older release has it. torch is not needed to say so."""
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda _: None)
    cuda = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setenv("HF_TASK", TASK)
    monkeypatch.setenv("SAGEBRUSH_ML", str(tmp_path))
    place = folder(tmp_path / "model", "model.onnx", "config.json")
    with pytest.raises(NoHandler, match=r"a line `onnxruntime` to code/requirements.txt"):
        Defaults().model_fn(place)


def test_a_graph_beside_a_gpu_is_served_where_there_are_no_weights(tmp_path: Path) -> None:
    place = folder(tmp_path, "model.onnx")
    assert onnx.choose(place, TASK, {}, gpu=True).graph
    assert not onnx.sees_gpu({"CUDA_VISIBLE_DEVICES": ""})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, tokens.Cut()),
        ({"truncation": True}, tokens.Cut("longest_first")),
        ({"truncation": False, "max_length": 9}, tokens.Cut("", 9)),
        ({"max_length": 9}, tokens.Cut("longest_first", 9)),
        ({"truncation": "only_first", "batch_size": 8}, tokens.Cut("only_first")),
        ({"padding": "max_length", "max_length": 9}, tokens.Cut("", 9, pad=True)),
        ({"add_special_tokens": False}, tokens.Cut(special=False)),
    ],
)
def test_parameters_of_the_tokenizer_mean_what_transformers_says(
    given: dict[str, Any], wanted: tokens.Cut
) -> None:
    assert tokens.cut(given) == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": 1}, "'temperature' is not served"),
        ({"truncation": "all"}, "truncation 'all'"),
        ({"max_length": "9"}, "max_length '9' is no number"),
    ],
)
def test_other_parameters_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(formats.BadBody, match=message):
        tokens.cut(given)


def test_texts_of_like_length_go_together_and_few_at_once() -> None:
    assert model.batches([]) == []
    assert model.batches([9, 100, 10, 102, 9]) == [[0, 4, 2], [1, 3]]
    many = model.batches([64] * 20)
    assert [len(each) for each in many] == [8, 8, 4]
    assert model.batches([600, 600]) == [[0], [1]]  # longer than the bound: each by itself
    assert sorted(n for part in model.batches(list(range(1, 300))) for n in part) == list(
        range(299)
    )


class Stand:
    """Logits by text, and words as tokens, in place of a graph."""

    config: ClassVar[dict[str, Any]] = {
        "label2id": {"contradiction": 0, "neutral": 1, "entailment": 2}
    }

    rounds = False

    def __init__(self, logits: dict[Any, list[float]]) -> None:
        self._logits = logits

    def label(self, index: int) -> str:
        return "ABC"[index]

    def encode(self, texts: Any, cut: tokens.Cut) -> list[Any]:
        return list(texts)

    def run(self, encodings: Any, wanted: Any) -> list[list[Any]]:
        return [[numpy.array(self._logits[text], dtype=numpy.float32)] for text in encodings]


def test_classes_are_ranked_as_the_request_says() -> None:
    answer = classes.TextClassification(Stand({"x": [1.0, 3.0, 2.0], "y": [5.0, 0.0, 0.0]}))  # type: ignore[arg-type]
    assert [each["label"] for each in answer("x")] == ["B"]
    assert [each["label"] for each in answer(["x", "y"])] == ["B", "A"]
    assert [each["label"] for each in answer("x", top_k=2)] == ["B", "C"]
    assert [[e["label"] for e in row] for row in answer("x", return_all_scores=True)] == [
        ["A", "B", "C"]
    ]
    assert answer({"text": "x"}, function_to_apply="none") == {"label": "B", "score": 3.0}
    assert answer("x", top_k=1, function_to_apply="sigmoid")[0]["score"] == pytest.approx(0.952574)


def test_requests_joined_are_answered_as_by_themselves() -> None:
    stand = Stand({"x": [1.0, 3.0, 2.0], "y": [5.0, 0.0, 0.0], "z": [0.0, 1.0, 9.0]})
    answer = classes.TextClassification(stand)  # type: ignore[arg-type]
    joiner = answer.joiner()
    assert joiner is not None
    asked: list[dict[str, Any]] = [{}, {"top_k": 2}, {"top_k": None}]
    for parameters in asked:
        given = [{"inputs": each, "parameters": parameters} for each in ("x", ["y", "z"], ["x"])]
        assert len({joiner.key(each, "application/json") for each in given}) == 1
        alone = [answer(each["inputs"], **parameters) for each in given]
        assert joiner.predict(given, answer) == alone
    assert joiner.key({"inputs": {"text": "x"}}, "") is None
    assert joiner.key({"inputs": "x", "parameters": {"top_k": 1}}, "") != joiner.key(
        {"inputs": "x"}, ""
    )
    stand.rounds = True
    assert answer.joiner() is None


def test_graphs_that_round_by_the_batch_are_known(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"..MatMul..")
    assert not model._rounds(file)
    file.write_bytes(b"..MatMul..DynamicQuantizeLinear..")
    assert model._rounds(file)


def test_zero_shot_scores_sum_to_one_unless_labels_are_apart() -> None:
    said = {("x", f"is {label}"): [0.0, 0.0, score] for label, score in (("a", 1.0), ("b", 2.0))}
    answer = classes.ZeroShot(Stand(said))  # type: ignore[arg-type]
    told = answer("x", candidate_labels="a, b", hypothesis_template="is {}")
    assert (told["labels"], sum(told["scores"])) == (["b", "a"], pytest.approx(1))
    [apart] = answer(["x"], ["a", "b"], hypothesis_template="is {}", multi_label=True)
    assert apart["scores"] == pytest.approx([0.880797, 0.731059])
    with pytest.raises(formats.BadBody, match="must name labels"):
        answer("x")


def test_groups_that_windows_overlap_on_are_told_once() -> None:
    rows = [
        {"start": 0, "end": 4, "score": 0.9},
        {"start": 2, "end": 8, "score": 0.5},
        {"start": 2, "end": 8, "score": 0.6},
        {"start": 9, "end": 10, "score": 0.1},
    ]
    assert [row["score"] for row in entities._longest(rows)] == [0.6, 0.1]
