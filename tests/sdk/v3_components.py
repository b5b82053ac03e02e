"""sagemaker v3: ModelBuilder.deploy with ResourceRequirements, InferenceComponent of sagemaker-core."""

import json
import sys
import time

import boto3
from multiplier_model import uploaded
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import ResourceRequirements
from sagemaker.core.resources import InferenceComponent
from sagemaker.core.shapes import InferenceComponentRuntimeConfig
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve.model_builder import ModelBuilder

code = sys.argv[1]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session()
bucket, s3 = session.default_bucket(), boto3.client("s3")

builder = ModelBuilder(
    s3_model_data_url=uploaded(bucket, "v3-components"),
    source_code=SourceCode(source_dir=code, entry_script="inference.py"),
    role_arn=get_execution_role(),
    sagemaker_session=session,
    image_uri=IMAGE,
    instance_type="ml.m5.large",
)
name = f"v3-components-{int(time.time())}"
builder.build(model_name=name)
endpoint = builder.deploy(
    endpoint_name=name,
    initial_instance_count=1,
    inference_component_name=name,
    inference_config=ResourceRequirements(requests={"num_cpus": 1, "memory": 512, "copies": 1}),
)
component = InferenceComponent.get(inference_component_name=name)
component.wait_for_status("InService", poll=1)


def asked() -> list[float]:
    answer = endpoint.invoke(
        body=b"[1.0, 2.0]", content_type="application/json", inference_component_name=name
    )
    return json.loads(answer.body.read())


assert asked() == [3.0, 6.0]
component.update_runtime_configs(
    desired_runtime_config=InferenceComponentRuntimeConfig(copy_count=2)
)
component.wait_for_status("InService", poll=1)
component.refresh()
assert component.runtime_config.current_copy_count == 2, component.runtime_config
assert asked() == [3.0, 6.0]
component.delete()
component.wait_for_delete(poll=1)
builder.built_model.delete()
endpoint.delete()
print("v3 components: all well")
