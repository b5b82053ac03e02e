"""sagemaker v2: the BlazingText notebook's calls: image_uris, Estimator, TrainingInput, deploy."""

import sys

import sagemaker
from sagemaker.inputs import TrainingInput

folder = sys.argv[1]
session = sagemaker.Session()
role = sagemaker.get_execution_role()
image = sagemaker.image_uris.retrieve("blazingtext", "us-east-1", version="latest")
with open(f"{folder}/train.txt", "w") as file:
    for n in range(300):
        file.write(f"__label__good it was a great and lovely film number {n}\n")
        file.write(f"__label__bad it was a poor and boring film number {n}\n")
where = session.upload_data(f"{folder}/train.txt", key_prefix="v2/blazingtext/train")
estimator = sagemaker.estimator.Estimator(
    image,
    role,
    instance_count=1,
    instance_type="ml.c5.xlarge",
    volume_size=30,
    max_run=360000,
    input_mode="File",
    output_path=f"s3://{session.default_bucket()}/v2/blazingtext/output",
    hyperparameters={
        "mode": "supervised",
        "epochs": 10,
        "min_count": 2,
        "learning_rate": 0.05,
        "vector_dim": 10,
        "early_stopping": True,
        "patience": 4,
        "min_epochs": 5,
        "word_ngrams": 2,
    },
)
train = TrainingInput(
    where, distribution="FullyReplicated", content_type="text/plain", s3_data_type="S3Prefix"
)
estimator.fit(inputs={"train": train, "validation": train}, logs=True)
predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m4.xlarge",
    serializer=sagemaker.serializers.JSONSerializer(),
    deserializer=sagemaker.deserializers.JSONDeserializer(),
    wait=False,
)
estimator.sagemaker_session.wait_for_endpoint(predictor.endpoint_name, poll=1)
said = predictor.predict(
    {"instances": ["a great film", "a boring film"], "configuration": {"k": 2}}
)
assert [one["label"][0] for one in said] == ["__label__good", "__label__bad"], said
assert all(len(one["prob"]) == 2 and abs(sum(one["prob"]) - 1) < 0.01 for one in said), said
predictor.delete_endpoint()
print("v2 blazingtext: all well")
