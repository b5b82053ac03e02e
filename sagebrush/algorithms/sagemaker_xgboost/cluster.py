"""Several instances as one group of XGBoost's own collective, of whichever version.

The tracker runs on the first host; the ranks follow the hosts' order. The two steps (who has data, then
those who have) are those of github.com/aws/sagemaker-xgboost-container (`distributed.py`).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import xgboost  # pyright: ignore[reportMissingImports]
from contract.errors import AlgorithmError

from . import collective, log
from .collective.member import Member

PORT = 9099
WAIT = 300
"""Seconds in which the hosts must find one another."""
_GONE = re.compile(
    r"allreduce|allgather|broadcast|socket error|poll error|the tracker|communication group", re.I
)
"""What stands in XGBoost's errors of a member that is gone."""


@contextlib.contextmanager
def joined(hosts: Sequence[str], host: str, port: int = PORT) -> Iterator[None]:
    """Within it, this process and those of the other hosts are one group. Raises OSError, and
    AlgorithmError where another host is gone; what is raised within it goes on."""
    place = address(hosts[0])
    if host != hosts[0]:
        _reach(place, port)
    log.info(f"Connected to RabitTracker, current_host={host}")
    raised: Exception | None = None
    member = Member(hosts.index(host), len(hosts), place, port, WAIT)
    try:
        with collective.joined(member):
            try:
                yield
            except Exception as error:
                raised = error
                raise
    except (xgboost.core.XGBoostError, AlgorithmError) as error:
        # Leaving a broken group fails as well, and would hide what it broke by.
        raise ended(raised or error, host, hosts) from None


def ended(error: Exception, host: str, hosts: Sequence[str]) -> Exception:
    """The error with which a host's part in the group ends: where others are gone, one that says so."""
    of_group = isinstance(error, (xgboost.core.XGBoostError, AlgorithmError))
    if not of_group or not _GONE.search(str(error)):
        return error
    others = ", ".join(each for each in hosts if each != host)
    return AlgorithmError(
        f"XGB train call failed: {host} has lost the connection to another instance ({others}), which"
        " has ended or cannot be reached. That instance's log says why."
    )


def told(mine: Any, hosts: Sequence[str]) -> list[Any]:
    """What each host of the group says, in the hosts' order."""
    text = json.dumps(mine)
    rank = collective.rank()
    return [
        json.loads(collective.broadcast(text if rank == number else "", number))
        for number in range(len(hosts))
    ]


def mean(value: float) -> float:
    """The mean of a value over the group."""
    return collective.total(value) / collective.size()


def keep(booster: Any) -> None:
    """The round of the booster is done on this host, and the group needs nothing of before."""
    collective.keep(booster)


def address(host: str) -> str:
    """The host's address, once its name resolves, as those of a starting cluster do after a while."""
    until = time.monotonic() + WAIT
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _reach(place: str, port: int) -> None:
    """The tracker answers; raises OSError."""
    until = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection((place, port), 5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
