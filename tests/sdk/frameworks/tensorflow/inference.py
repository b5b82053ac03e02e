"""Handlers of AWS's TensorFlow container: points in, labels out."""

import json


def input_handler(data, context):
    assert context.request_content_type == "application/json"
    return json.dumps({"instances": json.load(data)["points"]})


def output_handler(response, context):
    labels = [int(row[0] > 0.5) for row in response.json()["predictions"]]
    return json.dumps({"labels": labels}), context.accept_header
