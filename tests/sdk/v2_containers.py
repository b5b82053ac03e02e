"""sagemaker v2: PipelineModel, direct invocation, data capture, variants, streams, and what headers say."""

import io
import json
import sys
import tarfile
import time

import boto3
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, StreamDeserializer
from sagemaker.iterators import ByteIterator, LineIterator
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.session import production_variant
from sagemaker.sklearn import SKLearnModel

code = sys.argv[1]
session, role = sagemaker.Session(), sagemaker.get_execution_role()
bucket, s3 = session.default_bucket(), boto3.client("s3")
sm, stamp = session.sagemaker_client, int(time.time())


def weights(by: float) -> str:
    body, data = io.BytesIO(), json.dumps({"by": by}).encode()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        member = tarfile.TarInfo("weights.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    s3.put_object(Bucket=bucket, Key=f"v2-containers/{by}.tar.gz", Body=body.getvalue())
    return f"s3://{bucket}/v2-containers/{by}.tar.gz"


def model(script: str, by: float) -> SKLearnModel:
    return SKLearnModel(
        model_data=weights(by),
        role=role,
        entry_point=f"{code}/{script}.py",
        framework_version="1.2-1",
        py_version="py3",
        env={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
        sagemaker_session=session,
    )


def refused(code: str, call, *args, **params) -> str:
    try:
        call(*args, **params)
    except ClientError as error:
        told = error.response["Error"]
    else:
        told = {"Code": "no error"}
    assert told["Code"] == code, told
    return told["Message"]


# An inference pipeline, whose requests and answers are captured
clean, double = model("clean", 1.0), model("score", 2.0)
capture = DataCaptureConfig(
    enable_capture=True,
    sampling_percentage=100,
    destination_s3_uri=f"s3://{bucket}/v2-captured",
    csv_content_types=["text/csv"],
    json_content_types=["application/json"],
)
pipeline = PipelineModel(
    name=f"v2-pipeline-{stamp}", role=role, models=[clean, double], sagemaker_session=session
)
pipeline.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    endpoint_name=pipeline.name,
    data_capture_config=capture,
    wait=False,
)
session.wait_for_endpoint(pipeline.name, poll=1)
predictor = Predictor(
    pipeline.name, session, serializer=CSVSerializer(), deserializer=JSONDeserializer()
)
assert predictor.predict([[1, 2], [3, 4]]) == [6.0, 14.0]
predictor.deserializer = CSVDeserializer()
assert predictor.predict("1,2\n3,4", inference_id="one") == [["6.0"], ["14.0"]]
shown = sm.describe_endpoint(EndpointName=pipeline.name)["DataCaptureConfig"]
assert shown["CaptureStatus"] == "Started", shown
predictor.disable_data_capture()
shown = sm.describe_endpoint(EndpointName=pipeline.name)["DataCaptureConfig"]
assert shown["CaptureStatus"] == "Stopped", shown
predictor.delete_endpoint()

# Direct invocation of containers
direct = f"v2-direct-{stamp}"
sm.create_model(
    ModelName=direct,
    ExecutionRoleArn=role,
    InferenceExecutionConfig={"Mode": "Direct"},
    Containers=[
        {**each.prepare_container_def("ml.m5.large"), "ContainerHostname": name}
        for name, each in (("clean", clean), ("double", double))
    ],
)
session.endpoint_from_production_variants(
    direct,
    [production_variant(direct, "ml.m5.large", container_startup_health_check_timeout=120)],
    wait=False,
)
session.wait_for_endpoint(direct, poll=1)
predictor = Predictor(direct, session, serializer=JSONSerializer(), deserializer=JSONDeserializer())
of = {"initial_args": {"TargetContainerHostname": "double"}}
assert predictor.predict([[1, 2]], **of) == [6.0]
csv = {"TargetContainerHostname": "clean", "ContentType": "text/csv; charset=utf-8"}
predictor.serializer = CSVSerializer()
assert predictor.predict([[1, 2]], initial_args=csv) == [[1.0, 2.0]]
predictor.serializer = JSONSerializer()
refused("ValidationError", predictor.predict, [[1, 2]])

# What headers say
runtime = boto3.client("sagemaker-runtime")
answer = runtime.invoke_endpoint(
    EndpointName=direct,
    TargetContainerHostname="double",
    ContentType="application/json; version=1",
    Accept="text/csv;q=0.5, application/json",
    CustomAttributes="trace=7",
    InferenceId="two",
    Body=b'"said"',
)
said = json.loads(answer["Body"].read())
assert said == [
    "application/json; version=1", "trace=7", "two", "text/csv;q=0.5, application/json",
], said  # fmt: skip
assert answer["CustomAttributes"] == "seen=1", answer
assert answer["InvokedProductionVariant"] == "AllTraffic", answer
answer = runtime.invoke_endpoint(
    EndpointName=direct,
    TargetContainerHostname="double",
    ContentType="application/json",
    Accept="text/csv, application/json;q=0.1",
    Body=b"[[1, 2]]",
)
assert (answer["ContentType"], answer["Body"].read()) == ("text/csv", b"6.0")

# How large a body may be
whole = b'"' + b"x" * (6_291_456 - 2) + b'"'
asked = {"EndpointName": direct, "TargetContainerHostname": "double"}
answer = runtime.invoke_endpoint(**asked, ContentType="application/json", Body=whole)
assert json.loads(answer["Body"].read()) == 6_291_456
refused(
    "ValidationError", runtime.invoke_endpoint, **asked, ContentType="application/json",
    Body=whole + b" ",
)  # fmt: skip

# Streams
lines = list(predictor.predict_stream("stream", iterator=LineIterator, **of))
assert lines == [b"line 0", b"line 1", b"line 2"], lines
predictor.deserializer = StreamDeserializer()
pieces = predictor.predict_stream("stream", iterator=ByteIterator, **of)
assert b"".join(pieces) == b"line 0\nline 1\nline 2\n"
predictor.delete_endpoint()

# Two production variants, and their weights
triple = model("score", 3.0)
names = [f"v2-by-{by}-{stamp}" for by in (2, 3)]
for name, each in zip(names, (double, triple), strict=True):
    session.create_model(name, role, each.prepare_container_def("ml.m5.large"))
both = f"v2-variants-{stamp}"
session.endpoint_from_production_variants(
    both,
    [
        production_variant(name, "ml.m5.large", 1, variant_name=variant, initial_weight=weight)
        for name, variant, weight in zip(names, ("two", "three"), (1, 0), strict=True)
    ],
    wait=False,
)
session.wait_for_endpoint(both, poll=1)
predictor = Predictor(both, session, serializer=JSONSerializer(), deserializer=JSONDeserializer())
assert {tuple(predictor.predict([[1]])) for _ in range(10)} == {(2.0,)}
assert predictor.predict([[1]], target_variant="three") == [3.0]
sm.update_endpoint_weights_and_capacities(
    EndpointName=both,
    DesiredWeightsAndCapacities=[
        {"VariantName": "two", "DesiredWeight": 0},
        {"VariantName": "three", "DesiredWeight": 1},
    ],
)
session.wait_for_endpoint(both, poll=1)
assert {tuple(predictor.predict([[1]])) for _ in range(10)} == {(3.0,)}
predictor.update_endpoint(
    initial_instance_count=1, instance_type="ml.m5.large", model_name=names[0], wait=False
)
session.wait_for_endpoint(both, poll=1)
assert predictor.predict([[1]]) == [2.0]
predictor.delete_model()
predictor.delete_endpoint()

# What the pipeline was asked is in S3
found = []
until = time.monotonic() + 90
prefix = f"v2-captured/{pipeline.name}/AllTraffic/"
while not found and time.monotonic() < until:
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    time.sleep(0.5)
body = s3.get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read()
first, second = (json.loads(line) for line in body.splitlines())
assert first["captureData"]["endpointInput"]["data"] == "1,2\n3,4", first
assert first["captureData"]["endpointInput"]["encoding"] == "CSV", first
assert json.loads(first["captureData"]["endpointOutput"]["data"]) == [6.0, 14.0], first
assert second["eventMetadata"]["inferenceId"] == "one", second
print("v2 containers: all well")
