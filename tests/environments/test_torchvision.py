"""torchvision as PyPI has it, for CUDA, beside a CPU build of torch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sagebrush.environments import builds
from sagebrush.environments.environment import Environment
from tests.built_environments import pytorch

__all__ = ["pytorch"]


@pytest.mark.parametrize(("version", "mended"), [("0.28.0+cu130", True), ("0.28.0+cpu", False)])
def test_it_is_let_load(tmp_path: Path, version: str, mended: bool) -> None:
    """The file is replaced, for uv's cache has the same one; jobs' users read it under any umask."""
    folder = tmp_path / "environment" / "lib" / "python3.11" / "site-packages" / "torchvision"
    folder.mkdir(parents=True)
    (folder / "version.py").write_text(f"__version__ = '{version}'")
    linked = tmp_path / "linked.py"
    linked.write_text("loaded = True\n")
    (folder / "extension.py").hardlink_to(linked)
    before = os.umask(0o077)  # the server's
    try:
        builds.let_torchvision_load(tmp_path / "environment")
    finally:
        os.umask(before)
    assert (folder / "extension.py").stat().st_mode & 0o004
    assert ("nms(Tensor dets" in (folder / "extension.py").read_text()) is mended
    assert linked.read_text() == "loaded = True\n"


@pytest.mark.full
def test_torchvision_works_where_torch_is(pytorch: Environment) -> None:
    code = (
        "import torch; from torchvision import models, transforms\n"
        "print(tuple(models.resnet18()(torch.zeros(1, 3, 64, 64)).shape))"
    )
    said = subprocess.run(
        [str(pytorch.python), "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said == "(1, 1000)\n"
