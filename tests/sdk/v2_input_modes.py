"""sagemaker v2: TrainingInput in Pipe and FastFile mode, shuffled, compressed, an augmented manifest."""

import gzip
import json
import sys

import sagemaker
from sagemaker.inputs import ShuffleConfig, TrainingInput
from sagemaker.sklearn import SKLearn

folder, source = sys.argv[1:3]
session = sagemaker.Session()
bucket = session.default_bucket()
s3 = session.boto_session.client("s3")
for n in range(3):
    s3.put_object(Bucket=bucket, Key=f"modes/gz/{n}.gz", Body=gzip.compress(b"%d\n" % n))
    s3.put_object(Bucket=bucket, Key=f"modes/plain/{n}", Body=b"%d" % n)
lines = [{"source": "good", "label": 1}, {"source": "bad", "label": 0}]
manifest = "\n".join(map(json.dumps, lines)).encode()
s3.put_object(Bucket=bucket, Key="modes/aug", Body=manifest)
where = f"s3://{bucket}/modes"

estimator = SKLearn(
    entry_point="train_inputs.py",
    source_dir=source,
    role=sagemaker.get_execution_role(),
    instance_type="ml.m5.large",
    instance_count=1,
    framework_version="1.2-1",
    py_version="py3",
    base_job_name="v2-modes",
)
estimator.fit(
    {
        "piped": TrainingInput(
            f"{where}/gz/", input_mode="Pipe", compression="Gzip", shuffle_config=ShuffleConfig(3)
        ),
        "lazy": TrainingInput(f"{where}/plain/", input_mode="FastFile"),
        "copied": TrainingInput(f"{where}/plain/", distribution="ShardedByS3Key"),
        "told": TrainingInput(
            f"{where}/aug",
            input_mode="Pipe",
            s3_data_type="AugmentedManifestFile",
            attribute_names=["source", "label"],
        ),
    }
)
job = estimator.latest_training_job.describe()
assert job["TrainingJobStatus"] == "Completed", job
print("v2 input modes: all well")
