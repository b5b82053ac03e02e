"""The life of an endpoint: fleets of replicas are launched, serve and are replaced.

All state is in the row's plan: `active` is the fleet that serves, `pending` the one that is to
replace it (a fleet: the deployed variants), `replicas` every process, `deployment` how far the one
has come to take the place of the other, `share` the part of the traffic that it has by now. A
replica is written into the plan before it is launched, so a launch repeated after a crash is the
same process, and one that was forgotten is found and ended.
"""

from __future__ import annotations

import copy
import math
from typing import Any, cast

from sagebrush.aws.names import short_id
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.routing import endpoints
from sagebrush.services.sagemaker.hosting import asynchronous, billed
from sagebrush.services.sagemaker.hosting.components import instances
from sagebrush.services.sagemaker.hosting.deployment import (
    given_up,
    rollback_alarms,
    shifting,
    update_policy,
)
from sagebrush.services.sagemaker.hosting.deployment.given_up import new_deployment
from sagebrush.services.sagemaker.hosting.deployment.replicas import (
    LOOP,
    Replicas,
    counts,
    full,
    production,
)
from sagebrush.services.sagemaker.hosting.deployment.shifting import Progress, Seen
from sagebrush.services.sagemaker.hosting.deployment.update_policy import ROLLING, Policy
from sagebrush.services.sagemaker.hosting.plan import (
    Deploying,
    Entry,
    Fleet,
    Variant,
    plan_of,
    set_back,
)
from sagebrush.services.sagemaker.hosting.replica import REASON
from sagebrush.services.sagemaker.serving import kept
from sagebrush.store.rows import Next, Row
from sagebrush.world import World


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
    """The step is given up (`deployment.given_up`), and tried again later."""
    return given_up.given_up(row, reason, world.clock())


def new_fleet(config: str, variants: list[Variant], now: float) -> Fleet:
    """A fleet of these variants, not deployed yet."""
    return {"id": short_id(), "config": config, "variants": variants, "started": now}


def policy_of(deploying: Deploying, *fleets: Fleet) -> Policy:
    """The policy by which the fleets take each other's place."""
    types = {f"{f['id']}/{v['name']}": v["type"] for f in fleets for v in f["variants"]}
    return update_policy.policy_of(deploying["config"], types)


class Deployment:
    """One step of one endpoint: changes a copy of the plan, which the returned `Next` stores."""

    of_replicas: type[Replicas] = Replicas

    def __init__(self, world: World, row: Row) -> None:
        self.world = world
        self.row = row
        self.now = world.clock()
        plan = copy.deepcopy(plan_of(row))
        set_back(plan, self.now)
        self.active: Fleet | None = plan.get("active")
        self.pending: Fleet | None = plan.get("pending")
        self.share = plan.get("share") or 0.0
        # a deployment that an older version began has no plan of its own: all at once
        self.deploying = plan.get("deployment") or new_deployment(None, self.now)
        entries: list[Entry] = plan.get("replicas", [])
        fleets = [fleet for fleet in (self.active, self.pending) if fleet]
        self.replicas = self.of_replicas(world, row, self.now, entries, fleets)
        self.publish = world.endpoints.load

    # ---- steps

    def advance(self) -> Next:
        """Every replica had its step, fleets have the replicas that they should, the traffic goes
        where it should, the status is up to date."""
        self.replicas.step()
        if self.replicas.broken:
            return self._give_up()
        if self.pending and self.active:
            return self._deploy(self.active, self.pending)
        if self.pending and self.replicas.complete(self.pending):
            return self._take_over(self.pending)
        if self.active and not self.pending:
            instances.follow(self.world, self.row, self.active, self.replicas)
        self.replicas.converge()
        status, doc = self.row.status, {}
        over = status == "Updating" or (status == "RollingBack" and not self._strangers())
        alone = self.active if not self.pending else None
        # what ends again and again never settles: it can be updated to another, and deleted
        if over and alone and (self._looping() or self.replicas.settled(alone)):
            status = "InService"
        if self.active and not self.pending and self._looping():
            doc["FailureReason"] = self.replicas.crash or self.row.doc.get("FailureReason")
        elif plan_of(self.row).get("looping"):
            doc["FailureReason"] = None
        return self._next(status, doc, looping=self._looping() or None)

    def delete(self) -> Next:
        """Every replica is stopping or removed; the row is deleted after the last of them."""
        world, row = self.world, self.row
        world.endpoints.withdraw(endpoints.name_of(row))
        for entry in list(self.replicas.entries):
            if entry["state"] != "stopping":
                self.replicas.stop(entry)
            self.replicas.reap(entry)
        if self.replicas.entries:
            return self._next(row.status, {})
        for fleet in (self.active, self.pending):
            for container in (
                c for v in (fleet or {}).get("variants", ()) for c in v["containers"]
            ):
                if data := container.get("data"):
                    kept.forget(world, (data[0], data[1]))
        world.rows.delete(row.id)
        world.endpoints.gone(row.id)
        world.forward.demand.forget(endpoints.name_of(row))
        return Next()

    # ---- one fleet takes the place of another

    def _deploy(self, active: Fleet, pending: Fleet) -> Next:
        policy = policy_of(self.deploying, active, pending)
        if "back" in self.deploying:
            return self._go_back(policy, active, pending)
        ready = self.replicas.complete(pending)
        if ready and policy == Policy():
            return self._take_over(pending)
        shares = policy.shares(production(pending))
        at = self.deploying
        progress = Progress(at["step"], at["stage"], at["since"])
        alarm = self._alarm(policy, pending) if shifting.watched(progress) else ""
        alarm = alarm or self._crash_of(pending)
        seen = Seen(self.now, pending["started"], ready, alarm)
        turn = shifting.shift(policy, shares, progress, seen)
        if turn.back:
            return self._roll_back(turn.back, active, pending)
        if turn.done:
            return self._take_over(pending)
        progress = turn.progress
        self.deploying.update(step=progress.step, stage=progress.stage, since=progress.since)
        self.share = shifting.share(shares, progress)
        if policy.kind == ROLLING:
            pending["now"] = shifting.wanted(policy, shares, progress, full(pending))
            active["now"] = shifting.kept(policy, shares, progress, full(active))
        self.replicas.within(turn.due)
        self.replicas.converge()
        return self._next(self.row.status, {})

    def _alarm(self, policy: Policy, pending: Fleet) -> str:
        """What the policy's alarms say against the deployment; "" if none is in ALARM."""
        if not policy.alarms:
            return ""
        row, role = self.row, pending["variants"][0].get("role")
        try:
            found = rollback_alarms.states(self.world, row.account, row.region, role, policy.alarms)
        except AwsError as error:
            return rollback_alarms.unreadable(error, policy.alarms)
        return rollback_alarms.tripped(found, policy.alarms)

    def _crash_of(self, pending: Fleet) -> str:
        """How replicas of the fleet end, if they do so again and again; else ""."""
        if any(e["fleet"] == pending["id"] and e.get("tries", 0) >= LOOP for e in self._entries()):
            return self.replicas.crash or "Instances of the new fleet end again and again."
        return ""

    def _take_over(self, pending: Fleet) -> Next:
        """The pending fleet is the active one, and the replicas of the one before drain."""
        for entry in self._entries():  # its variants are kept until its replicas have ended
            self.replicas.keep(entry)
        pending.pop("now", None)
        self._end(pending)
        return self._next("InService", {**self.deployed(pending), "FailureReason": None})

    def fewest(self, fleet: Fleet) -> int:
        """How few replicas a variant may be left with where more do not come up."""
        return asynchronous.floor(fleet)

    def deployed(self, fleet: Fleet) -> Doc:
        """What the document says of the fleet that serves."""
        return {"EndpointConfigName": fleet["config"]}

    def counted(self) -> Doc:
        """The members of the plan that say what its instances have cost."""
        before = cast(Any, plan_of(self.row).get("billed"))
        fleets = [fleet for fleet in (self.active, self.pending) if fleet]
        return {"billed": billed.noted(before, fleets, self.now)}

    def _end(self, fleet: Fleet | None) -> None:
        """The deployment is over: that fleet alone serves."""
        self.active, self.pending, self.share = fleet, None, 0.0
        self.replicas.fleets[:] = [fleet] if fleet else []
        self.replicas.follow(fleet)
        self.replicas.converge()

    # ---- the way back

    def _roll_back(self, why: str, active: Fleet, pending: Fleet) -> Next:
        """All traffic goes back to the active fleet, as far as it has its instances still; the rest
        follows once a rolling update's have come back."""
        policy = policy_of(self.deploying, active, pending)
        self.deploying["back"] = why[:REASON]
        if policy.kind == ROLLING:
            self._share_back(active, pending)
        return self._go_back(policy, active, pending)

    def _go_back(self, policy: Policy, active: Fleet, pending: Fleet) -> Next:
        """One step of the way back; at its end the pending fleet is gone."""
        doc = {"FailureReason": self.deploying.get("back")}
        if policy.kind != ROLLING or self.replicas.complete(active):
            if counts(active) == full(active):
                for entry in self._entries():
                    self.replicas.keep(entry)
                active.pop("now", None)
                self._end(active)
                return self._next("RollingBack", doc)
            self._share_back(active, pending)
            active["now"] = shifting.retreat(policy, counts(active), full(active))
        self.replicas.converge()
        return self._next("RollingBack", doc)

    def _share_back(self, active: Fleet, pending: Fleet) -> None:
        """Each fleet has the part of the traffic, and the pending one the instances, that the
        active one's instances leave to it."""
        answering = self.replicas.serving(active)
        part = min(1.0, *(answering[name] / max(1, n) for name, n in production(active).items()))
        self.share = min(self.share, 1.0 - part)
        most = counts(pending)
        pending["now"] = {
            name: min(most[name], math.ceil((1.0 - part) * n - 1e-9))
            for name, n in full(pending).items()
        }

    def _give_up(self) -> Next:
        """What should come up does not: the serving fleet stays, or the endpoint is Failed without
        one. Where not even a rollback comes up, the endpoint serves with both configurations."""
        why, active, pending = self.replicas.broken, self.active, self.pending
        for entry in self._entries():
            self.replicas.keep(entry)
        if active and pending and policy_of(self.deploying, active, pending) != Policy():
            if "back" not in self.deploying:
                return self._roll_back(why, active, pending)
            if self.replicas.broken_in == active["id"]:
                return self._mix(why, active, pending)
            return self._go_back(policy_of(self.deploying, active, pending), active, pending)
        if active and not pending:  # an update of capacities that cannot be met
            there, fewest = self.replicas.there(active), self.fewest(active)
            for variant in active["variants"]:
                variant["count"] = min(variant["count"], max(fewest, there[variant["name"]]))
        self._end(active)
        return self._next("InService" if active else "Failed", {"FailureReason": why})

    def _mix(self, why: str, active: Fleet, pending: Fleet) -> Next:
        """Both fleets' replicas serve as one fleet until UpdateEndpoint: "Your endpoint is in
        service with a mix of the old and new endpoint configurations" (API reference)."""
        for entry in self._entries():
            if entry["fleet"] == pending["id"] and entry["state"] == "serving":
                entry["fleet"] = active["id"]  # it keeps what it runs
        active["now"] = self.replicas.serving(active)
        self._end(active)
        return self._next("UpdateRollbackFailed", {"FailureReason": why})

    # ---- the result

    def _entries(self) -> list[Entry]:
        return self.replicas.entries

    def _looping(self) -> bool:
        """Whether replicas end again and again."""
        if self.replicas.failing():
            return True
        return any(entry.get("tries", 0) >= LOOP for entry in self._entries())

    def _strangers(self) -> bool:
        """Whether there are replicas still of a fleet that is to serve no more."""
        return any(not self.replicas.wanted(entry) for entry in self._entries())

    def _next(self, status: str, doc: Doc, **plan: Any) -> Next:
        if status != self.row.status or doc.get("FailureReason"):
            doc = {**doc, "LastModifiedTime": moment(self.now)}
        plan |= {
            "active": self.active,
            "pending": self.pending,
            "deployment": self.deploying if self.active and self.pending else None,
            "share": self.share or None,
            "replicas": self._entries(),
            "waiting": self.replicas.message or None,
            "queued": self.replicas.queued or None,
            "sleeps": self.replicas.sleeps,
            **self.counted(),
            "stuck": None,
        }
        row = self.row
        changed = Row(row.account, row.region, row.kind, row.name, status, row.doc, plan, id=row.id)
        if status in endpoints.ANSWERING:
            self.world.endpoints.load(changed)
        due = self.replicas.due if self._entries() or status not in ("Failed",) else None
        return Next(status, doc, plan, due)
