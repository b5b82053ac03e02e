"""The first container of a pipeline: CSV in, the numbers of each line as JSON out."""

import json


def model_fn(folder):
    return None


def input_fn(body, content_type):
    assert content_type.partition(";")[0] == "text/csv", content_type
    text = body if isinstance(body, str) else body.decode()
    return [[float(cell) for cell in line.split(",")] for line in text.splitlines()]


def predict_fn(rows, model):
    return rows


def output_fn(rows, accept):
    return json.dumps(rows), "application/json"
