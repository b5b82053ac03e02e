"""The package runs under another name where it is used: its modules import each other by relative imports."""

from __future__ import annotations

import ast
from pathlib import Path

import sagebrush.nlp

HERE = Path(sagebrush.nlp.__file__).parent


def _imported(file: Path) -> set[str]:
    """Names of the modules that the file imports absolutely."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
    return found


def test_nothing_of_sagebrush_is_imported_by_its_full_name():
    files = sorted(HERE.rglob("*.py"))
    assert len(files) > 50
    wrong = {
        str(file.relative_to(HERE)): sorted(names)
        for file in files
        if (names := {name for name in _imported(file) if name.split(".")[0] == "sagebrush"})
    }
    assert wrong == {}
