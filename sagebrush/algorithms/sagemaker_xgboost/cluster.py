"""Several instances as one group of XGBoost's own collective.

The tracker runs on the first host; the ranks follow the hosts' order. Source: XGBoost's documentation of
`xgboost.collective` and `xgboost.tracker`; the two steps (who has data, then those who have) are those of
github.com/aws/sagemaker-xgboost-container (`distributed.py`).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import xgboost  # pyright: ignore[reportMissingImports]
from contract.errors import AlgorithmError

from . import log

PORT = 9099
LEAST = (2, 1)
"""The version from which a group notices that a member is gone."""
WAIT = 300
"""Seconds in which the hosts must find one another."""
_GONE = re.compile(
    r"allreduce|allgather|broadcast|socket error|poll error|the tracker|communication group", re.I
)
"""What stands in XGBoost's errors of a member that is gone."""


class TooOld(Exception):
    """This XGBoost does not train on several instances here; the text says what does."""


def check() -> None:
    """Raises TooOld."""
    version = tuple(map(int, re.findall(r"\d+", xgboost.__version__)[:2]))
    if version < LEAST:
        raise TooOld(
            f"XGBoost {xgboost.__version__} trains on one instance here: its group of instances waits"
            " forever for one that is gone. Use InstanceCount 1, or an image of XGBoost"
            " 2.1 or newer (sagemaker-xgboost:3.0-5)"
        )


@contextlib.contextmanager
def joined(hosts: Sequence[str], host: str, port: int = PORT) -> Iterator[None]:
    """Within it, this process and those of the other hosts are one group. Raises TooOld, OSError, and
    AlgorithmError where another host is gone; what is raised within it goes on."""
    check()
    from xgboost import collective  # pyright: ignore[reportMissingImports]
    from xgboost.tracker import RabitTracker  # pyright: ignore[reportMissingImports]

    place = address(hosts[0])
    tracker = None
    if host == hosts[0]:
        tracker = RabitTracker(host_ip=place, n_workers=len(hosts), port=port, sortby="task")
        tracker.start()
        threading.Thread(target=_waited, args=(tracker,), daemon=True).start()
    else:
        _reach(place, port)
    log.info(f"Connected to RabitTracker, current_host={host}")
    raised: Exception | None = None
    try:
        with collective.CommunicatorContext(
            dmlc_tracker_uri=place,
            dmlc_tracker_port=port,
            dmlc_task_id=f"{hosts.index(host):05d}",
            dmlc_timeout=WAIT,
        ):
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
    from xgboost import collective  # pyright: ignore[reportMissingImports]

    text = json.dumps(mine)
    rank = collective.get_rank()
    return [
        json.loads(str(collective.broadcast(text if rank == number else "", number)))
        for number in range(len(hosts))
    ]


def mean(value: float) -> float:
    """The mean of a value over the group."""
    import numpy
    from xgboost import collective  # pyright: ignore[reportMissingImports]

    total = collective.allreduce(numpy.array([value]), collective.Op.SUM)
    return float(total[0]) / collective.get_world_size()


def _waited(tracker: Any) -> None:
    # A group that has failed is told by its members.
    with contextlib.suppress(Exception):
        tracker.wait_for()


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
