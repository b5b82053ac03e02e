"""The Word2Vec modes' surface: channels, log, artefacts, instances, around a trainer of the tests."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import job as contract_job
from contract.errors import ClientError
from contract.job import Job

import sagebrush.algorithms.blazingtext as package
from sagebrush.algorithms.blazingtext import inference, peers, train, word_training
from sagebrush.algorithms.blazingtext.parameters import WordParameters
from sagebrush.algorithms.blazingtext.peers import PeerLost
from sagebrush.algorithms.blazingtext.word_model import WordVectors
from tests.algorithms import word_vectors_standin
from tests.algorithms.blazingtext_job import sentences

WANTED = WordParameters(
    "batch_skipgram", min_count=1, vector_dim=8, epochs=3, learning_rate=0.5, buckets=500
)
PAIRS = (
    "guitar song 9\nbread soup 8\ngoal team 8\nguitar soup 1\nbread team 1\ngoal song 2\nx y 3\n"
)


@pytest.fixture(autouse=True)
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{package.__name__}.word_vectors"
    monkeypatch.setitem(__import__("sys").modules, name, word_vectors_standin)
    monkeypatch.setattr(package, "word_vectors", word_vectors_standin, raising=False)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with 150 sentences on three topics and some pairs."""
    put(tmp_path, "train", "text.txt", text(sentences(150)))
    put(tmp_path, "evaluation", "pairs.txt", PAIRS)
    return configured(tmp_path)


def text(lines: list[str]) -> str:
    return "".join(line.partition(" ")[2] + "\n" for line in lines)


def put(root: Path, channel: str, name: str, content: str) -> None:
    folder = root / "input" / "data" / channel
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, errors="surrogateescape")


def configured(root: Path, **more: Any) -> Job:
    """The job in `root`; `more` are files of input/config."""
    folder = root / "input" / "config"
    folder.mkdir(exist_ok=True)
    file = {"TrainingInputMode": "File"}
    given = {"inputdataconfig": {"train": file, "evaluation": file}, **more}
    for name, content in given.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return contract_job.read(root)


def trained(job: Job, wanted: WordParameters) -> None:
    scratch = job.root / "scratch"
    scratch.mkdir(exist_ok=True)
    word_training.train(job, wanted, scratch)


def served(root: Path) -> WordVectors:
    model = root / "served"
    model.mkdir()
    (root / "model" / "vectors.bin").rename(model / "vectors.bin")
    found = inference.model_fn(str(model))
    assert isinstance(found, WordVectors)
    return found


def test_the_model_the_log_and_the_evaluation_are_aws(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(job, WANTED)
    said = capsys.readouterr().out
    model = job.root / "model"
    assert sorted(f.name for f in model.iterdir()) == ["eval.json", "vectors.bin", "vectors.txt"]
    for line in (
        r"Running single machine CPU BlazingText training using batch_skipgram mode\.",
        r"Processing \S+/input/data/train/text\.txt \. File size: [\d.]+ MB",
        r"Read 0\.0012M words",
        r"Number of words:  \d+",
        r"##### Alpha: 0\.3333  Progress: 33\.33%  Million Words/sec: \d+\.\d\d #####",
        r"##### Alpha: 0\.0000  Progress: 100\.00%  Million Words/sec: \d+\.\d\d #####",
        r"Training finished!",
        r"Average throughput in Million words/sec: \d+\.\d\d",
        r"Total training time in seconds: \d+\.\d\d",
        r"Evaluating word embeddings\.\.\.\.",
        r"Vectors read from: \S+/model/vectors\.txt ",
    ):
        assert re.search(f"^{line}$", said, re.MULTILINE), (line, said)
    result = json.loads((model / "eval.json").read_text())
    assert (result["pairs.txt"]["not_found"], result["pairs.txt"]["total_pairs"]) == (1, 7)
    (metric,) = json.loads((Path(package.__path__[0]) / "metrics.json").read_text())[:1]
    assert [float(v) for v in re.findall(metric["Regex"], said)] == [result["mean_rho"]]
    assert result["mean_rho"] > 0.4, "the stand-in learns which words go together"
    lines = (model / "vectors.txt").read_text().splitlines()
    assert lines[0] == f"{len(lines) - 1} 8"
    found = served(job.root)
    for line in lines[1:]:
        word, *numbers = line.split(" ")
        assert found.vector(word) == pytest.approx([float(n) for n in numbers], abs=1e-6)


def test_subwords_answer_for_unknown_words(job: Job) -> None:
    trained(job, replace(WANTED, mode="skipgram", subwords=True))
    found = served(job.root)
    questions = inference.input_fn('{"instances": ["guitar", "guitars"]}')
    body, kind = inference.output_fn(inference.predict_fn(questions, found))
    known, unknown = json.loads(body)
    assert kind == "application/json"
    assert (list(known), known["word"], unknown["word"]) == (
        ["vector", "word"],
        "guitar",
        "guitars",
    )
    assert np.linalg.norm(unknown["vector"]) > 0
    row = (job.root / "model" / "vectors.txt").read_text().partition("\nguitar ")[2]
    assert known["vector"] == pytest.approx(
        [float(n) for n in row.split("\n")[0].split()], abs=1e-6
    )


def test_without_subwords_unknown_words_are_zeros_also_in_lines(job: Job) -> None:
    trained(job, WANTED)
    found = served(job.root)
    questions = inference.input_fn(
        '{"source": "unheard"}\n{"word": "song"}\n', "application/jsonlines"
    )
    body, kind = inference.output_fn(
        inference.predict_fn(questions, found), "application/jsonlines"
    )
    unknown, known = map(json.loads, body.splitlines())
    assert kind == "application/jsonlines"
    assert unknown == {"vector": [0.0] * 8, "word": "unheard"}
    assert any(known["vector"])


def test_without_pairs_it_trains_and_says_why_there_is_no_figure(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(configured(job.root, inputdataconfig={"train": {}}), WANTED)
    said = capsys.readouterr().out
    assert "#mean_rho:" not in said
    assert "No #mean_rho (train:mean_rho): there are no word pairs" in said
    result = json.loads((job.root / "model" / "eval.json").read_text())
    assert result["mean_rho"] is None
    assert "WS-353" in result["not_evaluated"]


def test_without_evaluation_there_is_no_eval_json(job: Job) -> None:
    trained(job, replace(WANTED, evaluation=False))
    assert not (job.root / "model" / "eval.json").exists()


TRAIN: dict[str, Any] = {"inputdataconfig": {"train": {}}}
TUNED = {"hyperparameters": {"_tuning_objective_metric": "train:mean_rho"}}
TWO = {"resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}}


@pytest.mark.parametrize(
    ("config", "wanted", "words"),
    [
        ({"inputdataconfig": {"training": {}}}, WANTED, "'train' is a required property"),
        ({"inputdataconfig": {"train": {}, "test": {}}}, WANTED, "('test' was unexpected)"),
        (TWO, replace(WANTED, mode="skipgram"), "Mode skipgram supports a single instance only"),
        (TUNED, replace(WANTED, evaluation=False), "needs evaluation=True"),
        ({**TRAIN, **TUNED}, WANTED, "cannot be measured"),
        ({}, replace(WANTED, min_count=10_000), "No word occurs at least min_count=10000 times"),
        ({}, replace(WANTED, learning_rate=1e30), "Training diverged"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_trained_is_told(
    job: Job, config: dict[str, Any], wanted: WordParameters, words: str
) -> None:
    with pytest.raises(ClientError, match=re.escape(words)):
        trained(configured(job.root, **config), wanted)
    assert not (job.root / "model" / "vectors.txt").exists()


def test_a_job_too_large_for_its_instance_ends_before_it_trains(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEBRUSH_MEMORY", str(100 << 20))
    with pytest.raises(ClientError, match=r"^Out of memory: .*the instance has 100 MiB"):
        trained(job, WANTED)


def test_json_lines_are_texts_too(job: Job) -> None:
    lines = [json.dumps({"source": line.partition(" ")[2]}) for line in sentences(150)]
    (job.root / "input" / "data" / "train" / "text.txt").write_text("\n".join(lines) + "\n")
    trained(job, WANTED)
    words = set(served(job.root).ids)
    assert b"guitar" in words
    assert not any(word.startswith(b"{") for word in words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"source": "a b"}\n{"text": "c"}\n', "text.txt, line 2: 'source' must be a string"),
        ('{"source": "a b"}\nc d\n', "text.txt, line 2: not JSON"),
        ("", "holds only empty files"),
        ("a b\nc caf\udce9 d\n", "text.txt, line 2: not UTF-8"),
        ("a b\nc caf\udcc3", "text.txt, line 2: not UTF-8"),
        ("\n \n", "No word occurs at least"),
    ],
)
def test_texts_that_cannot_be_read_are_told(job: Job, content: str, words: str) -> None:
    put(job.root, "train", "text.txt", content)
    with pytest.raises(ClientError, match=words):
        trained(job, WANTED)


@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
def test_several_instances_make_one_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, capsys: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(peers.Peers.connect, "__defaults__", (free.getsockname()[1], 10.0))
    hosts = ("127.0.0.1", "127.0.0.2")
    lines = sentences(300)
    jobs = []
    for number, host in enumerate(hosts):
        mine = lines[number::2] if distribution == "ShardedByS3Key" else lines
        put(tmp_path / host, "train", "text.txt", text(mine))
        put(tmp_path / host, "evaluation", "pairs.txt", PAIRS)
        file = {"TrainingInputMode": "File", "S3DistributionType": distribution}
        resources = {"current_host": host, "hosts": hosts}
        channels = {"train": file, "evaluation": file}
        jobs.append(configured(tmp_path / host, inputdataconfig=channels, resourceconfig=resources))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: trained(each, WANTED), jobs))
    said = capsys.readouterr().out
    running = "Running distributed CPU BlazingText training using batch_skipgram on 2 hosts."
    assert said.count(running) == 2
    assert said.count("Training finished!") == said.count("#mean_rho: ") == 1
    first, second = (each.root / "model" for each in jobs)
    assert sorted(f.name for f in first.iterdir()) == ["eval.json", "vectors.bin", "vectors.txt"]
    assert not second.exists()
    assert json.loads((first / "eval.json").read_text())["mean_rho"] > 0.7
    counted = int(re.findall(r"^Number of words: +(\d+)$", said, re.MULTILINE)[0])
    assert counted == len(set(text(lines).split()))


def test_a_job_that_is_asked_to_stop_leaves_what_it_has_learnt(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    job.stopping.set()
    trained(job, WANTED)
    said = capsys.readouterr().out
    assert said.count("##### Alpha") == 1
    assert "The job is asked to stop: the vectors are those of epoch 1" in said
    assert served(job.root).vector("guitar").any()


def test_a_lost_instance_is_the_algorithms_failure(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_training, "ECHO", 0.0)

    def lost(_self: object) -> None:
        raise PeerLost("algo-2 has ended")

    monkeypatch.setattr(peers.Peers, "connect", lost)
    monkeypatch.setenv("SAGEBRUSH_ML", str(job.root))
    monkeypatch.setattr(contract_job.signal, "signal", lambda *_: None)
    configured(job.root, **TWO, hyperparameters={"mode": "batch_skipgram"})
    assert contract_job.run(train.train) == 1
    reason = (job.root / "output" / "failure").read_text()
    assert reason == "AlgorithmError: algo-2 has ended: the training needs all of its instances"
