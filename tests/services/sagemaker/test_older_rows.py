"""Rows as the version before typed plans and children wrote them go on under this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.compute.base import Exited, Running
from sagebrush.services.sagemaker.training.warm_pool import offers
from sagebrush.services.sagemaker.tuning.plan import KEYS, Entry, entry
from sagebrush.store.rows import Row
from tests.services.sagemaker.tuning.tuningworld import TuningWorld, config


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningWorld]:
    monkeypatch.setattr(offers, "offer", lambda *_: False)
    found = TuningWorld(tmp_path)
    yield found
    found.db.close()


def older(row: Row, tuner: int) -> Row:
    """The row without what this version added; a trial named its tuning job by its row's id."""
    new = {"standby", "look", "more"}
    plan = {key: value for key, value in row.plan.items() if key not in new}
    return replace(row, plan={**plan, "tuner": tuner} if row.parent else plan)


def test_a_tuning_job_and_its_trials_go_on(world: TuningWorld) -> None:
    world.objective(lambda given: [float(given["x"])], lambda given: Running(0.0, ""))
    world.tune(HyperParameterTuningJobConfig=config(jobs=4, parallel=2))
    world.run(6.0)
    (tuner,) = world.rows.select("hyper-parameter-tuning-job")
    trials = world.rows.select("training-job")
    assert len(trials) == 2
    for row in (tuner, *trials):
        world.rows.update(row.id, lambda found: older(found, tuner.id))
    world.db.close()
    world.open()
    world.objective(lambda given: [float(given["x"])])
    for trial in trials:
        world.backend.states[trial.plan["key"]] = Exited(0)
    found = world.finish()
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 4
    assert {trial.name for trial in trials} < {each["TrainingJobName"] for each in world.trials()}


def test_an_entry_is_read_and_written_as_ever() -> None:
    planned = {"n": "t-001", "d": 0, "c": {"x": "1"}, "s": "planned"}
    over = {"n": "t-002", "d": 1, "c": {}, "s": "Stopped", "v": 0.5, "o": 3, "e": 7,
            "k": {"rung": 1}, "early": True}  # fmt: skip
    failed = {"n": "t-003", "d": 0, "c": {}, "s": "Failed", "o": 1, "retry": True}
    warm = {"n": "t-001", "d": 0, "c": {}, "v": 0.0, "s": "Completed", "p": "parent"}
    for doc in (planned, over, failed, warm):
        assert entry(doc).stored() == doc
    assert entry(over) == Entry("t-002", 1, {}, "Stopped", 0.5, 3, 7, {"rung": 1}, early=True)
    assert len(set(KEYS.values())) == len(KEYS)
    assert "".join(sorted(key for key in KEYS.values() if len(key) == 1)) == "cdeknopstv"
