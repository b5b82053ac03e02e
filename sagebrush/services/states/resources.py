"""State machines, their versions and aliases, as rows.

A machine's row is named after it: its document is what DescribeStateMachine answers; its plan has the
tags, the number of the latest version, and when it was updated. Versions and aliases are rows named
`NAME:1` and `NAME:ALIAS`, whose parent is the machine's ARN.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.errors import Doc
from sagebrush.services.states import arns
from sagebrush.services.states.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

KIND = "state-machine"
VERSION = "state-machine-version"
ALIAS = "state-machine-alias"
ACTIVE, DELETING = "ACTIVE", "DELETING"


@dataclass(frozen=True)
class Found:
    """What an ARN names: the machine's row, and that of the version or alias."""

    machine: Row
    version: Row | None = None
    alias: Row | None = None

    @property
    def doc(self) -> Doc:
        return (self.version or self.machine).doc


def find(ctx: Ctx, arn: str, reader: Reader | None = None) -> Found:
    """The state machine, version or alias. Raises InvalidArn, StateMachineDoesNotExist."""
    named = arns.machine(ctx, arn)
    rows = reader or ctx.world.rows
    machine = rows.get(ctx.account, ctx.region, KIND, named.name)
    if machine is None:
        raise arns.no_machine(arn)
    if not named.rest:
        return Found(machine)
    full = f"{named.name}:{named.rest}"
    kind = VERSION if named.rest.isdigit() else ALIAS
    row = rows.get(ctx.account, ctx.region, kind, full)
    if row is None:
        raise arns.no_machine(arn)
    return Found(machine, row) if kind == VERSION else Found(machine, None, row)


def unqualified(ctx: Ctx, arn: str) -> Row:
    """The state machine of an ARN that names no version or alias. Raises also ValidationException."""
    found = find(ctx, arn)
    if found.version is not None or found.alias is not None:
        raise arns.no_machine(arn)
    return found.machine


def revised(found: Found) -> float:
    """When the revision of the machine or version was made."""
    return plan_of(found.version or found.machine).get("updated") or found.machine.created
