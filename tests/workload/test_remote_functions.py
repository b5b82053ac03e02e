"""Which jobs are remote functions of the SDKs, and what they get."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.compute.base import Bind, NotYet, Spec
from sagebrush.environments.environment import Environment
from sagebrush.workload import remote_functions
from sagebrush.world import World

SCRIPT = "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh"
V2 = ("/bin/bash", SCRIPT, "--client_sagemaker_pysdk_version", "2.257.7")
BASE = Environment("base", Path("/e/base"), Path("/e/base/bin/python"), ())
SDK = Environment("sagemaker2", Path("/e/sdk"), Path("/e/sdk/bin/python"), ())


def world(found: Environment | None, isolation: str = "sandbox") -> World:
    environments = SimpleNamespace(ready=lambda name: {"sagemaker2": found}[name])
    backend = SimpleNamespace(isolation=isolation)
    return cast(World, SimpleNamespace(environments=environments, backend=backend))


def spec(**given: Any) -> Spec:
    values = {"key": "k", "argv": V2, "env": {"A": "1"}, "root": Path("/k"), **given}
    return Spec(**{"listeners": ("aws",), **values})


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (("python", "train.py"), ""),
        (("/bin/bash", SCRIPT), "sagemaker2"),
        (V2, "sagemaker2"),
        ((*V2[:3], "3.2.0", "--region", "us-east-1"), "sagemaker3"),
    ],
)
def test_the_clients_version_chooses_the_sdk(argv: tuple[str, ...], found: str) -> None:
    assert remote_functions.sdk(argv) == found


def test_the_sdk_is_shown_beneath() -> None:
    made = remote_functions.with_sdk(world(SDK), BASE, spec())
    assert made.env == {"A": "1", "SAGEBRUSH_BENEATH": "/opt/sagebrush/sdk"}
    assert made.binds == (Bind(Path("/e/sdk"), "/opt/sagebrush/sdk"),)
    with pytest.raises(NotYet):
        remote_functions.with_sdk(world(None), BASE, spec())


def test_others_are_as_they_were() -> None:
    has = Environment("own", Path("/e"), Path("/e/bin/python"), (), packages={"sagemaker": "2.9"})
    for place, environment, asked in (
        (world(SDK), has, spec()),
        (world(SDK), BASE, spec(argv=("python", "train.py"))),
        (world(SDK), BASE, spec(listeners=())),
        (world(SDK, "process"), BASE, spec()),
    ):
        assert remote_functions.with_sdk(place, environment, asked) == asked
