"""Children: started once under a name of their own, found again, stopped; their parent is woken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush.credentials import Caller
from sagebrush.engine import children, kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError, Doc
from sagebrush.store.db import Db
from sagebrush.store.rows import Next, Row, Rows
from sagebrush.world import Ctx, World

TASK = Kind("model-card", "ModelCard", running=None)
PARENT = "Parent-One"


class Fixture:
    """Rows, and a service whose CreateModelCard and StopModelCard are these methods."""

    def __init__(self, home: Path) -> None:
        self.now = 1000.0
        self.db = Db(home / "db")
        self.rows = Rows(self.db, lambda: self.now)
        self.clock = lambda: self.now
        self.calls: list[tuple[str, str, Doc]] = []
        self.refuse: AwsError | None = None
        self.ctx = Ctx(cast(World, self), "1", "r", Caller("arn:aws:iam::1:role/r", "K", "1"), "")
        self.parent = self.a_parent()

    def wake(self) -> None:
        """No loop runs here."""

    def a_parent(self) -> Row:
        return self.rows.insert(Row("1", "r", "monitoring", PARENT, "On", {}, {}, due_at=9e9))

    def dispatch(self, ctx: Ctx, service: str, operation: str, params: Doc) -> Doc:
        self.calls.append((ctx.caller.arn, operation, params))
        if self.refuse:
            raise self.refuse
        if operation == "CreateModelCard":
            ctx.call("s3", "HeadBucket", {"Bucket": "b"})
            kinds.create(ctx, TASK, params, "InProgress", {"Own": 1}, {"own": 1})
        else:
            assert ctx.started_by is None  # what a create calls is not its parent's
        return {}

    def start(self, name: str = "", **more: Any) -> Row:
        name = name or children.name(self.parent, "step")
        return children.start(self.ctx, self.parent, TASK, {"ModelCardName": name}, **more)

    def due(self) -> float | None:
        found = self.rows.by_id(self.parent.id)
        assert found is not None
        return found.due_at


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.db.close()


def test_a_child_has_its_parent_and_what_that_hands_over(world: Fixture) -> None:
    child = world.start(doc={"TuningJobArn": "arn"}, plan={"look": 0.5})
    assert child.parent == "arn:aws:sagemaker:r:1:monitoring/parent-one"
    assert (child.doc["Own"], child.doc["TuningJobArn"]) == (1, "arn")
    assert (child.plan["own"], child.plan["look"]) == (1, 0.5)
    assert world.calls[0][0] == "arn:aws:iam::1:role/r"  # with the rights of whoever starts it
    assert world.rows.parent_of(child) == world.parent


def test_a_step_repeated_after_a_crash_starts_nothing_twice(world: Fixture) -> None:
    first = world.start()
    assert world.start() == first
    assert [call[1] for call in world.calls].count("CreateModelCard") == 1


def test_a_name_that_is_anothers_is_refused_not_taken_over(world: Fixture) -> None:
    kinds.create(world.ctx, TASK, {"ModelCardName": "mine"}, "InProgress")
    assert children.find(cast(World, world), world.parent, TASK, "mine") is None
    with pytest.raises(AwsError, match="already existing model card"):
        world.start("mine")


def test_a_refused_create_is_its_own_error(world: Fixture) -> None:
    world.refuse = AwsError("AccessDeniedException", "no", 403)
    with pytest.raises(AwsError, match="no"):
        world.start()
    assert world.rows.select(TASK.name) == []


def test_names_are_of_one_parent_and_one_step(world: Fixture) -> None:
    first = children.name(world.parent, "001")
    assert first == children.name(world.parent, "001")
    assert first.startswith("Parent-One-001-")
    again = replace(world.parent, created=world.parent.created + 1)  # the same id, made again
    assert len({first, children.name(world.parent, "002"), children.name(again, "001")}) == 3
    long = children.name(replace(world.parent, name="x" * 63), "001")
    assert len(long) == 63
    assert "-001-" in long


@pytest.mark.parametrize("leased", [True, False])
def test_any_change_of_status_makes_the_parent_due(world: Fixture, leased: bool) -> None:
    child = world.start()
    world.rows.touch(child.id)
    (mine,) = world.rows.claim(30, 10)
    assert world.rows.apply(mine, Next(plan={"own": 2}, due=None))
    assert world.due() == 9e9  # the same status: nobody else's business
    if leased:
        world.rows.touch(child.id)
        (mine,) = world.rows.claim(30, 10)
        assert world.rows.apply(mine, Next("Stopping", due=None))
    else:
        world.rows.update(child.id, lambda row: replace(row, status="Stopping"))
    assert world.due() == world.now


def test_news_make_the_parent_due_too(world: Fixture) -> None:
    child = world.start()
    world.rows.touch(child.id)
    (mine,) = world.rows.claim(30, 10)
    assert world.rows.apply(mine, Next(news=True))
    assert world.due() == world.now


def test_a_step_that_is_dropped_wakes_nobody(world: Fixture) -> None:
    child = world.start()
    world.rows.touch(child.id)
    (mine,) = world.rows.claim(30, 10)
    world.rows.update(child.id, lambda row: replace(row, plan={"stop": 1}))
    assert not world.rows.apply(mine, Next("Done"))
    assert world.due() == 9e9


def test_a_parent_that_is_never_due_again_stays_so(world: Fixture) -> None:
    child = world.start()
    world.rows.update(world.parent.id, lambda row: replace(row, due_at=None))
    world.rows.update(child.id, lambda row: replace(row, status="Completed"))
    assert world.due() is None


def test_a_child_is_stopped_by_its_own_operation(world: Fixture) -> None:
    children.stop(world.ctx, TASK, "mine")
    assert world.calls == [("arn:aws:iam::1:role/r", "StopModelCard", {"ModelCardName": "mine"})]
    world.refuse = AwsError("ValidationException", "is in status Completed")
    children.stop(world.ctx, TASK, "mine")
    for error in (AwsError("AccessDeniedException", "no", 403), AwsError("X", "later", 500)):
        world.refuse = error
        with pytest.raises(AwsError, match=error.message):
            children.stop(world.ctx, TASK, "mine")


def test_what_a_parent_says_holds_until_it_winds_down(world: Fixture) -> None:
    child, here = world.start(), cast(World, world)
    assert children.alive(here, child) is None
    for plan, told in (
        ({"more": True}, {"more": True}),
        ({"more": False}, {"more": False}),
        ({"more": True, "stop": 1.0}, None),
        ({}, None),
    ):
        world.rows.update(world.parent.id, lambda row, plan=plan: replace(row, plan=plan))
        assert children.alive(here, child) == told
    world.rows.delete(world.parent.id)
    assert children.alive(here, child) is None
    assert children.alive(here, replace(child, parent="")) is None
