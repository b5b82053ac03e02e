"""sagemaker v3: a model id of JumpStart's, by ModelTrainer.from_jumpstart_config."""

import sys
from pathlib import Path

from botocore.exceptions import ClientError
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.jumpstart import JumpStartConfig
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

encoder, folder = Path(sys.argv[1]), Path(sys.argv[2])
session = Session()
bucket = session.default_bucket()
words = {1: "moving tender clever warm", 0: "dull clumsy tired cold"}
rows = [f"{label},a {word} film\n" for label, said in words.items() for word in said.split()] * 4
(folder / "data.csv").write_text("".join(rows))
session.upload_data(str(folder / "data.csv"), bucket, "jumpstart3/data")
base = session.upload_data(str(encoder), bucket, "jumpstart3/encoder")

code = ""
try:
    ModelTrainer.from_jumpstart_config(JumpStartConfig(model_id="huggingface-llm-none"))
except ClientError as error:
    code = error.response["Error"]["Code"]
assert code == "ResourceNotFound", code
trainer = ModelTrainer.from_jumpstart_config(
    JumpStartConfig(model_id="huggingface-tc-bert-base-cased"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"epochs": "2", "batch_size": "8"},
    input_data_config=[
        InputData(channel_name="training", data_source=f"s3://{bucket}/jumpstart3/data/"),
        InputData(channel_name="model", data_source=base),
    ],
)
assert trainer.hyperparameters["max_seq_length"] == "128", trainer.hyperparameters
trainer.train(logs=False)
job = trainer._latest_training_job
job.refresh()
assert job.training_job_status == "Completed", job.failure_reason
assert "huggingface-pytorch-training" in job.algorithm_specification.training_image
print("all well")
