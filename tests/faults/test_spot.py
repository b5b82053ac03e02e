"""A spot job that is interrupted at random ends as the one that was not: same metric, same steps."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, Stand, until

pytestmark = pytest.mark.sandbox
PROGRAM = """
import json, os, random, signal, sys, time, urllib.request

place, steps, interruptions = "/opt/ml/checkpoints/state.json", STEPS, INTERRUPTIONS

def save():
    with open(place + ".part", "w") as file:
        json.dump(state, file)
    os.rename(place + ".part", place)

chance = random.Random(7)
rows = [(x, 3 * x + 1 + chance.gauss(0, 0.1)) for x in (chance.random() for _ in range(64))]
state = {"starts": 0, "step": 0, "a": 0.0, "b": 0.0}
if os.path.exists(place):
    state = json.load(open(place))
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
state["starts"] += 1
save()
print("resumed at", state["step"], flush=True)
while state["step"] < steps and not ending:
    if state["starts"] <= interruptions and state["step"] >= 50 * state["starts"]:
        time.sleep(0.03)  # however slow the one is who interrupts it
        continue
    x, y = rows[state["step"] % len(rows)]
    error = state["a"] * x + state["b"] - y
    state["a"] -= 0.1 * error * x
    state["b"] -= 0.1 * error
    state["step"] += 1
    print("step", state["step"], flush=True)
    if state["step"] % 5 == 0:  # the checkpoint interval
        save()
    time.sleep(0.03)
if ending:
    notice = "none"
    try:
        url = "http://169.254.169.254/latest/meta-data/spot/instance-action"
        notice = json.load(urllib.request.urlopen(url, timeout=5))["action"]
    except Exception as error:
        notice = repr(error)
    print("notice", notice, flush=True)
    sys.exit(143)
loss = sum((state["a"] * x + state["b"] - y) ** 2 for x, y in rows) / len(rows)
print(f"loss={loss:.12f};", flush=True)
del state["starts"]
with open("/opt/ml/model/state.json", "w") as file:
    json.dump(state, file)
"""
METRICS = [{"Name": "loss", "Regex": r"loss=([0-9.]+);"}]


def spot(stand: Stand, name: str, steps: int, interruptions: int = 0) -> None:
    """The spot job has been created; it takes 0.03 s for each step, and waits for interruptions at
    every fiftieth."""
    program = PROGRAM.replace("STEPS", str(steps))
    stand.train(
        name,
        program.replace("INTERRUPTIONS", str(interruptions)),
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/spot/{name}"},
        AlgorithmSpecification={
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/run.py"],
            "MetricDefinitions": METRICS,
        },
    )


def loss(stand: Stand, name: str) -> float:
    found = {m["MetricName"]: m["Value"] for m in stand.job(name)["FinalMetricDataList"]}
    return found["loss"]


@pytest.mark.full
@pytest.mark.parametrize("times", [2, 5])
def test_interruptions_change_nothing(stand: Stand, times: int) -> None:
    whole, broken, count = f"whole-{times}", f"broken-{times}", 60 + 50 * times
    spot(stand, broken, count, times)
    spot(stand, whole, count)  # meanwhile
    chance = random.Random(times)
    for number in range(times):
        until(
            lambda number=number: sum(
                line.startswith("resumed") for line in stand.log(broken)
            ) > number,
            f"attempt {number + 1}",
        )  # fmt: skip
        time.sleep(chance.uniform(0.0, 0.4))
        done = stand.run("jobs", "interrupt", broken)
        assert done.returncode == 0, done.stdout + done.stderr
    job = stand.ended(broken)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stand.ended(whole)["SecondaryStatusTransitions"][-1]["Status"] == "Completed"
    assert stand.log(whole).count("resumed at 0") == 1
    assert loss(stand, broken) == loss(stand, whole)
    assert stand.model(broken) == stand.model(whole)
    said = stand.log(broken)
    steps = [int(m[1]) for line in said if (m := re.match(r"step (\d+)", line))]
    assert sorted(set(steps)) == list(range(1, count + 1))
    past = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    interrupted = past.count("Interrupted")
    assert interrupted == times
    # nothing is trained twice beyond one checkpoint interval each time
    assert len(steps) - count <= 5 * interrupted
    assert said.count("notice terminate") == times
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


def test_on_demand_work_interrupts_and_the_spot_job_returns(start: Start) -> None:
    stand = start()
    spot(stand, "gives-way", 150)
    until(lambda: "step 5" in stand.log("gives-way"), "the spot job at work")
    began = time.monotonic()
    stand.train("urgent", "print('here')", ResourceConfig={
        "InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1,
    })  # fmt: skip
    assert stand.ended("urgent")["TrainingJobStatus"] == "Completed"
    waited = time.monotonic() - began
    job = stand.ended("gives-way")
    assert job["TrainingJobStatus"] == "Completed"
    assert "Interrupted" in [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert Path(stand.home).exists()
    assert waited < 30
