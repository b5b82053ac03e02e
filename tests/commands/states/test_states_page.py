"""The page of an execution in a browser: a state that is pointed at or clicked tells what it did."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sagebrush.commands.states import colours, page
from sagebrush.commands.states.tree import Tree
from tests.commands.states.pipeline import PIPELINE, Worker, begun
from tests.needs import ROOT, missing

pytestmark = pytest.mark.full
PYTHON = ROOT / ".venv-browser" / "bin" / "python"


def rgb(colour: str) -> str:
    """A hex colour as browsers compute it."""
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_a_page_in_a_browser(tmp_path: Path) -> None:
    if not PYTHON.exists() or not Path("/usr/bin/chromium").exists():
        missing("there is no browser: ./run setup browser, and Chromium")
    run = begun()
    run.finish(Worker(run, "Evaluate"))
    path = tmp_path / "page.html"
    path.write_text(page.page(PIPELINE, Tree(PIPELINE).add(run.events), "texts", run.now))
    driver = Path(__file__).parent / "look_at_page.py"
    done = subprocess.run(
        [str(PYTHON), str(driver), str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for scheme, seen in json.loads(done.stdout).items():
        assert seen["errors"] == []
        assert seen["asked"] == [f"file://{path}"]
        assert seen["before"].startswith("texts")
        assert seen["again"] == seen["before"]
        assert "KeyError: " in seen["pointed"]
        assert seen["clicked"].startswith("Train")
        assert "training job texts-7" in seen["clicked"]
        assert '"mode": "blazingtext"' in seen["clicked"]
        theme = colours.LIGHT if scheme == "light" else colours.DARK
        assert seen["ground"] == rgb(theme.ground)
