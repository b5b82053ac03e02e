"""The life that all kinds of jobs share, as a third kind uses it: a rehearsal, with a scripted backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from sagebrush.compute.base import Exited, Gone, NotYet, Running, Spec
from sagebrush.compute.host import Host
from sagebrush.engine.kinds import Kind
from sagebrush.engine.loop import Loop
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import Doc
from sagebrush.scheduler import members
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.sizes import share
from sagebrush.services.sagemaker.jobs import instances, life
from sagebrush.services.sagemaker.jobs.life import JobKind
from sagebrush.services.sagemaker.jobs.plan import Job, plan_of
from sagebrush.store.rows import Row
from sagebrush.workload.stage import StageError
from sagebrush.workload.upload import UploadError
from sagebrush.world import World
from tests.services.sagemaker.jobworld import ROLE, JobWorld


@dataclass
class Rehearsals(JobWorld):
    """Jobs of a kind that has nothing of its own but what a JobKind must say."""

    home: Path
    log: list[str] = field(default_factory=list)
    fail: dict[str, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.home)

    def open(self) -> None:
        super().open()
        kind = JobKind(
            group="/aws/rehearsals",
            members=self.members,
            image=lambda row: "rehearsal",
            sizes=lambda world, row: share(
                [member.type for member in self.members(row)], world.host
            ),
            build=self._build,
            specs=self._specs,
            results=lambda world, row, end, remarks: self._note(f"results {end}"),
            ended=lambda world, row, end, reason: (end, {"Why": reason}),
            timeout=lambda row: ("Stopped", "it took too long"),
            clear=lambda world, place: self._note(f"clear {place.name}"),
        )
        found = Kind(
            "rehearsal",
            "Rehearsal",
            running=None,
            reconcile=partial(life.reconcile, kind, life.stages(kind)),
            fail=partial(life.fail, kind),
        )
        self.loop = Loop(self.world, {"rehearsal": found}, threads=1)

    @staticmethod
    def members(row: Row) -> tuple[Member, ...]:
        resources = {"InstanceType": "ml.m5.large", "InstanceCount": row.doc["Count"]}
        return tuple(members.members_of(plan_of(row)["key"], resources))

    def _note(self, what: str) -> None:
        self.log.append(what)
        if error := self.fail.get(what.split()[0]):
            raise error

    def _build(self, world: World, row: Row, member: Member, check: Callable[[], None]) -> None:
        (instances.root(world, member) / "ml").mkdir(parents=True, exist_ok=True)
        self._note(f"build {member.name}")

    def _specs(self, world: World, row: Row) -> list[Spec]:
        self._note("specs")
        return [Spec(m.key, ("run",), {}, instances.root(world, m)) for m in self.members(row)]

    def add(self, name: str = "job", count: int = 1) -> Row:
        plan: Job = {"key": f"r-{name}", "stage": "start", "environment": "base", "algorithm": "",
                     "container": "", "framework": None}  # fmt: skip
        doc: Doc = {"RoleArn": ROLE, "StoppingCondition": {"MaxRuntimeInSeconds": 60}}
        return self.rows.insert(
            Row("1", "r", "rehearsal", name, "InProgress", {**doc, "Count": count}, {**plan},
                due_at=self.now)
        )  # fmt: skip

    def row(self, name: str = "job") -> Row:
        found = self.rows.get("1", "r", "rehearsal", name)
        assert found is not None
        return found

    def stop(self) -> None:
        self.rows.update(
            self.row().id,
            lambda row: replace(row, status="Stopping", plan={**row.plan, "stop": 1.0},
                                due_at=self.now),
        )  # fmt: skip

    def ended(self) -> tuple[str, str]:
        return self.row().status, self.row().doc["Why"]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Rehearsals]:
    made = Rehearsals(tmp_path)
    yield made
    made.db.close()


def test_a_job_goes_through_all_stages_and_keeps_its_directory_a_while(jobs: Rehearsals) -> None:
    jobs.add(count=2)
    jobs.run(12.0, turns=4)
    assert jobs.ended() == ("Completed", "")
    assert jobs.log == [
        "build algo-1", "build algo-2", "specs", "results Completed", "clear r-job", "clear r-job.2"
    ]  # fmt: skip
    assert [args[3] for args in jobs.streams.registered] == [
        "job/algo-1-1000000",
        "job/algo-2-1000000",
    ]
    assert (jobs.home / "jobs/r-job").is_dir()
    jobs.now += jobs.world.settings.keep_jobs_days * 86400.0 + 1
    jobs.loop.run_once()
    assert not (jobs.home / "jobs/r-job").exists()
    assert jobs.row().plan["removed"]
    assert jobs.row().due_at is None


def test_a_clock_that_is_set_back_takes_no_ended_job_away(jobs: Rehearsals) -> None:
    jobs.add()
    jobs.run(12.0, turns=4)
    jobs.now -= 3600.0
    for _ in range(2):
        jobs.loop.run_once()
    assert (jobs.home / "jobs/r-job").is_dir()
    assert jobs.row().due_at == jobs.now + jobs.world.settings.keep_jobs_days * 86400.0


def test_a_job_waits_for_room_and_takes_its_turn(jobs: Rehearsals) -> None:
    jobs.world.host = Host(2.0, 8 << 30)
    jobs.backend.script = lambda spec: Running(0.0, "")
    jobs.add("first")
    jobs.run(1.0, turns=1)
    jobs.add()
    jobs.run(1.0, turns=1)
    assert jobs.row().plan["waiting"]
    assert jobs.backend.launches == 1
    jobs.backend.states["r-first"] = Exited(0)
    jobs.run(70.0, turns=14)
    assert jobs.backend.launches == 2
    assert "waiting" not in jobs.row().plan


@pytest.mark.parametrize("turns", range(5))
def test_stopped_at_any_moment_it_is_stopped_and_holds_nothing(
    jobs: Rehearsals, turns: int
) -> None:
    jobs.backend.script = lambda spec: Running(0.0, "")
    jobs.add()
    for _ in range(turns):
        jobs.loop.run_once()
    jobs.stop()
    jobs.run(10.0, turns=10)
    assert jobs.ended() == ("Stopped", "")
    assert not any(isinstance(state, Running) for state in jobs.backend.states.values())
    assert jobs.db.read("SELECT * FROM reservation") == []
    assert jobs.log.count("results Stopped") == jobs.backend.launches


@pytest.mark.parametrize(
    ("end", "status", "why"),
    [
        (Exited(3), "Failed", "AlgorithmError: , exit code: 3"),
        (Exited(-9, "oom"), "Failed", "OutOfMemory: algo-1 exceeded 8 GiB of ml.m5.large"),
        (Exited(-15, "timeout"), "Stopped", "it took too long"),
        (Exited(-1, "lost"), "Failed", "InternalServerError: We encountered an internal error."),
        (Exited(-1, "sandbox: x", "mount"), "Failed", "InternalServerError: the job could not be"),
        (Exited(-15, "stopped"), "Stopped", ""),
    ],
)
def test_the_end_of_the_process_is_the_jobs(
    jobs: Rehearsals, end: Exited, status: str, why: str
) -> None:
    jobs.world.host = Host(16.0, 64 << 30)
    jobs.backend.script = lambda spec: end
    jobs.add()
    jobs.run(12.0, turns=4)
    assert jobs.row().status == status
    assert jobs.row().doc["Why"].startswith(why)


@pytest.mark.parametrize(
    ("step", "error", "why"),
    [
        ("build", StageError("ClientError: no data"), "ClientError: no data"),
        ("results", UploadError("ClientError: no bucket"), "ClientError: no bucket"),
        ("specs", BuildFailed("the lock is odd"), "InternalServerError: the lock is odd"),
    ],
)
def test_what_cannot_be_done_fails_the_job(
    jobs: Rehearsals, step: str, error: Exception, why: str
) -> None:
    jobs.fail[step] = error
    jobs.add()
    jobs.run(12.0, turns=4)
    assert jobs.ended() == ("Failed", why)
    assert jobs.log[-1] == "clear r-job"


def test_an_environment_that_is_being_built_is_waited_for(jobs: Rehearsals) -> None:
    jobs.environments.there = False
    jobs.add()
    jobs.run(3.0, turns=3)
    assert (jobs.row().status, jobs.log) == ("InProgress", [])
    jobs.environments.there = True
    jobs.fail["specs"] = NotYet("again")  # and one that must be built anew right before the launch
    jobs.run(3.0, turns=3)
    assert jobs.row().status == "InProgress"
    jobs.fail.clear()
    jobs.run(12.0, turns=6)
    assert jobs.ended() == ("Completed", "")


def test_one_of_several_that_fails_stops_the_others(jobs: Rehearsals) -> None:
    jobs.backend.script = lambda spec: Exited(2) if spec.key == "r-job" else Running(0.0, "")
    jobs.add(count=2)
    jobs.run(20.0, turns=8)
    assert jobs.ended() == ("Failed", "AlgorithmError: algo-1: , exit code: 2")
    assert ("r-job.2", 10.0) in jobs.backend.stops


def test_a_server_killed_after_any_step_launches_nothing_twice(jobs: Rehearsals) -> None:
    jobs.add()
    for _ in range(12):
        jobs.now += 40.0  # the lease of what is lost below has ended
        (row,) = jobs.rows.claim(30, 10) or [None]
        if row is None or row.status == "Completed":
            break
        kind = jobs.loop._kinds["rehearsal"]
        assert kind.reconcile is not None
        kind.reconcile(jobs.world, row)  # its result is lost, as by kill -9
        jobs.db.close()
        jobs.open()
        jobs.now += 40.0
        jobs.loop.run_once()
    assert jobs.row().status == "Completed"
    assert jobs.backend.launches == 1


def test_an_instance_that_is_gone_for_long_was_lost(jobs: Rehearsals) -> None:
    jobs.backend.script = lambda spec: Running(0.0, "")
    jobs.add()
    jobs.run(1.0, turns=1)
    jobs.backend.states["r-job"] = Gone()
    jobs.run(5.0, turns=5)
    assert jobs.row().status == "InProgress"
    jobs.run(15.0, turns=15)
    assert jobs.row().status == "Failed"
    assert "lost" in jobs.row().doc["Why"]
