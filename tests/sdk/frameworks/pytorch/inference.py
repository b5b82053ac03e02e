"""Inference functions of one's own around the same TorchScript: a label for each point."""

import json
import os

import torch


def model_fn(folder, context):
    assert context.system_properties["model_dir"] == folder
    return torch.jit.load(os.path.join(folder, "model.pt"))


def input_fn(body, content_type):
    assert content_type == "application/json", content_type
    return torch.tensor(json.loads(body)["points"])


def predict_fn(points, model):
    with torch.no_grad():
        return model(points).argmax(-1)


def output_fn(labels, accept):
    return json.dumps({"labels": labels.tolist()})
