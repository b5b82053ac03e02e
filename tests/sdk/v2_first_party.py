"""sagemaker v2: first-party estimators: LDA and NTM by record_set, others by image and Estimator.

Arguments: a folder, and the algorithms to try (all, where none is named).
"""

import functools
import io
import json
import sys

import boto3
import numpy as np
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.amazon import common
from sagemaker.amazon.record_pb2 import Record
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer

FOLDER, *NAMES = sys.argv[1:]
SESSION = sagemaker.Session()
ROLE = sagemaker.get_execution_role()
BUCKET = SESSION.default_bucket()
TYPE = "ml.c5.xlarge"
WORDS, TOPICS = 30, 3


def raised(kind, call):
    """The error of that kind that the call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def documents(count, seed):
    """Counts of words; each document is of one topic, whose words are a third of all."""
    chance = np.random.default_rng(seed)
    found = np.zeros((count, WORDS), "float32")
    for n in range(count):
        begin = n % TOPICS * (WORDS // TOPICS)
        np.add.at(found[n], chance.integers(begin, begin + WORDS // TOPICS, 40), 1)
    return found


def told_apart(mixtures):
    """Documents of a topic have the same largest share, those of others another one."""
    largest = np.argmax(np.array(mixtures), 1)
    assert len({*largest[:TOPICS]}) == TOPICS, mixtures
    assert all(largest[n] == largest[n % TOPICS] for n in range(len(largest))), mixtures


def topics(estimator, key):
    """The endpoint of a topic model answers in each format that AWS's answers in."""
    some = documents(6, 7)
    predictor = estimator.deploy(1, "ml.m5.large", wait=False)
    SESSION.wait_for_endpoint(predictor.endpoint_name, poll=1)  # deploy() would sleep 30 s first
    records = predictor.predict(some)  # RecordSerializer and RecordDeserializer
    told_apart([record.label[key].float32_tensor.values for record in records])
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    rows = predictor.predict(some)["predictions"]
    told_apart([row[key] for row in rows])
    assert abs(sum(rows[0][key]) - 1) < 1e-3, rows
    predictor.serializer = JSONSerializer()
    asked = {"instances": [{"features": row.tolist()} for row in some]}
    np.testing.assert_allclose(
        [row[key] for row in predictor.predict(asked)["predictions"]],
        [row[key] for row in rows],
        atol=1e-3,
    )
    predictor.deserializer = CSVDeserializer()
    assert len(predictor.predict(asked)) == 6
    narrow = {"instances": [{"features": [1.0]}]}
    error = raised(ClientError, lambda: predictor.predict(narrow))
    assert error.response["Error"]["Code"] == "ModelError", error
    assert error.response["OriginalStatusCode"] == 400, error
    predictor.delete_model()
    predictor.delete_endpoint()


def lda():
    estimator = sagemaker.LDA(
        role=ROLE, instance_type=TYPE, num_topics=TOPICS, alpha0=0.1, sagemaker_session=SESSION
    )
    trained = estimator.record_set(documents(300, 0))
    assert trained.s3_data.endswith(".amazon.manifest"), trained.s3_data
    tested = estimator.record_set(documents(60, 1), channel="test")
    estimator.fit([trained, tested], mini_batch_size=300)
    job = estimator.latest_training_job.describe()
    assert job["TrainingJobStatus"] == "Completed", job
    assert "test:pwll" in {m["MetricName"] for m in job["FinalMetricDataList"]}, job
    topics(estimator, "topic_mixture")


def ntm():
    estimator = sagemaker.NTM(
        role=ROLE, instance_count=1, instance_type=TYPE, num_topics=TOPICS, epochs=30,
        optimizer="adam", learning_rate=0.01, encoder_layers=[20], sagemaker_session=SESSION,
    )  # fmt: skip
    trained = estimator.record_set(documents(600, 0))
    checked = estimator.record_set(documents(60, 1), channel="validation")
    estimator.fit([trained, checked], mini_batch_size=60)
    job = estimator.latest_training_job.describe()
    assert job["TrainingJobStatus"] == "Completed", job
    found = {m["MetricName"] for m in job["FinalMetricDataList"]}
    assert {"train:total_loss", "validation:total_loss"} <= found, found
    topics(estimator, "topic_weights")


def ntm_sparse():
    """The notebook's way: sparse records of one's own, the generic Estimator, Pipe mode, a stop."""
    image = sagemaker.image_uris.retrieve("ntm", SESSION.boto_region_name)
    rows, columns = np.nonzero(documents(120, 2))
    values = documents(120, 2)[rows, columns]
    out = io.BytesIO()
    for n in range(120):
        record = Record()
        tensor = record.features["values"].float32_tensor
        tensor.values.extend(values[rows == n])
        tensor.keys.extend(columns[rows == n])
        tensor.shape.extend([WORDS])
        common._write_recordio(out, record.SerializeToString())
    key = "first-party/ntm/train.pbr"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=out.getvalue())
    estimator = sagemaker.estimator.Estimator(
        image, ROLE, 1, TYPE, output_path=f"s3://{BUCKET}/first-party", sagemaker_session=SESSION
    )
    estimator.set_hyperparameters(
        num_topics=TOPICS, feature_dim=WORDS, mini_batch_size=60, epochs=2, sub_sample=0.9
    )
    where = TrainingInput(
        f"s3://{BUCKET}/{key}", content_type="application/x-recordio-protobuf", input_mode="Pipe"
    )
    estimator.fit({"train": where})
    refused(estimator, where)


def refused(estimator, where):
    """What AWS refuses of any built-in algorithm, in its words."""
    estimator.metric_definitions = [{"Name": "mine", "Regex": "mine=(.*)"}]
    error = raised(ClientError, lambda: estimator.fit({"train": where}))
    assert "You can't override the metric definitions for Amazon" in str(error), error
    estimator.metric_definitions = None
    own = dict(estimator.hyperparameters())
    for more, channels, words in (
        (
            {"no_such": 1},
            {},
            "Additional hyperparameters are not allowed ('no_such' was unexpected)",
        ),
        ({}, {"model": where}, "Additional properties are not allowed ('model' was unexpected)"),
    ):
        estimator._hyperparameters = {**own, **more}
        fit = functools.partial(estimator.fit, {"train": where, **channels}, logs=False)
        error = raised(sagemaker.exceptions.UnexpectedStatusException, fit)
        assert "ClientError: " in str(error), error
        assert words in str(error), error


def object2vec():
    image = sagemaker.image_uris.retrieve("object2vec", SESSION.boto_region_name)
    chance = np.random.default_rng(0)
    lines = []
    for _ in range(400):
        one, other = chance.integers(0, 2, 2)
        lines.append(json.dumps({
            "label": float(one == other),
            "in0": [int(t) for t in chance.integers(one * 10, one * 10 + 10, 5)],
            "in1": [int(t) for t in chance.integers(other * 10, other * 10 + 10, 4)],
        }))  # fmt: skip
    for name, part in (("train", lines[:300]), ("validation", lines[300:])):
        body = "\n".join(part).encode()
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"first-party/o2v/{name}.jsonl", Body=body)
    estimator = sagemaker.estimator.Estimator(
        image, ROLE, 1, TYPE, output_path=f"s3://{BUCKET}/first-party", sagemaker_session=SESSION
    )
    estimator.set_hyperparameters(
        enc0_max_seq_len=5, enc0_vocab_size=20, enc1_max_seq_len=4, enc1_vocab_size=20,
        enc0_network="pooled_embedding", enc1_network="enc0", enc_dim=16,
        enc0_token_embedding_dim=10, output_layer="softmax", num_classes=2, mlp_layers=1,
        mlp_dim=32, epochs=4, mini_batch_size=20, learning_rate=0.01,
    )  # fmt: skip
    channels = {
        name: TrainingInput(
            f"s3://{BUCKET}/first-party/o2v/{name}.jsonl", content_type="application/jsonlines"
        )
        for name in ("train", "validation")
    }
    estimator.fit(channels)
    predictor = estimator.deploy(
        1, "ml.m5.large", serializer=JSONSerializer(), deserializer=JSONDeserializer(), wait=False
    )
    SESSION.wait_for_endpoint(predictor.endpoint_name, poll=1)
    asked = {"instances": [{"in0": [1, 2, 3], "in1": [4, 5]}, {"in0": [1, 2], "in1": [14, 15]}]}
    said = predictor.predict(asked)
    assert [len(one["scores"]) for one in said["predictions"]] == [2, 2], said
    predictor.serializer = JSONLinesSerializer()
    predictor.delete_model()
    predictor.delete_endpoint()


ALL = {"lda": lda, "ntm": ntm, "ntm_sparse": ntm_sparse, "object2vec": object2vec}
for name in NAMES or ALL:
    ALL[name]()
    print(f"v2 {name}: well", flush=True)
print("v2 first party: all well")
