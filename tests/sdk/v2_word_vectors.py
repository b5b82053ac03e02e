"""sagemaker v2: the calls of AWS's notebook on sub-words: train, deploy, ask for unknown words."""

import json
import random
import sys
import tarfile

import numpy as np
import sagemaker
from sagemaker.serializers import JSONSerializer

folder = sys.argv[1]
sess = sagemaker.Session()
role = sagemaker.get_execution_role()
chance = random.Random(0)
TOPICS = ("guitar song melody drum", "bread soup cheese oven", "goal team match league")
with open(f"{folder}/text8", "w") as file:
    for _ in range(3000):
        file.write(" ".join(chance.choices(chance.choice(TOPICS).split(), k=8)) + "\n")
sess.upload_data(path=f"{folder}/text8", bucket=sess.default_bucket(), key_prefix="v2/words/train")
container = sagemaker.image_uris.retrieve("blazingtext", "us-east-1", "latest")
bt_model = sagemaker.estimator.Estimator(
    container,
    role,
    instance_count=1,
    instance_type="ml.c4.2xlarge",
    volume_size=30,
    max_run=360000,
    input_mode="File",
    output_path=f"s3://{sess.default_bucket()}/v2/words/output",
    sagemaker_session=sess,
)
bt_model.set_hyperparameters(
    mode="skipgram",
    epochs=5,
    min_count=5,
    sampling_threshold=0.01,
    learning_rate=0.05,
    window_size=5,
    vector_dim=20,
    negative_samples=5,
    subwords=True,
    min_char=3,
    max_char=6,
    buckets=10000,
    batch_size=11,
    evaluation=True,
)
train_data = sagemaker.inputs.TrainingInput(
    f"s3://{sess.default_bucket()}/v2/words/train",
    distribution="FullyReplicated",
    content_type="text/plain",
    s3_data_type="S3Prefix",
)
bt_model.fit(inputs={"train": train_data}, logs=True)

sess.download_data(folder, sess.default_bucket(), bt_model.model_data.split("/", 3)[3])
with tarfile.open(f"{folder}/model.tar.gz") as archive:
    archive.extractall(folder, filter="data")
    assert sorted(archive.getnames()) == ["eval.json", "vectors.bin", "vectors.txt"]
with open(f"{folder}/eval.json") as file:
    assert json.load(file)["mean_rho"] is None
with open(f"{folder}/vectors.txt") as file:
    assert file.readline().split() == ["12", "20"]
    learnt = {line.split()[0]: np.array(line.split()[1:], float) for line in file}

bt_endpoint = bt_model.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge")
bt_endpoint.serializer = JSONSerializer()
words = ["guitar", "guitars", "awweeesome"]
vecs = {
    each["word"]: np.array(each["vector"])
    for each in json.loads(bt_endpoint.predict({"instances": words}))
}
assert list(vecs) == words
assert np.allclose(vecs["guitar"], learnt["guitar"], atol=1e-5)
assert all(np.linalg.norm(vector) > 0 for vector in vecs.values())


def near(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


assert near(vecs["guitars"], learnt["song"]) > near(vecs["guitars"], learnt["soup"]) + 0.2
bt_endpoint.delete_endpoint()
print("v2 word vectors: all well")
