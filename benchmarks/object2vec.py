"""Object2Vec on the STS Benchmark, and on SNIPS as pairs of sentences and labels.

`python benchmarks/object2vec.py [--data DIR] [--vectors FILE] [--labels] [NAME ...]`: DIR (or
SAGEBRUSH_EVAL_DATA) holds `stsb` with train.csv and valid.csv. Each model learns train.csv as a training
job does (a process of its own, /opt/ml, the files of the model), and is asked by its inference functions
for valid.csv, which also chooses the epoch: Spearman's correlation, beside TF-IDF on the same pairs. Times
are those of the processor. FILE has vectors of words, a vectors.txt; without it they are learnt here by
BlazingText (skipgram) from those texts of TEXTS that are in DIR. Texts of stsb's valid.csv are not among
them.

With --labels, DIR holds `snips` with train.jsonl.gz and valid.jsonl: a sentence is compared with each
label, by an encoder of sentences and a `pooled_embedding` of labels, and the most probable label counts.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import sagebrush.toolkit
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

SCORES = {
    **{"output_layer": "mean_squared_error", "enc0_max_seq_len": 60, "mini_batch_size": 64},
    **{"comparator_list": "hadamard, abs_diff", "mlp_layers": 1, "mlp_dim": 256},
    **{"mlp_activation": "relu", "dropout": 0.3, "learning_rate": 0.001, "epochs": 10},
    **{"early_stopping_patience": 2, "early_stopping_tolerance": 0.001},
    **{"tied_token_embedding_weight": "true", "enc0_token_embedding_dim": 200},
}
"""Of all models: chosen on valid.csv among a few."""
POOLED = {"enc0_network": "pooled_embedding"}
TUNED = {"enc0_freeze_pretrained_embedding": "false"}
HCNN = {"enc0_network": "hcnn", "enc0_layers": 1, "enc_dim": 512, "epochs": 6}
SLOWLY = {"learning_rate": 0.0004}
"""AWS's default: with vectors that mean something already, hcnn learns too fast otherwise."""
BILSTM = {"enc0_network": "bilstm", "enc_dim": 128, "epochs": 6}
MODELS: Mapping[str, tuple[bool, Mapping[str, object]]] = {
    "pooled, no vectors": (False, POOLED),
    "pooled, vectors frozen": (True, POOLED),
    "pooled, vectors tuned": (True, {**POOLED, **TUNED}),
    "hcnn, no vectors": (False, HCNN),
    "hcnn, vectors frozen": (True, {**HCNN, **SLOWLY}),
    "hcnn 4, vectors frozen": (True, {**HCNN, **SLOWLY, "enc0_layers": 4}),
    "bilstm, no vectors": (False, BILSTM),
    "bilstm, vectors frozen": (True, BILSTM),
}
"""Name -> (whether it has pretrained vectors, its own hyperparameters)."""
LABELS = {
    **{"enc0_max_seq_len": 60, "enc0_token_embedding_dim": 200, "enc1_network": "pooled_embedding"},
    **{"enc1_max_seq_len": 1, "enc1_token_embedding_dim": 200, "negative_sampling_rate": 2},
    **{"comparator_list": "hadamard", "mlp_layers": 1, "mlp_dim": 128, "mlp_activation": "relu"},
    **{"enc_dim": 128, "mini_batch_size": 128, "learning_rate": 0.001, "dropout": 0.1, "epochs": 4},
}
"""With --labels, of all models."""
TEXTS = {
    **{"english_text/eltec_eng.txt.gz": "", "20newsgroups/train.jsonl.gz": "text"},
    **{"dbpedia14/train.csv.gz": "text", "movie_reviews/train.jsonl.gz": "text"},
    **{"multi30k/train.en.gz": "", "tatoeba_en_de/train.en-de.tsv.gz": "\t"},
    **{"tatoeba_en_fr/train.en-fr.tsv.gz": "\t", "snips/train.jsonl.gz": "text"},
    **{"banking77/train.csv": "text", "clinc150/train.csv": "text", "trec/train.csv": "text"},
    **{"sentence_polarity/train.csv": "text", "goemotions/train.csv.gz": "text"},
    **{"sst2/train.csv": "text", "twitter_sentiment/train.csv.gz": "text"},
    **{"newsmtsc/train.jsonl.gz": "sentence", "small_parallel_enja/train.en.gz": ""},
    **{"sms_spam/train.csv": "text", "stsb/train.csv": "sentence1"},
}
"""File -> its column, "" for plain lines, a tab for the first of two columns without a header."""
WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")

TFIDF = """
import json, sys
import numpy as np
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
train, valid = (json.load(open(f)) for f in sys.argv[1:3])
vectorizer = TfidfVectorizer(token_pattern=r"\\S+").fit([t for row in train for t in row[1:]])
left, right = (vectorizer.transform([row[k] for row in valid]) for k in (1, 2))
cosines = np.asarray(left.multiply(right).sum(1)).ravel()
print(json.dumps(float(spearmanr(cosines, [row[0] for row in valid])[0])))
"""
ASK = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from object2vec import inference
from scipy.stats import spearmanr
began = time.process_time(); model = inference.model_fn(sys.argv[2])
loaded = time.process_time() - began
lines = open(sys.argv[3]).read()
began = time.process_time()
answers = inference.predict_fn(inference.input_fn(lines, "application/jsonlines"), model).items
took = time.process_time() - began
labels = [json.loads(line)["label"] for line in lines.splitlines()]
scores = [each["scores"] for each in answers]
if (count := int(sys.argv[4])):
    right = np.reshape([each[1] for each in scores], (-1, count)).argmax(1)
    found = (right == np.reshape(labels, (-1, count)).argmax(1)).mean()
else:
    found = spearmanr([each[0] for each in scores], labels)[0]
print(json.dumps([float(found), loaded, len(labels) / took]))
"""


def words(text: str) -> list[str]:
    """The tokens of a text."""
    return WORD.findall(text.lower().replace("’", "'"))


def pairs(file: Path) -> list[tuple[float, list[str], list[str]]]:
    """(score, tokens, tokens) of each row."""
    with file.open(encoding="utf-8") as rows:
        return [
            (float(row["score"]), words(row["sentence1"]), words(row["sentence2"]))
            for row in csv.DictReader(rows)
        ]


def lines(file: Path, column: str) -> Iterator[str]:
    """The texts of a file."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8", errors="replace") as source:
        if ".csv" in file.name:
            csv.field_size_limit(1 << 30)
            for row in csv.DictReader(source):
                yield row[column] + (" " + row["sentence2"] if column == "sentence1" else "")
        elif ".jsonl" in file.name:
            yield from (json.loads(line)[column] for line in source)
        else:
            yield from (line.split("\t")[0] if column else line for line in source)


def learnt_vectors(data: Path, root: Path, environments: Environments) -> Path:
    """A vectors.txt of the texts at hand; the time that it took is printed."""
    folder = root / "words" / "input" / "data" / "train"
    folder.mkdir(parents=True)
    count = 0
    with (folder / "text.txt").open("w", encoding="utf-8") as out:
        for name, column in TEXTS.items():
            for text in lines(data / name, column) if (data / name).exists() else ():
                found = words(text)
                count += len(found)
                for start in range(0, len(found), 1000):
                    out.write(" ".join(found[start : start + 1000]) + "\n")
    began = time.perf_counter()
    given = {
        "mode": "skipgram",
        "vector_dim": 200,
        "epochs": 3,
        "min_count": 3,
        "subwords": "false",
    }
    done = job(
        root / "words", environments.build("algorithms"), "blazingtext", {"train": {}}, given
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    took = time.perf_counter() - began
    print(f"vectors by BlazingText: {count / 1e6:.1f} M words in {took:.0f} s", flush=True)
    return root / "words" / "model" / "vectors.txt"


def job(
    root: Path, environment: Environment, algorithm: str, channels: object, given: object
) -> subprocess.CompletedProcess[str]:
    """A training job of a built-in algorithm, run to its end."""
    config = root / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(given))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    toolkit = Path(next(iter(sagebrush.toolkit.__path__)))
    return subprocess.run(
        [str(environment.python), str(toolkit / "training" / "train.py")],
        env={**os.environ, "SAGEBRUSH_ML": str(root), "SAGEBRUSH_ALGORITHM": algorithm},
        capture_output=True,
        text=True,
    )


def trained(root: Path, environment: Environment, given: Mapping[str, object]) -> float:
    """Seconds of processor that the training job in `root`, whose channels lie there, has taken."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    channels = {"train": {}, "validation": {}, "auxiliary": {}}
    text = {name: str(value) for name, value in given.items()}
    done = job(root, environment, "object2vec", channels, text)
    if done.returncode:
        raise SystemExit(done.stderr)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def prepared(root: Path, folder: Path) -> int:
    """The channels train, validation and auxiliary (vocab.json) are in `root`; the size of the
    vocabulary. Words of valid.csv are in it too: they have vectors."""
    train, valid = pairs(folder / "train.csv"), pairs(folder / "valid.csv")
    ids = vocabulary(root, (side for _, *sides in train + valid for side in sides))
    for name, rows in (("train", train), ("validation", valid)):
        channel = root / "input" / "data" / name
        channel.mkdir(parents=True)
        with (channel / "pairs.jsonl").open("w") as out:
            for score, left, right in rows:
                in0, in1 = ([ids[token] for token in side] or [0] for side in (left, right))
                out.write(json.dumps({"label": score, "in0": in0, "in1": in1}) + "\n")
        plain = [(score, " ".join(left), " ".join(right)) for score, left, right in rows]
        (root / f"{name}.json").write_text(json.dumps(plain))
    return len(ids)


def vocabulary(root: Path, texts: Iterable[list[str]]) -> Mapping[str, int]:
    """The ids of all tokens, which the channel auxiliary holds as vocab.json."""
    tokens = sorted({token for text in texts for token in text})
    ids = {token: number for number, token in enumerate(["<none>", *tokens])}
    folder = root / "input" / "data" / "auxiliary"
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(ids))
    return ids


def prepared_labels(root: Path, folder: Path) -> tuple[int, int]:
    """As `prepared`, of sentences and their labels: the sizes of both vocabularies. The validation
    channel has each sentence with each label, label 1 for the right one."""
    texts: dict[str, list[tuple[str, list[str]]]] = {}
    for name, file in (("train", "train.jsonl.gz"), ("validation", "valid.jsonl")):
        opener = gzip.open if file.endswith(".gz") else open
        with opener(folder / file, "rt", encoding="utf-8") as source:
            found = [json.loads(line) for line in source]
        texts[name] = [(each["intent"], words(each["text"])) for each in found]
    ids = vocabulary(root, (text for rows in texts.values() for _, text in rows))
    labels = sorted({label for label, _ in texts["train"]})
    for name, rows in texts.items():
        channel = root / "input" / "data" / name
        channel.mkdir(parents=True)
        with (channel / "pairs.jsonl").open("w") as out:
            for label, text in rows:
                in0 = [ids[token] for token in text] or [0]
                for number, other in enumerate(labels):
                    if name == "validation" or other == label:
                        pair = {"label": int(other == label), "in0": in0, "in1": [number]}
                        out.write(json.dumps(pair) + "\n")
    return len(ids), len(labels)


def said(environment: Environment, script: str, *arguments: object) -> object:
    """What the script prints as JSON in the environment."""
    command = [str(environment.python), "-c", script, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SAGEBRUSH_EVAL_DATA"))
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--labels", action="store_true")
    parser.add_argument("names", nargs="*", default=list(MODELS))
    options = parser.parse_args()
    data = Path(options.data)
    environments = Environments(Settings.load(os.environ).environments)
    environment = environments.build("pytorch")
    with tempfile.TemporaryDirectory() as scratch:
        root, common, labels = Path(scratch), SCORES, 0
        if options.labels:
            size, labels = prepared_labels(root, data / "snips")
            common = {**LABELS, "enc1_vocab_size": labels}
        else:
            size = prepared(root, data / "stsb")
        file = root / "input" / "data" / "auxiliary" / "vectors.txt"
        if any(MODELS[name][0] for name in options.names):
            vectors = options.vectors or learnt_vectors(data, root, environments)
            file.symlink_to(vectors.resolve())
        measure = "accuracy" if labels else "Spearman"
        print(f"{'model':24} {measure:>8}   training   loading   pairs/s answered")
        if not labels:
            baseline = said(environment, TFIDF, root / "train.json", root / "validation.json")
            print(f"{'TF-IDF (cosine)':24} {baseline:8.3f}", flush=True)
        for name in options.names:
            pretrained, own = MODELS[name]
            given = {**common, **own, "enc0_vocab_size": size}
            if labels:
                given |= {key: LABELS[key] for key in ("enc_dim", "learning_rate")}
            if pretrained:
                given |= {"enc0_vocab_file": "vocab.json"}
                given |= {"enc0_pretrained_embedding_file": "vectors.txt"}
            tried(name, root, environment, given, labels)


def tried(
    name: str, root: Path, environment: Environment, given: Mapping[str, object], labels: int
) -> None:
    """One line: how good the model of these hyperparameters is, and how long it takes."""
    algorithms = Path(next(iter(sagebrush.toolkit.__path__))).parent / "algorithms"
    seconds = trained(root, environment, given)
    valid = root / "input" / "data" / "validation" / "pairs.jsonl"
    found, loading, rate = said(environment, ASK, algorithms, root / "model", valid, labels)  # type: ignore[misc]
    print(f"{name:24} {found:8.3f} {seconds:8.1f} s {loading:7.3f} s {rate:10.0f}", flush=True)


if __name__ == "__main__":
    main()
