"""How a framework's job starts its script: what AWS's PyTorch and TensorFlow training toolkits add.

`distribution={"torch_distributed" | "pytorchddp": {"enabled": True}}` runs the script under
torchrun on every instance, `{"mpi": …}` by algo-1's mpirun, TensorFlow's strategies by TF_CONFIG.
Instances outside the groups that a distribution names run the script as it is. A distribution that
needs AWS's own software is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job
from sagebrush.toolkit.training import torchrun

TYPE_CHECKING = False
if TYPE_CHECKING:  # what only some jobs need is loaded for them only
    from sagebrush.toolkit.training import mpi, reasons

MASTER_PORT = torchrun.PORT
MPI = "sagemaker_mpi_enabled"
DATAPARALLEL = "sagemaker_distributed_dataparallel_enabled"
"""What SDK v2 makes of `pytorchddp` and of `smdistributed`: on AWS a launcher of its own starts the
same processes, with or without AWS's library."""
TORCHRUN = (
    "sagemaker_torch_distributed_enabled",
    "sagemaker_pytorch_ddp_enabled",
    DATAPARALLEL,
)
REFUSED = {
    "sagemaker_pytorch_xla_multi_worker_enabled": "distribution pytorchxla: PyTorch/XLA is not here;"
    " use torch_distributed",
}
"""Hyperparameter of the SDK -> why such a job cannot run."""


def check(this: Job) -> None:
    """Raises ClientError for a distribution that cannot run."""
    for name, reason in REFUSED.items():
        if this.framework.get(name):
            raise job.ClientError(reason)
    if this.framework.get(DATAPARALLEL) and not job.has("torch"):
        raise job.ClientError(
            "distribution smdistributed: AWS's library is not here, and only a PyTorch script can do"
            " without it"
        )
    if this.hyperparameters.get("mp_parameters"):
        raise job.ClientError(
            "distribution smdistributed: AWS's model parallel library is not here"
        )
    groups = [g.get("instance_group_name") for g in this.resources.get("instance_groups", [])]
    unknown = [name for name in job.distribution_groups(this) if groups and name not in groups]
    if unknown:
        raise job.ClientError(
            f"distribution: the job has no instance group {unknown[0]}; it has {', '.join(groups)}"
        )
    if by_mpi(this):
        from sagebrush.toolkit.training import mpi

        mpi.check()


def by_mpi(this: Job) -> bool:
    """Whether this instance takes part in an MPI run."""
    return bool(this.framework.get(MPI)) and job.takes_part(this)


def follows(this: Job) -> bool:
    """Whether another instance's mpirun starts what runs here."""
    return by_mpi(this) and job.current_host(this) != job.master(this)


def under_torchrun(this: Job) -> bool:
    """Whether torchrun starts the script on this instance."""
    return any(this.framework.get(name) for name in TORCHRUN) and job.takes_part(this)


def launcher(this: Job, python: str, package: bool) -> list[str]:
    """What starts a Python script: the interpreter, or torchrun by it. Raises ClientError."""
    if by_mpi(this):
        from sagebrush.toolkit.training import mpi

        return mpi.interpreter(python)
    if not under_torchrun(this):
        return [python]
    start = torchrun.launcher(this, python, package)
    if not job.has("torch"):
        raise job.ClientError("torch_distributed: this image has no PyTorch")
    return start


def notes(this: Job) -> Sequence[str]:
    """Notes for the log before a script starts that may need software that is not here."""
    if not this.framework.get(DATAPARALLEL):
        return ()
    return (
        "torchrun starts the script. AWS's smdistributed library is not here: the backends of"
        " torch.distributed are nccl and gloo",
    )


def around(this: Job, names: Sequence[str]) -> list[str]:
    """The prefix of the script's command: mpirun with its options, mostly nothing."""
    if not by_mpi(this):
        return []
    from sagebrush.toolkit.training import mpi

    return mpi.command(this, names)


@contextlib.contextmanager
def company(this: Job, python: str, environ: Mapping[str, str]) -> Iterator[mpi.Tell]:
    """The processes that the script needs run; the yielded function reports its end to the others."""
    with contextlib.ExitStack() as stack:
        tell: mpi.Tell = lambda status, reason: None  # noqa: E731
        if by_mpi(this):
            from sagebrush.toolkit.training import mpi

            tell = stack.enter_context(mpi.workers(this))
        elif this.framework.get(job.TENSORFLOW_STRATEGIES[1]) and job.has("tensorflow"):
            from sagebrush.toolkit.training import tfcluster

            if tfcluster.has_servers(this):
                stack.enter_context(tfcluster.servers(this, python, environ))
        yield tell


def reason(this: Job, stderr: str) -> reasons.Reason:
    """Why the script failed, from the end of its stderr."""
    from sagebrush.toolkit.training import reasons

    if by_mpi(this) or under_torchrun(this):
        return reasons.launched(stderr)
    return reasons.Reason(reasons.last_error(stderr))


def variables(this: Job, seen: Mapping[str, str]) -> dict[str, str]:
    """The variables that the framework's toolkit sets in addition to the SM_* ones, which are `seen`.

    Variables of the job itself are left as they are.
    """
    found: dict[str, str] = {}
    if job.has("torch"):
        # In process mode no name of a job's host can be looked up.
        address = "127.0.0.1" if os.environ.get("SAGEBRUSH_ML") else job.master(this)
        found |= {
            "MASTER_ADDR": address,
            "MASTER_PORT": MASTER_PORT,
            "NCCL_SOCKET_IFNAME": seen["SM_NETWORK_INTERFACE_NAME"],
            "NCCL_IB_DISABLE": "1",
            "NCCL_DEBUG": "WARN",
        }
    if any(this.framework.get(name) for name in job.TENSORFLOW_STRATEGIES):
        from sagebrush.toolkit.training import tfcluster

        if cluster := tfcluster.config(this):
            found["TF_CONFIG"] = json.dumps(cluster)
    found = {name: value for name, value in found.items() if name not in os.environ}
    return found | (torchrun.variables(this) if under_torchrun(this) else {})


def warnings(model: Path) -> Sequence[str]:
    """Why TensorFlow Serving could not serve what a script left in `model`, in AWS's words."""
    if not job.has("tensorflow"):
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
