"""How a framework's job starts its script: what AWS's PyTorch and TensorFlow training toolkits add.

A job has one instance here. `distribution={"torch_distributed" | "pytorchddp": {"enabled": True}}`
runs the script under torchrun, one process for each GPU, or one; parameter servers need a second
instance on AWS too, so that the script runs as it is. What needs software of AWS's own is refused.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job

MASTER_PORT = "7777"
WORKER_PORT = 8890
TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
PROCESSES = "sagemaker_mpi_num_of_processes_per_host"
REFUSED = {
    "sagemaker_mpi_enabled": "distribution mpi: MPI is not here; with one instance, torch_distributed"
    " starts several processes of a PyTorch script",
    "sagemaker_distributed_dataparallel_enabled": "distribution smdistributed: AWS's library is not"
    " here; use torch_distributed or pytorchddp",
    "sagemaker_pytorch_xla_multi_worker_enabled": "distribution pytorchxla: PyTorch/XLA is not here;"
    " use torch_distributed",
}
"""Hyperparameter of the SDK -> why such a job cannot run."""


def check(this: Job) -> None:
    """Raises ClientError for a distribution that cannot run."""
    for name, reason in REFUSED.items():
        if this.framework.get(name):
            raise job.ClientError(reason)


def launcher(this: Job, python: str, package: bool) -> list[str]:
    """What starts the script: the interpreter, or torchrun by it. Raises ClientError."""
    if not any(this.framework.get(name) for name in TORCHRUN):
        return [python]
    if package:
        raise job.ClientError(
            "Python packages are not supported for torch_distributed. Please use a python script as"
            " the entry-point"
        )
    if not str(this.program).endswith(".py"):
        raise job.ClientError("Unsupported entry point type for torch_distributed")
    if not _has("torch"):
        raise job.ClientError("torch_distributed: this image has no PyTorch")
    # Standalone: a free port. In process mode two jobs share the host's.
    return [
        *(python, "-m", "torch.distributed.run", "--standalone", "--nnodes", "1"),
        *("--nproc_per_node", str(this.framework.get(PROCESSES) or job.gpus() or 1)),
    ]


def variables(this: Job, seen: Mapping[str, str]) -> dict[str, str]:
    """What the framework's toolkit sets beside the SM_* variables; `seen` are those.

    What the job's own variables already say stays.
    """
    found: dict[str, str] = {}
    hosts = this.resources.get("hosts", ["algo-1"])
    if _has("torch"):
        # In process mode no name of a job's host can be looked up.
        address = "127.0.0.1" if os.environ.get("SAGEBRUSH_ML") else hosts[0]
        found |= {
            "MASTER_ADDR": address,
            "MASTER_PORT": MASTER_PORT,
            "NCCL_SOCKET_IFNAME": seen["SM_NETWORK_INTERFACE_NAME"],
            "NCCL_IB_DISABLE": "1",
            "NCCL_DEBUG": "WARN",
        }
    if this.framework.get(MIRRORED):
        workers = [f"{host}:{WORKER_PORT}" for host in hosts]
        task = {"index": hosts.index(seen["SM_CURRENT_HOST"]), "type": "worker"}
        cluster = {"cluster": {"worker": workers}, "environment": "cloud", "task": task}
        found["TF_CONFIG"] = json.dumps(cluster)
    return {name: value for name, value in found.items() if name not in os.environ}


def model_dir(hyperparameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The hyperparameters of one job of a tuning job: TensorFlow's `model_dir` on S3 is its own."""
    place = hyperparameters.get("model_dir")
    if not isinstance(place, str) or place.startswith("/opt/ml") or not _has("tensorflow"):
        return dict(hyperparameters)
    return {**hyperparameters, "model_dir": f"{place}/{name}/model"}


def warnings(model: Path) -> Sequence[str]:
    """Why TensorFlow Serving could not serve what a script left in `model`, in AWS's words."""
    if not _has("tensorflow"):
        return ()
    files = [path for path in model.rglob("*") if path.is_file()]
    if not files:
        return (
            f"No model artifact is saved under path {model}. Your training job will not save any"
            " model files to S3.",
        )
    saved = [path.parent.name for path in files if path.name == "saved_model.pb"]
    astray = [name for name in saved if not name.isdigit()]
    if saved and not astray:
        return ()
    head = "Your model will NOT be servable with SageMaker TensorFlow Serving container"
    if not saved:
        return (f"{head}: it was not saved in the TensorFlow SavedModel directory structure.",)
    return tuple(
        f'{head}: the SavedModel bundle is under directory "{name}", not a numeric name.'
        for name in astray
    )


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
