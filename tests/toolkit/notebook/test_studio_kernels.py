"""Studio's names of kernels, in programs of a notebook instance that look a kernel up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.toolkit import job

CLIENT = Path(job.__file__).parent / "client"
MANAGER = """
class KernelSpecManager:
    def _find_spec_directory(self, name):
        return name if name in ("python3", "pytorch") else None
    def get_kernel_spec(self, kernel_name):
        return kernel_name
"""
"""Stands for jupyter_client: python3 and pytorch are built."""
ASK = (
    "import sys; from jupyter_client import kernelspec as k;"
    " print(k.KernelSpecManager().get_kernel_spec(sys.argv[1]))"
)
STUDIO = "python3__SAGEMAKER_INTERNAL__arn:aws:sagemaker:us-west-2:236514542706:image"


def found(folder: Path, asked: str, **environ: str) -> str:
    file = folder / "jupyter_client" / "kernelspec.py"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    file.write_text(MANAGER)
    ran = subprocess.run(
        [sys.executable, "-c", ASK, asked],
        env={"PYTHONPATH": f"{CLIENT}:{folder}", **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stderr == ""
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("asked", "kernel"),
    [
        (f"{STUDIO}/datascience-1.0", "python3"),
        (f"{STUDIO}/sagemaker-data-science-310-v1", "python3"),
        (f"{STUDIO}/pytorch-1.8-cpu-py36", "pytorch"),
        (f"{STUDIO}/tensorflow-2.3-cpu-py37-ubuntu18.04-v1", "python3"),  # not built here
        ("conda_python3", "conda_python3"),
        (STUDIO.replace("python3", "ir"), STUDIO.replace("python3", "ir")),
    ],
)
def test_a_notebook_instances_programs_know_them(tmp_path: Path, asked: str, kernel: str) -> None:
    assert found(tmp_path, asked, SAGEBRUSH_VOLUME="/home/ec2-user/SageMaker") == kernel


def test_other_programs_do_not(tmp_path: Path) -> None:
    assert found(tmp_path, f"{STUDIO}/datascience-1.0") == f"{STUDIO}/datascience-1.0"
