"""Says which instance this is and what part it has."""

import os
import socket

rank = os.environ.get("OMPI_COMM_WORLD_RANK")
part = "alone" if rank is None else f"rank {rank} of {os.environ['OMPI_COMM_WORLD_SIZE']}"
print(f"TOLD {socket.gethostname()} {part}", flush=True)
