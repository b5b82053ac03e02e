"""sagemaker v2: deploy(async_inference_config=…), AsyncPredictor.predict, predict_async, failures."""

import json
import sys
import time

import boto3
import sagemaker
from multiplier_model import uploaded
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer, StringDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

code = sys.argv[1]
session = sagemaker.Session()
bucket = session.default_bucket()

sns, sqs = boto3.client("sns"), boto3.client("sqs")
topic = sns.create_topic(Name="v2-async")["TopicArn"]
queue = sqs.create_queue(QueueName="v2-async")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
    "QueueArn"
]
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
    ],
}
sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

model = SKLearnModel(
    model_data=uploaded(bucket, "v2-async"),
    role=sagemaker.get_execution_role(),
    entry_point=f"{code}/inference.py",
    framework_version="1.2-1",
    py_version="py3",
)
predictor = model.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    async_inference_config=AsyncInferenceConfig(
        max_concurrent_invocations_per_instance=2,
        notification_config={"SuccessTopic": topic, "ErrorTopic": topic},
    ),
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)
assert isinstance(predictor, AsyncPredictor), predictor
patience = WaiterConfig(delay=1, max_attempts=60)
assert predictor.predict([1.0, 2.0], waiter_config=patience) == [3.0, 6.0]
answer = predictor.predict_async([4.0])
assert answer.get_result(patience) == [12.0]
assert "/async-endpoint-outputs/" in answer.output_path, answer.output_path
predictor.deserializer = StringDeserializer()  # of what the model says: a trace, no JSON
said = ""
try:
    predictor.predict("wrong", waiter_config=patience)
except AsyncInferenceModelError as error:
    said = str(error)
assert "a column is missing" in said, said
predictor.deserializer = JSONDeserializer()

wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
client, name = session.sagemaker_client, predictor.endpoint_name
client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
session.wait_for_endpoint(name, poll=1)
waits = predictor.predict_async([5.0])
wanted[0]["DesiredInstanceCount"] = 1
client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
assert waits.get_result(patience) == [15.0]

told = []
until = time.monotonic() + 30
while len(told) < 4 and time.monotonic() < until:
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
    for each in got.get("Messages", []):
        told.append(json.loads(json.loads(each["Body"])["Message"])["invocationStatus"])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
assert sorted(told) == ["Completed"] * 3 + ["Failed"], told
session.wait_for_endpoint(name, poll=1)
predictor.delete_model()
predictor.delete_endpoint()
print("v2 async: all well")
