"""sagemaker v2: estimator.transformer and model.transformer: BlazingText and a script of one's own."""

import json
import sys

import numpy as np
import sagemaker
from sagemaker.inputs import BatchDataCaptureConfig
from sagemaker.sklearn import SKLearn

folder = sys.argv[1]
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()


def output(transformer, name):
    where = transformer.output_path.removeprefix(f"s3://{bucket}/") + f"/{name}.out"
    return session.read_s3_file(bucket, where)


image = sagemaker.image_uris.retrieve("blazingtext", "us-east-1", version="latest")
with open(f"{folder}/train.txt", "w") as file:
    for n in range(200):
        file.write(f"__label__good it was a great and lovely film number {n}\n")
        file.write(f"__label__bad it was a poor and boring film number {n}\n")
train = session.upload_data(f"{folder}/train.txt", key_prefix="v2/transform/train")
estimator = sagemaker.estimator.Estimator(
    image,
    role,
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"mode": "supervised", "epochs": 10, "min_count": 1, "vector_dim": 10},
)
estimator.fit({"train": train}, logs=False)
with open(f"{folder}/films.jsonl", "w") as file:
    file.writelines(json.dumps({"source": t}) + "\n" for t in ("a great film", "a boring film"))
films = session.upload_data(f"{folder}/films.jsonl", key_prefix="v2/transform/films")
transformer = estimator.transformer(
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="application/jsonlines",
)
transformer.transform(films, content_type="application/jsonlines", split_type="Line", logs=True)
answers = [json.loads(line) for line in output(transformer, "films.jsonl").splitlines()]
assert [one["label"][0] for one in answers] == ["__label__good", "__label__bad"], answers

points = np.random.default_rng(0).normal(size=(200, 2))
with open(f"{folder}/points.csv", "w") as file:
    file.write("a,b,label\n")
    file.writelines(f"{a},{b},{int(a + b > 0)}\n" for a, b in points)
script = SKLearn(
    entry_point="train_rows.py",
    source_dir=sys.argv[2],
    role=role,
    instance_type="ml.m5.large",
    instance_count=1,
    framework_version="1.2-1",
    py_version="py3",
)
script.fit({"train": session.upload_data(f"{folder}/points.csv", key_prefix="v2/transform/points")})
with open(f"{folder}/rows.csv", "w") as file:
    file.write("first,2,2\nsecond,-2,-2\n")
rows = session.upload_data(f"{folder}/rows.csv", key_prefix="v2/transform/rows")
transformer = script.create_model().transformer(
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="SingleRecord",
    assemble_with="Line",
    accept="text/csv",
    max_payload=1,
    max_concurrent_transforms=2,
    env={"MORE": "1"},
    tags=[{"Key": "k", "Value": "v"}],
)
transformer.transform(
    rows,
    content_type="text/csv",
    split_type="Line",
    input_filter="$[1:]",
    join_source="Input",
    output_filter="$[0,-1]",
    model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
    batch_data_capture_config=BatchDataCaptureConfig(f"s3://{bucket}/v2/transform/seen"),
    wait=False,
)
transformer.wait(logs=False)
assert output(transformer, "rows.csv") == "first,1\nsecond,0\n", output(transformer, "rows.csv")
seen = session.list_s3_files(bucket, "v2/transform/seen/")
assert len(seen) == 2, seen
attached = sagemaker.transformer.Transformer.attach(transformer.latest_transform_job.name)
assert attached.strategy == "SingleRecord"

with open(f"{folder}/wrong.csv", "w") as file:
    file.write("1,2,3,4\n")
wrong = session.upload_data(f"{folder}/wrong.csv", key_prefix="v2/transform/wrong")
said = ""
try:
    transformer.transform(wrong, content_type="text/csv", split_type="Line", logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    said = str(error)
assert "wrong.csv, record 1" in said, said
transformer.delete_model()
print("v2 transform: all well")
