"""The last rank fails while the others wait for it."""

import torch
import torch.distributed

torch.distributed.init_process_group("gloo")
rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
torch.distributed.barrier()
if rank == world - 1:
    raise ValueError("the last rank says no")
torch.distributed.barrier()
