"""A training job's /opt/ml in a temporary directory, and the toolkit run over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sagebrush.toolkit

TRAIN = Path(next(iter(sagebrush.toolkit.__path__))) / "training" / "train.py"


class Contract:
    """A job's /opt/ml in a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "input" / "config"
        self.config.mkdir(parents=True)
        for name in ("code", "model", "output/data"):
            (root / name).mkdir(parents=True)
        self.resources: dict[str, Any] = {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": ["algo-1"],
                }
            ],
            "network_interface_name": "lo",
        }
        self.channels: dict[str, Any] = {}
        self.python = sys.executable

    def environ(self, extra: Mapping[str, str]) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEBRUSH_"))}
        return {
            **keep,
            "SAGEBRUSH_ML": str(self.root),
            "TMPDIR": str(self.root.parent),
            "OMP_NUM_THREADS": "2",
            "PYTHONUNBUFFERED": "1",
            "TRAINING_JOB_NAME": "job-1",
            "AWS_REGION": "eu-west-1",
            **extra,
        }

    def write(self, hyperparameters: Mapping[str, str]) -> None:
        for name, content in (
            ("hyperparameters", hyperparameters),
            ("inputdataconfig", self.channels),
            ("resourceconfig", self.resources),
        ):
            (self.config / f"{name}.json").write_text(json.dumps(content))

    def run(
        self, hyperparameters: Mapping[str, str], **extra: str
    ) -> subprocess.CompletedProcess[str]:
        self.write(hyperparameters)
        return subprocess.run(
            [self.python, str(TRAIN)],
            env=self.environ(extra),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def script(self, text: str, name: str = "train.py") -> dict[str, str]:
        """The hyperparameters that run the script `text`, which lies in code/."""
        (self.root / "code" / name).write_text(text)
        return {
            "sagemaker_program": json.dumps(name),
            "sagemaker_submit_directory": json.dumps(str(self.root / "code")),
        }

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()


def wheel(folder: Path, name: str) -> str:
    """A wheel of one module with WORD = name, in `folder`; its file name."""
    file = f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / file, "w") as out:
        out.writestr(f"{name}.py", f"WORD = {name!r}\n")
        out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        out.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{info}/RECORD", "")
    return file
