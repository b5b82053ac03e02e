"""sagemaker v3: ModelTrainer on each framework's image, then ModelBuilder.build and deploy.

The frameworks go through it side by side, each in a thread, and `deploy` does not wait: the SDK
sleeps between its looks, whoever answers (10 s at a job, 30 s at an endpoint).
"""

import io
import json
import os
import sys
import threading
import time
import traceback
from importlib.metadata import version

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig
from sagemaker.core.shapes import MetricDefinition
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.distributed import Torchrun

FOLDER, SCRIPTS, INDEX = (
    sys.argv[1],
    os.path.join(sys.argv[2], "frameworks"),
    sys.argv[3] == "index",
)
TYPE = "ml.m5.large"
ASK = [[2.0, 2.0], [-2.0, -2.0]]
# Made one after the other: boto3's clients are for several threads, making them is not.
SESSIONS = {name: Session() for name in ("pytorch", "tensorflow", "huggingface", "sklearn")}
ROLE = get_execution_role()
VERSIONS = {
    "pytorch": {"version": "2.5.1", "py_version": "py311"},
    "tensorflow": {"version": "2.14", "py_version": "py310"},
    "huggingface": {
        "version": "4.48.0",
        "py_version": "py311",
        "base_framework_version": "pytorch2.3.0",
    },
    "sklearn": {"version": "1.2-1", "py_version": "py3"},
}


def image(framework, scope):
    """AWS's image of the framework; Hugging Face's training image is for GPUs only there."""
    gpu = framework == "huggingface" and scope == "training"
    return image_uris.retrieve(
        framework,
        "us-east-1",
        image_scope=scope,
        instance_type="ml.g4dn.xlarge" if gpu else TYPE,
        **VERSIONS[framework],
    )


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
        session.upload_data(os.path.join(FOLDER, name), session.default_bucket(), "v3-frameworks")
    return f"s3://{session.default_bucket()}/v3-frameworks"


def trained(framework, where, hyperparameters, source=None, **given):
    """A ModelTrainer whose job has ended well and whose metric is what the script printed."""
    source = source or SourceCode(
        source_dir=os.path.join(SCRIPTS, framework), entry_script="train.py"
    )
    trainer = ModelTrainer(
        training_image=image(framework, "training"),
        source_code=source,
        compute=Compute(instance_type=TYPE, instance_count=1),
        hyperparameters=hyperparameters,
        role=ROLE,
        # Names hold whole seconds only: two jobs of one name may not begin in the same.
        base_job_name=f"v3-{framework}-{source.entry_script.removesuffix('.py')}",
        sagemaker_session=SESSIONS[framework],
        **given,
    ).with_metric_definitions(
        [MetricDefinition(name="train:accuracy", regex="train_accuracy=([0-9.]+);")]
    )
    trainer.train([InputData(channel_name="train", data_source=where)] if where else None)
    job = trainer._latest_training_job
    job.refresh()
    assert job.training_job_status == "Completed", job
    if where:
        [metric] = job.final_metric_data_list
        assert metric.metric_name == "train:accuracy", metric
        assert metric.value >= 0.9, metric
        print(f"v3-{framework}: {metric.value}", flush=True)
    return trainer


def deployed(builder, name):
    """The endpoint of a built model, in service."""
    began = time.monotonic()
    name = f"v3-{name}-{int(time.time())}"
    builder.build(model_name=name)
    builder.deploy(endpoint_name=name, initial_instance_count=1, instance_type=TYPE, wait=False)
    client = builder.sagemaker_session.sagemaker_client
    waiter = client.get_waiter("endpoint_in_service")
    try:
        waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 200})
    except Exception as error:
        reason = client.describe_endpoint(EndpointName=name).get("FailureReason")
        raise AssertionError(f"{name}: {reason}") from error
    print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return Endpoint.get(endpoint_name=name)


def asked(endpoint, value):
    """What the endpoint says to JSON, read as JSON."""
    answer = endpoint.invoke(
        body=json.dumps(value), content_type="application/json", accept="application/json"
    )
    return json.loads(answer.body.read())


def gone(endpoint, builder):
    EndpointConfig.get(endpoint_config_name=endpoint.endpoint_name).delete()
    builder.built_model.delete()
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)


def artifact(trainer):
    return trainer._latest_training_job.model_artifacts.s3_model_artifacts


def common(framework):
    """What every ModelBuilder is given."""
    return {
        "role_arn": ROLE,
        "sagemaker_session": SESSIONS[framework],
        "image_uri": image(framework, "inference"),
        "instance_type": TYPE,
    }


class Scripted(InferenceSpec):
    """What AWS's example of ModelTrainer and ModelBuilder is given."""

    def load(self, model_dir):
        import torch

        return torch.jit.load(f"{model_dir}/model.pt")

    def invoke(self, input_object, model):
        import torch

        return model(torch.tensor(input_object)).tolist()


def pytorch(where):
    if not INDEX:
        print("pytorch: no package index to resolve its release", flush=True)
        return
    trainer = trained("pytorch", where, {"epochs": 60, "learning-rate": 0.05})
    # The trainer itself: AWS's container finds no inference.py and loads the TorchScript.
    builder = ModelBuilder(
        model=trainer,
        inference_spec=Scripted(),
        schema_builder=SchemaBuilder(ASK, ASK),
        model_server=ModelServer.TORCHSERVE,
        dependencies={"auto": False},
        **common("pytorch"),
    )
    endpoint = deployed(builder, "pytorch-trainer")
    scores = np.array(asked(endpoint, ASK))
    assert scores.argmax(axis=1).tolist() == [1, 0], scores
    gone(endpoint, builder)
    # Its artifact and a script.
    builder = ModelBuilder(
        s3_model_data_url=artifact(trainer),
        source_code=SourceCode(
            source_dir=os.path.join(SCRIPTS, "pytorch"), entry_script="inference.py"
        ),
        **common("pytorch"),
    )
    endpoint = deployed(builder, "pytorch-script")
    assert asked(endpoint, {"points": ASK}) == {"labels": [1, 0]}
    gone(endpoint, builder)


def torchrun():
    """A job of one instance under v3's own torchrun driver, two processes."""
    if not INDEX:
        print("torchrun: no package index to resolve its release", flush=True)
        return
    source = SourceCode(source_dir=os.path.join(SCRIPTS, "pytorch"), entry_script="distributed.py")
    trainer = trained("pytorch", None, {}, source, distributed=Torchrun(process_count_per_node=2))
    assert trainer._latest_training_job.training_job_status == "Completed"
    print("v3-torchrun: well", flush=True)


def tensorflow(where):
    trainer = trained("tensorflow", where, {"epochs": 12})
    builder = ModelBuilder(s3_model_data_url=artifact(trainer), **common("tensorflow"))
    endpoint = deployed(builder, "tensorflow")
    told = asked(endpoint, {"instances": ASK})
    assert [row[0] > 0.5 for row in told["predictions"]] == [True, False], told
    gone(endpoint, builder)


def huggingface(where):
    trainer = trained("huggingface", where, {"epochs": 30})
    builder = ModelBuilder(
        s3_model_data_url=artifact(trainer),
        env_vars={"HF_TASK": "text-classification"},
        **common("huggingface"),
    )
    endpoint = deployed(builder, "huggingface")
    told = asked(endpoint, {"inputs": ["a lovely scene", "a poor plot"]})
    assert [each["label"] for each in told] == ["good", "bad"], told
    gone(endpoint, builder)


def sklearn(where):
    from sklearn.linear_model import LogisticRegression

    trainer = trained("sklearn", where, {"strength": 10.0})
    builder = ModelBuilder(
        s3_model_data_url=artifact(trainer),
        source_code=SourceCode(
            source_dir=os.path.join(SCRIPTS, "sklearn"), entry_script="train.py"
        ),
        **common("sklearn"),
    )
    endpoint = deployed(builder, "sklearn-script")
    assert asked(endpoint, ASK) == [1, 0]
    gone(endpoint, builder)
    if not INDEX:
        print("sklearn: no package index for what ModelBuilder's own code asks for", flush=True)
        return
    source = SourceCode(
        source_dir=os.path.join(SCRIPTS, "requirements"),
        entry_script="train.py",
        requirements="requirements.txt",
    )
    trained("sklearn", where, {}, source)
    # An object of this process: ModelBuilder pickles it beside a script that needs the SDK. It would
    # list what both need in a process of its own without variables, which then knows no region.
    needs = [f"{name}=={version(name)}" for name in ("cloudpickle", "sagemaker-serve")]
    points = np.random.default_rng(0).normal(size=(200, 2))
    model = LogisticRegression().fit(points, points.sum(axis=1) > 0)
    builder = ModelBuilder(
        model=model,
        schema_builder=SchemaBuilder(points[:2], model.predict(points[:2])),
        model_server=ModelServer.TORCHSERVE,
        dependencies={"auto": False, "custom": needs},
        **{**common("sklearn"), "image_uri": image("pytorch", "inference")},
    )
    endpoint = deployed(builder, "sklearn-object")
    body = io.BytesIO()
    np.save(body, np.array(ASK))
    answer = endpoint.invoke(
        body=body.getvalue(), content_type="application/x-npy", accept="application/x-npy"
    )
    labels = np.load(io.BytesIO(answer.body.read()))
    assert labels.tolist() == [True, False], labels
    gone(endpoint, builder)


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
        for task in [*tasks, (torchrun,)]
        if not wanted or task[0].__name__ in wanted
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("\n".join(failed))
    print("v3 frameworks: all well")


main()
