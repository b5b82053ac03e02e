"""sagemaker v2: a model id of JumpStart's, by AWS's notebook's calls and by JumpStartEstimator."""

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sagemaker
from botocore.exceptions import ClientError
from sagemaker import hyperparameters, image_uris, metric_definitions, model_uris, script_uris
from sagemaker.estimator import Estimator
from sagemaker.jumpstart.estimator import JumpStartEstimator
from sagemaker.jumpstart.filters import And
from sagemaker.jumpstart.notebook_utils import list_jumpstart_models


def refused(kind: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> Any:
    """The exception of that kind that the call ends with."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("it should have been refused")


encoder, folder = Path(sys.argv[1]), Path(sys.argv[2])
session = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(), session.default_bucket()
model = {"model_id": "huggingface-tc-bert-base-cased", "model_version": "*"}
on = "ml.m5.large"
good, bad = (
    ["moving", "tender", "clever", "warm", "vivid", "lovely"],
    ["dull", "clumsy", "tired", "cold", "hollow", "stale"],
)
rows = [
    (label, f"a {first} film with a {second} story")
    for label, words in ((1, good), (0, bad))
    for first in words
    for second in words
]
with open(folder / "data.csv", "w", newline="") as file:
    csv.writer(file).writerows(rows)
session.upload_data(str(folder / "data.csv"), bucket, "jumpstart/data")
data = {"training": f"s3://{bucket}/jumpstart/data/"}
base = session.upload_data(str(encoder), bucket, "jumpstart/encoder")

# What the notebook retrieves.
listed = list_jumpstart_models(filter=And("task == tc", "framework == huggingface"))
assert model["model_id"] in listed, listed
assert all(name.startswith("huggingface-tc-") for name in listed), listed
uri = script_uris.retrieve(**model, script_scope="training")
image = image_uris.retrieve(
    region=None, framework=None, image_scope="training", instance_type="ml.p3.2xlarge", **model
)
assert "huggingface-pytorch-training" in image, image
assert model_uris.retrieve(**model, model_scope="training").endswith(".tar.gz")
given = hyperparameters.retrieve_default(**model)
assert given["learning_rate"] == "5e-05", given
metrics = metric_definitions.retrieve_default(**model)
elsewhere = {"model_id": "huggingface-llm-falcon-7b-bf16", "model_version": "*"}
unknown = refused(
    (KeyError, ValueError), lambda: script_uris.retrieve(**elsewhere, script_scope="training")
)
assert elsewhere["model_id"] in str(unknown), unknown


def accuracy(estimator: Estimator) -> float:
    found = estimator.latest_training_job.describe()["FinalMetricDataList"]
    return next(each["Value"] for each in found if each["MetricName"] == "val_accuracy")


def up(predictor: object) -> None:
    session.sagemaker_client.get_waiter("endpoint_in_service").wait(
        EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
    )


# By the id alone: training, and an endpoint that its spec describes.
first = JumpStartEstimator(
    model_id=model["model_id"], role=role, instance_type=on, model_uri=base,
    hyperparameters={"epochs": "12", "batch_size": "8", "learning_rate": "0.005"},
)  # fmt: skip
first.fit(data, logs=False)
assert accuracy(first) > 0.8, accuracy(first)
predictor = first.deploy(instance_type=on, wait=False, endpoint_name=f"tc-{int(time.time())}")
up(predictor)
said = predictor.predict("a warm film with a tender story")
assert (said["labels"], said["predicted_label"]) == (["LABEL_0", "LABEL_1"], "LABEL_1"), said


def asked(body: bytes, kind: str, accept: str) -> str:
    answer = session.sagemaker_runtime_client.invoke_endpoint(
        EndpointName=predictor.endpoint_name, ContentType=kind, Accept=accept, Body=body
    )
    return answer["Body"].read().decode()


plain = json.loads(
    asked(b"a warm film with a tender story", "application/x-text", "application/json")
)
assert list(plain) == ["probabilities"], plain
two = b'["a stale film with a cold story", "a lovely film with a warm story"]'
both = json.loads(asked(two, "application/list-text", "application/json;verbose"))
assert both["predicted_label"] == ["LABEL_0", "LABEL_1"], both
empty = refused(ClientError, lambda: asked(b" ", "application/x-text", "application/json"))
assert empty.response["OriginalStatusCode"] == 400, empty.response
predictor.delete_endpoint()

# By the notebook's calls; incremental training begins where the first one ended, and without a script
# its artefact answers too.
again = Estimator(
    role=role, image_uri=image, source_dir=uri, model_uri=first.model_data,
    entry_point="transfer_learning.py", instance_count=1, instance_type=on,
    hyperparameters={**given, "epochs": "1", "learning_rate": "1e-05"}, metric_definitions=metrics,
)  # fmt: skip
again.fit(data)
assert accuracy(again) >= accuracy(first) - 0.2, (accuracy(again), accuracy(first))

transformer = sagemaker.model.Model(
    image_uri=image.replace("training", "inference"), model_data=again.model_data, role=role,
    sagemaker_session=session,
).transformer(1, on, assemble_with="Line", accept="text/csv;verbose")  # fmt: skip
(folder / "test.csv").write_text(
    "a dull film with a tired story\na vivid film with a clever story\n"
)
batch = session.upload_data(str(folder / "test.csv"), bucket, "jumpstart/batch")
transformer.transform(batch, content_type="text/csv", split_type="Line")
key = f"{transformer.output_path}/test.csv.out"
lines = sagemaker.s3.S3Downloader.read_file(key, session).splitlines()
assert [json.loads(line)["predicted_label"] for line in lines] == ["LABEL_0", "LABEL_1"], lines
print("all well")
