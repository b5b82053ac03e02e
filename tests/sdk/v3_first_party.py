"""sagemaker v3: ModelTrainer with AWS's algorithm images; argument: the algorithms to try."""

import sys

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

SESSION = Session()
BUCKET = SESSION.default_bucket()
ROLE = get_execution_role()
HYPERPARAMETERS = {
    "lda": {"num_topics": 2, "feature_dim": 20, "mini_batch_size": 100},
    "ntm": {"num_topics": 2, "feature_dim": 20, "mini_batch_size": 20, "epochs": 3},
}
METRICS = {"lda": set(), "ntm": {"train:total_loss"}}


def documents(count):
    chance = np.random.default_rng(0)
    found = np.zeros((count, 20), int)
    for n in range(count):
        np.add.at(found[n], chance.integers(n % 2 * 10, n % 2 * 10 + 10, 30), 1)
    return found


body = "\n".join(",".join(map(str, row)) for row in documents(100)).encode()
boto3.client("s3").put_object(Bucket=BUCKET, Key="first-party-v3/train.csv", Body=body)
for name in sys.argv[1:] or HYPERPARAMETERS:
    trainer = ModelTrainer(
        training_image=image_uris.retrieve(name, "us-east-1"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=HYPERPARAMETERS[name],
        role=ROLE,
        base_job_name=f"v3-{name}",
        sagemaker_session=SESSION,
    )
    channel = InputData(
        channel_name="train",
        data_source=f"s3://{BUCKET}/first-party-v3/train.csv",
        content_type="text/csv;label_size=0",
    )
    trainer.train(input_data_config=[channel])
    job = trainer._latest_training_job
    job.refresh()
    assert job.training_job_status == "Completed", job
    found = {metric.metric_name for metric in job.final_metric_data_list or ()}
    assert METRICS[name] <= found, found
    print(f"v3 {name}: well", flush=True)
print("v3 first party: all well")
