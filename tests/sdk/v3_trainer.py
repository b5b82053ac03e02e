"""sagemaker v3: ModelTrainer.train with a script, then core Model, EndpointConfig, Endpoint.invoke."""

import json
import sys
import time

import numpy as np
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

folder, code = sys.argv[1:3]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session()
role = get_execution_role()
rng = np.random.default_rng(0)
points = rng.normal(size=(200, 2))
with open(f"{folder}/points.csv", "w") as file:
    file.write("a,b,label\n")
    for a, b in points:
        file.write(f"{a},{b},{int(a + b > 0)}\n")
where = session.upload_data(f"{folder}/points.csv", session.default_bucket(), "v3/train")

trainer = ModelTrainer(
    training_image=IMAGE,
    source_code=SourceCode(source_dir=code, entry_script="train_sklearn.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"c": 10.0},
    role=role,
    base_job_name="v3-script",
    sagemaker_session=session,
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=where)])
job = trainer._latest_training_job
job.refresh()
assert job.training_job_status == "Completed", job
assert TrainingJob.get(job.training_job_name).training_job_arn == job.training_job_arn

name = f"v3-{int(time.time())}"
Model.create(
    model_name=name,
    execution_role_arn=role,
    primary_container=ContainerDefinition(
        image=IMAGE,
        model_data_url=job.model_artifacts.s3_model_artifacts,
        environment={
            "SAGEMAKER_PROGRAM": "train_sklearn.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": sys.argv[3],
        },
    ),
)
EndpointConfig.create(
    endpoint_config_name=name,
    production_variants=[
        ProductionVariant(
            variant_name="AllTraffic",
            model_name=name,
            initial_instance_count=1,
            instance_type="ml.m5.large",
        )
    ],
)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService", poll=1)
result = endpoint.invoke(
    body=json.dumps({"instances": [[2.0, 2.0], [-2.0, -2.0]]}), content_type="application/json"
)
assert json.loads(result.body.read()) == {"predictions": [1, 0]}
endpoint.delete()
print("v3 trainer: all well")
