"""sagemaker v2: deploy(serverless_inference_config=…), predict, an update, deletion."""

import sys

import sagemaker
from multiplier_model import uploaded
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel

code = sys.argv[1]
session = sagemaker.Session()
bucket = session.default_bucket()

model = SKLearnModel(
    model_data=uploaded(bucket, "v2-serverless"),
    role=sagemaker.get_execution_role(),
    entry_point=f"{code}/inference.py",
    framework_version="1.2-1",
    py_version="py3",
)
predictor = model.deploy(
    serverless_inference_config=ServerlessInferenceConfig(
        memory_size_in_mb=2048, max_concurrency=2
    ),
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
    wait=False,
)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)
assert predictor.predict([1.0, 2.0]) == [3.0, 6.0]
found = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
config = found["ProductionVariants"][0]["CurrentServerlessConfig"]
assert config == {"MemorySizeInMB": 2048, "MaxConcurrency": 2}, config
predictor.delete_model()
predictor.delete_endpoint()
print("v2 serverless: all well")
