"""sagemaker v2: Estimator.fit with a script, metrics, deploy, predict, update by name, delete."""

import sys

import numpy as np
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearn

folder = sys.argv[1]
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
assert bucket == "sagemaker-us-east-1-123456789012", bucket

rng = np.random.default_rng(0)
points = rng.normal(size=(200, 2))
labels = (points.sum(axis=1) > 0).astype(int)
with open(f"{folder}/points.csv", "w") as file:
    file.write("a,b,label\n")
    for (a, b), label in zip(points, labels, strict=True):
        file.write(f"{a},{b},{label}\n")
train = session.upload_data(f"{folder}/points.csv", bucket, "v2/train")

estimator = SKLearn(
    entry_point="train_sklearn.py",
    source_dir=sys.argv[2],
    role=role,
    instance_type="ml.m5.large",
    instance_count=1,
    framework_version="1.2-1",
    py_version="py3",
    hyperparameters={"c": 10.0},
    metric_definitions=[{"Name": "train:accuracy", "Regex": "train_accuracy=([0-9.]+);"}],
    base_job_name="v2-script",
)
estimator.fit({"train": train})
job = estimator.latest_training_job.describe()
assert job["TrainingJobStatus"] == "Completed", job
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
assert metrics["train:accuracy"] > 0.9, metrics
frame = estimator.training_job_analytics.dataframe()
assert list(frame["metric_name"]) == ["train:accuracy"], frame

attached = SKLearn.attach(job["TrainingJobName"])
assert attached.model_data == estimator.model_data

predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)
answer = predictor.predict({"instances": [[2.0, 2.0], [-2.0, -2.0]]})
assert answer == {"predictions": [1, 0]}, answer
predictor.delete_model()
predictor.delete_endpoint()
session.sagemaker_client.get_waiter("endpoint_deleted").wait(
    EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
)
print("v2 script: all well")
