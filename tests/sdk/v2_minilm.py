"""sagemaker v2: a HuggingFace estimator fine-tunes an encoder; it is deployed and asked."""

import csv
import json
import sys
import time

import sagemaker
from sagemaker.huggingface import HuggingFace

model, data, scripts, hyperparameters = sys.argv[1:5]
session = sagemaker.Session()
bucket = session.default_bucket()
estimator = HuggingFace(
    entry_point="train_minilm.py",
    source_dir=scripts,
    role=sagemaker.get_execution_role(),
    instance_type="ml.g4dn.xlarge",  # AWS has this image for GPUs only; here it needs none
    instance_count=1,
    transformers_version="4.48.0",
    pytorch_version="2.3.0",
    py_version="py311",
    hyperparameters=json.loads(hyperparameters),
    metric_definitions=[
        {"Name": "valid:accuracy", "Regex": "valid_accuracy=([0-9.]+);"},
        {"Name": "train:seconds", "Regex": "seconds=([0-9.]+);"},
    ],
    base_job_name="minilm",
)
estimator.fit(
    {
        "model": session.upload_data(model, bucket, "minilm/model"),
        "data": session.upload_data(data, bucket, "minilm/data"),
    }
)
job = estimator.latest_training_job.describe()
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}

# No script: the container makes a pipeline of what the job saved.
predictor = estimator.deploy(1, "ml.m5.large", wait=False)  # deploy() would sleep 30 s first
session.sagemaker_client.get_waiter("endpoint_in_service").wait(
    EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
)
with open(f"{data}/valid.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))[::10]
began = time.monotonic()
answers = predictor.predict(
    {"inputs": [row["text"] for row in rows], "parameters": {"truncation": True}}
)
right = sum(a["label"] == row["label"] for a, row in zip(answers, rows, strict=True))
told = {
    **metrics,
    "job:seconds": job["TrainingTimeInSeconds"],
    "endpoint:asked": len(rows),
    "endpoint:right": right,
    "endpoint:seconds": round(time.monotonic() - began, 2),
}
predictor.delete_model()
predictor.delete_endpoint()
print("minilm:", json.dumps(told))
