"""The training job as a script asks for it: `environment.Environment()`.

Source: the SageMaker Training Toolkit's `environment.Environment`, whose attributes are the members
of SM_TRAINING_ENV, which the platform has put there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

BASE = os.environ.get("SAGEBRUSH_ML") or "/opt/ml"
code_dir = f"{BASE}/code"
model_dir = f"{BASE}/model"
input_dir = f"{BASE}/input"
input_config_dir = f"{input_dir}/config"
output_dir = f"{BASE}/output"
output_data_dir = f"{output_dir}/data"
output_intermediate_dir = f"{output_dir}/intermediate"


class Environment(Mapping[str, Any]):
    """The job's hyperparameters, channels, hosts and folders, as attributes and as a mapping."""

    def __init__(self) -> None:
        """What the platform says of this job; raises ValueError outside a training job."""
        given = os.environ.get("SM_TRAINING_ENV")
        if given is None:
            raise ValueError("this is no training job: SM_TRAINING_ENV is not set")
        self._members: dict[str, Any] = json.loads(given)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_members"][name]
        except KeyError:
            raise AttributeError(f"Environment has no attribute {name!r}") from None

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def to_env_vars(self) -> dict[str, str]:
        """The job's SM_* variables."""
        return {name: value for name, value in os.environ.items() if name.startswith("SM_")}

    def to_cmd_args(self) -> list[str]:
        """The hyperparameters as the script's command line has them."""
        return json.loads(os.environ["SM_USER_ARGS"])


def num_cpus() -> int:
    """Processors of this job."""
    return int(os.environ.get("SM_NUM_CPUS") or os.cpu_count() or 1)


def num_gpus() -> int:
    """GPUs of this job."""
    return int(os.environ.get("SM_NUM_GPUS") or 0)


def read_hyperparameters() -> dict[str, Any]:
    """The script's own hyperparameters."""
    return json.loads(os.environ.get("SM_HPS") or "{}")


def read_resource_config() -> dict[str, Any]:
    """The content of resourceconfig.json."""
    return json.loads(os.environ.get("SM_RESOURCE_CONFIG") or "{}")
