"""The waiting processes that trials of a tuning job leave behind: who gets one, when they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.compute.base import Exited, Running
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.services.sagemaker.training.warm_pool import matching, offers
from sagebrush.services.sagemaker.tuning import operations as tuning
from sagebrush.store.rows import Row
from tests.services.sagemaker.tuning.tuningworld import TuningWorld, config


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningWorld]:
    monkeypatch.setattr(offers, "offer", lambda *_: False)
    found = TuningWorld(tmp_path)
    yield found
    found.db.close()


def test_no_process_waits_for_trials_of_a_job_that_ended(world: TuningWorld) -> None:
    world.tune(HyperParameterTuningJobConfig=config(jobs=1, parallel=1))
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.run(6.0)
    (job,) = world.rows.select("training-job")
    pools = {}
    for name, of in (("w-its", job.id), ("w-other", 0)):
        plan = {"job": of, "since": world.now, "until": world.now + 1000.0}
        place = (world.ctx.account, world.ctx.region, "warm-pool", name)
        pools[name] = world.rows.insert(Row(*place, "Available", {}, plan)).id
    world.backend.states[job.plan["key"]] = Exited(0)
    world.finish()
    its, other = (world.rows.by_id(pools[name]) for name in ("w-its", "w-other"))
    assert its is not None
    assert other is not None
    assert its.plan["until"] <= world.now
    assert other.plan["until"] > world.now


def test_a_process_is_awaited_only_while_a_trial_will_start(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(jobs=2, parallel=1))
    world.run(6.0)
    (first,) = world.rows.select("training-job")
    assert matching.awaited(world.world, first)  # one more may be made
    world.backend.states[first.plan["key"]] = Exited(0)
    world.run(6.0)
    second = world.rows.select("training-job")[1]
    assert second.status == "InProgress"
    assert not matching.awaited(world.world, second)  # it is the last


def test_nothing_is_awaited_by_a_tuning_job_that_is_being_stopped(world: TuningWorld) -> None:
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(jobs=5, parallel=1))
    world.run(6.0)
    (first,) = world.rows.select("training-job")
    assert matching.awaited(world.world, first)
    tuning.stop_hyper_parameter_tuning_job(world.ctx, {"HyperParameterTuningJobName": "tune"})
    assert not matching.awaited(world.world, first)


def test_a_trial_that_never_began_leaves_no_process(
    world: TuningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[str] = []
    monkeypatch.setattr(offers, "offer", lambda world, row, seconds: offered.append(row.name))
    world.objective(lambda given: [0.5], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(jobs=4, parallel=4))
    world.run(6.0)
    begun = {r.name for r in world.rows.select("training-job") if r.plan.get("launched")}
    assert 0 < len(begun) < 4
    for row in world.rows.select("training-job"):
        training.stop_training_job(world.ctx, {"TrainingJobName": row.name})
        if row.name in begun:
            world.backend.states[row.plan["key"]] = Exited(0)
    world.run(6.0)
    assert set(offered) <= begun
