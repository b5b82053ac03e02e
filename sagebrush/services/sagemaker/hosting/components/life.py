"""The life of an inference component: that of an endpoint's fleets, with copies in place of instances.

`active` in its plan is the fleet of copies that serves, `pending` the one that is to replace it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagebrush.errors import Doc
from sagebrush.services.sagemaker.hosting.components import instances
from sagebrush.services.sagemaker.hosting.components.copies import Copies
from sagebrush.services.sagemaker.hosting.deployment import given_up
from sagebrush.services.sagemaker.hosting.fleet import Deployment
from sagebrush.services.sagemaker.hosting.plan import Fleet
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

STATUSES = {"RollingBack": "Updating", "UpdateRollbackFailed": "InService"}
"""What an endpoint's statuses are of an inference component."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the inference component, as `hosting.fleet.reconcile`."""
    component = Component(world, row)
    return component.delete() if row.status == "Deleting" else component.advance()


def fail(world: World, row: Row, reason: str) -> Next:
    """The step is given up (`deployment.given_up`), and tried again later."""
    step = given_up.given_up(row, reason, world.clock())
    return replace(step, status=STATUSES.get(step.status or "", step.status))


class Component(Deployment):
    """One step of one inference component."""

    of_replicas = Copies

    def __init__(self, world: World, row: Row) -> None:
        super().__init__(world, row)
        for fleet in (self.active, self.pending):
            if fleet is not None:
                name = fleet["variants"][0]["name"]
                self.replicas.leaving |= instances.lost(world, row, name)

    def fewest(self, fleet: Fleet) -> int:
        """From zero copies it goes back to zero."""
        return 0

    def counted(self) -> Doc:
        """Nothing: instances are its endpoint's."""
        return {}

    def deployed(self, fleet: Fleet) -> Doc:
        return {"Specification": fleet.get("specification")}

    def _next(self, status: str, doc: Doc, **plan: Any) -> Next:
        return super()._next(STATUSES.get(status, status), doc, **plan)
