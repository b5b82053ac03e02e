"""torchrun: one process for each GPU, or one, on every instance that takes part.

Source: AWS's training toolkit ("torch_distributed" in the SageMaker guide, "Distributed training
with PyTorch"). Its rendezvous is static, and each attempt makes a new one: the number of instances is
that of the attempt, none joins later, and no process is started twice. A store that outlived an
attempt would break the next one. Where an instance runs only one process, that one is started with
torchrun's variables and without torchrun, whose own process would load torch once more.
"""

from __future__ import annotations

import socket

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job

PORT = "7777"
PROCESSES = "sagemaker_mpi_num_of_processes_per_host"


def processes(this: Job) -> int:
    """How many processes run the script on this instance."""
    return int(this.framework.get(PROCESSES) or job.gpus() or 1)


def launcher(this: Job, python: str, package: bool) -> list[str]:
    """What starts the script on this instance; raises ClientError."""
    if package:
        raise job.ClientError(
            "Python packages are not supported for torch_distributed. Please use a python script as"
            " the entry-point"
        )
    if not str(this.program).endswith(".py"):
        raise job.ClientError("Unsupported entry point type for torch_distributed")
    if processes(this) == 1:
        return [python]
    hosts = job.distribution_hosts(this)
    run = [python, "-m", "torch.distributed.run"]
    count = ["--nproc_per_node", str(processes(this))]
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


def variables(this: Job) -> dict[str, str]:
    """torchrun's variables for this instance's only process; {} where torchrun itself sets them."""
    if processes(this) != 1:
        return {}
    hosts = job.distribution_hosts(this)
    rank = hosts.index(job.current_host(this)) if len(hosts) > 1 else 0
    world = str(max(1, len(hosts)))
    address, port = (hosts[0], PORT) if len(hosts) > 1 else ("127.0.0.1", _free())
    return {
        "LOCAL_RANK": "0",
        "RANK": str(rank),
        "GROUP_RANK": str(rank),
        "ROLE_RANK": str(rank),
        "ROLE_NAME": "default",
        "LOCAL_WORLD_SIZE": "1",
        "WORLD_SIZE": world,
        "GROUP_WORLD_SIZE": world,
        "ROLE_WORLD_SIZE": world,
        "MASTER_ADDR": address,
        "MASTER_PORT": port,
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "TORCHELASTIC_RUN_ID": this.name or "none",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
    }


def _free() -> str:
    """A free port: in process mode two jobs share the host's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])
