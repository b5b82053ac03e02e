"""sagemaker v3: batch_skipgram, on two instances where they are, evaluated; then an endpoint."""

import json
import random
import sys
import time

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

folder, instances = sys.argv[1], int(sys.argv[2])
IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
session, role = Session(), get_execution_role()
chance = random.Random(0)
TOPICS = ("guitar song melody drum", "bread soup cheese oven", "goal team match league")
with open(f"{folder}/text", "w") as file:
    for _ in range(4000):
        file.write(" ".join(chance.choices(chance.choice(TOPICS).split(), k=8)) + "\n")
with open(f"{folder}/pairs", "w") as file:
    file.write(
        "guitar song 9\nbread oven 9\nteam league 9\nguitar oven 1\nsong team 1\nsoup goal 1\n"
    )
where = {
    name: session.upload_data(f"{folder}/{name}", session.default_bucket(), f"v3/words/{name}")
    for name in ("text", "pairs")
}
trainer = ModelTrainer(
    training_image=IMAGE,
    compute=Compute(instance_type="ml.m5.large", instance_count=instances),
    hyperparameters={
        "mode": "batch_skipgram",
        "epochs": 5,
        "vector_dim": 20,
        "sampling_threshold": 0.01,
        "evaluation": True,
    },
    role=role,
    base_job_name="v3-words",
    sagemaker_session=session,
)
trainer.train(
    input_data_config=[
        InputData(channel_name="train", data_source=where["text"]),
        InputData(channel_name="evaluation", data_source=where["pairs"]),
    ]
)
job = trainer._latest_training_job
job.refresh()
assert job.training_job_status == "Completed", job
(rho,) = [m.value for m in job.final_metric_data_list if m.metric_name == "train:mean_rho"]
assert rho > 0.8, rho

name = f"v3-words-{int(time.time())}"
Model.create(
    model_name=name,
    execution_role_arn=role,
    primary_container=ContainerDefinition(
        image=IMAGE, model_data_url=job.model_artifacts.s3_model_artifacts
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
body = json.dumps({"instances": ["guitar", "unheard"]})
result = endpoint.invoke(body=body, content_type="application/json")
guitar, unheard = json.loads(result.body.read())
assert (guitar["word"], len(guitar["vector"]), any(guitar["vector"])) == ("guitar", 20, True)
assert unheard == {"vector": [0.0] * 20, "word": "unheard"}
endpoint.delete()
print("v3 word vectors: all well")
