"""What was measured, for people; and the new archive's content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.commands.optimize.rows import Rows

if TYPE_CHECKING:
    from rich.table import Table

NAMES = {
    "before": "PyTorch float32",
    "float32": "ONNX float32",
    "int8": "ONNX int8",
}
REPORT = "optimized.json"
"""In the archive: what was measured, on what."""
DROPPED = (".safetensors", ".bin", ".h5", ".msgpack", ".ot", ".onnx", ".onnx_data")
"""Ends of the files at the top of a model directory that hold weights."""
KEPT = ("training_args.bin",)
LOSS = 0.01
"""The loss of accuracy from which the cure is named."""


def table(told: Mapping[str, Any], rows: Rows, cpus: int) -> Table:
    """One line for each form of the model."""
    from rich.table import Table

    title = f"{told['task']}: {_on(told, rows)}, {cpus} CPU{'' if cpus == 1 else 's'}"
    made = Table(title=title, title_justify="left")
    made.add_column("", no_wrap=True)
    heads = ["accuracy"] if rows.labelled else []
    for head in (*heads, _agreement(told["task"]), "one text", "texts/s", "size"):
        made.add_column(head, justify="right")
    measured = told["measured"]
    for name, found in measured.items():
        cells = [_share(found["accuracy"])] if rows.labelled else []
        cells.append("" if name == "before" else _share(found["agreement"]))
        cells.append(f"{found['milliseconds']:.1f} ms")
        cells.append(f"{found['per_second']:,.0f}")
        cells.append(f"{found['bytes'] / 1e6:,.0f} MB")
        made.add_row(NAMES[name], *cells, style="bold" if name == list(measured)[-1] else "")
    return made


def words(told: Mapping[str, Any], rows: Rows) -> list[str]:
    """What the figures mean, in sentences."""
    name = list(told["measured"])[-1]
    before, after = told["measured"]["before"], told["measured"][name]
    faster = before["milliseconds"] / after["milliseconds"]
    said = [f"One text takes {after['milliseconds']:.1f} ms, {faster:.1f} times as fast as before."]
    if faster < 1:
        said = [
            f"One text takes {1 / faster:.1f} times as long as before: keep the model as it is."
        ]
    if not rows.labelled:
        said.append(
            "Accuracy is not known: --data FILE with texts and labels of yours tells it."
            if told["task"]
            in ("text-classification", "zero-shot-classification", "question-answering")
            else "Accuracy is not measured for this task; the agreement is with the model before."
        )
        return said
    lost = before["accuracy"] - after["accuracy"]
    count = round(told["rows"] * (1 - after["agreement"]))
    said.append(
        f"Accuracy changes by {-100 * lost:+.1f} points; {count:,} of {told['rows']:,} texts are"
        " answered differently."
    )
    if lost > LOSS and name == "int8":
        said.append("Too much? --precision float32 keeps the accuracy, for less speed.")
    return said


def fill(source: Path, made: Path, told: Mapping[str, Any], rows: Rows, weights: bool) -> None:
    """`made`, which holds the graph and its tokenizer, also holds the rest of the model directory but
    its weights (unless `weights`), and the report."""
    for each in sorted(source.iterdir()):
        graph = each.name == "onnx" or each.name.endswith((".onnx", ".onnx_data"))
        heavy = each.suffix in DROPPED or each.name.endswith(".index.json")
        wanted = each.name in KEPT or (weights and not graph)
        if (heavy or graph) and not wanted:
            continue
        if (made / each.name).exists():
            continue
        if each.is_dir():
            shutil.copytree(each, made / each.name, symlinks=True)
        else:
            shutil.copy2(each, made / each.name, follow_symlinks=True)
    (made / REPORT).write_text(json.dumps({**told, "texts": rows.told}, indent=2) + "\n")


def _on(told: Mapping[str, Any], rows: Rows) -> str:
    """What it was measured on; of fewer rows where the task could not use all."""
    return rows.told if told["rows"] == len(rows.rows) else f"{told['rows']:,} of {rows.told}"


def _agreement(task: str) -> str:
    kinds = {"feature-extraction": "similarity", "token-classification": "same tokens"}
    return kinds.get(task, "same answers")


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
