"""sagemaker v2: three instances train one model, by torchrun, by MPI, by TensorFlow's strategy.

Each run of several equals the run of one. The jobs come one after the other: each takes the host.
"""

import os
import shutil
import sys
import time

import sagemaker
from sagemaker.instance_group import InstanceGroup
from sagemaker.pytorch import PyTorch
from sagemaker.tensorflow import TensorFlow

TEXTS, SCRIPTS = sys.argv[1], os.path.join(sys.argv[2], "distributed")
SESSION, ROLE = sagemaker.Session(), sagemaker.get_execution_role()
CLIENT = SESSION.sagemaker_client
TYPE = "ml.m5.large"
GPU, LARGE = "ml.g4dn.xlarge", "ml.p4d.24xlarge"
"""The SDK takes torch_distributed for GPU types only, pytorchddp for large ones."""
WHERE = SESSION.upload_data(TEXTS, SESSION.default_bucket(), "distributed/texts")
METRICS = [
    {"Name": name, "Regex": rf"{name}=([-0-9.]+)"}
    for name in ("processes", "loss", "weights", "accuracy")
]
HYPERPARAMETERS = {"epochs": 4, "lr": 1.0}


def ended(estimator, inputs=None, status="Completed"):
    """The job of the estimator as described once it has ended with `status`."""
    began = time.monotonic()
    estimator.fit(inputs, wait=False)
    name = estimator.latest_training_job.name
    while True:  # fit(wait=True) would look every 10 seconds
        job = CLIENT.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] != "InProgress":
            break
        time.sleep(0.2)
    assert job["TrainingJobStatus"] == status, job.get("FailureReason", job)
    print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return job


def lines(job):
    """What the instances of a job have told after `TOLD`."""
    logs = SESSION.boto_session.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")[
        "logStreams"
    ]:
        said = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        for event in said["events"]:
            _, found, text = event["message"].partition("TOLD ")
            if found:
                yield text.strip()


def pytorch(name, entry="train_text.py", hyperparameters=None, **given):
    given = {"instance_type": TYPE, "framework_version": "2.5.1", "py_version": "py311", **given}
    return PyTorch(
        entry_point=entry,
        source_dir=SCRIPTS,
        role=ROLE,
        hyperparameters=HYPERPARAMETERS if hyperparameters is None else hyperparameters,
        metric_definitions=METRICS,
        base_job_name=f"v2-{name}",
        sagemaker_session=SESSION,
        **given,
    )


def trained(estimator):
    """The metrics of its job."""
    job = ended(estimator, {"train": WHERE})
    found = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    print(estimator.base_job_name, found, flush=True)
    return found


def like(one, many, processes):
    assert many["processes"] == processes, many
    assert abs(one["loss"] - many["loss"]) < 1e-4 * one["loss"], (one, many)
    assert abs(one["weights"] - many["weights"]) < 1e-4 * abs(one["weights"]), (one, many)
    assert abs(one["accuracy"] - many["accuracy"]) < 0.005, (one, many)


one = trained(pytorch("one", instance_count=1))
assert one["processes"] == 1, one
three = pytorch(
    "three",
    instance_type=GPU,
    instance_count=3,
    distribution={"torch_distributed": {"enabled": True}},
)
like(one, trained(three), 3)
if shutil.which("mpirun"):
    mpi = {"mpi": {"enabled": True, "processes_per_host": 1}}
    like(one, trained(pytorch("mpi", instance_count=3, distribution=mpi)), 3)
    # The data group's instance runs the script by itself; the other two are one cluster.
    groups = [InstanceGroup("data", "ml.c5.xlarge", 1), InstanceGroup("dnn", TYPE, 2)]
    mixed = pytorch(
        "groups",
        "tell_groups.py",
        {},
        instance_type=None,
        instance_groups=groups,
        distribution={**mpi, "instance_groups": [groups[1]]},
    )
    ended(mixed)
    told = sorted(lines(mixed.latest_training_job.name))
    assert told == ["algo-1 alone", "algo-2 rank 0 of 2", "algo-3 rank 1 of 2"], told

# A rank that fails is the reason, not its launcher, and not those that it leaves alone.
failing = pytorch(
    "failing",
    "fail.py",
    {},
    instance_type=LARGE,
    instance_count=3,
    image_uri=three.training_image_uri(),  # by versions, the SDK takes pytorchddp up to 2.2.0
    distribution={"pytorchddp": {"enabled": True}},
)
reason = ended(failing, status="Failed")["FailureReason"]
print(reason, flush=True)
assert "algo-3" in reason, reason
assert "ValueError: the last rank says no" in reason, reason
assert "ChildFailedError" not in reason, reason

mirrored = {}
for count in (1, 2):
    strategy = {"multi_worker_mirrored_strategy": {"enabled": True}}
    estimator = TensorFlow(
        entry_point="train_mirrored.py",
        source_dir=SCRIPTS,
        role=ROLE,
        instance_type=TYPE,
        instance_count=count,
        framework_version="2.14",
        py_version="py310",
        distribution=strategy,
        metric_definitions=[
            {"Name": "loss", "Regex": "loss=([0-9.]+);"},
            {"Name": "replicas", "Regex": "replicas=([0-9]+);"},
        ],
        base_job_name=f"v2-mirrored-{count}",
        model_dir=False,
        sagemaker_session=SESSION,
    )
    metrics = ended(estimator)["FinalMetricDataList"]
    mirrored[count] = {m["MetricName"]: m["Value"] for m in metrics}
print(mirrored, flush=True)
assert mirrored[2]["replicas"] == 2, mirrored
assert abs(mirrored[1]["loss"] - mirrored[2]["loss"]) < 1e-5, mirrored
print("v2 distributed: all well")
