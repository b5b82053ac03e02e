"""Word vectors as jobs in the environment `algorithms`: trained, served, read by fastText and gensim."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sagebrush.algorithms.blazingtext as package
from sagebrush.environments.environment import Environment
from tests.algorithms.blazingtext_job import TrainingJob, sentences
from tests.algorithms.test_blazingtext_serving import ask, served
from tests.built_environments import built

ALGORITHMS = Path(package.__path__[0]).parent
SMALL = {"min_count": "1", "vector_dim": "20", "epochs": "5", "sampling_threshold": "0.01"}
PAIRS = "guitar song 9\nbread soup 9\ngoal team 9\nguitar soup 1\nbread team 1\ngoal song 1\n"


def made(root: Path, python: Path) -> TrainingJob:
    """A job with 3,000 sentences on three topics, and pairs of their words."""
    job = TrainingJob(root, python)
    job.channel("train", [line.partition(" ")[2] for line in sentences(3000)])
    job.channel("evaluation", PAIRS.encode(), "pairs.txt")
    return job


def test_vectors_are_learnt_and_served(tmp_path: Path, algorithms: Environment) -> None:
    job = made(tmp_path / "ml", algorithms.python)
    done = job.run(mode="skipgram", subwords="True", buckets="5000", **SMALL)
    assert done.returncode == 0, done.stderr
    assert "Compiling" not in done.stdout
    (rho,) = re.findall(r"^#mean_rho: (\S+)$", done.stdout, re.MULTILINE)
    assert float(rho) > 0.8
    lines = (job.root / "model" / "vectors.txt").read_text().splitlines()
    learnt = {word: list(map(float, rest)) for word, *rest in (line.split() for line in lines[1:])}
    with served(job.root, algorithms.python) as connection:
        body = json.dumps({"instances": ["guitar", "guitars"]})
        status, kind, said = ask(connection, body, "application/json")
        assert (status, kind) == (200, "application/json")
        known, unknown = json.loads(said)
        assert known["vector"] == pytest.approx(learnt["guitar"], abs=1e-5)
        assert near(unknown["vector"], learnt["song"]) > near(unknown["vector"], learnt["soup"])
        _, kind, said = ask(connection, '{"source": "guitars"}', "application/jsonlines")
        assert (kind, json.loads(said)) == ("application/jsonlines", unknown)


def near(one: list[float], other: list[float]) -> float:
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


def test_two_instances_learn_as_one(tmp_path: Path, algorithms: Environment) -> None:
    hosts = ["127.0.55.1", "127.0.55.2"]  # addresses of this test alone
    jobs = [made(tmp_path / host, algorithms.python) for host in hosts]
    for job, host in zip(jobs, hosts, strict=True):
        resources = {"current_host": host, "hosts": hosts}
        file = job.root / "input" / "config" / "resourceconfig.json"
        file.write_text(json.dumps(resources))
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda job: job.run(mode="batch_skipgram", **SMALL), jobs))
    assert [done.returncode for done in ended] == [0, 0], [done.stderr for done in ended]
    (rho,) = re.findall(r"^#mean_rho: (\S+)$", ended[0].stdout, re.MULTILINE)
    assert float(rho) > 0.8
    assert not (jobs[1].root / "model").exists()


@pytest.fixture(params=["algorithms", pytest.param("nlp", marks=pytest.mark.full)])
def compared(request: pytest.FixtureRequest, tmp_path: Path) -> list[dict[str, Any]]:
    """The largest differences between others' vectors and ours; gensim's in its environment."""
    script, libraries = Path(__file__).with_name("compare_vectors.py"), []
    if request.param == "nlp":
        libraries = ["gensim"]
    command = [built(request.param).python, script, tmp_path, ALGORITHMS, *libraries]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_files_and_vectors_are_those_of_others(compared: list[dict[str, Any]]) -> None:
    assert len(compared) == 4
    for case in compared:
        for what, difference in case.items():
            assert what == "case" or difference < 1e-6, case
