"""A user's training and inference script, as a notebook would send it."""

import argparse
import json
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression


def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


def input_fn(body, content_type):
    assert content_type == "application/json"
    return np.array(json.loads(body)["instances"])


def predict_fn(data, model):
    return model.predict(data)


def output_fn(prediction, accept):
    return json.dumps({"predictions": prediction.tolist()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--c", type=float, default=1.0)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    args, _ = parser.parse_known_args()
    table = pd.read_csv(os.path.join(args.train, "points.csv"))
    model = LogisticRegression(C=args.c).fit(table[["a", "b"]].values, table["label"])
    print(
        f"train_accuracy={model.score(table[['a', 'b']].values, table['label']):.4f};", flush=True
    )
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
