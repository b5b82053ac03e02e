"""Runs one notebook from its first cell to its last, as nbclient does, and tells what came of it.

run_notebook.py NOTEBOOK FOLDER QUESTION, under the interpreter of the `jupyter` environment, with
JUPYTER_PATH naming the kernelspecs. The executed copy is in FOLDER, where the kernel runs too. The
last line of the output is JSON: the seconds taken, those of the slowest cells, the types of what
the cells show, and what QUESTION, a Python expression over the notebook's variables, is in the end.
"""

# pyright: reportMissingImports=false
# (the packages are those of the jupyter environment)

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

LIMIT = 400
"""Seconds that one cell may take."""

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def main(source: Path, folder: Path, question: str) -> int:
    """1 after telling what the cell that failed said; 0 after telling the result."""
    import nbclient
    import nbformat
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(source, as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=LIMIT, resources={"metadata": {"path": str(folder)}}
    )
    # A cell that asks the notebook itself: what it found is not read off its pictures.
    asking = nbformat.v4.new_code_cell(f"import json; print(json.dumps({question}, default=float))")
    seconds: dict[str, float] = {}
    started = time.monotonic()
    try:
        with client.setup_kernel():
            for place, cell in enumerate(notebook.cells):
                began = time.monotonic()
                client.execute_cell(cell, place)
                seconds[cell.id] = round(time.monotonic() - began, 1)
            total = round(time.monotonic() - started, 1)
            notebook.cells.append(asking)
            client.execute_cell(asking, len(notebook.cells) - 1)
    except CellExecutionError as error:
        failed = notebook.cells[len(seconds)]
        print(f"{source.name}, cell {failed.id}: {error.ename}: {error.evalue}")
        print("\n".join(text(output) for output in failed.outputs))
        return 1
    finally:
        notebook.cells = [cell for cell in notebook.cells if cell is not asking]
        nbformat.write(notebook, folder / source.name)
    slowest = dict(sorted(seconds.items(), key=lambda item: -item[1])[:4])
    shown = sorted({kind for cell in notebook.cells for kind in kinds(cell)})
    said = json.loads(asking.outputs[-1]["text"])
    print(json.dumps({"seconds": total, "slowest": slowest, "shown": shown, "said": said}))
    return 0


def kinds(cell: Any) -> set[str]:
    """The MIME types that a cell's outputs carry."""
    return {kind for output in cell.get("outputs", ()) for kind in output.get("data", ())}


def text(output: Any) -> str:
    """What an output says, without colours: SDKs show errors as displays of their own."""
    said = output.get("text") or output.get("data", {}).get("text/plain") or output.get("evalue")
    return ESCAPE.sub("", "".join(said or ""))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
