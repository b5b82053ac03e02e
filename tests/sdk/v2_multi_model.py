"""sagemaker v2: MultiDataModel.deploy, add_model, list_models, predict(target_model=…)."""

import sys
from pathlib import Path

import sagemaker
from botocore.exceptions import ClientError
from multiplier_model import archive
from sagemaker.deserializers import JSONDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

work, code = Path(sys.argv[1]), sys.argv[2]
session = sagemaker.Session()
bucket = session.default_bucket()


def artifact(name: str, by: float) -> str:
    """A model.tar.gz on this disk that multiplies."""
    file = work / name
    file.write_bytes(archive(by))
    return str(file)


first = session.upload_data(artifact("first.tar.gz", 2.0), bucket, "v2-multi/source")
model = SKLearnModel(
    model_data=first,
    role=sagemaker.get_execution_role(),
    entry_point=f"{code}/inference.py",
    framework_version="1.2-1",
    sagemaker_session=session,
)
many = MultiDataModel(
    name="v2-multi",
    model_data_prefix=f"s3://{bucket}/v2-multi/models/",
    model=model,
    sagemaker_session=session,
)
predictor = many.deploy(initial_instance_count=1, instance_type="ml.t2.medium", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)
predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
assert list(many.list_models()) == []
many.add_model(model_data_source=first, model_data_path="two.tar.gz")  # S3 to S3
many.add_model(model_data_source=artifact("three.tar.gz", 3.0))
assert sorted(many.list_models()) == ["three.tar.gz", "two.tar.gz"], list(many.list_models())
for _ in range(2):
    assert predictor.predict([1, 2], target_model="two.tar.gz") == [2.0, 4.0]
    assert predictor.predict([1, 2], target_model="three.tar.gz") == [3.0, 6.0]
refusal = ""
try:
    predictor.predict([1], target_model="four.tar.gz")
except ClientError as error:
    refusal = error.response["Error"]["Code"]
assert refusal == "ValidationError", refusal
predictor.delete_endpoint()
print("all well")
