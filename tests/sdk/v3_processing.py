"""sagemaker v3: ScriptProcessor and FrameworkProcessor."""

import json
import sys

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)

here = sys.argv[2]
session = Session()
role = get_execution_role()
bucket = session.default_bucket()
s3 = boto3.client("s3")
for number, text in enumerate(("one", "one two", "one two three")):
    s3.put_object(Bucket=bucket, Key=f"v3/texts/{number}.txt", Body=text.encode())
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def inputs():
    source = ProcessingS3Input(
        s3_uri=f"s3://{bucket}/v3/texts",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
        local_path="/opt/ml/processing/input/text",
    )
    return [ProcessingInput(input_name="text", s3_input=source)]


def outputs(name):
    where = ProcessingS3Output(
        s3_uri=f"s3://{bucket}/v3/{name}",
        s3_upload_mode="EndOfJob",
        local_path="/opt/ml/processing/output",
    )
    return [ProcessingOutput(output_name="counts", s3_output=where)]


def result(name):
    body = s3.get_object(Bucket=bucket, Key=f"v3/{name}/algo-1.json")["Body"]
    return json.load(body)


given = {
    "image_uri": IMAGE,
    "role": role,
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "command": ["python3"],
    "sagemaker_session": session,
}
ScriptProcessor(**given).run(
    code=f"{here}/processing/count.py",
    inputs=inputs(),
    outputs=outputs("script"),
    arguments=["--least", "2"],
)
assert result("script") == {"1.txt": 2, "2.txt": 3}, result("script")

FrameworkProcessor(**given).run(
    code="count.py",
    source_dir=f"{here}/processing",
    inputs=inputs(),
    outputs=outputs("framework"),
)
assert result("framework") == {"0.txt": 1, "1.txt": 2, "2.txt": 3}, result("framework")
print("v3 processing: all well")
