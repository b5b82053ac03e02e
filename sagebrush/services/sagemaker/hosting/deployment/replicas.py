"""The replicas of one endpoint in one step of it: launched, watched, replaced, drained and ended.

new -> launched -> serving -> draining -> stopping -> (gone)
"""

from __future__ import annotations

from typing import Any, cast

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited, Gone
from sagebrush.routing import endpoints
from sagebrush.routing.demand import Key
from sagebrush.services.sagemaker.hosting import elastic, serverless
from sagebrush.services.sagemaker.hosting.elastic import Rule
from sagebrush.services.sagemaker.hosting.facts import ENDPOINT
from sagebrush.services.sagemaker.hosting.plan import Entry, Fleet, Variant, keys, plan_of
from sagebrush.services.sagemaker.hosting.replica import Replica
from sagebrush.services.sagemaker.serving.process import Waiting
from sagebrush.store.rows import Row
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

LOOK = 60.0
"""Seconds between two looks at a healthy endpoint; the backend reports ends of processes at
once."""
DRAIN = 485.0
"""Seconds that open requests may take before a draining replica is ended regardless: a streamed
answer may take 8 minutes."""
STEADY = 60.0
"""Seconds of service after which a replica's end no longer counts towards a crash loop."""
LOOP = 3
"""Consecutive ends after which the endpoint's FailureReason reports a crash loop."""
LOST = 5
"""Times that a replica is launched again after it was lost before it ever answered."""
ALIVE = ("new", "launched", "serving")


class Replicas:
    """One step of an endpoint's replicas: changes `entries`, its part of a copy of the plan."""

    made: type[Replica] = Replica
    """What a replica is."""

    def __init__(
        self, world: World, row: Row, now: float, entries: list[Entry], fleets: list[Fleet]
    ) -> None:
        """`fleets`: those that are to have replicas; the list may change."""
        self.world = world
        self.row = row
        self.now = now
        self.entries = entries
        self.fleets = fleets
        self.due = LOOK
        self.broken = ""
        """Why the pending fleet, or more replicas, cannot come up."""
        self.broken_in = ""
        """The id of the fleet that cannot."""
        self.message = ""
        """What a replica waits for."""
        self.queued = False
        """Whether it waits for capacity."""
        self.crash = ""
        """How the last replica that had been serving, or was to for requests that wait, ended."""
        self.leaving: set[str] = set()
        """The keys of replicas that are to go once others answer in their place."""
        self.kept: set[str] = set()
        """The ids of replicas that retire last."""
        self.active = ""
        """The id of the serving fleet."""
        self.sleeps: float | None = None
        """After how many idle seconds it has no replicas; None: it always has."""
        self.follow(plan_of(row).get("active"))
        self.demand = world.forward.demand
        self.key: Key = (endpoints.name_of(row), "")

    def follow(self, fleet: Fleet | None) -> None:
        """That fleet serves: its replicas follow their use."""
        self.active = fleet["id"] if fleet else ""
        tags = plan_of(self.row).get("tags", {})
        self.sleeps = None  # copies of inference components have a count that others set
        if self.row.kind == ENDPOINT.kind:
            self.sleeps = elastic.sleep_after(tags, self.world.settings, fleet)

    def replica(self, entry: Entry) -> Replica:
        """The entry's replica: of its fleet's variant, unless the entry has one of its own."""
        found = entry.get("was")
        for each in self.fleets if found is None else ():
            for variant in each["variants"] if each["id"] == entry["fleet"] else ():
                if variant["name"] == entry["variant"]:
                    found = variant
        assert found is not None  # the entry's own is set before its fleet goes
        return self.made(self.world, self.row, found, entry)

    def step(self) -> None:
        """Every replica had its step."""
        for entry in list(self.entries):
            self._step(entry)

    def _step(self, entry: Entry) -> None:
        steps: dict[str, Any] = {
            "new": self._start,
            "launched": self._await_health,
            "serving": self._check,
            "draining": self._drain,
            "stopping": self.reap,
        }
        if entry["state"] in ALIVE and not self.wanted(entry):
            self.retire(entry)  # its routes are withdrawn with the end of this step
            return
        steps[entry["state"]](entry)

    def wanted(self, entry: Entry) -> bool:
        """Whether its fleet is still to serve."""
        return entry["fleet"] in [fleet["id"] for fleet in self.fleets]

    def _start(self, entry: Entry) -> None:
        wait = entry.get("not_before", 0.0) - self.now
        if wait > 0:
            self.within(wait)
            return
        try:
            self.replica(entry).start()
        except Waiting as waiting:
            self._wait(entry, waiting)
        except Unstartable as error:
            self._ended(entry, Exited(1, "unstartable", str(error)))
        else:
            entry["state"], entry["since"] = "launched", self.now
            self._await_health(entry)

    def _wait(self, entry: Entry, waiting: Waiting) -> None:
        """The replica waits. An update does so for a limited time, since the fleet that it is to
        replace may hold the capacity that it waits for; so does one more of a fleet that serves,
        which meanwhile can be neither scaled nor deleted."""
        waited, patience = self.now - entry["since"], self.replica(entry).patience
        limited = len(self.fleets) > 1 or (self.active and not entry.get("replaces"))
        if limited and waited > patience:
            why = f"Insufficient capacity: {waiting} after {waited:.0f} seconds."
            self._ended(entry, Exited(1, "unstartable", why))
            return
        self.message, self.queued = str(waiting), self.queued or waiting.queued
        self.within(waiting.seconds)

    def _await_health(self, entry: Entry) -> None:
        replica = self.replica(entry)
        state = replica.state()
        if isinstance(state, Gone):
            state = Exited(-1, "lost")
        if isinstance(state, Exited):
            self._ended(entry, state)
        elif replica.ready():
            entry["state"], entry["since"] = "serving", self.now
            self._up(entry, replica)
        elif self.now - entry["since"] > replica.patience:
            self.stop(entry)
            why = f"It did not answer GET /ping with 200 within {replica.patience:g} seconds."
            self._ended(entry, Exited(-1, "unhealthy", why))
        else:
            # Its /ping or its end makes the row due; the deadline is the fallback.
            until = entry["since"] + replica.patience
            replica.watch(until)
            self.within(until - self.now + 1.0)

    def _up(self, entry: Entry, replica: Replica) -> None:
        """Who waited for it is served."""
        if self._rule(entry["fleet"], replica.variant) is not None:
            self.demand.up(self.key)
        if "serverless" in replica.variant and "asked" in entry:
            row, took = self.row, self.now - entry["asked"]
            point = serverless.setup(took, self.now, row.name, entry["variant"])
            self.world.series.append(row.account, row.region, [point])

    def _check(self, entry: Entry) -> None:
        state = self.replica(entry).state()
        if isinstance(state, Gone):
            state = Exited(-1, "lost")
        if isinstance(state, Exited):
            self._ended(entry, state)
        elif entry.get("tries") and self.now - entry["since"] > STEADY:
            entry["tries"] = 0

    def _ended(self, entry: Entry, state: Exited) -> None:
        """A replica ended unexpectedly: another takes its place, or its fleet cannot be
        deployed."""
        served = entry["state"] == "serving"
        tries = entry.get("tries", 0) + 1
        if served and self.now - entry["since"] > STEADY:
            tries = 1
        replica = self.replica(entry)
        if state.reason == "unstartable":
            reason = state.message
        elif state.reason == "unhealthy":
            reason = replica.unhealthy(state.message)
        else:
            reason = replica.reason(state)
        entry.update(state="stopping", was=replica.variant, since=self.now)
        self.within(0.0)
        follows = self._rule(entry["fleet"], replica.variant) is not None
        # nobody waits for a shadow, nor for this one where another may come up yet
        unmissed = follows and (
            bool(replica.variant.get("shadow")) or self._another(entry, "launched")
        )
        if follows and not unmissed and (not served or tries >= LOOP):
            if state.reason != "stopped":
                self.crash = reason
                self.demand.failed(self.key, reason, self._another(entry, "serving"))
            return  # another one is started if it is wanted still
        first = not served and not entry.get("replaces") and not unmissed
        if first and not (state.reason in ("lost", "stopped") and tries <= LOST):
            self.broken, self.broken_in = reason, entry["fleet"]
            return
        self.crash = reason
        # Not stopped by a step of ours: the server is shutting down, so this is no crash.
        wait = 0.0 if state.reason in ("lost", "stopped") else min(60.0, 0.25 * 2**tries)
        self.add(
            entry["fleet"],
            replica.variant,
            tries=0 if state.reason == "stopped" else tries,
            replaces=not first,
            not_before=self.now + (wait if tries > 1 else 0.0),
        )

    def _another(self, entry: Entry, state: str) -> bool:
        """Whether another replica of the entry's variant is in that state."""
        place = (entry["fleet"], entry["variant"], state)
        return any(
            (e["fleet"], e["variant"], e["state"]) == place for e in self.entries if e is not entry
        )

    def retire(self, entry: Entry) -> None:
        """The replica gets no more requests, and ends when its open ones are answered."""
        variant = self.replica(entry).variant
        entry.update(was=variant, since=self.now)
        if entry["state"] == "serving":
            entry["state"] = "draining"
            self.within(0.0)
        else:
            self.stop(entry)

    def _drain(self, entry: Entry) -> None:
        replica, waited = self.replica(entry), self.now - entry["since"]
        if replica.busy() and waited < max(DRAIN, replica.variant.get("drain", DRAIN)):
            calm = waited >= DRAIN or not replica.variant["containers"]
            self.within(2.0 if calm else 0.1)
        else:
            self.stop(entry)

    def stop(self, entry: Entry) -> None:
        """The replica's processes are told to end."""
        entry.setdefault("was", self.replica(entry).variant)
        entry["state"] = "stopping"
        self.replica(entry).stop()
        self.within(0.0)

    def reap(self, entry: Entry) -> None:
        """An ended replica is removed from the plan, and its files and capacity are released."""
        replica = self.replica(entry)
        if replica.gone():
            replica.dispose()
            self.entries.remove(entry)
        else:
            replica.stop()
            self.within(1.0)

    def add(self, fleet_id: str, variant: Variant, **more: Any) -> None:
        """A replica is in the plan as `new`; the next step, after the plan is stored, launches
        it."""
        rid = short_id()
        key = f"e-{rid}"
        if len(variant["containers"]) > 1:
            more["keys"] = keys(key, variant)
        entry: Entry = {
            "id": rid,
            "key": key,
            "fleet": fleet_id,
            "variant": variant["name"],
            "state": "new",
            "since": self.now,
        }
        if "serverless" in variant:
            more["asked"] = self.now
        self.entries.append(cast(Entry, {**entry, **{k: v for k, v in more.items() if v}}))
        self.within(max(0.0, more.get("not_before", 0.0) - self.now))

    def keep(self, entry: Entry) -> None:
        """The entry knows what it runs, whatever becomes of its fleet."""
        entry.setdefault("was", self.replica(entry).variant)

    # ---- of a fleet

    def of(self, fleet: Fleet, variant: str, states: tuple[str, ...] = ALIVE) -> list[Entry]:
        """The variant's replicas that are in one of the states."""
        return [
            e
            for e in self.entries
            if (e["fleet"], e["variant"]) == (fleet["id"], variant) and e["state"] in states
        ]

    def serving(self, fleet: Fleet) -> dict[str, int]:
        """How many replicas of each variant answer."""
        return {v["name"]: len(self.of(fleet, v["name"], ("serving",))) for v in fleet["variants"]}

    def there(self, fleet: Fleet) -> dict[str, int]:
        """How many replicas of each variant answer, or take the place of one that did."""
        return {
            v["name"]: sum(
                e["state"] == "serving" or bool(e.get("replaces"))
                for e in self.of(fleet, v["name"])
            )
            for v in fleet["variants"]
        }

    def targets(self, fleet: Fleet) -> dict[str, int]:
        """How many replicas each variant should have now, by its use where it has a rule."""
        found = counts(fleet)
        for variant in fleet["variants"]:
            rule = None if "now" in fleet else self._rule(fleet["id"], variant)
            if rule is None:
                continue
            serving = self.of(fleet, variant["name"], ("serving",))
            alive = self._used(fleet, variant)
            up = max((max(e["since"], self.demand.began) for e in alive), default=0.0)
            seen = self.demand.seen(self.key)
            wanted = elastic.target(rule, seen, up, len(serving), self.now)
            found[variant["name"]] = wanted.count
            self.within(wanted.due + 0.01)
        return found

    def _used(self, fleet: Fleet, variant: Variant) -> list[Entry]:
        """The replicas by whose coming up it is told whether the variant was wanted of late: of a
        shadow those that it is beside, since nobody asks for it."""
        if not variant.get("shadow"):
            return self.of(fleet, variant["name"])
        return [e for name in production(fleet) for e in self.of(fleet, name)]

    def _rule(self, fleet_id: str, variant: Variant) -> Rule | None:
        """By what the variant's replicas follow its use; None where they do not, as in a fleet that is
        still to take over."""
        if fleet_id != self.active:
            return None
        return elastic.rule(variant, self.sleeps, self.world.settings, self.world.host)

    def failing(self) -> bool:
        """Whether what requests waited for did not come up when it was last tried."""
        return bool(self.demand.seen(self.key).failed)

    def complete(self, fleet: Fleet) -> bool:
        """Whether all the replicas answer that the fleet should have now."""
        answering = self.serving(fleet)
        return all(answering[name] >= count for name, count in self.targets(fleet).items())

    def settled(self, fleet: Fleet) -> bool:
        """Whether the fleet has exactly the replicas that it should have, all serving; but for shadows
        that sleep and wake, which are tried again for as long as they do not come up."""
        targets = self.targets(fleet)
        return all(
            len(self.of(fleet, v["name"]))
            == len(self.of(fleet, v["name"], ("serving",)))
            == targets[v["name"]]
            for v in fleet["variants"]
            if not (v.get("shadow") and self._rule(fleet["id"], v))
        )

    def converge(self) -> None:
        """Replicas are added until each variant has its count; surplus ones retire, newest first,
        those that leave once the others answer; and those of no fleet do."""
        for fleet in self.fleets:
            targets = self.targets(fleet)
            for variant in fleet["variants"]:
                every, target = self.of(fleet, variant["name"]), targets[variant["name"]]
                alive = [e for e in every if e["key"] not in self.leaving]
                for _ in range(target - len(alive)):
                    self.add(fleet["id"], variant, replaces=len(alive) < len(every))
                spare = len(alive) - target
                order = sorted(alive, key=self._order)
                for entry in order[: max(0, spare)]:
                    self.retire(entry)
                if sum(e["state"] == "serving" for e in alive) >= target:
                    for entry in every:
                        if entry["key"] in self.leaving:
                            self.retire(entry)
        for entry in self.entries:
            if entry["state"] in ALIVE and not self.wanted(entry):
                self.retire(entry)

    def _order(self, entry: Entry) -> tuple[bool, int, float]:
        """The order in which replicas retire."""
        return entry["id"] in self.kept, ALIVE.index(entry["state"]), -entry["since"]

    def within(self, seconds: float) -> None:
        """The next step is due in that many seconds at the latest."""
        self.due = min(self.due, max(0.0, seconds))


def counts(fleet: Fleet) -> dict[str, int]:
    """How many replicas each variant should have now."""
    now = fleet.get("now", {})
    return {v["name"]: now.get(v["name"], v["count"]) for v in fleet["variants"]}


def full(fleet: Fleet) -> dict[str, int]:
    """How many replicas each variant is to have when no deployment goes on."""
    return {v["name"]: v["count"] for v in fleet["variants"]}


def production(fleet: Fleet) -> dict[str, int]:
    """`full`, of its production variants alone: what a DeploymentConfig is about."""
    return {v["name"]: v["count"] for v in fleet["variants"] if not v.get("shadow")}
