"""Logistic regression on points.csv; the same file serves it, by scikit-learn's defaults."""

import argparse
import os

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression


def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--strength", type=float, default=1.0)
    given = parser.parse_args()
    file = os.path.join(os.environ["SM_CHANNEL_TRAIN"], "points.csv")
    table = np.genfromtxt(file, delimiter=",", skip_header=1)
    model = LogisticRegression(C=given.strength).fit(table[:, :2], table[:, 2].astype(int))
    print(f"train_accuracy={model.score(table[:, :2], table[:, 2]):.4f};", flush=True)
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
