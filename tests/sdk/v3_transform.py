"""sagemaker v3: Transformer over a model with a script of one's own, and core's TransformJob."""

import io
import sys
import tarfile
import time

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.core.transformer import Transformer

folder = sys.argv[1]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CODE = b"""
def model_fn(folder):
    return len

def input_fn(body, content_type):
    return (body if isinstance(body, str) else body.decode()).splitlines()

def predict_fn(lines, model):
    return [model(line) for line in lines]

def output_fn(found, accept):
    return "\\n".join(map(str, found)), accept
"""
session = Session()
role = get_execution_role()
bucket = session.default_bucket()
with tarfile.open(f"{folder}/model.tar.gz", "w:gz") as tar:
    member = tarfile.TarInfo("code/inference.py")
    member.size = len(CODE)
    tar.addfile(member, io.BytesIO(CODE))
data = session.upload_data(f"{folder}/model.tar.gz", bucket, "v3/transform/model")
name = f"v3-transform-{int(time.time())}"
Model.create(
    model_name=name,
    execution_role_arn=role,
    primary_container=ContainerDefinition(
        image=IMAGE,
        model_data_url=data,
        environment={"SAGEMAKER_PROGRAM": "inference.py"},
    ),
)
with open(f"{folder}/rows.csv", "w") as file:
    file.write("1,one\n2,three\n")
rows = session.upload_data(f"{folder}/rows.csv", bucket, "v3/transform/rows")
transformer = Transformer(
    model_name=name,
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="text/csv",
    sagemaker_session=session,
)
transformer.transform(
    rows,
    content_type="text/csv",
    split_type="Line",
    input_filter="$[1]",
    join_source="Input",
    wait=True,
    logs=True,
)
where = transformer.output_path.removeprefix(f"s3://{bucket}/") + "/rows.csv.out"
said = session.read_s3_file(bucket, where)
assert said == "1,one,3\n2,three,5\n", said
listed = [job.transform_job_name for job in TransformJob.get_all(name_contains=name[:20])]
job = TransformJob.get(transformer._current_job_name)
assert job.transform_job_status == "Completed", job
assert listed, listed
print("v3 transform: all well")
