"""torchrun: one process for each GPU, or one, on every instance that takes part.

Source: AWS's training toolkit ("torch_distributed" in the SageMaker guide, "Distributed training
with PyTorch"). Its rendezvous is static and made anew by every attempt: the number of instances is
what this attempt has, none joins later, and no process is started twice. A store that outlived an
attempt would break the next one.
"""

from __future__ import annotations

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job

PORT = "7777"
PROCESSES = "sagemaker_mpi_num_of_processes_per_host"


def launcher(this: Job, python: str, package: bool) -> list[str]:
    """What starts the script on this instance; raises ClientError."""
    if package:
        raise job.ClientError(
            "Python packages are not supported for torch_distributed. Please use a python script as"
            " the entry-point"
        )
    if not str(this.program).endswith(".py"):
        raise job.ClientError("Unsupported entry point type for torch_distributed")
    hosts = job.distribution_hosts(this)
    run = [python, "-m", "torch.distributed.run"]
    count = ["--nproc_per_node", str(this.framework.get(PROCESSES) or job.gpus() or 1)]
    if len(hosts) < 2:
        # Standalone: a free port. In process mode two jobs share the host's.
        return [*run, "--standalone", "--nnodes", "1", *count]
    return [
        *run,
        *("--nnodes", str(len(hosts))),
        *count,
        *("--master_addr", hosts[0], "--master_port", PORT),
        *("--node_rank", str(hosts.index(job.current_host(this)))),
    ]
