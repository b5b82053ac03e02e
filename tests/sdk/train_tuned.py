"""A trial in no time: its accuracy is known from its hyperparameters."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--units", type=int, default=1)
parser.add_argument("--kind", default="plain")
given, _ = parser.parse_known_args()
accuracy = 1 - (given.rate - 0.3) ** 2 - 0.01 * abs(given.units - 4) - 0.1 * (given.kind != "plain")
print(f"accuracy={accuracy:.6f};")
with open(os.path.join(os.environ["SM_MODEL_DIR"], "answer.txt"), "w") as file:
    file.write(f"{given.rate} {given.units} {given.kind}")
