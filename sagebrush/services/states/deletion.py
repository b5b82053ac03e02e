"""The end of a state machine that is DELETING."""

from __future__ import annotations

from sagebrush.services.states.resources import ALIAS, DELETING, KIND, VERSION
from sagebrush.store.changes import Changes, together
from sagebrush.store.execution_values import RUNNING
from sagebrush.world import World


def end(world: World, arn: str) -> bool:
    """The state machine of that ARN is gone with its versions and aliases, unless it is not DELETING,
    or one of its executions runs; whether it is gone."""
    _, _, _, region, account, _, name = arn.split(":", 6)
    if world.executions.counts(arn).get(RUNNING):
        return False

    def work(changes: Changes) -> bool:
        row = changes.get(account, region, KIND, name)
        if row is None:
            return True
        if row.status != DELETING:
            return False
        for kind in (VERSION, ALIAS):
            for each in changes.select(kind, account=account, parent=arn):
                changes.delete(each)
        changes.delete(row)
        return True

    return together(world.db, world.rows, work)
