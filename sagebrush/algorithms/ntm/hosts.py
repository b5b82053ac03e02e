"""The job's instances as one: gradients and losses averaged over all of them.

Each instance takes its own mini-batches (`mini_batch_size` is per instance, as on AWS) of its own part of
the train channel (ShardedByS3Key); all have the same weights after each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType

import torch  # pyright: ignore[reportMissingImports]
from contract.errors import AlgorithmError
from contract.job import Job
from torch import Tensor, distributed  # pyright: ignore[reportMissingImports]

PORT = 7777
"""On the first host, by which the others find it; that of the platform's torchrun."""
WAIT = timedelta(seconds=300)


class Hosts(AbstractContextManager["Hosts"]):
    """All hosts of the job; with only one, everything is as it is."""

    def __init__(self, job: Job, port: int = PORT) -> None:
        self.count, self.rank = len(job.hosts), job.hosts.index(job.host)
        if self.count > 1:
            address = f"tcp://{job.hosts[0]}:{port}"
            try:
                distributed.init_process_group(
                    "gloo", address, WAIT, world_size=self.count, rank=self.rank
                )
            except RuntimeError as error:
                raise AlgorithmError(f"The hosts of the job did not meet: {error}") from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.count > 1:
            distributed.destroy_process_group()

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Each tensor is the mean of all hosts' tensors, in one exchange."""
        if self.count == 1:
            return
        each = list(tensors)
        if not each:
            return
        flat = torch.cat([tensor.detach().reshape(-1).cpu() for tensor in each])
        distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for tensor in each:
            part = flat[start : start + tensor.numel()]
            tensor.copy_(part.reshape(tensor.shape))
            start += tensor.numel()

    def mean(self, *values: float) -> list[float]:
        """The means of all hosts' values."""
        found = torch.tensor(values, dtype=torch.float64)
        self.average([found])
        return found.tolist()

    def most(self, value: int) -> int:
        """The largest of all hosts' values."""
        found = torch.tensor([value])
        if self.count > 1:
            distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return int(found.item())
