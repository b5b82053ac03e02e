"""The private state in a tuning job's row: its plan, and in it the entry of each trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.store.rows import Row

PLANNED = "planned"
"""The status of a trial until its training job is created."""
LIVE = (PLANNED, "InProgress", "Stopping")


class Plan(TypedDict, total=False):
    """The plan of a tuning job's row."""

    tags: dict[str, str]
    trials: list[Doc]
    """One entry for each trial, as `Entry.stored` writes it."""
    warm: list[Doc]
    """The entries of the parents' trials, in a warm start."""
    seed: int
    stop: float
    end: list[str]
    """The status in which it will end, and the reason, once no trial runs."""
    converged: float
    """When the objective first seemed to have converged, in seconds since the epoch."""
    more: bool
    """Whether further trials may be created (`engine.children`)."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)


@dataclass
class Entry:
    """A trial as its tuning job stores it; each step of the life changes copies."""

    name: str
    """The name of its training job."""
    definition: int
    """The index of its definition among the tuning job's."""
    config: dict[str, str]
    """The hyperparameters that are tuned."""
    status: str = PLANNED
    value: float | None = None
    """The objective's last value."""
    order: int = 0
    """The rank of its end among the ends of all trials, from 1; of a parent's trial, from 0."""
    epochs: int = 0
    """How many values early stopping has looked at."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Hyperband's own record of it (`tuning.stopping`)."""
    early: bool = False
    """Whether it was stopped early."""
    retry: bool = False
    """Whether AWS would call its failure retryable."""
    parent: str = ""
    """The parent tuning job that ran it, in a warm start."""
    created: float = 0.0
    """When its training job was created, in seconds since the epoch; 0 before that, and for trials
    of an earlier version."""

    @property
    def ended(self) -> bool:
        return self.status not in LIVE

    @property
    def succeeded(self) -> bool:
        """Whether its objective counts: it completed or was stopped, and has a value."""
        return self.status in ("Completed", "Stopped") and self.value is not None

    def stored(self) -> Doc:
        """The entry as the row stores it: short keys, and no defaults, since a tuning job may have
        thousands of trials."""
        return {
            KEYS[each.name]: value
            for each in fields(self)
            if (value := getattr(self, each.name)) != _default(each) or each.name in ALWAYS
        }


KEYS = {
    "name": "n", "definition": "d", "config": "c", "status": "s", "value": "v", "order": "o",
    "epochs": "e", "kept": "k", "early": "early", "retry": "retry", "parent": "p",
    "created": "t",
}  # fmt: skip
"""The name of a field -> its key on disk, which no version may give another meaning."""
ALWAYS = ("name", "definition", "config", "status")


def _default(of: Any) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


def entry(doc: Mapping[str, Any]) -> Entry:
    """The trial that the row stores as `doc`."""
    return Entry(**{name: doc[key] for name, key in KEYS.items() if key in doc})


def trials_of(row: Row) -> list[Entry]:
    """The tuning job's trials, in the order in which they were planned."""
    return [entry(doc) for doc in plan_of(row).get("trials", ())]


def warm_of(row: Row) -> list[Entry]:
    """The trials of its parents that it starts from."""
    return [entry(doc) for doc in plan_of(row).get("warm", ())]
