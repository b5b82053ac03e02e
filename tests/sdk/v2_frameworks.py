"""sagemaker v2: each framework's hello-world, from Estimator.fit to predictor.predict and delete.

The frameworks go through it side by side, each in a thread: the SDK sleeps between its looks
(30 s before the first at an endpoint, 10 s at a job's log), whoever answers. For the same reason
`deploy` does not wait here; boto3's waiter does.
"""

import json
import os
import re
import sys
import threading
import time
import traceback

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.huggingface import HuggingFace, HuggingFaceModel
from sagemaker.pytorch import PyTorch, PyTorchModel
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.tensorflow import TensorFlow, TensorFlowModel

FOLDER, SCRIPTS, INDEX = (
    sys.argv[1],
    os.path.join(sys.argv[2], "frameworks"),
    sys.argv[3] == "index",
)
TYPE = "ml.m5.large"
JSON = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
CSV = {"serializer": CSVSerializer(), "deserializer": CSVDeserializer()}
ASK = np.array([[2.0, 2.0], [-2.0, -2.0]], dtype="float32")
# Made one after the other: boto3's clients are for several threads, making them is not.
SESSIONS = {
    name: sagemaker.Session() for name in ("pytorch", "tensorflow", "huggingface", "sklearn")
}
LOGS = SESSIONS["sklearn"].boto_session.client("logs")
TENSORFLOW = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training"
ROLE = sagemaker.get_execution_role()


def data():
    """Where the training data of all four is."""
    rng = np.random.default_rng(0)
    rows = [f"{a},{b},{int(a + b > 0)}" for a, b in rng.normal(size=(200, 2))]
    with open(os.path.join(FOLDER, "points.csv"), "w") as file:
        file.write("\n".join(["a,b,label", *rows]) + "\n")
    words = ("fine", "lovely"), ("poor", "awful")
    things = ("film", "story", "scene", "plot")
    with open(os.path.join(FOLDER, "sentences.tsv"), "w") as file:
        for label, said in zip(("good", "bad"), words, strict=True):
            file.writelines(f"{label}\ta {word} {thing}\n" for word in said for thing in things)
    session = SESSIONS["sklearn"]
    for name in ("points.csv", "sentences.tsv"):
        session.upload_data(os.path.join(FOLDER, name), session.default_bucket(), "frameworks")
    return f"s3://{session.default_bucket()}/frameworks"


def common(name):
    """What every estimator is given."""
    return {
        "entry_point": "train.py",
        "source_dir": os.path.join(SCRIPTS, name),
        "role": ROLE,
        "instance_type": TYPE,
        "instance_count": 1,
        "metric_definitions": [{"Name": "train:accuracy", "Regex": "train_accuracy=([0-9.]+);"}],
        "base_job_name": f"v2-{name}",
        "sagemaker_session": SESSIONS[name],
    }


def fitted(estimator, where, at_least):
    """The estimator after its job; the job's metric is what the script printed."""
    estimator.fit({"train": where})
    job = estimator.latest_training_job.describe()
    assert job["TrainingJobStatus"] == "Completed", job
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert metrics["train:accuracy"] >= at_least, metrics
    assert estimator.model_data.endswith("/output/model.tar.gz"), estimator.model_data
    print(f"{estimator.base_job_name}: {metrics}", flush=True)
    return estimator


def stands(estimator, name, asked):
    """The first line of the job's log names the version that runs, and if it stands in for another."""
    group = "/aws/sagemaker/TrainingJobs"
    prefix = f"{estimator.latest_training_job.name}/"
    found = LOGS.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    line = LOGS.get_log_events(
        logGroupName=group,
        logStreamName=found["logStreams"][0]["logStreamName"],
        startFromHead=True,
        limit=1,
    )["events"][0]["message"]
    print(line, flush=True)
    runs = re.search(rf"[(,] ?{name}(?:-cpu)? ([0-9.]+)", line)[1]
    exact = f"{runs}.".startswith(f"{asked}.")
    assert exact != (f"{name} {runs} for {asked}" in line.partition("stands in: ")[2]), line


def deployed(model, **given):
    """A predictor whose endpoint is in service."""
    began = time.monotonic()
    predictor = model.deploy(1, TYPE, wait=False, **given)
    client = predictor.sagemaker_session.sagemaker_client
    waiter = client.get_waiter("endpoint_in_service")
    try:
        waiter.wait(
            EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 200}
        )
    except Exception as error:
        reason = client.describe_endpoint(EndpointName=predictor.endpoint_name).get("FailureReason")
        raise AssertionError(f"{predictor.endpoint_name}: {reason}") from error
    print(f"{predictor.endpoint_name}: {time.monotonic() - began:.1f} s", flush=True)
    return predictor


def gone(predictor):
    """Model, configuration and endpoint are deleted."""
    client = predictor.sagemaker_session.sagemaker_client
    predictor.delete_model()
    predictor.delete_endpoint()
    client.get_waiter("endpoint_deleted").wait(
        EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def pytorch(where):
    if not INDEX:
        print("pytorch: no package index to resolve its release", flush=True)
        return
    estimator = PyTorch(
        framework_version="2.5.1",
        py_version="py311",
        hyperparameters={"epochs": 60, "learning-rate": 0.05},
        **common("pytorch"),
    )
    fitted(estimator, where, 0.9)
    stands(estimator, "torch", "2.5.1")
    # The training script serves the model too; PyTorchPredictor speaks NPY both ways.
    predictor = deployed(estimator)
    scores = predictor.predict(ASK)
    assert scores.dtype == np.float32, scores
    assert scores.argmax(axis=1).tolist() == [1, 0], scores
    predictor.serializer, predictor.deserializer = CSV["serializer"], CSV["deserializer"]
    rows = predictor.predict(ASK.tolist())
    assert [max((0, 1), key=lambda i: float(row[i])) for row in rows] == [1, 0], rows
    gone(predictor)
    model = PyTorchModel(
        estimator.model_data,
        ROLE,
        "inference.py",
        framework_version="2.5.1",
        py_version="py311",
        source_dir=os.path.join(SCRIPTS, "pytorch"),
        sagemaker_session=SESSIONS["pytorch"],
    )
    predictor = deployed(model, **JSON)
    answer = predictor.predict({"points": ASK.tolist()})
    assert answer == {"labels": [1, 0]}, answer
    gone(predictor)


def torchrun():
    """A job of one instance under torchrun, on a type whose GPU this host need not have."""
    if not INDEX:
        print("torchrun: no package index to resolve its release", flush=True)
        return
    estimator = PyTorch(
        framework_version="2.5.1",
        py_version="py311",
        distribution={"torch_distributed": {"enabled": True}},
        **{
            **common("pytorch"),
            "entry_point": "distributed.py",
            "instance_type": "ml.g5.xlarge",
            "metric_definitions": [{"Name": "world", "Regex": "world_size=([0-9]+);"}],
        },
    )
    estimator.fit()
    job = estimator.latest_training_job.describe()
    assert [m["Value"] for m in job["FinalMetricDataList"]] == [1.0], job["FinalMetricDataList"]
    print("v2-torchrun: well", flush=True)


def tensorflow(where):
    estimator = TensorFlow(
        framework_version="2.14",
        py_version="py310",
        hyperparameters={"epochs": 12},
        **common("tensorflow"),
    )
    fitted(estimator, where, 0.9)
    stands(estimator, "tensorflow", "2.14.1")
    stands(estimator, "Python", "3.10")
    predictor = deployed(estimator)
    told = predictor.predict({"instances": ASK.tolist()})
    assert [row[0] > 0.5 for row in told["predictions"]] == [True, False], told
    assert predictor.predict(ASK) == told, "arrays and lists are instances too"
    gone(predictor)
    model = TensorFlowModel(
        estimator.model_data,
        ROLE,
        "inference.py",
        framework_version="2.14",
        source_dir=os.path.join(SCRIPTS, "tensorflow"),
        sagemaker_session=SESSIONS["tensorflow"],
    )
    predictor = deployed(model, **JSON)
    answer = predictor.predict({"points": ASK.tolist()})
    assert answer == {"labels": [1, 0]}, answer
    gone(predictor)


def newest(where):
    """An image without a tag is the TensorFlow of today, with Keras 3."""
    estimator = TensorFlow(
        image_uri=TENSORFLOW,
        py_version="py310",
        hyperparameters={"epochs": 12},
        **{**common("tensorflow"), "base_job_name": "v2-newest"},
    )
    fitted(estimator, where, 0.9)
    predictor = deployed(estimator, image_uri=TENSORFLOW.replace("training", "inference"))
    told = predictor.predict({"instances": ASK.tolist()})
    assert [row[0] > 0.5 for row in told["predictions"]] == [True, False], told
    gone(predictor)


def huggingface(where):
    versions = {
        "transformers_version": "4.48.0",
        "pytorch_version": "2.3.0",
        "py_version": "py311",
    }
    # AWS has this training image for GPUs only; without one the job runs on the CPU.
    given = {**common("huggingface"), "instance_type": "ml.g4dn.xlarge"}
    estimator = HuggingFace(hyperparameters={"epochs": 30}, **versions, **given)
    fitted(estimator, where, 0.9)
    stands(estimator, "transformers", "4.48.0")
    asked = {"inputs": ["a lovely scene", "a poor plot"]}
    predictor = deployed(estimator)  # no script: the task is the architecture's
    told = predictor.predict(asked)
    assert [each["label"] for each in told] == ["good", "bad"], told
    gone(predictor)
    model = HuggingFaceModel(
        ROLE,
        estimator.model_data,
        env={"HF_TASK": "text-classification"},
        **versions,
        sagemaker_session=SESSIONS["huggingface"],
    )
    predictor = deployed(model)
    told = predictor.predict({**asked, "parameters": {"top_k": 2}})
    assert [len(each) for each in told] == [2, 2], told
    gone(predictor)


def sklearn(where):
    estimator = SKLearn(
        framework_version="1.2-1",
        py_version="py3",
        hyperparameters={"strength": 10.0},
        **common("sklearn"),
    )
    fitted(estimator, where, 0.9)
    stands(estimator, "scikit-learn", "1.2.1")
    predictor = deployed(estimator)  # SKLearnPredictor speaks NPY
    labels = predictor.predict(ASK)
    assert isinstance(labels, np.ndarray), labels
    assert labels.tolist() == [1, 0], labels
    predictor.serializer, predictor.deserializer = CSV["serializer"], JSON["deserializer"]
    assert predictor.predict(ASK) == [1, 0]
    gone(predictor)
    if not INDEX:
        print("sklearn: no package index, so no requirements.txt", flush=True)
        return
    model = SKLearnModel(
        estimator.model_data,
        ROLE,
        "inference.py",
        framework_version="1.2-1",
        py_version="py3",
        # With a requirements.txt, whose package the script imports.
        source_dir=os.path.join(SCRIPTS, "requirements"),
        sagemaker_session=SESSIONS["sklearn"],
    )
    predictor = deployed(model, **JSON)
    answer = predictor.predict({"points": ASK.tolist()})
    assert answer == {"labels": ["II", "I"]}, answer
    gone(predictor)


def guarded(failed, function, *args):
    began = time.monotonic()
    try:
        function(*args)
    except BaseException:
        failed.append(f"{function.__name__}:\n{traceback.format_exc()}")
    print(f"{function.__name__}: ended after {time.monotonic() - began:.1f} s", flush=True)


def main():
    where, failed = data(), []
    wanted = set(sys.argv[4:])
    tasks = [(pytorch, where), (tensorflow, where), (huggingface, where), (sklearn, where)]
    threads = [
        threading.Thread(target=guarded, args=(failed, *task))
        for task in [*tasks, (newest, where), (torchrun,)]
        if not wanted or task[0].__name__ in wanted
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("\n".join(failed))
    print("v2 frameworks: all well", json.dumps(sorted(SESSIONS)))


main()
