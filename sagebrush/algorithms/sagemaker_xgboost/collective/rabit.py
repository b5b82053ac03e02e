"""Groups by Rabit, the collective of XGBoost before 2.1.

A member that raises leaves without a word, since Rabit's farewell waits for all the others: its closed
connections tell them. Source: XGBoost's documentation of `xgboost.rabit` (before 1.7) and of
`xgboost.collective` (1.7 and 2.0), whose functions have the same names.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np

from .member import Member
from .tracker import Tracker

NEWER = importlib.util.find_spec("xgboost.collective") is not None
_LIBRARY: Any = importlib.import_module("xgboost.collective" if NEWER else "xgboost.rabit")
SUM = 2
"""Rabit's number of the operation."""


@contextlib.contextmanager
def joined(member: Member) -> Iterator[None]:
    """Within it, this process is a member of the group, whose tracker is there already unless it is
    the first's. Raises OSError where no tracker can listen there; where the group breaks, XGBoost raises
    XGBoostError, and before 1.3 it ends this process with status 255."""
    tracker = Tracker(member).start() if member.rank == 0 else None
    # Members come when the tracker answers: one that does not is gone.
    told = {
        "DMLC_TRACKER_URI": member.place,
        "DMLC_TRACKER_PORT": str(member.port),
        "DMLC_TASK_ID": f"{member.rank:05d}",
        "DMLC_WORKER_CONNECT_RETRY": "2",
    }
    if NEWER:
        _LIBRARY.init(**told)
    else:
        _LIBRARY.init([f"{name}={value}".encode() for name, value in told.items()])
    yield
    _LIBRARY.finalize()
    if tracker is not None:
        tracker.wait()


def rank() -> int:
    """This process's place in the group."""
    return _LIBRARY.get_rank()


def size() -> int:
    """The number of members."""
    return _LIBRARY.get_world_size()


def broadcast(text: str, root: int) -> str:
    """The text that the member of rank `root` gives."""
    return str(_LIBRARY.broadcast(text, root))


def total(value: float) -> float:
    """The sum of a value over the group."""
    return float(_LIBRARY.allreduce(np.array([value]), SUM)[0])


def keep(booster: Any) -> None:
    """The group forgets what it kept to recover a member of: Rabit keeps the result of each operation
    until the model is checkpointed."""
    save = getattr(booster, "save_rabit_checkpoint", None)
    if save is not None:
        save()
