"""What scripts for several instances wait for."""

from __future__ import annotations

import json
import os
import socket
import time

PATIENCE = 60.0
"""Seconds within which every instance must be known by name."""


def _wait_hostname_resolution() -> None:
    """Every instance of the job is known by name; raises OSError after a minute."""
    until = time.monotonic() + PATIENCE
    for host in json.loads(os.environ.get("SM_HOSTS") or "[]"):
        while True:
            try:
                socket.gethostbyname(host)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)
