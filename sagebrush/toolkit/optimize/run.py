"""Makes an ONNX graph of a model directory and compares it; told of by JSON lines on stdout.

`python run.py SPEC`: SPEC is a JSON file: `source` and `out` (directories), `task` ("" for what
config.json says), `precision` (int8 or float32), `rows` ([{"text", "label"?}, …]; question, context
for question-answering), `labels` (of zero-shot). Lines: {"step", "share"}, at last
{"done": {...}} or {"refused": reason}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit.optimize import compare, export
from sagebrush.toolkit.optimize.export import Refused
from sagebrush.toolkit.serving.frameworks import huggingface, onnx
from sagebrush.toolkit.serving.handler import NoHandler

STEPS = ("load", "before", "export", "float32", "round", "int8")
GRAPHS = {"int8": "model_quantized.onnx", "float32": "model.onnx"}


@dataclass
class Told:
    """Where lines go: nothing else may write there."""

    out: IO[str]

    def step(self, name: str, share: float = 0.0) -> None:
        """A step is under way, `share` of it done."""
        self.say({"step": name, "share": share})

    def say(self, doc: Mapping[str, Any]) -> None:
        """One line."""
        self.out.write(json.dumps(doc) + "\n")
        self.out.flush()


def main(spec: Mapping[str, Any], told: Told) -> int:
    """The exit status: 0 also where the model is refused, which is said."""
    source, out = Path(spec["source"]), Path(spec["out"])
    try:
        task = spec["task"] or huggingface.task_of_directory(str(source))
        task = onnx.ALIASES.get(task, task)
        export.check(source, task)
        told.say({"done": _optimised(spec, source, out, task, told)})
    except (Refused, NoHandler) as error:
        told.say({"refused": str(error)})
    return 0


def _optimised(
    spec: Mapping[str, Any], source: Path, out: Path, task: str, told: Told
) -> dict[str, Any]:
    """The graph and the tokenizer lie in `out`; what was measured."""
    told.step("load")
    loaded = export.load(source, task)
    loaded.tokenizer.save_pretrained(str(out))
    (out / "config.json").write_text((source / "config.json").read_text())
    rows = _rows(spec["rows"], loaded)
    ask = compare.asked(task, rows, spec.get("labels") or ())
    told.step("before")
    os.environ.update({"HF_TASK": task, onnx.SWITCH: "0"})
    torch = huggingface.Defaults().model_fn(str(source))
    found: dict[str, Any] = {}
    before, truth = compare.measured(torch, ask, rows, None, lambda s: told.step("before", s))
    found["before"] = before.doc()
    told.step("export")
    graph = out / GRAPHS["float32"]
    differs = export.export(loaded, graph)

    def measure(name: str, file: Path) -> None:
        told.step(name)
        model = onnx.load(task, file, str(out))
        after, _ = compare.measured(model, ask, rows, truth, lambda s: told.step(name, s))
        found[name] = {**after.doc(), "bytes": file.stat().st_size}

    measure("float32", graph)
    if spec["precision"] == "int8":
        told.step("round")
        export.quantise(graph, out / GRAPHS["int8"])
        measure("int8", out / GRAPHS["int8"])
        graph.unlink()
    weights = [f for f in source.iterdir() if f.name.startswith(("model", "pytorch_model"))]
    found["before"]["bytes"] = sum(
        f.stat().st_size for f in weights if f.suffix in (".bin", ".safetensors")
    )
    return {"task": task, "differs": differs, "measured": found, "rows": len(rows)}


def _rows(rows: Sequence[Mapping[str, str]], loaded: export.Loaded) -> list[dict[str, str]]:
    """The rows with labels by the model's own names: a file may have their numbers, or other case.

    Raises Refused for a label that the model does not have, and for rows that the task cannot use.
    """
    made = [dict(row) for row in rows]
    if loaded.task == "fill-mask":
        mask = loaded.tokenizer.mask_token
        made = [row for row in made if mask in row["text"]]
        if not made:
            raise Refused(f"no text has a {mask}: give some that do with --data")
    if loaded.task != "text-classification":
        return made
    names = {int(n): name for n, name in loaded.model.config.id2label.items()}
    known = {str(number): name for number, name in names.items()}
    known |= {name.lower(): name for name in names.values()}
    known |= {name: name for name in names.values()}
    for row in made:
        if "label" in row:
            label = known.get(row["label"]) or known.get(row["label"].lower())
            if label is None:
                raise Refused(
                    f"label {row['label']!r} of the data is none of the model's:"
                    f" {', '.join(list(names.values())[:20])}"
                )
            row["label"] = label
    return made


if __name__ == "__main__":
    # Libraries print to stdout; what they say goes to the log.
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text()), Told(lines)))
