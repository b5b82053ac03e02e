"""Inference functions of one's own, for a model that needs a package of requirements.txt."""

import json
import os

import joblib
import numpy as np
import roman


def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


def input_fn(body, content_type):
    assert content_type == "application/json", content_type
    return np.array(json.loads(body)["points"])


def output_fn(labels, accept):
    return json.dumps({"labels": [roman.toRoman(int(label) + 1) for label in labels]})
