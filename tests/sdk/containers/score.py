"""The last container of a pipeline: JSON rows in, a score of each out, in the form asked for."""

import json
import os
import time


def model_fn(folder):
    with open(os.path.join(folder, "weights.json")) as file:
        return json.load(file)


def transform_fn(model, body, content_type, accept, context):
    data = json.loads(body)
    if data == "slow":
        time.sleep(3)
    if data == "stream":
        return (f"line {number}\n" for number in range(3))
    if data == "said":
        asked = ("X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id", "Accept")
        context.set_response_header(0, asked[0], "seen=1")
        told = [context.get_request_header(0, name) for name in asked]
        return json.dumps([content_type, *told]), "application/json"
    if isinstance(data, str):
        return json.dumps(len(body)), "application/json"
    scores = [sum(row) * model["by"] for row in data]
    if "text/csv" in accept:
        return "\n".join(str(score) for score in scores), "text/csv"
    return json.dumps(scores), "application/json"
