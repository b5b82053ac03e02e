"""Which modules a job's scripts import, and how long it takes to find them."""

from __future__ import annotations

from pathlib import Path

from sagebrush.workload import imports_of


def test_modules_of_scripts_their_own_left_out(tmp_path: Path) -> None:
    code = tmp_path / "ml" / "code"
    code.mkdir(parents=True)
    (code / "train.py").write_text(
        "import os.path\n\n\nfrom torch import nn\nimport own\nif 1:\n\timport numpy as np\n"
        "important = 1\nfrom\\\n x import y\n"
    )
    (code / "own.py").write_text("")
    assert imports_of.modules(tmp_path) == ["os.path", "torch", "numpy"]


def test_a_file_of_empty_lines_takes_no_longer_than_another(tmp_path: Path) -> None:
    """Looked for over lines it would take an hour, with the interpreter's lock."""
    code = tmp_path / "ml" / "code"
    code.mkdir(parents=True)
    for number in range(3):
        (code / f"{number}.py").write_text("\n" * imports_of.SIZE)
    (code / "last.py").write_text("from " * 50_000 + "\nimport json\n")
    assert imports_of.modules(tmp_path) == ["json"]
