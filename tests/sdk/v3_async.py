"""sagemaker v3: ModelBuilder.deploy with an AsyncInferenceConfig, Endpoint.invoke_async, AsyncPredictor."""

import json
import sys
import time

import boto3
from multiplier_model import uploaded
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import AsyncInferenceConfig
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve.model_builder import ModelBuilder

code = sys.argv[1]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session()
bucket, s3 = session.default_bucket(), boto3.client("s3")
s3.put_object(Bucket=bucket, Key="v3-async/in.json", Body=b"[1.0, 2.0]")

builder = ModelBuilder(
    s3_model_data_url=uploaded(bucket, "v3-async"),
    source_code=SourceCode(source_dir=code, entry_script="inference.py"),
    role_arn=get_execution_role(),
    sagemaker_session=session,
    image_uri=IMAGE,
    instance_type="ml.m5.large",
)
name = f"v3-async-{int(time.time())}"
builder.build(model_name=name)
endpoint = builder.deploy(
    endpoint_name=name,
    initial_instance_count=1,
    inference_config=AsyncInferenceConfig(output_path=f"s3://{bucket}/v3-async/out"),
)
answer = endpoint.invoke_async(
    input_location=f"s3://{bucket}/v3-async/in.json", content_type="application/json"
)
key = answer.output_location.removeprefix(f"s3://{bucket}/")
s3.get_waiter("object_exists").wait(
    Bucket=bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
)
result = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
assert result == [3.0, 6.0], result
endpoint.refresh()
assert endpoint.async_inference_config.output_config.s3_output_path.endswith("/v3-async/out")
builder.built_model.delete()
endpoint.delete()
print("v3 async: all well")
