"""What a test needs and this machine may lack: then it is skipped, or fails where CI promised it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent
REQUIRE = "SAGEBRUSH_TEST_REQUIRE"
"""Set where everything was installed (`.ci/run`): what is missing then is a failure."""


def missing(reason: str) -> NoReturn:
    """Skips the test, or fails it where nothing may be missing."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"required here: {reason}")
    pytest.skip(reason)


def eval_data(name: str) -> Path:
    """A folder of the evaluation data, which is no part of the repository."""
    root = os.environ.get("SAGEBRUSH_EVAL_DATA")
    if not root:
        pytest.skip("SAGEBRUSH_EVAL_DATA is not set")
    folder = Path(root) / name
    if not folder.exists():
        missing(f"{folder} is not there")
    return folder


def sdk_place(name: str) -> Path:
    """Where the interpreter of an SDK's environment is, if there is one."""
    return ROOT / f".venv-{name}" / "bin" / "python"


def sdk(name: str) -> Path:
    """The interpreter of an SDK's environment (`sdk2`, `sdk3`; `./run setup sdk2` makes it)."""
    python = sdk_place(name)
    if not python.exists():
        missing(f"no environment {name}: ./run setup {name}")
    return python
