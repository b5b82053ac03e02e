"""sagemaker v3: ModelBuilder.deploy with a ServerlessInferenceConfig, Endpoint.invoke."""

import json
import sys
import time

import boto3
from multiplier_model import uploaded
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import ServerlessInferenceConfig
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve.model_builder import ModelBuilder

code = sys.argv[1]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session()
bucket, s3 = session.default_bucket(), boto3.client("s3")

builder = ModelBuilder(
    s3_model_data_url=uploaded(bucket, "v3-serverless"),
    source_code=SourceCode(source_dir=code, entry_script="inference.py"),
    role_arn=get_execution_role(),
    sagemaker_session=session,
    image_uri=IMAGE,
)
name = f"v3-serverless-{int(time.time())}"
builder.build(model_name=name)
endpoint = builder.deploy(
    endpoint_name=name,
    inference_config=ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2),
)
answer = endpoint.invoke(body=json.dumps([1.0, 2.0]), content_type="application/json")
assert json.loads(answer.body.read()) == [3.0, 6.0]
endpoint.refresh()
(variant,) = endpoint.production_variants
assert variant.current_serverless_config.memory_size_in_mb == 2048
builder.built_model.delete()
endpoint.delete()
print("v3 serverless: all well")
