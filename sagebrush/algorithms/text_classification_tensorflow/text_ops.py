"""The operations of the package tensorflow-text, which the preprocessors of BERT and its kin use.

TensorFlow's environment does not hold the package. It is fetched for those base models alone that need
it, so that every other job runs without a package index.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile

from contract import log
from contract.errors import ClientError

PACKAGE = "tensorflow_text"
_MISSING = re.compile(r"Op type not registered '(\w+)'")
SECONDS = 300
"""That fetching the package may take."""


def missing(error: Exception) -> str:
    """The operation for want of which TensorFlow could not load a model; "" for another error."""
    found = _MISSING.search(str(error))
    return found[1] if found else ""


def requirements(tensorflow: str) -> tuple[str, ...]:
    """What has to be installed beside that version of TensorFlow: its operations fit only the release
    of the same number, and those until 2.15 import tensorflow-hub (which needs tf-keras from 0.16 on)."""
    major, minor = tensorflow.split(".")[:2]
    text = f"tensorflow-text=={major}.{minor}.*"
    return (text, "tensorflow-hub<0.16") if (int(major), int(minor)) <= (2, 15) else (text,)


def load(operation: str, tensorflow: str) -> None:
    """The package's operations are registered in this process, after fetching the package where it is
    not installed. `operation` says for what ("the operation X"). Raises ClientError that says what
    helps."""
    if _imported():
        return
    wanted = requirements(tensorflow)
    log.info(f"The model uses {operation} of tensorflow-text: installing {' '.join(wanted)}")
    folder = tempfile.mkdtemp(prefix="tensorflow-text-")
    # Without dependencies: they would bring a second TensorFlow beside the environment's.
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--retries=1",
        "--timeout=15",
        "--target",
        folder,
    ]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = said[-1] if said else f"pip ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        why = f"pip took more than {SECONDS} seconds"
    sys.path.append(folder)
    importlib.invalidate_caches()
    if not _imported():
        raise ClientError(
            f"The model uses {operation}, which is not TensorFlow's own. That is"
            f" mostly one of tensorflow-text, and it could not be installed ({why[:300]}). Let the job"
            f" reach a package index, or put {' and '.join(wanted)} into a requirements.txt beside"
            " transfer_learning.py, or use a base model of TensorFlow's own operations."
        )


def _imported() -> bool:
    try:
        importlib.import_module(PACKAGE)
    except Exception:  # missing, or built for another TensorFlow
        for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        return False
    return True
