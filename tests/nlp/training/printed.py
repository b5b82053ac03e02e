"""What a program of these tests prints as JSON, run in an environment with torch."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sagebrush.environments.environment import Environment
from tests.needs import ROOT


def printed(environment: Environment, program: str, folder: Path) -> dict[str, Any]:
    """The document that `program FOLDER` of this directory prints."""
    done = subprocess.run(
        [str(environment.python), str(Path(__file__).with_name(program)), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
