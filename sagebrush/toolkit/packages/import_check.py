"""Imports modules and says as JSON which of them failed first, why, and among which packages.

Run as a script by the Python that is checked: `import_check.py MODULE...` prints null where all can
be imported, else {"module", "error", "packages"}; its last line of standard output counts.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = re.compile(r".*(?:site|dist)-packages[/\\]([^/\\]+)")

PATIENCE = 600.0
"""Seconds that the imports may take."""


def asked(
    python: str, modules: Sequence[str], work: Path, options: Sequence[str] = ()
) -> dict[str, Any] | None:
    """What this file says of the modules where `python` runs it with its `options`, in the folder
    `work`."""
    try:
        done = subprocess.run(
            [python, *options, str(Path(__file__)), *modules],
            cwd=str(work),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        error = f"its import takes more than {PATIENCE:.0f} seconds"
    except (IndexError, ValueError):
        error = "its import ended Python"
    return {"module": modules[0], "error": error, "packages": []}


def first_failure(modules: Sequence[str]) -> dict[str, Any] | None:
    """The first of the modules that cannot be imported; None where all can."""
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:  # a library may even exit
            while error.__cause__ is not None:
                error = error.__cause__
            text = str(error).strip().splitlines()
            return {
                "module": module,
                "error": f"{type(error).__name__}: {text[0] if text else module}",
                "packages": list(dict.fromkeys((*_meant(error), *_passed(error), module))),
            }
    return None


def _meant(error: BaseException) -> list[str]:
    """The module that the error is about, where it says so."""
    owner = getattr(error, "obj", None)
    named = error.name if isinstance(error, ImportError) else None
    found = owner.__name__ if isinstance(owner, ModuleType) else named
    return [found.partition(".")[0]] if found else []


def _passed(error: BaseException) -> list[str]:
    """The installed packages whose code the traceback passed, the innermost first."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    found = [PACKAGE.match(file) for file in reversed(files)]
    return [m[1].partition(".")[0] for m in found if m]


if __name__ == "__main__":
    sys.path.pop(0)  # this folder has modules of its own
    sys.stdout.write("\n" + json.dumps(first_failure(sys.argv[1:])) + "\n")
    sys.stdout.flush()
