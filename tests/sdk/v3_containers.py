"""sagemaker v3: a pipeline, direct invocation and an inference experiment, by its resources."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceExperiment, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    InferenceExecutionConfig,
    ModelInfrastructureConfig,
    ModelVariantConfig,
    ProductionVariant,
    RealTimeInferenceConfig,
    ShadowModeConfig,
    ShadowModelVariantConfig,
)

code = Path(sys.argv[1])
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session, role, stamp = Session(), get_execution_role(), int(time.time())
bucket, s3 = session.default_bucket(), boto3.client("s3")


def container(name: str, script: str, by: float) -> ContainerDefinition:
    """A container whose model.tar.gz holds the script and its weights."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for path, data in (
            ("weights.json", json.dumps({"by": by}).encode()),
            ("code/inference.py", (code / f"{script}.py").read_bytes()),
        ):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    key = f"v3-containers/{name}-{by}.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=body.getvalue())
    return ContainerDefinition(
        container_hostname=name,
        image=IMAGE,
        model_data_url=f"s3://{bucket}/{key}",
        environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_PROGRAM": "inference.py"},
    )


def deployed(name: str, **model) -> Endpoint:
    Model.create(model_name=name, execution_role_arn=role, **model)
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=name,
                instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
    )
    found = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    found.wait_for_status("InService", poll=1)
    return found


both = [container("clean", "clean", 1.0), container("double", "score", 2.0)]
pipeline = deployed(f"v3-pipeline-{stamp}", containers=both)
answer = pipeline.invoke(body="1,2\n3,4", content_type="text/csv", accept="application/json")
assert json.loads(answer.body.read()) == [6.0, 14.0]
pipeline.delete()

direct = deployed(
    f"v3-direct-{stamp}",
    containers=both,
    inference_execution_config=InferenceExecutionConfig(mode="Direct"),
)
asked = {"content_type": "application/json", "target_container_hostname": "double"}
answer = direct.invoke(body="[[1, 2]]", custom_attributes="a=b", inference_id="one", **asked)
assert json.loads(answer.body.read()) == [6.0]
answer = direct.invoke(body='"said"', custom_attributes="a=b", inference_id="one", **asked)
assert answer.custom_attributes == "seen=1", answer
assert json.loads(answer.body.read())[1:3] == ["a=b", "one"]
# its own invoke_with_response_stream cannot read any EventStream (codec.transform)
stream = boto3.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
    EndpointName=direct.endpoint_name,
    TargetContainerHostname="double",
    ContentType="application/json",
    Body=b'"stream"',
)
said = b"".join(event["PayloadPart"]["Bytes"] for event in stream["Body"])
assert said == b"line 0\nline 1\nline 2\n", said
direct.delete()

one = deployed(f"v3-one-{stamp}", primary_container=container("one", "score", 2.0))
three = f"v3-three-{stamp}"
Model.create(
    model_name=three,
    execution_role_arn=role,
    primary_container=container("three", "score", 3.0),
)
size = ModelInfrastructureConfig(
    infrastructure_type="RealTimeInference",
    real_time_inference_config=RealTimeInferenceConfig(
        instance_type="ml.m5.large", instance_count=1
    ),
)
experiment = InferenceExperiment.create(
    name=f"v3-experiment-{stamp}",
    type="ShadowMode",
    role_arn=role,
    endpoint_name=one.endpoint_name,
    model_variants=[
        ModelVariantConfig(
            model_name=one.endpoint_name, variant_name="AllTraffic", infrastructure_config=size
        ),
        ModelVariantConfig(model_name=three, variant_name="shadow", infrastructure_config=size),
    ],
    shadow_mode_config=ShadowModeConfig(
        source_model_variant_name="AllTraffic",
        shadow_model_variants=[
            ShadowModelVariantConfig(shadow_model_variant_name="shadow", sampling_percentage=50)
        ],
    ),
)
experiment.wait_for_status("Running", poll=1)
ask = {"body": "[[1]]", "content_type": "application/json"}
assert json.loads(one.invoke(**ask).body.read()) == [2.0]
# its own stop sends no ModelVariantActions, which are required
boto3.client("sagemaker").stop_inference_experiment(
    Name=experiment.name,
    ModelVariantActions={"AllTraffic": "Remove", "shadow": "Promote"},
    DesiredState="Completed",
    Reason="it is better",
)
experiment.wait_for_status("Completed", poll=1)
assert experiment.status_reason == "it is better"
assert json.loads(one.invoke(**ask).body.read()) == [3.0]
names = [each.name for each in InferenceExperiment.get_all(status_equals="Completed")]
assert experiment.name in names, names
experiment.delete()
one.delete()
print("v3 containers: all well")
