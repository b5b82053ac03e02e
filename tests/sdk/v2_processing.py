"""sagemaker v2: SKLearnProcessor, ScriptProcessor on two instances, FrameworkProcessor."""

import json
import sys

import sagemaker
from sagemaker.processing import (
    FrameworkProcessor,
    ProcessingInput,
    ProcessingOutput,
    ScriptProcessor,
)
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor

folder, here = sys.argv[1], sys.argv[2]
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
texts = f"s3://{bucket}/v2/texts"
for number, text in enumerate(("one", "one two", "one two three", "a b c d")):
    S3Uploader.upload_string_as_file_body(text, f"{texts}/{number}.txt")


def inputs(kind="FullyReplicated"):
    return [
        ProcessingInput(
            source=texts,
            destination="/opt/ml/processing/input/text",
            s3_data_distribution_type=kind,
        )
    ]


def outputs():
    return [ProcessingOutput(output_name="counts", source="/opt/ml/processing/output")]


def results(processor):
    uri = processor.latest_job.outputs[0].destination
    found = {}
    for each in S3Downloader.list(uri):
        found[each.rsplit("/", 1)[1]] = json.loads(S3Downloader.read_file(each))
    return found


sklearn = SKLearnProcessor(
    framework_version="1.2-1", role=role, instance_type="ml.m5.large", instance_count=1
)
sklearn.run(
    code=f"{here}/processing/count.py",
    inputs=inputs(),
    outputs=outputs(),
    arguments=["--least", "2"],
)
assert results(sklearn) == {"algo-1.json": {"1.txt": 2, "2.txt": 3, "3.txt": 4}}, results(sklearn)

script = ScriptProcessor(
    image_uri=sklearn.image_uri,
    command=["python3"],
    role=role,
    instance_type="ml.m5.large",
    instance_count=2,
)
script.run(code=f"{here}/processing/count.py", inputs=inputs("ShardedByS3Key"), outputs=outputs())
parts = results(script)
assert sorted(parts) == ["algo-1.json", "algo-2.json"], parts
assert {**parts["algo-1.json"], **parts["algo-2.json"]} == {
    "0.txt": 1, "1.txt": 2, "2.txt": 3, "3.txt": 4
}, parts  # fmt: skip
assert all(parts.values()), parts
assert not set(parts["algo-1.json"]) & set(parts["algo-2.json"]), parts

framework = FrameworkProcessor(
    estimator_cls=SKLearn,
    framework_version="1.2-1",
    role=role,
    instance_type="ml.m5.large",
    instance_count=1,
)
framework.run(code="count.py", source_dir=f"{here}/processing", inputs=inputs(), outputs=outputs())
assert len(results(framework)["algo-1.json"]) == 4

job = framework.latest_job.describe()
assert job["ProcessingJobStatus"] == "Completed", job
print("v2 processing: all well")
