"""Pages lead where they say, and claim no command that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sagebrush.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


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
