"""A Keras model under MultiWorkerMirroredStrategy, by a loop of its own.

Keras 3's `fit` does not know this strategy (keras-team/keras issue 20585).
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import tensorflow as tf

BATCH = 64
strategy = tf.distribute.MultiWorkerMirroredStrategy()
rng = np.random.default_rng(0)
points = rng.normal(size=(256, 4)).astype("float32")
sides = (points.sum(1, keepdims=True) > 0).astype("float32")
data = tf.data.Dataset.from_tensor_slices((points, sides)).batch(BATCH).repeat()
shared = strategy.experimental_distribute_dataset(data)
with strategy.scope():
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((4,)),
            tf.keras.layers.Dense(1, activation="sigmoid", kernel_initializer="zeros"),
        ]
    )
    optimizer = tf.keras.optimizers.SGD(0.5)


def step(features, labels):
    with tf.GradientTape() as tape:
        each = tf.keras.losses.binary_crossentropy(labels, model(features))
        loss = tf.nn.compute_average_loss(each, global_batch_size=BATCH)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


@tf.function
def train(batch):
    return strategy.reduce("SUM", strategy.run(step, args=batch), axis=None)


loss = 0.0
for _, batch in zip(range(40), shared, strict=False):
    loss = float(train(batch))
print(f"replicas={strategy.num_replicas_in_sync}; loss={loss:.7f};", flush=True)
