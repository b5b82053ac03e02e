"""A small network of Keras 2 or 3 on points.csv, saved as the SavedModel of version 1."""

import argparse
import os

import keras
import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
# The SDK says where checkpoints would go on S3; they are not kept here.
parser.add_argument("--model_dir", default="")
given = parser.parse_args()
file = os.path.join(os.environ["SM_CHANNEL_TRAIN"], "points.csv")
table = np.genfromtxt(file, delimiter=",", skip_header=1, dtype="float32")
points, labels = table[:, :2], table[:, 2]
tf.keras.utils.set_random_seed(0)
model = tf.keras.Sequential(
    [
        tf.keras.layers.Input((2,)),
        tf.keras.layers.Dense(8, activation="relu"),
        tf.keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(tf.keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
model.fit(points, labels, epochs=given.epochs, batch_size=32, verbose=0)
print(f"train_accuracy={model.evaluate(points, labels, verbose=0)[1]:.4f};", flush=True)
folder = os.path.join(os.environ["SM_MODEL_DIR"], "1")
if keras.__version__ < "3":
    model.save(folder)
else:
    model.export(folder, verbose=False)
