"""Run by TensorFlow's interpreter: base models in the forms of TensorFlow Hub, and jobs over them, all in
one process, since starting TensorFlow is most of a job. Prints what came out as JSON on the last line.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from contract import job
from text_classification_tensorflow import transfer_learning

TOPICS = (
    "match goal team coach league",
    "bread soup cheese salt oven",
    "guitar song drum voice album",
)
COMMON = ("the", "a", "of", "and", "to", "in")
QUICK = {"epochs": "3", "learning_rate": "0.05"}
TEXTS = ["guitar and the song", "bread in the soup"]


class Words(tf.Module):
    """Strings to the mean of their words' vectors."""

    def __init__(self) -> None:
        super().__init__()
        start = tf.random.stateless_normal([512, 8], (1, 2))
        self.table = tf.Variable(start, name="embeddings")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        words = tf.strings.split(tf.strings.lower(texts))
        vectors = tf.gather(self.table, tf.strings.to_hash_bucket_fast(words, 512).to_tensor(0))
        return tf.reduce_mean(vectors, axis=1)


class Preprocess(tf.Module):
    """Strings to word ids and their mask, by a vocabulary file, as BERT's has one."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        words = ["[PAD]", *" ".join(TOPICS).split(), *COMMON]
        vocabulary.write_text("\n".join(words) + "\n")
        self.file = tf.saved_model.Asset(str(vocabulary))
        index = tf.lookup.TextFileIndex
        start = tf.lookup.TextFileInitializer(
            self.file.asset_path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(start, 0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        words = tf.strings.split(texts).to_tensor("")
        ids = tf.cast(self.table.lookup(words), tf.int32)
        return {"input_word_ids": ids, "input_mask": tf.cast(ids > 0, tf.int32)}


class Encoder(tf.Module):
    """Word ids to a pooled output, in two forms for training and not, with a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(
            tf.random.stateless_normal([32, 8], (1, 2)), name="word_embeddings"
        )
        self.unused = tf.Variable(tf.ones([1]), trainable=False)
        self.regularization_losses = [self.own]

    @tf.function(input_signature=[])
    def own(self) -> Any:
        return 1e-4 * tf.reduce_sum(tf.square(self.table))

    @tf.function
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        mask = tf.cast(inputs["input_mask"], tf.float32)[..., None]
        found = tf.gather(self.table, inputs["input_word_ids"]) * mask
        if training:
            found = tf.nn.dropout(found, 0.1)
        return {"pooled_output": tf.tanh(tf.reduce_mean(found, 1)), "sequence_output": found}


def make(folder: Path) -> None:
    """The base models."""
    tf.saved_model.save(Words(), str(folder / "words"))
    pair = folder / "pair"
    tf.saved_model.save(Preprocess(folder / "vocabulary.txt"), str(pair / "one"))
    (folder / "vocabulary.txt").unlink()  # the SavedModel has it
    encoder = Encoder()
    spec = {
        name: tf.TensorSpec([None, None], tf.int32) for name in ("input_word_ids", "input_mask")
    }
    for training in (False, True):
        call: Any = encoder.__call__  # a tf.function
        call.get_concrete_function(spec, training=training)
    tf.saved_model.save(encoder, str(pair / "two"))
    # An operation that no TensorFlow has, as tensorflow-text's are where it is not installed.
    shutil.copytree(folder / "words", folder / "custom")
    graph = folder / "custom" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes().replace(b"StringLower", b"CaseFoldUTF"))
    for name, content in (("nothing", "x"), ("damaged", "x")):
        (folder / name).mkdir()
        (folder / name / ("a.tar.gz" if name == "damaged" else "a.txt")).write_text(content)
    (folder / "reference").mkdir()
    told = {"model_id": "tensorflow-tc-x", "hub": "https://tfhub.dev/x", "key": "a/b.tar.gz"}
    (folder / "reference" / "reference.json").write_text(json.dumps(told))
    text = tf.keras.layers.TextVectorization(output_sequence_length=5)
    text.adapt([" ".join([*TOPICS, *COMMON])])
    mean = tf.keras.layers.GlobalAveragePooling1D()
    layers = [tf.keras.Input((), dtype=tf.string), text, tf.keras.layers.Embedding(32, 8), mean]
    (folder / "keras").mkdir()
    tf.keras.Sequential(layers).save(folder / "keras" / "encoder.keras")


def rows(count: int, seed: int = 0, first: int = 0) -> list[tuple[int, str]]:
    """Labels from `first` on and texts that their words tell apart."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        topic = chance.randrange(len(TOPICS))
        words = chance.choices(TOPICS[topic].split(), k=2) + chance.choices(COMMON, k=3)
        found.append((first + topic, " ".join(words)))
    return found


def stage(
    root: Path, model: Path, given: Mapping[str, str], **channels: list[tuple[int, str]]
) -> Path:
    """An /opt/ml of a job."""
    data, config = root / "input" / "data", root / "input" / "config"
    config.mkdir(parents=True)
    for name, lines in channels.items():
        (data / name).mkdir(parents=True)
        with (data / name / "data.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    if model.is_dir():
        shutil.copytree(model, data / "model")
    else:
        (data / "model").mkdir()
        shutil.copyfile(model, data / "model" / "model.tar.gz")
    (config / "hyperparameters.json").write_text(json.dumps({**QUICK, **given}))
    names = {name: {} for name in (*channels, "model")}
    (config / "inputdataconfig.json").write_text(json.dumps(names))
    return root


def pack(folder: Path, file: Path) -> Path:
    """The folder as the platform packs an artefact."""
    with tarfile.open(file, "w:gz") as out:
        for each in sorted(folder.iterdir()):
            out.add(each, each.name)
    return file


def run(root: Path) -> dict[str, Any]:
    """The exit status, and what a plain TensorFlow says by the artefact."""
    os.environ["SAGEBRUSH_ML"] = str(root)
    print(f"#{root.name}", flush=True)
    status = job.run(transfer_learning.train)
    failure = root / "output" / "failure"
    if status:
        return {"status": status, "failure": failure.read_text()}
    loaded = tf.saved_model.load(str(root / "model" / "1"))
    told = loaded.signatures["serving_default"](text=tf.constant(TEXTS))
    return {"status": 0, "probabilities": told["probabilities"].numpy().tolist()}


def stopped(root: Path) -> dict[str, Any]:
    """The same of a job that is asked to stop before its first step."""
    print(f"#{root.name}", flush=True)
    this = job.read(root)
    this.stopping.set()
    transfer_learning.train(this)
    return {"status": 0, "files": sorted(each.name for each in (root / "model").iterdir())}


def main(folder: Path) -> dict[str, Any]:
    """Name of a job -> what came of it."""
    bases, some = folder / "bases", rows(200)
    bases.mkdir()
    make(bases)
    adamw = {"optimizer": "adamw", "epochs": "8", "learning-rate": "0.2"}
    frozen = {"train_only_on_top_layer": "True", "early_stopping": "True"}
    found = {
        "plain": run(stage(folder / "plain", bases / "words", {}, training=some)),
        "pair": run(stage(folder / "pair", bases / "pair", adamw, training=some)),
        "keras": run(stage(folder / "keras", bases / "keras", {}, training=some)),
    }
    further = {"dropout_rate": "0.9", "epochs": "1", "learning_rate": "0.001"}
    artefact = pack(folder / "pair" / "model", folder / "pair.tar.gz")
    held = {"training": rows(60, 1), "validation": rows(30, 2)}
    found["further"] = run(stage(folder / "further", artefact, further, **held))
    new = {**frozen, "reinitialize_top_layer": "True", "early_stopping_patience": "1"}
    shifted = {"training": rows(90, 3, 5), "validation": rows(30, 4, 5)}
    artefact = pack(folder / "further" / "model", folder / "further.tar.gz")
    found["new"] = run(stage(folder / "new", artefact, {**new, "epochs": "9"}, **shifted))
    few = rows(30)
    for name, model, given, channels in (
        ("other", artefact, {}, {"training": rows(30, 3, 5)}),
        ("kept", bases / "words", {"reinitialize_top_layer": "False"}, {"training": few}),
        ("unknown", bases / "words", {}, {"training": few, "validation": rows(9, 1, 5)}),
        ("custom", bases / "custom", {}, {"training": few}),
        ("nothing", bases / "nothing", {}, {"training": few}),
        ("damaged", bases / "damaged", {}, {"training": few}),
        ("reference", bases / "reference", {}, {"training": few}),
        ("one", bases / "words", {}, {"training": [(1, "a")] * 9}),
    ):
        found[name] = run(stage(folder / name, model, given, **channels))
    found["stopped"] = stopped(stage(folder / "stopped", bases / "words", {}, training=few))
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
