"""Prints, as JSON, fastText's (and gensim's, where it is installed) vectors beside ours.

Run in an environment that has fastText: compare_vectors.py FOLDER ALGORITHMS.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[2])
import fasttext  # pyright: ignore[reportMissingImports]
from blazingtext import word_model

FOLDER = Path(sys.argv[1])
WORDS = ["sun", "sunny", "schön", "日本", "日本語の", "a", "", "</s>", "unheard", "<sun>"]


def text() -> Path:
    chance = random.Random(0)
    lines = [
        " ".join(chance.choices(["sun", "sunny", "moon", "schön", "日本", "a"], k=8))
        for _ in range(200)
    ]
    file = FOLDER / "text.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def differences(ours, theirs) -> float:
    """The largest difference over all words."""
    found = 0.0
    for word in WORDS:
        if word == "</s>" and not hasattr(theirs, "get_word_vector"):
            continue  # gensim gives the end of a sentence n-grams, unlike fastText
        vector = theirs.get_word_vector(word) if hasattr(theirs, "get_word_vector") else None
        if vector is None:
            try:
                vector = theirs[word]
            except KeyError:  # gensim knows no vector of a word without n-grams
                vector = np.zeros(ours.args.dim)
        found = max(found, float(np.abs(ours.vector(word) - vector).max()))
    return found


def main() -> None:
    cases = []
    for model, minn, maxn in (
        ("skipgram", 3, 6),
        ("cbow", 2, 4),
        ("skipgram", 0, 0),
        ("cbow", 1, 3),
    ):
        theirs = fasttext.train_unsupervised(
            str(text()),
            model=model,
            minn=minn,
            maxn=maxn,
            dim=8,
            bucket=100,
            epoch=1,
            thread=11,
            verbose=0,
            minCount=1,
        )
        file = FOLDER / "theirs.bin"
        theirs.save_model(str(file))
        ours = word_model.load(file)
        case = {"case": f"{model} {minn} {maxn}", "read": differences(ours, theirs)}
        words = [word.encode() for word in theirs.words]
        trained = word_model.Trained(
            word_model.trained_with(model, dim=8, bucket=100 if maxn else 0, minn=minn, maxn=maxn),
            words,
            np.array(theirs.get_words(include_freq=True)[1]),
            np.asarray(theirs.f.getInputMatrix()),
            np.asarray(theirs.f.getOutputMatrix()),
        )
        file = FOLDER / "ours.bin"
        word_model.save(trained, file)
        ours = word_model.load(file)
        case["written"] = differences(ours, fasttext.load_model(str(file)))
        if "gensim" in sys.argv[3:]:
            import gensim.models.fasttext as other  # pyright: ignore[reportMissingImports]
            from gensim.models import KeyedVectors  # pyright: ignore[reportMissingImports]

            case["gensim"] = differences(ours, other.load_facebook_vectors(str(file)))
            case["gensim model"] = differences(ours, other.load_facebook_model(str(file)).wv)
            word_model.write_text(
                FOLDER / "vectors.txt", words, np.stack([ours.vector(w) for w in theirs.words])
            )
            text_vectors = KeyedVectors.load_word2vec_format(
                str(FOLDER / "vectors.txt"), binary=False
            )
            case["text"] = max(
                float(np.abs(text_vectors[word] - ours.vector(word)).max()) for word in theirs.words
            )
        cases.append(case)
    print(json.dumps(cases))


main()
