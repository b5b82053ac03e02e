"""Functions that the SageMaker SDKs' `@remote` and `RemoteExecutor` run as training jobs.

The SDK's own script starts them in the image, and needs the SDK there. AWS's images have it; here
the environments have not, and the one that notebook kernels have beside theirs is shown instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sagebrush.compute.base import Bind, NotYet, Spec
from sagebrush.environments.environment import Environment
from sagebrush.workload import launch
from sagebrush.world import World

CHANNEL = "/opt/ml/input/data/sagemaker_remote_function_bootstrap/"
"""Where the SDKs' entry point is (`JOBS_CONTAINER_ENTRYPOINT` of their remote_function/job.py)."""
VERSION = "--client_sagemaker_pysdk_version"
SDKS = {"2": "sagemaker2", "3": "sagemaker3"}
"""The client's major version -> the environment that has this SDK."""
INSIDE = f"{launch.INSIDE}/sdk"


def sdk(argv: Sequence[str]) -> str:
    """The environment with the SDK that the program `argv` needs, "" for no remote function."""
    words = list(map(str, argv))
    if not any(word.startswith(CHANNEL) for word in words):
        return ""
    version = words[words.index(VERSION) + 1 :][:1] if VERSION in words else []
    return SDKS.get("".join(version).partition(".")[0], "sagemaker2")


def with_sdk(world: World, environment: Environment, spec: Spec) -> Spec:
    """`spec`, where it is a remote function's, with the SDK beneath the environment's packages.

    sitecustomize puts it there, if both are of one Python. Raises NotYet while it is built, and
    BuildFailed.
    """
    name = sdk(spec.argv)
    outside = world.backend.isolation != "sandbox" or not spec.listeners  # the script reads S3
    if not name or outside or "sagemaker" in environment.packages:
        return spec
    beneath = world.environments.ready(name)
    if beneath is None:
        raise NotYet(f"the environment {name} is built")
    env = {**spec.env, "SAGEBRUSH_BENEATH": INSIDE}
    return replace(spec, env=env, binds=(*spec.binds, Bind(beneath.path, INSIDE)))
