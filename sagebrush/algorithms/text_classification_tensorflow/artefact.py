"""The files of a trained model: the SavedModel `1/`, the index of its labels, what it was trained with,
and the inference code.

Source: class_label_to_prediction_index.json beside `1/` is what AWS's TensorFlow transfer-learning scripts
write (aws-samples and the outputs of aws/amazon-sagemaker-examples show it for image classification).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

INDEX = "class_label_to_prediction_index.json"
TRAINING = "training.json"
REFERENCE = "reference.json"
"""What stands in place of a model of AWS's that is not here; the catalogue writes it."""
VERSION = "1"
"""The folder that TensorFlow Serving wants."""
ENTRY = ("inference.py", "transfer_learning.py")
PACKAGES = ("contract", "text_classification_tensorflow")


def write(
    folder: Path, labels: Sequence[int], hyperparameters: Mapping[str, object], text_ops: bool
) -> None:
    """The files beside the SavedModel are in `folder`; `text_ops` says whether the model needs the
    operations of tensorflow-text."""
    index = {str(label): place for place, label in enumerate(labels)}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    told = {"text_ops": text_ops, "hyperparameters": dict(hyperparameters)}
    (folder / TRAINING).write_text(json.dumps(told, indent=1), encoding="utf-8")
    own = Path(__file__).resolve().parent
    code = folder / "code"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(own.parent / package, code / package, ignore=ignored, dirs_exist_ok=True)
    for name in ENTRY:
        shutil.copyfile(own / name, code / name)
