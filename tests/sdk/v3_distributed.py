"""sagemaker v3: three instances train one model, by the SDK's own torchrun and MPI drivers."""

import os
import shutil
import sys
import time

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.shapes import MetricDefinition
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.distributed import MPI, Torchrun

TEXTS, SCRIPTS = sys.argv[1], os.path.join(sys.argv[2], "distributed")
SESSION, ROLE = Session(), get_execution_role()
TYPE = "ml.m5.large"
IMAGE = image_uris.retrieve(
    "pytorch",
    "us-east-1",
    image_scope="training",
    instance_type=TYPE,
    version="2.5.1",
    py_version="py311",
)
for file in ("train.csv", "test.csv"):
    SESSION.upload_data(os.path.join(TEXTS, file), SESSION.default_bucket(), "v3-distributed")
WHERE = f"s3://{SESSION.default_bucket()}/v3-distributed"


def ended(name, count, entry="train_text.py", status="Completed", **given):
    """The job as described once it has ended with `status`, and its metrics."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(source_dir=SCRIPTS, entry_script=entry),
        compute=Compute(instance_type=TYPE, instance_count=count),
        hyperparameters={"epochs": 4, "lr": 1.0} if entry == "train_text.py" else {},
        role=ROLE,
        base_job_name=f"v3-{name}",
        sagemaker_session=SESSION,
        **given,
    ).with_metric_definitions(
        [
            MetricDefinition(name=metric, regex=rf"{metric}=([-0-9.]+)")
            for metric in ("processes", "loss", "weights", "accuracy")
        ]
    )
    began = time.monotonic()
    trainer.train([InputData(channel_name="train", data_source=WHERE)], wait=False)
    client, job = SESSION.sagemaker_client, trainer._latest_training_job.training_job_name
    while True:
        found = client.describe_training_job(TrainingJobName=job)
        if found["TrainingJobStatus"] != "InProgress":
            break
        time.sleep(0.2)
    assert found["TrainingJobStatus"] == status, found.get("FailureReason", found)
    metrics = {m["MetricName"]: m["Value"] for m in found.get("FinalMetricDataList", [])}
    print(f"{job}: {time.monotonic() - began:.1f} s {metrics}", flush=True)
    return found, metrics


def like(one, many, processes):
    assert many["processes"] == processes, many
    assert abs(one["loss"] - many["loss"]) < 1e-4 * one["loss"], (one, many)
    assert abs(one["weights"] - many["weights"]) < 1e-4 * abs(one["weights"]), (one, many)


_, one = ended("one", 1)
_, three = ended("torchrun", 3, distributed=Torchrun())
like(one, three, 3)
if shutil.which("mpirun"):
    # The driver asks mpirun for process_count_per_node processes in all: one for each instance.
    spread = MPI(process_count_per_node=3, mpi_additional_options=["--map-by", "node"])
    _, ranks = ended("mpi", 3, distributed=spread)
    like(one, ranks, 3)
failed, _ = ended("failing", 3, "fail.py", "Failed", distributed=Torchrun())
print(failed["FailureReason"], flush=True)
assert "ValueError: the last rank says no" in failed["FailureReason"], failed["FailureReason"]
print("v3 distributed: all well")
