"""Each framework's hello-world by both SDKs, unmodified: fit, deploy, predict, delete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from sagebrush.compute.local import probe
from sagebrush.environments import interpreters, uvtool
from tests import needs
from tests.built_environments import (  # noqa: F401
    released_huggingface,
    released_pytorch,
    released_sklearn,
    released_tensorflow,
    tensorflow,
)
from tests.sdk_server import SCRIPTS, run

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("released_sklearn"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`index` where packages can be had inside jobs, else `none`: then less is asked of them."""
    if probe.choose("auto") != "sandbox":
        return "none"
    folder = tmp_path_factory.mktemp("index")
    (folder / "in.txt").write_text("roman\n")
    command = [uv.find_uv_bin(), "pip", "compile", "-q", "--python", sys.executable, "in.txt"]
    environ = uvtool.variables(os.environ, folder)
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    return "none" if done.returncode else "index"


# PyTorch's environment is built by its first job, if an index answers.
@pytest.mark.usefixtures("released_huggingface", "released_tensorflow", "tensorflow")
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_hello_world_of_each_framework(
    variables: dict[str, str],
    tmp_path: Path,
    index: str,
    sdk: str,
) -> None:
    script = SCRIPTS / f"v{sdk[-1]}_frameworks.py"
    said = run(variables, needs.sdk(sdk), script, tmp_path, SCRIPTS, index, seconds=1150)
    assert f"v{sdk[-1]} frameworks: all well" in said


def test_v2s_modelbuilder_with_an_inference_spec(
    variables: dict[str, str], tmp_path: Path, index: str
) -> None:
    if index == "none":
        needs.missing("no package index has the SDK that the model's code needs")
    said = run(variables, needs.sdk("sdk2"), SCRIPTS / "v2_modelbuilder.py", tmp_path)
    assert "v2 ModelBuilder: all well" in said


@pytest.mark.usefixtures("released_pytorch", "released_tensorflow")
def test_what_is_wrong_is_told(
    variables: dict[str, str],
    tmp_path: Path,
    index: str,
) -> None:
    # the first that can stand in for scikit-learn 0.20.0 is of Python 3.9, and must be had
    old = index if interpreters.find(os.environ, ("3.9",)) else "none"
    script = SCRIPTS / "v2_wrong_scripts.py"
    said = run(variables, needs.sdk("sdk2"), script, tmp_path, index, old, seconds=1150)
    assert "v2 wrong scripts: all well" in said
