"""The locks of AWS's releases that the project ships: each is built, and what it is for imports."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sagebrush.environments import locks, releases
from sagebrush.environments.resolution import SHIPPED
from sagebrush.environments.store import BuildFailed, Environments
from tests.needs import missing

IMPORTED = {
    "huggingface-pytorch": (
        "torch", "transformers.trainer", "transformers.pipelines", "datasets", "accelerate", "peft",
        "evaluate", "pandas", "sklearn",
    ),
    "scikit-learn": ("sklearn.linear_model", "pandas", "scipy.sparse", "joblib", "matplotlib.pyplot"),
    "tensorflow": ("tensorflow", "keras", "pandas", "sklearn"),
}  # fmt: skip
"""Family -> the modules that its scripts import, all in one process."""
IN_LOCK = {"sklearn": "scikit-learn", "tensorflow": "tensorflow-cpu"}
"""Module -> its package, where that has another name."""
PROGRAM = """
import importlib, json, sys
names = sys.argv[1:]
for name in names:
    importlib.import_module(name)
roots = sorted({name.partition(".")[0] for name in names})
print(json.dumps({root: sys.modules[root].__version__ for root in roots}))
"""


def test_each_is_of_a_release_of_the_table_and_has_a_lock() -> None:
    for name in SHIPPED:
        release = releases.named(name)
        assert release is not None, name
        assert release.family in IMPORTED
        assert locks.shipped(f"{name}.txt").is_file()


@pytest.mark.full
@pytest.mark.timeout(900)  # one that no job had yet is built here
@pytest.mark.parametrize("name", SHIPPED)
def test_what_it_is_for_imports_in_one_process(name: str, tmp_path: Path) -> None:
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    try:
        built = Environments(root.expanduser()).build(name)
    except BuildFailed as error:
        missing(f"the environment {name} cannot be built: {error}")
    release = releases.named(name)
    assert release is not None
    done = subprocess.run(
        [built.python, "-I", "-c", PROGRAM, *IMPORTED[release.family]],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    pins = locks.pins(locks.shipped(f"{name}.txt").read_text())
    # a build for the host's GPU or CPU says so behind a plus
    found = {module: version.partition("+")[0] for module, version in runs.items()}
    assert found == {module: pins[IN_LOCK.get(module, module)] for module in found}
