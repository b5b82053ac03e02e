"""The texts, the model's own code, the new archive's content, and what is said of the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sagebrush.commands.optimize import result, rows, source
from sagebrush.commands.running import CommandError


def file(place: Path, text: str) -> Path:
    place.write_text(text, encoding="utf-8")
    return place


def test_rows_are_those_of_the_file_or_evenly_fewer(tmp_path: Path) -> None:
    csv = file(tmp_path / "a.csv", "\ufeffid,text,label\n" + "1,gut,1\n" * 10)
    found = rows.read(csv, "", 4)
    assert (len(found.rows), found.total, found.labelled) == (4, 10, True)
    assert (found.rows[0], found.told) == (
        {"text": "gut", "label": "1"},
        "4 labelled texts of a.csv, every 3rd of 10",
    )
    lines = file(tmp_path / "b.jsonl", '{"text": "x"}\n\n{"text": "y", "more": 1}\n')
    assert rows.read(lines, "", 9).told == "2 texts without labels of b.jsonl"
    asked = file(tmp_path / "q.jsonl", json.dumps({"question": "q", "context": "c", "answer": "a"}))
    assert rows.read(asked, "question-answering", 9).rows == [
        {"question": "q", "context": "c", "label": "a"}
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "text\n", "has no rows"),
        ("a.csv", "review,label\nx,1\n", r"row 1: no text \(its columns: review, label\)"),
        ("a.csv", "text,label\nx,1\ny,\n", "row 2: no label, though others have one"),
        ("a.jsonl", "nothing", "line 1 is not JSON"),
        ("a.jsonl", "[1]", "line 1 is no JSON object"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        rows.read(file(tmp_path / name, text), "", 9)
    with pytest.raises(CommandError, match="cannot be read"):
        rows.read(tmp_path / "none.csv", "", 9)


def test_code_that_loads_the_model_itself_is_found(tmp_path: Path) -> None:
    assert source.loader(tmp_path, {}) == ""
    code = tmp_path / "code"
    code.mkdir()
    file(code / "inference.py", "def predict_fn(data, model): ...")
    assert source.loader(tmp_path, {}) == ""
    file(code / "inference.py", "def model_fn(folder): ...")
    assert source.loader(tmp_path, {}) == "code/inference.py: model_fn"
    file(code / "serve.py", "def transform_fn(*_): ...")
    assert (
        source.loader(tmp_path, {"SAGEMAKER_PROGRAM": "serve.py"}) == "code/serve.py: transform_fn"
    )


def test_the_archive_has_everything_but_the_weights(tmp_path: Path) -> None:
    before, made = tmp_path / "before", tmp_path / "made"
    (before / "code").mkdir(parents=True)
    (before / "onnx").mkdir()
    made.mkdir()
    for name in ("model.safetensors", "config.json", "README.md", "code/inference.py", "old.onnx",
                 "onnx/model.onnx", "training_args.bin", "pytorch_model.bin.index.json"):  # fmt: skip
        (before / name).write_text("before")
    file(made / "config.json", "made")
    file(made / "model_quantized.onnx", "graph")
    said = rows.Rows([{"text": "x"}], 1, "1 text")
    result.fill(before, made, {"task": "t"}, said, weights=False)
    found = {str(each.relative_to(made)) for each in made.rglob("*") if each.is_file()}
    assert found == {"config.json", "model_quantized.onnx", "README.md", "code/inference.py",
                     "training_args.bin", "optimized.json"}  # fmt: skip
    assert (made / "config.json").read_text() == "made"
    result.fill(before, made, {"task": "t"}, said, weights=True)
    assert (made / "model.safetensors").is_file()
    assert not (made / "old.onnx").exists()
    packed = tmp_path / "model.tar.gz"
    source.packed(made, packed)
    again = tmp_path / "again"
    again.mkdir()
    assert source.fetched(str(packed), lambda: pytest.fail("no server"), again).folder == again
    assert (again / "code" / "inference.py").read_text() == "before"


def test_requirements_ask_for_the_runtime_once(tmp_path: Path) -> None:
    source.require_runtime(tmp_path)
    source.require_runtime(tmp_path)
    wanted = tmp_path / "code" / "requirements.txt"
    assert wanted.read_text() == "onnxruntime>=1.19\n"
    file(wanted, "nltk")
    source.require_runtime(tmp_path)
    assert wanted.read_text() == "nltk\nonnxruntime>=1.19\n"
    release = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
    assert source.lacks_runtime(
        f"{release}2.3.0-transformers4.48.0-cpu-py311-ubuntu22.04", tmp_path
    )
    assert not source.lacks_runtime("sagebrush/huggingface", tmp_path)


def measured(accuracy: float | None, **more: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "agreement": 1.0, "milliseconds": 8.0, "per_second": 100.0,
            "bytes": 90_000_000, **more}  # fmt: skip


def told(before: float | None, after: float | None, **more: float) -> dict[str, Any]:
    return {
        "task": "text-classification",
        "rows": 200,
        "measured": {"before": measured(before), "int8": measured(after, **more)},
    }


def test_what_is_said_is_what_was_measured() -> None:
    labelled = rows.Rows([{"text": "x", "label": "A"}] * 200, 200, "200 labelled texts of a.csv")
    said = " ".join(result.words(told(0.9, 0.85, milliseconds=2.0, agreement=0.93), labelled))
    assert "2.0 ms, 4.0 times as fast as before" in said
    assert "Accuracy changes by -5.0 points; 14 of 200 texts are answered differently" in said
    assert "--precision float32 keeps the accuracy" in said
    better = " ".join(result.words(told(0.9, 0.905, milliseconds=16.0), labelled))
    assert "2.0 times as long as before: keep the model as it is" in better
    assert "changes by +0.5 points" in better
    bare = rows.Rows([{"text": "x"}] * 200, 200, "200 texts")
    assert "Accuracy is not known" in " ".join(result.words(told(None, None), bare))
    console = Console(width=100)
    with console.capture() as shown:
        console.print(result.table(told(0.9, 0.85), labelled, 2))
    text = shown.get()
    assert "text-classification: 200 labelled texts of a.csv, 2 CPUs" in text
    assert "90.0 %" in text
    assert "85.0 %" in text
    assert "90 MB" in text
