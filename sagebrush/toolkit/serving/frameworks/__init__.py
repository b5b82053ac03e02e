"""What AWS's inference toolkits do by default, one module for each framework.

`SAGEBRUSH_FRAMEWORK` says which: the platform sets it from the image. The modules import their
framework only when a model is loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from sagebrush.toolkit.serving.handler import Defaults, NoHandler

HEAVY = ("pytorch", "huggingface", "tensorflow")
"""Frameworks whose every worker costs hundreds of megabytes and uses all CPUs by itself."""
SCRIPTLESS = (*HEAVY, "xgboost")
"""Frameworks that have a default for loading a model."""

SPIN = "10000"
"""Turns for which an OpenMP thread that has done its part of an operation looks for the next before
it sleeps (GOMP_SPINCOUNT of GNU's libgomp): some 0.2 ms. To wake it at each of the hundred
operations of a forward pass doubled the time of a short text; to spin for libgomp's own 300,000
takes the processors from whatever else is served on them."""


def name(environ: Mapping[str, str]) -> str:
    """The framework of this serving job, or "" for AWS's plain contract; raises NoHandler."""
    found = environ.get("SAGEBRUSH_FRAMEWORK", "")
    # A built-in algorithm brings its own functions, for any framework in its image.
    if environ.get("SAGEBRUSH_ALGORITHM"):
        return ""
    if found not in ("", "sklearn", "xgboost", *HEAVY):
        raise NoHandler(f"SAGEBRUSH_FRAMEWORK {found!r}: no inference toolkit stands for it")
    return found


def defaults(framework: str, script: bool = True) -> Defaults:
    """The default functions of `framework`; TensorFlow's contract is another, see its module.

    Without a `script` XGBoost's models are those of AWS's algorithm.
    """
    if framework == "xgboost" and not script:
        from sagebrush.toolkit.serving.frameworks import booster

        return booster.BuiltIn()
    if framework in ("pytorch", "huggingface", "xgboost"):
        name = "booster" if framework == "xgboost" else framework
        module = importlib.import_module(f"sagebrush.toolkit.serving.frameworks.{name}")
        return module.Defaults()
    found = Defaults()
    found.as_text = framework == "sklearn"
    return found


def workers(framework: str, cpus: int) -> int:
    """Workers where SAGEMAKER_MODEL_SERVER_WORKERS is not set: one for each CPU, as on AWS.

    A single one for a framework whose model is large and computes on every CPU anyway.
    """
    return 1 if framework in HEAVY else cpus


def threads(framework: str, cpus: int, count: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that share `cpus` among `count` workers; what the user set stays.

    Of all frameworks: NumPy's products and XGBoost's trees compute on every CPU too, and workers
    that each do so only take turns.
    """
    each = str(max(1, cpus // count))
    wanted = {"OMP_NUM_THREADS": each}
    if framework == "tensorflow":
        # TensorFlow has thread pools of its own: one inside an operation, one among operations.
        wanted |= {"TF_NUM_INTRAOP_THREADS": each, "TF_NUM_INTEROP_THREADS": each}
        wanted |= {"TF_CPP_MIN_LOG_LEVEL": "2"}
    if framework in HEAVY and each != "1" and environ.get("OMP_WAIT_POLICY") == "PASSIVE":
        wanted["GOMP_SPINCOUNT"] = SPIN
    # The platform gives every job OMP_NUM_THREADS = its vCPUs: that one is not the user's.
    given = {k for k in wanted if k in environ and environ[k] != str(cpus)}
    return {k: v for k, v in wanted.items() if k not in given}
