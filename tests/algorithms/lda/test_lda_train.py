"""LDA's jobs as processes: known topics are found again, and bad input is told in AWS's form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import ndarrays

from sagebrush.environments.environment import Environment
from tests.algorithms.lda import corpora
from tests.algorithms.lda.corpora import Bars, written

RECORDS, CSV = "application/x-recordio-protobuf", "text/csv"
FOLDER = corpora.ALGORITHMS / "lda"


@pytest.fixture(scope="module")
def known() -> Bars:
    return corpora.bars(1500)


@pytest.fixture(scope="module")
def trained(
    known: Bars, algorithms: Environment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """(/opt/ml, log) of a job with a test channel and words."""
    root = written(
        tmp_path_factory.mktemp("lda") / "ml",
        {"num_topics": 10, "feature_dim": 25, "mini_batch_size": 1200, "alpha0": 1.0},
        ("train", RECORDS, corpora.records(known.counts[:1200])),
        ("test", RECORDS, corpora.records(known.counts[1200:], sparse=False)),
        ("auxiliary", "text/plain", "".join(f"pixel{n}\n" for n in range(25)).encode()),
    )
    done = corpora.run(algorithms.python, "-m", "lda.train", SAGEBRUSH_ML=str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Compiling" not in done.stdout + done.stderr
    return root, done.stdout


def arrays(root: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(alpha, beta) of the job's model, as MXNet would load it."""
    found = ndarrays.load(root / "model" / "model_algo-1")
    assert isinstance(found, list)
    alpha, beta = found
    return alpha, beta


def test_known_topics_are_found_up_to_their_order(known: Bars, trained: tuple[Path, str]) -> None:
    root, _ = trained
    assert [file.name for file in (root / "model").iterdir()] == ["model_algo-1"]
    alpha, beta = arrays(root)
    assert (alpha.shape, beta.shape, beta.dtype) == ((10,), (10, 25), np.float32)
    order = corpora.matched(known.topics, beta)
    assert sorted(order) == list(range(10))
    # AWS's notebook reports an L1 error of 0.17 for 5400 longer documents.
    assert np.linalg.norm(known.topics - beta[order], 1) < 0.1
    np.testing.assert_allclose(beta.sum(1), 1, atol=1e-5)
    assert alpha.sum() == pytest.approx(1, abs=1e-4)
    assert np.abs(alpha - 0.1).sum() < 0.2
    assert (np.diff(alpha) <= 0).all()


def test_the_log_has_the_lines_that_users_read(trained: tuple[Path, str]) -> None:
    (metric,) = json.loads((FOLDER / "metrics.json").read_text())
    (score,) = re.findall(metric["Regex"], trained[1])
    # The entropy of a word is 2.3 where the documents' mixtures are known.
    assert -2.6 < float(score) < -2.3
    for line in (
        "Loaded all data into matrix with shape: (1200, 25)",
        "Best reconstruction error: ",
        "#progress_metric: host=algo-1, completed 100 % of epochs",
        "Serializing LDA model to ",
    ):
        assert line in trained[1]


def test_topics_are_written_for_plots(known: Bars, trained: tuple[Path, str]) -> None:
    content = json.loads((trained[0] / "output" / "data" / "topics.json").read_text())
    assert (content["algorithm"], content["vocabulary"]) == ("lda", True)
    assert sum(topic["share"] for topic in content["topics"]) == pytest.approx(1, abs=1e-3)
    rows_and_columns = {frozenset(np.flatnonzero(topic)) for topic in known.topics}
    tops = {
        frozenset(int(word.removeprefix("pixel")) for word, _ in topic["words"][:5])
        for topic in content["topics"]
    }
    assert tops == rows_and_columns
    distances = np.array(content["distances"])
    assert distances.shape == (10, 10)
    assert (distances == distances.T).all()
    assert distances[distances > 0].min() > 0.8


ANSWER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("inference", sys.argv[1] + "/lda/inference.py")
code = importlib.util.module_from_spec(spec); spec.loader.exec_module(code)
model = code.model_fn(sys.argv[2])
for body, kind, accept in json.load(open(sys.argv[3])):
    try:
        given = body.encode("latin-1")
        answer, made = code.output_fn(code.predict_fn(code.input_fn(given, kind), model), accept)
        text = answer if isinstance(answer, str) else answer.decode("latin-1")
        print(json.dumps([200, made, text]))
    except code.BadRequest as error:
        print(json.dumps([error.status_code, "", str(error)]))
asked = [code.input_fn(body.encode("latin-1"), kind) for body, kind, _ in json.load(open(sys.argv[3]))[:4]]
joint = code.predict_batch_fn(asked, model)
assert all((code.predict_fn(one, model) == each).all() for one, each in zip(asked, joint))
"""


def test_requests_are_answered_in_every_form(
    known: Bars, trained: tuple[Path, str], algorithms: Environment, tmp_path: Path
) -> None:
    rows = known.counts[1200:1212]
    keys = [np.flatnonzero(row).tolist() for row in rows]
    dense = {"instances": [{"features": row.tolist()} for row in rows]}
    sparse = {"instances": [
        {"data": {"features": {"keys": k, "values": row[k].tolist(), "shape": [25]}}}
        for k, row in zip(keys, rows, strict=True)
    ]}  # fmt: skip
    json_, lines = "application/json", "application/jsonlines"
    asked = [
        (corpora.table(rows).decode(), CSV, json_),
        (json.dumps(dense), json_, json_),
        (json.dumps(sparse), json_, lines),
        (corpora.records(rows).decode("latin-1"), RECORDS, RECORDS),
        (",".join(["0"] * 25), CSV, json_),
        ("1,2,3", CSV, json_),
        (",".join(["-1"] * 25), CSV, json_),
        (",".join(["x"] * 25), CSV, json_),
        ("", CSV, json_),
        ("{}", "image/png", json_),
        (corpora.table(rows).decode(), CSV, "image/png"),
    ]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    (tmp_path / "answer.py").write_text(ANSWER)
    done = corpora.run(
        algorithms.python, str(tmp_path / "answer.py"), str(corpora.ALGORITHMS),
        str(trained[0] / "model"), str(tmp_path / "asked.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [status for status, *_ in told] == [200] * 5 + [400] * 4 + [415, 406]
    first = np.array([p["topic_mixture"] for p in json.loads(told[0][2])["predictions"]])
    again = [json.loads(line)["topic_mixture"] for line in told[2][2].splitlines()]
    assert json.loads(told[1][2])["predictions"][0]["topic_mixture"] == first[0].tolist()
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert told[3][1] == RECORDS
    assert "topic_mixture" in told[3][2]
    _, beta = arrays(trained[0])
    errors = np.abs(first[:, corpora.matched(known.topics, beta)] - known.mixtures[1200:1212])
    assert errors.sum(1).mean() < 0.25
    (empty,) = json.loads(told[4][2])["predictions"]
    assert sum(empty["topic_mixture"]) == pytest.approx(1)


def test_bad_input_is_told_in_awss_form(algorithms: Environment, tmp_path: Path) -> None:
    good = corpora.bars(40, length=20, seed=1).counts
    needed = {"num_topics": 3, "feature_dim": 25, "mini_batch_size": 40}
    nan, negative = good.copy(), good.copy()
    nan[7, 3], negative[9, 2] = np.nan, -1
    train = ("train", CSV, corpora.table(good))
    cases = {
        r"Found missing \(NaN\) values": (needed, ("train", CSV, corpora.table(nan))),
        r"Sample 9 holds -1: word counts": (needed, ("train", CSV, corpora.table(negative))),
        r"is a required property": (needed, ("test", CSV, corpora.table(good))),
        r"\('validation' was unexpected\)": (needed, train, ("validation", CSV, b"1\n")),
        r"Unable to read data channel 'train'": (needed | {"feature_dim": 23}, train),
        r"only empty files": (needed, ("train", CSV, b"")),
        r"no document has 3 words": (needed, ("train", CSV, corpora.table(np.eye(25)))),
        r"only 2 documents of 3 words": (needed, ("train", CSV, corpora.table(good[:2]))),
        r"requested content-type": (needed, ("train", RECORDS, corpora.table(good))),
        r"No iterator has been registered": (needed, ("train", "image/png", b"1")),
        r"vocab.txt has 2 words": (needed, train, ("auxiliary", "text/plain", b"one\ntwo\n")),
        r"'0' is not valid for the 'num_topics'": (needed | {"num_topics": 0}, train),
        r"Out of memory: training 40000 topics": (
            {"num_topics": 40_000, "feature_dim": 50_000, "mini_batch_size": 1}, train,
        ),
        # Fewer directions than topics: it is trained all the same.
        "": (needed | {"num_topics": 12}, ("train", CSV, corpora.table(np.repeat(good[:2], 20, 0)))),
    }  # fmt: skip
    roots = [
        written(tmp_path / str(n), hyperparameters, *channels)
        for n, (hyperparameters, *channels) in enumerate(cases.values())
    ]
    done = corpora.run(algorithms.python, "-c", corpora.JOBS, *map(str, roots))
    for root, words in zip(roots, cases, strict=True):
        if not words:
            assert f"status 0 of {root}" in done.stdout, done.stderr
            assert "The documents distinguish" in done.stdout
            continue
        assert f"status 2 of {root}" in done.stdout, (words, done.stdout, done.stderr)
        reason = (root / "output" / "failure").read_text()
        assert reason.startswith("ClientError: ")
        assert re.search(words, reason), reason
