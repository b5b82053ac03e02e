"""sagemaker v3: ModelTrainer's channels in Pipe and FastFile mode; its own code comes as files."""

import sys

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.shapes import Channel, DataSource, S3DataSource
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode

folder, code = sys.argv[1:3]
session = Session()
bucket = session.default_bucket()
s3 = session.boto_session.client("s3")
for n in range(3):
    s3.put_object(Bucket=bucket, Key=f"modes3/{n}", Body=b"%d" % n)


def channel(name: str, mode: str) -> Channel:
    source = S3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/modes3/")
    return Channel(
        channel_name=name, data_source=DataSource(s3_data_source=source), input_mode=mode
    )


trainer = ModelTrainer(
    training_image="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    source_code=SourceCode(source_dir=code, entry_script="train_inputs.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=get_execution_role(),
    base_job_name="v3-modes",
    sagemaker_session=session,
    training_input_mode="FastFile",
)
trainer.train(input_data_config=[channel("piped", "Pipe"), channel("lazy", "FastFile")])
job = trainer._latest_training_job
job.refresh()
assert job.training_job_status == "Completed", job
logs, group = session.boto_session.client("logs"), "/aws/sagemaker/TrainingJobs"
stream = logs.describe_log_streams(
    logGroupName=group, logStreamNamePrefix=f"{job.training_job_name}/"
)["logStreams"][0]["logStreamName"]
for event in logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]:
    print(event["message"])
print("v3 input modes: all well")
