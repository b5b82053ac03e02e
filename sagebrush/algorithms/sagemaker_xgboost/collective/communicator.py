"""Groups by the collective of XGBoost 2.1 and newer, which notices a member that is gone.

Source: XGBoost's documentation of `xgboost.collective` and `xgboost.tracker`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from xgboost import collective  # pyright: ignore[reportMissingImports]

from .member import Member


@contextlib.contextmanager
def joined(member: Member) -> Iterator[None]:
    """Within it, this process is a member of the group, whose tracker is there already unless it is
    the first's. Raises XGBoostError where the group breaks."""
    if member.rank == 0:
        _start(member)
    with collective.CommunicatorContext(
        dmlc_tracker_uri=member.place,
        dmlc_tracker_port=member.port,
        dmlc_task_id=f"{member.rank:05d}",
        dmlc_timeout=member.wait,
    ):
        yield


def _start(member: Member) -> None:
    from xgboost.tracker import RabitTracker  # pyright: ignore[reportMissingImports]

    tracker = RabitTracker(
        host_ip=member.place, n_workers=member.size, port=member.port, sortby="task"
    )
    tracker.start()
    threading.Thread(target=_waited, args=(tracker,), daemon=True).start()


def _waited(tracker: Any) -> None:
    # A group that has failed is told by its members.
    with contextlib.suppress(Exception):
        tracker.wait_for()


def rank() -> int:
    """This process's place in the group."""
    return collective.get_rank()


def size() -> int:
    """The number of members."""
    return collective.get_world_size()


def broadcast(text: str, root: int) -> str:
    """The text that the member of rank `root` gives."""
    return str(collective.broadcast(text, root))


def total(value: float) -> float:
    """The sum of a value over the group."""
    return float(collective.allreduce(np.array([value]), collective.Op.SUM)[0])


def keep(booster: Any) -> None:
    """The group forgets what it kept to recover a member of: this collective keeps nothing."""
