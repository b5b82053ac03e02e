"""The copies of one inference component: replicas on the instances of its endpoint."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.compute.base import Exited, Limits
from sagebrush.facts import Running as Kind
from sagebrush.scheduler import capacity, sizes
from sagebrush.services.sagemaker.hosting.components import instances, placement
from sagebrush.services.sagemaker.hosting.components.facts import COMPONENT
from sagebrush.services.sagemaker.hosting.deployment.replicas import Replicas
from sagebrush.services.sagemaker.hosting.plan import Entry, Fleet
from sagebrush.services.sagemaker.hosting.replica import REASON, Replica
from sagebrush.services.sagemaker.serving.process import Process, Waiting
from sagebrush.store.rows import Row
from sagebrush.world import World


class Copy(Replica):
    """One copy: within the limits of its requirements, on an instance that has room for them."""

    @property
    def facts(self) -> Kind:
        return COMPONENT

    def start(self) -> None:
        # what instances there are may have changed since the component's fleet was made
        self.entry["type"] = instances.place(self.world, self.row, self.key, self.variant)
        limits, needs = self._limits(), self.variant.get("needs", placement.NONE)
        memory = min(needs["memory"], limits.memory or needs["memory"])
        ask = capacity.Ask(self.key, self.row.id, 0.0, memory, gpus=self._gpus())
        turn = capacity.admit(self.world, ask)
        if turn.place:
            raise Waiting(turn.words, 60.0, queued=True)
        _, banner = sizes.share([self._type], self.world.host)
        for process in self.processes():
            process.start(replace(limits, gpus=turn.gpus[: self._gpus()]), banner)

    def dispose(self) -> None:
        super().dispose()
        instances.release(self.world, self.row, self.key)

    @property
    def _type(self) -> str:
        """The type of its instance."""
        return self.entry.get("type") or self.variant["type"]

    def _gpus(self) -> int:
        (size,), _ = sizes.share([self._type], self.world.host)
        return min(size.gpus, int(self.variant.get("needs", placement.NONE)["accelerators"]))

    def _limits(self) -> Limits:
        """Its requirements; what these leave open is the instance's."""
        (size,), _ = sizes.share([self._type], self.world.host)
        whole, needs = size.limits(), self.variant.get("needs", placement.NONE)
        return replace(
            whole,
            cpu=min(needs["cpu"] or whole.cpu, whole.cpu),
            memory=min(needs["most"] or whole.memory, whole.memory or needs["most"]),
        )

    def _kind(self, place: int) -> str:
        name = f"inference-component/{self.row.name}"
        return f"{name}/{place + 1}" if place else name

    def _sentence(self, process: Process, why: str) -> str:
        one = len(self.variant["containers"]) == 1
        which = "primary" if one else process.container["name"]
        sentence = (
            f"The {which} container for inference component {self.row.name} did not pass the ping"
            " health check. Please check CloudWatch logs for this inference component. "
        )
        room = REASON - len(sentence)
        return sentence + (why if len(why) <= room else "…" + why[-(room - 1) :])


class Copies(Replicas):
    """One step of an inference component's copies."""

    made = Copy

    def __init__(
        self, world: World, row: Row, now: float, entries: list[Entry], fleets: list[Fleet]
    ) -> None:
        super().__init__(world, row, now, entries, fleets)
        self._full: dict[str, instances.NoRoom] = {}
        """What copies of a fleet, all of which need the same, were told in this step."""
        self._queue: set[str] | None = None

    def _start(self, entry: Entry) -> None:
        """Once one copy has found no room, others that are known to wait do not look in this step:
        there may be a thousand."""
        full = self._full.get(entry["fleet"])
        if full is None or entry.get("not_before", 0.0) > self.now:
            super()._start(entry)
            return
        if self._queue is None:
            self._queue = instances.waiting(self.world, self.row)
        if entry["key"] in self._queue:
            self._wait(entry, full)
        else:
            super()._start(entry)

    def _wait(self, entry: Entry, waiting: Waiting) -> None:
        """A copy waits for room for a limited time, unless it takes the place of one that served."""
        waited, patience = self.now - entry["since"], self.replica(entry).patience
        if isinstance(waiting, instances.NoRoom):
            self._full[entry["fleet"]] = waiting
        ends = isinstance(waiting, instances.NoRoom) and not entry.get("replaces")
        if ends and waited > patience:
            why = f"Insufficient capacity: {waiting} after {waited:.0f} seconds."
            self._ended(entry, Exited(1, "unstartable", why))
            return
        super()._wait(entry, waiting)
