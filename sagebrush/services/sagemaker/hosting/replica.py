"""One replica of a production variant: its capacity, and a process for each of its containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.compute.base import Exited, Gone, Limits, Pending, Running
from sagebrush.facts import Running as Kind
from sagebrush.scheduler import capacity, estimates
from sagebrush.services.sagemaker.hosting import serverless
from sagebrush.services.sagemaker.hosting.facts import ENDPOINT
from sagebrush.services.sagemaker.hosting.plan import Entry, Variant, keys_of, plan_of
from sagebrush.services.sagemaker.serving.process import Owner, Process, Waiting
from sagebrush.store.rows import Row
from sagebrush.world import World

STARTUP = 480.0
"""Seconds until a container must answer /ping, where the variant does not say (AWS: 8 minutes)."""
PING = "/ping"
"""What a container answers with 200 once it can be asked."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL of a replica that no request is on."""
REASON = 1024
"""Characters of a FailureReason."""


@dataclass(frozen=True)
class Replica:
    """A replica of the endpoint `row`: `entry` is its own part of the plan, `variant` what it
    runs."""

    world: World
    row: Row
    variant: Variant
    entry: Entry

    @property
    def key(self) -> str:
        return self.entry["key"]

    @property
    def keys(self) -> Sequence[str]:
        """The keys of its containers, in their order."""
        return keys_of(self.entry) if self.variant["containers"] else ()

    @property
    def facts(self) -> Kind:
        """The facts of what it is a replica of."""
        return ENDPOINT

    @property
    def patience(self) -> float:
        """Seconds within which it must answer /ping."""
        return float(self.variant.get("startup") or STARTUP)

    def processes(self) -> list[Process]:
        """Its containers, in their order."""
        facts = self.facts
        owner = Owner(
            facts,
            self.row.account,
            self.row.region,
            self.variant.get("role"),
            self.variant["isolated"],
            (facts.logs or "").format(name=self.row.name),
        )
        stream = f"{self.variant['name']}/{self.entry['id']}"
        several = len(self.variant["containers"]) > 1
        return [
            Process(
                self.world,
                owner,
                each,
                key,
                place,
                # "Use Logs and Metrics to Monitor an Inference Pipeline"
                f"{stream}/{each['name']}" if several else stream,
                "serverless" in self.variant or plan_of(self.row).get("sleeps") is not None,
            )
            for place, (key, each) in enumerate(
                zip(self.keys, self.variant["containers"], strict=True)
            )
        ]

    def start(self) -> None:
        """Its processes are launched. Repeatable. Raises Waiting and Unstartable.

        One without containers is room for copies of inference components, which ask for capacity
        themselves.
        """
        if not self.variant["containers"]:
            return
        size, banner = serverless.size(self.variant, self.world.host)
        memory = sum(
            estimates.expected_memory(self.world, self._kind(place), size.limits())
            for place in range(len(self.keys))
        )
        memory = min(memory, size.limits().memory or memory)
        # CPU 0: endpoints, mostly idle, take CPU by share and hold up no job.
        turn = capacity.admit(
            self.world, capacity.Ask(self.key, self.row.id, 0.0, memory, gpus=size.gpus)
        )
        if turn.place:
            raise Waiting(turn.words, 60.0, queued=True)
        for process in self.processes():
            process.start(size.limits(turn.gpus), banner)

    # ---- its state

    def state(self) -> Running | Pending | Exited | Gone:
        """The state of the first container that has ended, else of one that is not running yet."""
        found = [self.world.backend.poll(key) for key in self.keys]
        for sort in (Exited, Gone, Pending):
            for each in found:
                if isinstance(each, sort):
                    return each
        return found[0] if found else Running(self.entry["since"])

    def gone(self) -> bool:
        """Whether all of its containers have ended."""
        polled = [self.world.backend.poll(key) for key in self.keys]
        return all(isinstance(each, Exited | Gone) for each in polled)

    def ready(self) -> bool:
        """Whether each of its containers has answered /ping."""
        return all(self.world.health.ready(key) for key in self.keys)

    def watch(self, until: float) -> None:
        """The row is due once a container answers /ping, ends, or the clock reaches `until`."""
        for key in self.keys:
            self.world.health.watch(key, self.row.id, PING, until)

    def busy(self) -> bool:
        """Whether a request is on it, or a copy of an inference component."""
        if not self.variant["containers"]:
            copies = plan_of(self.row).get("copies", {})
            return any(copy["instance"] == self.entry["id"] for copy in copies.values())
        return bool(self.world.endpoints.busy(self.key))

    def stop(self) -> None:
        """Its containers are told to end."""
        for key in self.keys:
            self.world.backend.stop(key, GRACE)

    # ---- the end

    def reason(self, state: Exited) -> str:
        """Why it did not become healthy, in AWS's words and with the end of its log."""
        for process in self.processes():
            if self.world.backend.poll(process.key) == state:
                return self._sentence(process, process.reason(state, self._limits()))
        return self._sentence(
            self.processes()[0], self.processes()[0].reason(state, self._limits())
        )

    def unhealthy(self, why: str) -> str:
        """AWS's sentence for a container that does not answer /ping, and `why`."""
        waits = (p for p in self.processes() if not self.world.health.ready(p.key))
        return self._sentence(next(waits, self.processes()[0]), why)

    def _sentence(self, process: Process, why: str) -> str:
        one = len(self.variant["containers"]) == 1
        which = "primary" if one else process.container["name"]
        sentence = (
            f"The {which} container for production variant {self.variant['name']} did not pass the"
            " ping health check. Please check CloudWatch logs for this endpoint. "
        )
        room = REASON - len(sentence)
        return sentence + (why if len(why) <= room else "…" + why[-(room - 1) :])

    def dispose(self) -> None:
        """The ended replica's capacity is released and its files are removed; its logs stay for a
        while."""
        for place, process in enumerate(self.processes()):
            state = self.world.backend.poll(process.key)
            if isinstance(state, Exited):
                kind = self._kind(place)
                estimates.note_peak(self.world, kind, self._limits().name, state.peak_memory)
        capacity.release(self.world, self.key)
        for process in self.processes():
            self.world.endpoints.forget(process.key)
            self.world.health.forget(process.key)
            process.dispose()

    def _limits(self) -> Limits:
        return serverless.size(self.variant, self.world.host)[0].limits()

    def _kind(self, place: int) -> str:
        """The name under which a container's memory peak is recorded."""
        model = f"model/{self.variant['model']}"
        return f"{model}/{place + 1}" if place else model
