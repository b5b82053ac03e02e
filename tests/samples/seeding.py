"""A client whose requests are those of `sagebrush samples`."""

from __future__ import annotations

from typing import Any

from sagebrush.samples import table
from tests.conftest import Server


def seeding_client(server: Server) -> Any:
    """boto3's client of S3, whose requests may change sample buckets for a minute."""
    made = server.client("s3", verify=None)
    ends = str(int(server.world.clock()) + 60).encode()
    sealed = server.world.credentials.seal(table.SEAL, ends)

    def mark(request: Any, **_: Any) -> None:
        request.headers[table.SEED_HEADER] = sealed

    made.meta.events.register("before-sign.s3.*", mark)
    return made
