"""A user's inference script: it multiplies by the number in the weights.json of its model."""

import json


def model_fn(folder):
    with open(f"{folder}/weights.json") as file:
        return json.load(file)


def input_fn(body, content_type):
    assert content_type == "application/json", content_type
    return json.loads(body)


def predict_fn(data, model):
    if data == "wrong":
        raise ValueError("a column is missing")
    return [value * model["by"] for value in data]


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
