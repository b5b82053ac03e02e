"""The waiting processes that trials of a tuning job leave behind: who gets one, when they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuningworld import TuningWorld, config

from sagebrush.compute.base import Exited, Running
from sagebrush.services.sagemaker import warm_pool
from sagebrush.store.rows import Row


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningWorld]:
    monkeypatch.setattr(warm_pool, "offer", lambda *_: False)
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
