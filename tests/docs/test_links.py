"""Pages lead where they say, and claim no command that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sagebrush.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """`architecture.md` also names commands of later releases, in a list of its own."""
    own = {"test", "check", "lock", "docs", "setup", "help"}
    named = set(re.findall(r"(?:\./run|(?<![\w/.])sagebrush) ([a-z]+)\b", code(page.read_text())))
    assert named <= own | set(COMMANDS) | {"env"}


def code(text: str) -> str:
    """What stands in backticks or fences."""
    fenced = re.findall(r"```.*?```", text, re.DOTALL)
    return "\n".join(
        [*fenced, *re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]
    )


GUIDES = [page for page in PAGES if "contributing" in (page.stem.lower(), page.parent.name)]
FOLDERS = ("sagebrush", "tests", "docs", "benchmarks", "requirements")
NOT_OURS = {"hyperparameters.json", "spec.json", "state.json", "exit.json"}
"""Files that jobs and shims write."""


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_files_that_contributors_are_sent_to_exist(page: Path) -> None:
    """`store/rows.py`, whole or from any folder of the package or the tests on."""
    known = {f"/{path.relative_to(ROOT)}" for top in FOLDERS for path in (ROOT / top).rglob("*.*")}
    named = set(re.findall(r"`(?:\.\./)*([\w./-]+\.(?:py|md|json|txt|in))`", page.read_text()))
    found = {name for name in named if any(path.endswith(f"/{name}") for path in known)}
    assert not named - found - NOT_OURS - {path.name for path in ROOT.iterdir()}
