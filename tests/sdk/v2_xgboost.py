"""sagemaker v2: the calls of AWS's XGBoost notebooks: training, endpoint, batch with a joined input,
tuning; the model loaded by `xgboost` is another test's."""

import os
import random
import sys
import tarfile

import boto3
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

folder, role = sys.argv[1], sagemaker.get_execution_role()
session = sagemaker.Session()
bucket, prefix = session.default_bucket(), "v2/xgboost"
latest = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:latest"
image = os.environ.get("XGBOOST_IMAGE", latest)
chance = random.Random(7)
rows = [[chance.random() for _ in range(4)] for _ in range(600)]
lines = [",".join(f"{x:.3f}" for x in [float(r[0] + r[1] > 1), *r]) for r in rows]
inputs = {}
for name, part in (("train", lines[:400]), ("validation", lines[400:])):
    with open(f"{folder}/{name}.csv", "w") as file:
        file.write("\n".join(part) + "\n")
    where = session.upload_data(f"{folder}/{name}.csv", bucket, f"{prefix}/{name}")
    inputs[name] = TrainingInput(f"s3://{bucket}/{prefix}/{name}/", content_type="csv")
estimator = sagemaker.estimator.Estimator(
    image,
    role,
    instance_count=1,
    instance_type="ml.m4.xlarge",
    output_path=f"s3://{bucket}/{prefix}/output",
    sagemaker_session=session,
)
estimator.set_hyperparameters(
    max_depth=5,
    eta=0.2,
    gamma=4,
    min_child_weight=6,
    subsample=0.8,
    verbosity=0,
    objective="binary:logistic",
    eval_metric="auc",
    num_round=20,
)
estimator.fit(inputs)
described = estimator.latest_training_job.describe()
metrics = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
assert metrics["validation:auc"] > 0.9, metrics
boto3.client("s3").download_file(
    bucket, estimator.model_data.removeprefix(f"s3://{bucket}/"), f"{folder}/model.tar.gz"
)
with tarfile.open(f"{folder}/model.tar.gz") as archive:
    assert archive.getnames() == ["xgboost-model"], archive.getnames()
predictor = estimator.deploy(1, "ml.m4.xlarge", serializer=CSVSerializer())
said = predictor.predict(rows[:4]).decode("utf-8")
assert [float(x) > 0.5 for x in said.split(",")] == [r[0] + r[1] > 1 for r in rows[:4]], said
predictor.delete_endpoint()
transformer = estimator.transformer(
    1, "ml.m4.xlarge", assemble_with="Line", accept="text/csv", strategy="MultiRecord"
)
transformer.transform(
    f"s3://{bucket}/{prefix}/validation/", content_type="text/csv", split_type="Line",
    input_filter="$[1:]", join_source="Input", output_filter="$[0,-1]",
)  # fmt: skip
key = transformer.output_path.removeprefix(f"s3://{bucket}/") + "/validation.csv.out"
joined = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode().split()
pairs = [tuple(map(float, line.split(","))) for line in joined]
assert len(pairs) == 200
assert sum((score > 0.5) == (label > 0.5) for label, score in pairs) > 170, pairs[:9]
if os.environ.get("XGBOOST_TUNED"):
    tuner = HyperparameterTuner(
        estimator,
        "validation:auc",
        {"eta": ContinuousParameter(0, 1), "max_depth": IntegerParameter(1, 10)},
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.fit(inputs)
    assert tuner.best_training_job()
print("v2 xgboost: all well")
