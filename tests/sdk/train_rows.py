"""A user's script whose model takes and gives rows of CSV."""

import io
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression


def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


def input_fn(body, content_type):
    assert content_type == "text/csv"
    text = body if isinstance(body, str) else body.decode()
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)


def predict_fn(data, model):
    return model.predict(data)


def output_fn(prediction, accept):
    return "\n".join(str(int(one)) for one in prediction), accept


if __name__ == "__main__":
    table = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "points.csv"))
    model = LogisticRegression().fit(table[["a", "b"]].values, table["label"])
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
