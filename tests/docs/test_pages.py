"""The pages under docs/ that tell what the code holds. `./run docs` writes them anew."""

from __future__ import annotations

import ast
import dataclasses
import os
from collections import defaultdict
from pathlib import Path

import pytest

from sagebrush import registry, settings
from sagebrush.settings import Settings

DOCS = Path(__file__).parent.parent.parent / "docs"
WRITE = "SAGEBRUSH_WRITE_DOCS"


def meanings() -> dict[str, str]:
    """Each setting's docstring: the text that follows its field."""
    tree = ast.parse(Path(settings.__file__).read_text())
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings")
    texts: dict[str, str] = {}
    for field, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(text, ast.Expr), f"{field.target.id} has no docstring"
            assert isinstance(text.value, ast.Constant)
            texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts


def default(field: dataclasses.Field) -> str:
    value = field.default
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`" if value else "(none)"
    if isinstance(value, int) and value >= 1 << 20 and value % (1 << 20) == 0:
        return f"`{value}` ({value >> 20} MiB)"
    return f"`{value}`"


def settings_page() -> str:
    texts = meanings()
    lines = ["| setting | variable | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(Settings):
        variable = f"`SAGEBRUSH_{field.name.upper()}`"
        lines.append(f"| `{field.name}` | {variable} | {default(field)} | {texts[field.name]} |")
    return "\n".join(lines) + "\n"


def operations_page() -> str:
    by_service: dict[str, list[str]] = defaultdict(list)
    for service, operation in sorted(registry.operations()):
        by_service[service].append(operation)
    lines = []
    for service in sorted(by_service):
        names = sorted(by_service[service])
        lines += [f"## {service} ({len(names)})", ", ".join(names), ""]
    return "\n".join(lines).rstrip() + "\n"


@pytest.mark.parametrize(
    ("page", "content"),
    [("settings.md", settings_page), ("operations.md", operations_page)],
    ids=["settings", "operations"],
)
def test_page_tells_what_the_code_holds(page: str, content) -> None:
    file = DOCS / page
    head, mark, found = file.read_text().partition("<!-- from the code -->\n")
    assert mark, f"{page} has lost the line <!-- from the code -->"
    if os.environ.get(WRITE):
        file.write_text(head + mark + content())
        return
    assert found == content(), f"{page} differs from the code: ./run docs writes it anew"
