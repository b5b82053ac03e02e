"""IAM: roles, users and groups as what policies are attached to and written into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagebrush.access import principals
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import rows
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx


@dataclass(frozen=True)
class Holder:
    """One of the kinds of what has policies, in the words of its operations."""

    word: str
    """As in the names of operations: `User`."""
    kind: str
    largest: int
    """Characters of all its inline policies together, white space not counted (IAM user guide, "IAM
    and AWS STS quotas")."""

    @property
    def member(self) -> str:
        """The member of requests that names one."""
        return f"{self.word}Name"

    def missing(self, name: str) -> AwsError:
        """The error where there is none of that name."""
        return rows.missing(f"The {self.word.lower()} with name {name} cannot be found.")

    def find(self, ctx: Ctx, request: Doc) -> Row:
        """The row that the request names; raises NoSuchEntity (404)."""
        name = request[self.member]
        if self.kind == principals.KIND:
            return rows.find_role(ctx, name)
        return self.read(ctx, name, ctx.world.rows)

    def read(self, ctx: Ctx, name: str, reader: Reader) -> Row:
        """The row of that name, of a user or group, as `reader` sees it; raises NoSuchEntity
        (404)."""
        row = reader.get(ctx.account, principals.REGION, self.kind, name)
        if row is None:
            raise self.missing(name)
        return row

    def change(self, ctx: Ctx, row: Row, change: Callable[[Row, Reader], Row]) -> None:
        """The row is changed as it is then, with what else the transaction reads; what callers may do
        is read again. Raises NoSuchEntity (404) where it was deleted meanwhile, and what `change`
        raises."""

        def work(changes: Changes) -> None:
            now = changes.by_id(row.id)
            if now is None:
                raise self.missing(row.name)
            if self.kind == principals.KIND:
                rows.must_be_own(ctx, now)
            changes.store(change(now, changes))

        rows.at_once(ctx, work)

    def change_part(
        self,
        ctx: Ctx,
        row: Row,
        part: str,
        change: Callable[[Mapping[str, Any], Reader], Mapping[str, Any]],
    ) -> None:
        """`change` of one member of the row's plan."""

        def work(old: Row, reader: Reader) -> Row:
            return replace(old, plan={**old.plan, part: change(old.plan.get(part, {}), reader)})

        self.change(ctx, row, work)


ROLE = Holder("Role", principals.KIND, 10_240)
USER = Holder("User", rows.USER, 2_048)
GROUP = Holder("Group", rows.GROUP, 5_120)
HOLDERS = (ROLE, USER, GROUP)
