"""The composition root: Settings -> World -> HTTP application and loop. Nobody imports it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagebrush.settings import Settings


def run(settings: Settings, ready: Callable[[dict[str, Any]], None]) -> int:
    """Serves until told to end; the exit status. Seam for `commands/up.py` (written by H for B).

    `ready(state)` is called once it answers; `state` is what `home/server.json` holds (0600,
    written by rename, removed at the end): pid, host, port, tls_port, home, version, account,
    region, isolation, started, warnings (texts for the banner). SIGINT and SIGTERM: training jobs
    are stopped as StopTrainingJob does (and finish their upload), endpoint workers stop, then it
    ends; a second SIGINT does not wait. SIGUSR1 (`down --keep-jobs`): ends at once, all that runs
    goes on. Raises CommandError-like OSError(EADDRINUSE) when the port is taken, and a
    RuntimeError naming the pid when another server holds the data directory.
    """
    raise NotImplementedError
