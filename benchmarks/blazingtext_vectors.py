"""BlazingText's word vectors beside gensim's Word2Vec and fastText's: speed and quality in one run.

`python benchmarks/blazingtext_vectors.py [--words N] [--epochs N] [--text FILE ...] [ENGINE ...]`:
the texts (default: english_text below SAGEBRUSH_EVAL_DATA) are lower-cased to words, one paragraph a
line, and all engines learn the same file with the same dimension, window, negative samples, sampling
threshold, least count, epochs and threads. Words a second are the file's words times epochs by the
seconds of the training loop alone; reading and start are told beside (for fastText's package, whose
training reads the file, the loop is the time for all epochs less that for none; it gets 12 threads,
for its first eleven fill its matrix, and with fewer it may end with NaN). Quality: Spearman's
correlation on the word pairs of the data's word_similarity, and the share of right analogies.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from sagebrush.algorithms.blazingtext.kernels import compiled
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

COMMON = """
import json, sys, time
from pathlib import Path
import numpy as np
began = time.perf_counter()
text, target, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
"""
SAVE = """
np.savez(target, words=np.array(words, "S64"), vectors=vectors)
print(json.dumps({"loop": loop, "rest": time.perf_counter() - began - loop}))
"""
OURS = """
from blazingtext import word_vectors
corpus = word_vectors.vocabulary_and_corpus([Path(text)], asked["min_count"])
known = word_vectors.Settings.__dataclass_fields__
settings = word_vectors.Settings(**{n: v for n, v in asked.items() if n in known})
trainer = word_vectors.Trainer(corpus, settings)
started = time.perf_counter()
for _ in range(settings.epochs):
    trainer.epoch()
loop = time.perf_counter() - started
words, vectors = corpus.words, trainer.vectors()
"""
GENSIM = """
from gensim.models import Word2Vec
from gensim.models.word2vec import LineSentence
sentences = list(LineSentence(text))
model = Word2Vec(
    vector_size=asked["vector_dim"], window=asked["window_size"], min_count=asked["min_count"],
    negative=asked["negative_samples"], sample=asked["sampling_threshold"], workers=asked["threads"],
    sg=asked["mode"] != "cbow", alpha=asked["learning_rate"], min_alpha=asked["learning_rate"] * 1e-4)
model.build_vocab(sentences)
started = time.perf_counter()
model.train(sentences, total_examples=model.corpus_count, epochs=asked["epochs"])
loop = time.perf_counter() - started
words, vectors = [word.encode() for word in model.wv.index_to_key], model.wv.vectors
"""
FASTTEXT = """
import fasttext
def train(epochs):
    return fasttext.train_unsupervised(
        text, model="cbow" if asked["mode"] == "cbow" else "skipgram", dim=asked["vector_dim"],
        ws=asked["window_size"], minCount=asked["min_count"], neg=asked["negative_samples"],
        t=asked["sampling_threshold"], lr=asked["learning_rate"], epoch=epochs, thread=max(12, asked["threads"]),
        minn=3, maxn=6 if asked["subwords"] else 0, verbose=0)
started = time.perf_counter()
train(0)
read = time.perf_counter() - started
model = train(asked["epochs"])
loop = time.perf_counter() - started - 2 * read
words = [word.encode() for word in model.words]
vectors = np.array([model.get_word_vector(word) for word in model.words])
"""
ENGINES = {
    "gensim-skipgram": ("nlp", GENSIM, {"mode": "skipgram"}),
    "fasttext-skipgram": ("nlp", FASTTEXT, {"mode": "skipgram"}),
    "skipgram": ("algorithms", OURS, {"mode": "skipgram"}),
    "batch_skipgram": ("algorithms", OURS, {"mode": "batch_skipgram"}),
    "gensim-cbow": ("nlp", GENSIM, {"mode": "cbow"}),
    "fasttext-cbow": ("nlp", FASTTEXT, {"mode": "cbow"}),
    "cbow": ("algorithms", OURS, {"mode": "cbow"}),
    "fasttext-subwords": ("nlp", FASTTEXT, {"mode": "skipgram", "subwords": True}),
    "subwords": ("algorithms", OURS, {"mode": "skipgram", "subwords": True}),
}
PAIRS = ("EN-WS-353-ALL", "EN-RG-65", "EN-MTurk-287")
QUALITY = """
import json, sys
import numpy as np
from scipy.stats import spearmanr
from pathlib import Path
folder, source, pairs = Path(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3:]
place = {word.decode(errors="replace"): n for n, word in enumerate(source["words"])}
rows = source["vectors"] / np.maximum(1e-9, np.linalg.norm(source["vectors"], axis=1, keepdims=True))
found = {}
for name in pairs:
    scored = [line.lower().split() for line in (folder / f"{name}.txt").read_text().splitlines()]
    known = [(place[a], place[b], float(s)) for a, b, s in scored if a in place and b in place]
    near = [float(rows[a] @ rows[b]) for a, b, _ in known]
    found[name] = [spearmanr(near, [s for *_, s in known]).statistic, len(known)]
lines = (folder / "questions-words.txt").read_text().lower().splitlines()
asked = [[place.get(word, 10**9) for word in line.split()] for line in lines if line[0] != ":"]
asked = np.array([each for each in asked if max(each) < 30000])
right = 0
for part in np.array_split(asked, max(1, len(asked) // 500)):
    scores = (rows[part[:, 1]] - rows[part[:, 0]] + rows[part[:, 2]]) @ rows[:30000].T
    scores[np.arange(len(part))[:, None], part[:, :3]] = -9
    right += int((scores.argmax(1) == part[:, 3]).sum())
found["analogies"] = [right / max(1, len(asked)), len(asked)]
print(json.dumps(found))
"""


def prepared(sources: list[Path], target: Path, most: int) -> int:
    """How many words `target` holds: those of the sources, at most `most`."""
    count = 0
    with target.open("w") as out:
        for source in sources:
            opener = gzip.open if source.suffix == ".gz" else open
            with opener(source, "rt", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    words = re.findall(r"[a-z]+(?:'[a-z]+)?|[0-9]+", line.lower())
                    if words and count < most:
                        out.write(" ".join(words) + "\n")
                        count += len(words)
    return count


def main() -> None:
    """Prints a table, an engine a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("SAGEBRUSH_EVAL_DATA")
    parser.add_argument("engines", nargs="*", default=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--data", type=Path, default=data, required=data is None)
    parser.add_argument("--text", type=Path, nargs="+")
    parser.add_argument("--words", type=int, default=10**9)
    for name, value in (("epochs", 5), ("threads", 2), ("vector_dim", 100), ("window_size", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--learning_rate", type=float, default=0.05)
    given = parser.parse_args()
    environments = Environments(Settings.load(os.environ).environments)
    common = {"negative_samples": 5, "sampling_threshold": 1e-4, "min_count": 5, "subwords": False}
    names = ("epochs", "threads", "vector_dim", "window_size", "learning_rate")
    common |= {name: getattr(given, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        text, target = Path(folder, "text"), Path(folder, "vectors.npz")
        sources = given.text or [given.data / "english_text" / "eltec_eng.txt.gz"]
        count = prepared(sources, text, given.words)
        print(f"{count} words, {json.dumps(common)}")
        columns = [*(name.split("-", 1)[1] for name in PAIRS), "analogies"]
        print(f"{'engine':<20}{'words/s':>10}{'loop s':>8}{'rest s':>8}", *columns)
        for name in given.engines:
            environment, code, own = ENGINES[name]
            python = str(environments.build(environment).python)
            environ = {**os.environ, "PYTHONPATH": str(compiled.ALGORITHMS)}
            command = [python, "-c", COMMON + code + SAVE, str(text), str(target)]
            asked = json.dumps({**common, **own})
            done = subprocess.check_output([*command, asked], env=environ, text=True)
            times = json.loads(done.splitlines()[-1])
            judge = [
                python,
                "-c",
                QUALITY,
                str(given.data / "word_similarity"),
                str(target),
                *PAIRS,
            ]
            quality = json.loads(subprocess.check_output(judge, text=True))
            speed = count * given.epochs / times["loop"]
            told = " ".join(f"{value:.3f} ({of})" for value, of in quality.values())
            print(f"{name:<20}{speed:>10.0f}{times['loop']:>8.1f}{times['rest']:>8.1f} {told}")


if __name__ == "__main__":
    main()
