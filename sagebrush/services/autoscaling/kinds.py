"""The kinds of Application Auto Scaling that act by themselves."""

from __future__ import annotations

from sagebrush.engine.kinds import Kind
from sagebrush.services.autoscaling import life
from sagebrush.services.autoscaling.facts import SCALABLE_TARGET, SCALING_POLICY, SCHEDULED_ACTION
from sagebrush.store.rows import Next, Row
from sagebrush.world import World


def _later(world: World, row: Row, reason: str) -> Next:
    """What could not be done is left; the next alarm or fire tries again."""
    return Next(due=600.0)


TARGET = Kind(
    SCALABLE_TARGET.kind,
    SCALABLE_TARGET.noun,
    running=SCALABLE_TARGET,
    reconcile=life.target,
    fail=life.give_up,
)
POLICY = Kind(
    SCALING_POLICY.kind,
    SCALING_POLICY.noun,
    running=SCALING_POLICY,
    reconcile=life.policy,
    fail=_later,
)
ACTION = Kind(
    SCHEDULED_ACTION.kind,
    SCHEDULED_ACTION.noun,
    running=SCHEDULED_ACTION,
    reconcile=life.action,
    fail=_later,
)
