"""The life of an endpoint: fleets of replicas are launched, serve, are replaced and drained.

All state is in the row's plan: `active` is the fleet that serves, `pending` the one that is to
replace it (a fleet: the deployed variants), `replicas` every process. A replica is written into the
plan before it is launched, so a launch repeated after a crash is the same process, and one that was
forgotten is found and ended:

    new -> launched -> serving -> draining -> stopping -> (gone)
"""

from __future__ import annotations

import copy
from typing import Any, cast

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited, Gone
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.routing import endpoints
from sagebrush.services.sagemaker.hosting import asynchronous
from sagebrush.services.sagemaker.hosting.plan import Entry, Fleet, Variant, keys, plan_of
from sagebrush.services.sagemaker.hosting.replica import Replica
from sagebrush.services.sagemaker.serving.process import Waiting
from sagebrush.store.rows import Next, Row
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

LOOK = 60.0
"""Seconds between two looks at a healthy endpoint; the backend reports ends of processes at
once."""
DRAIN = 65.0
"""Seconds that open requests may take before a draining replica is ended regardless."""
STEADY = 60.0
"""Seconds of service after which a replica's end no longer counts towards a crash loop."""
LOOP = 3
"""Consecutive ends after which the endpoint's FailureReason reports a crash loop."""
LOST = 5
"""Times that a replica is launched again after it was lost before it ever answered."""
ALIVE = ("new", "launched", "serving")


def reconcile(world: World, row: Row) -> Next:
    """The next step of the endpoint: returns its new status, document and plan.

    Called by the loop under the row's lease. The row itself is not changed: a `Deployment` works on
    a copy of its plan, and the loop stores what is returned if the lease still holds. Processes are
    launched only for replicas that an earlier step stored. Failed is final but for DeleteEndpoint;
    the row of a Deleting endpoint is deleted after its last process.
    """
    deployment = Deployment(world, row)
    return deployment.delete() if row.status == "Deleting" else deployment.advance()


def fail(world: World, row: Row, reason: str) -> Next:
    """The step is given up: an endpoint with a serving fleet stays InService, another is Failed."""
    doc = {"FailureReason": reason, "LastModifiedTime": moment(world.clock())}
    if plan_of(row).get("active"):
        return Next("InService" if row.status != "Deleting" else None, doc, due=LOOK)
    return Next("Failed", doc)


def new_fleet(config: str, variants: list[Variant], now: float) -> Fleet:
    """A fleet of these variants, not deployed yet."""
    return {"id": short_id(), "config": config, "variants": variants, "started": now}


class Deployment:
    """One step of one endpoint: changes a copy of the plan, which the returned `Next` stores."""

    def __init__(self, world: World, row: Row) -> None:
        self.world = world
        self.row = row
        self.now = world.clock()
        plan = copy.deepcopy(plan_of(row))
        self.active: Fleet | None = plan.get("active")
        self.pending: Fleet | None = plan.get("pending")
        self.replicas: list[Entry] = plan.get("replicas", [])
        self.endpoints = world.endpoints
        self.due = LOOK
        self.broken = ""
        """Why the pending fleet, or more replicas, cannot come up."""
        self.message = ""
        """What a replica waits for."""
        self.queued = False
        """Whether it waits for capacity."""
        self.crash = ""
        """How the last replica that had been serving ended."""

    # ---- steps

    def advance(self) -> Next:
        """Every replica had its step, fleets have the replicas that they should, the status is up
        to date."""
        for entry in list(self.replicas):
            self._step(entry)
        if self.broken:
            return self._give_up()
        if self.pending and self._complete(self.pending):
            return self._take_over()
        self._converge()
        status, doc = self.row.status, {}
        if status in ("Updating", "RollingBack") and not self.pending and self._settled():
            status = "InService"
        looping = [e for e in self.replicas if e.get("tries", 0) >= LOOP]
        if looping and self.active and not self.pending:
            doc["FailureReason"] = self.crash or self.row.doc.get("FailureReason")
        elif plan_of(self.row).get("looping"):
            doc["FailureReason"] = None
        return self._next(status, doc, looping=bool(looping) or None)

    def delete(self) -> Next:
        """Every replica is stopping or removed; the row is deleted after the last of them."""
        self.endpoints.withdraw((self.row.account, self.row.region, self.row.name))
        for entry in list(self.replicas):
            if entry["state"] != "stopping":
                self._stop(entry)
            self._reap(entry)
        if self.replicas:
            return self._next(self.row.status, {})
        self.world.rows.delete(self.row.id)
        self.endpoints.gone(self.row.id)
        return Next()

    # ---- replicas

    def _replica(self, entry: Entry) -> Replica:
        for each in (self.active, self.pending):
            for variant in each["variants"] if each and each["id"] == entry["fleet"] else ():
                if variant["name"] == entry["variant"]:
                    return Replica(self.world, self.row, variant, entry)
        assert "was" in entry  # set before its fleet goes
        return Replica(self.world, self.row, entry["was"], entry)

    def _step(self, entry: Entry) -> None:
        steps: dict[str, Any] = {
            "new": self._start,
            "launched": self._await_health,
            "serving": self._check,
            "draining": self._drain,
            "stopping": self._reap,
        }
        if entry["state"] in ALIVE and not self._wanted(entry):
            self._retire(entry)  # its routes are withdrawn with the end of this step
            return
        steps[entry["state"]](entry)

    def _wanted(self, entry: Entry) -> bool:
        return entry["fleet"] in [f["id"] for f in (self.active, self.pending) if f]

    def _start(self, entry: Entry) -> None:
        wait = entry.get("not_before", 0.0) - self.now
        if wait > 0:
            self._within(wait)
            return
        try:
            self._replica(entry).start()
        except Waiting as waiting:
            self._wait(entry, waiting)
        except Unstartable as error:
            self._ended(entry, Exited(1, "unstartable", str(error)))
        else:
            entry["state"], entry["since"] = "launched", self.now
            self._await_health(entry)

    def _wait(self, entry: Entry, waiting: Waiting) -> None:
        """The replica waits. An update does so for a limited time, since the fleet that it is to
        replace may hold the capacity that it waits for."""
        waited, patience = self.now - entry["since"], self._replica(entry).patience
        if self.active and self.pending and waited > patience:
            why = f"Insufficient capacity: {waiting} after {waited:.0f} seconds."
            self._ended(entry, Exited(1, "unstartable", why))
            return
        self.message, self.queued = str(waiting), self.queued or waiting.queued
        self._within(waiting.seconds)

    def _await_health(self, entry: Entry) -> None:
        replica = self._replica(entry)
        state = replica.state()
        if isinstance(state, Gone):
            state = Exited(-1, "lost")
        if isinstance(state, Exited):
            self._ended(entry, state)
        elif replica.ready():
            entry["state"], entry["since"] = "serving", self.now
        elif self.now - entry["since"] > replica.patience:
            self._stop(entry)
            why = f"It did not answer GET /ping with 200 within {replica.patience:g} seconds."
            self._ended(entry, Exited(-1, "unhealthy", why))
        else:
            # Its /ping or its end makes the row due; the deadline is the fallback.
            until = entry["since"] + replica.patience
            replica.watch(until)
            self._within(until - self.now + 1.0)

    def _check(self, entry: Entry) -> None:
        state = self._replica(entry).state()
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
        replica = self._replica(entry)
        if state.reason == "unstartable":
            reason = state.message
        elif state.reason == "unhealthy":
            reason = replica.unhealthy(state.message)
        else:
            reason = replica.reason(state)
        entry.update(state="stopping", was=replica.variant, since=self.now)
        self._within(0.0)
        first = not served and not entry.get("replaces")
        if first and not (state.reason in ("lost", "stopped") and tries <= LOST):
            self.broken = reason
            return
        self.crash = reason
        # Not stopped by a step of ours: the server is shutting down, so this is no crash.
        wait = 0.0 if state.reason in ("lost", "stopped") else min(60.0, 0.25 * 2**tries)
        self._add(
            entry["fleet"],
            replica.variant,
            tries=0 if state.reason == "stopped" else tries,
            replaces=served or bool(entry.get("replaces")),
            not_before=self.now + (wait if tries > 1 else 0.0),
        )

    def _retire(self, entry: Entry) -> None:
        """The replica gets no more requests, and ends when its open ones are answered."""
        variant = self._replica(entry).variant
        entry.update(was=variant, since=self.now)
        if entry["state"] == "serving":
            entry["state"] = "draining"
            self._within(0.0)
        else:
            self._stop(entry)

    def _drain(self, entry: Entry) -> None:
        replica, waited = self._replica(entry), self.now - entry["since"]
        if replica.busy() and waited < replica.variant.get("drain", DRAIN):
            self._within(0.1 if waited < DRAIN else 2.0)
        else:
            self._stop(entry)

    def _stop(self, entry: Entry) -> None:
        entry.setdefault("was", self._replica(entry).variant)
        entry["state"] = "stopping"
        self._replica(entry).stop()
        self._within(0.0)

    def _reap(self, entry: Entry) -> None:
        """An ended replica is removed from the plan, and its files and capacity are released."""
        replica = self._replica(entry)
        if replica.gone():
            replica.dispose()
            self.replicas.remove(entry)
        else:
            replica.stop()
            self._within(1.0)

    # ---- fleets

    def _of(self, each: Fleet, variant: str, states: tuple[str, ...] = ALIVE) -> list[Entry]:
        return [
            e
            for e in self.replicas
            if (e["fleet"], e["variant"]) == (each["id"], variant) and e["state"] in states
        ]

    def _complete(self, each: Fleet) -> bool:
        """Whether every replica of the fleet answers."""
        return all(
            len(self._of(each, v["name"], ("serving",))) >= v["count"] for v in each["variants"]
        )

    def _settled(self) -> bool:
        """Whether the active fleet has exactly the replicas that it should have, all serving."""
        return self.active is not None and all(
            len(self._of(self.active, v["name"])) == v["count"]
            and len(self._of(self.active, v["name"], ("serving",))) == v["count"]
            for v in self.active["variants"]
        )

    def _converge(self) -> None:
        """Replicas are added until each variant has its count; surplus ones retire, newest
        first."""
        for each in (self.active, self.pending):
            for variant in each["variants"] if each else ():
                assert each is not None
                alive = self._of(each, variant["name"])
                for _ in range(variant["count"] - len(alive)):
                    self._add(each["id"], variant)
                spare = len(alive) - variant["count"]
                order = sorted(alive, key=lambda e: (ALIVE.index(e["state"]), -e["since"]))
                for entry in order[: max(0, spare)]:
                    self._retire(entry)
        for entry in self.replicas:
            if entry["state"] in ALIVE and not self._wanted(entry):
                self._retire(entry)

    def _add(self, fleet_id: str, variant: Variant, **more: Any) -> None:
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
        self.replicas.append(cast(Entry, {**entry, **{k: v for k, v in more.items() if v}}))
        self._within(max(0.0, more.get("not_before", 0.0) - self.now))

    def _take_over(self) -> Next:
        """The pending fleet is the active one, and the replicas of the one before drain."""
        for entry in self.replicas:  # its variants are kept until its replicas have ended
            entry.setdefault("was", self._replica(entry).variant)
        self.active, self.pending = self.pending, None
        assert self.active is not None
        self._converge()
        doc = {"EndpointConfigName": self.active["config"], "FailureReason": None}
        return self._next("InService", doc)

    def _give_up(self) -> Next:
        """The deployment is abandoned: the serving fleet stays, or the endpoint is Failed without
        one."""
        for entry in self.replicas:
            entry.setdefault("was", self._replica(entry).variant)
        if self.pending:
            self.pending = None
        elif self.active:  # an update of capacities that cannot be met
            fewest = asynchronous.floor(self.active)
            for variant in self.active["variants"]:
                serving_now = len(self._of(self.active, variant["name"], ("serving",)))
                variant["count"] = min(variant["count"], max(fewest, serving_now))
        status = "InService" if self.active else "Failed"
        if self.active:
            self._converge()
        else:
            for entry in self.replicas:
                if entry["state"] in ALIVE:
                    self._retire(entry)
        return self._next(status, {"FailureReason": self.broken})

    # ---- the result

    def _within(self, seconds: float) -> None:
        self.due = min(self.due, max(0.0, seconds))

    def _next(self, status: str, doc: Doc, **plan: Any) -> Next:
        if status != self.row.status or doc.get("FailureReason"):
            doc = {**doc, "LastModifiedTime": moment(self.now)}
        plan |= {
            "active": self.active,
            "pending": self.pending,
            "replicas": self.replicas,
            "waiting": self.message or None,
            "queued": self.queued or None,
        }
        row = self.row
        changed = Row(row.account, row.region, row.kind, row.name, status, row.doc, plan, id=row.id)
        if status in endpoints.ANSWERING:
            self.endpoints.load(changed)
        due = self.due if self.replicas or status not in ("Failed",) else None
        return Next(status, doc, plan, due)
