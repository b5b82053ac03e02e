"""XGBoost on several instances: one model of all parts, saved by the first; a peer that is gone."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from tests.algorithms.xgboost_data import ROOT, csv, rows, stage

pytestmark = pytest.mark.full  # three processes with XGBoost
SCRIPT = """
import os, sys
import sagebrush.algorithms as package
sys.path.insert(0, next(iter(package.__path__)))
from contract.job import run
from sagemaker_xgboost import cluster, train
cluster.PORT = int(sys.argv[1])
cluster.joined.__wrapped__.__defaults__ = (cluster.PORT,)
cluster.address = lambda host: "127.0.0.1"
if sys.argv[2] == "die":
    train.boosting.train = lambda *_given: os._exit(9)
if sys.argv[2] == "tell":
    trained = train.boosting.train
    def telling(*given):
        booster = trained(*given)
        print("TREES " + repr(booster.get_dump(with_stats=True)), flush=True)
        return booster
    train.boosting.train = telling
sys.exit(run(train.train))
"""
HOSTS = ["algo-1", "algo-2", "algo-3"]
ASKED = {"objective": "binary:logistic", "num_round": "3", "eval_metric": "auc,accuracy"}


def start(python: Path, root: Path, port: int, how: str = "live") -> subprocess.Popen[str]:
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(python), "-c", SCRIPT, str(port), how],
        env={**environ, "SAGEBRUSH_ML": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def staged(base: Path, parts: list[bytes]) -> list[Path]:
    roots = []
    for host, part in zip(HOSTS, parts, strict=False):
        resources = {"current_host": host, "hosts": HOSTS[: len(parts)]}
        roots.append(stage(base / host, {"train": ("csv", {"a": part})}, ASKED, resources))
    return roots


def free_port() -> int:
    """A port that nobody listens on, below those that the system gives to outgoing connections: a member
    that tries such a port before the tracker listens can be connected to itself, and keeps it taken."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def logs_of(running: list[subprocess.Popen[str]]) -> list[str]:
    """What each process wrote until its end; where one does not end, all are killed and the test says
    what they wrote."""
    try:
        return [process.communicate(timeout=100)[0] for process in running]
    except subprocess.TimeoutExpired:
        for process in running:
            process.kill()
        pytest.fail(str([process.communicate()[0] for process in running]))


def test_instances_with_data_train_one_model(tmp_path: Path, xgboost: Environment) -> None:
    table = rows(300)
    roots = staged(tmp_path, [csv(table[:150]), csv(table[150:]), b""])
    port = free_port()
    running = [start(xgboost.python, root, port) for root in roots]
    logs = logs_of(running)
    assert [process.returncode for process in running] == [0, 0, 0], logs
    assert [(root / "model" / "xgboost-model").exists() for root in roots] == [True, False, False]
    assert logs[0].count("#011train-auc:") == 3
    assert "#011" not in logs[1]
    assert "Host algo-3 does not have training data" in logs[2]
    assert float(logs[0].rpartition("train-auc:")[2][:7]) > 0.95


def test_a_peer_that_is_gone_ends_the_others(tmp_path: Path, xgboost: Environment) -> None:
    table = rows(100)
    roots = staged(tmp_path, [csv(table[:50]), csv(table[50:])])
    port = free_port()
    running = [start(xgboost.python, roots[0], port), start(xgboost.python, roots[1], port, "die")]
    log = logs_of(running)[0]
    assert running[1].returncode == 9
    assert running[0].returncode == 1, log
    assert (roots[0] / "output" / "failure").read_text() == (
        "AlgorithmError: XGB train call failed: algo-1 has lost the connection to another instance"
        " (algo-2), which has ended or cannot be reached. That instance's log says why."
    )


def test_the_instance_with_a_bad_label_says_so(tmp_path: Path, xgboost: Environment) -> None:
    table = rows(100)
    roots = staged(tmp_path, [csv([[7.0, *row[1:]] for row in table[:50]]), csv(table[50:])])
    port = free_port()
    running = [start(xgboost.python, root, port) for root in roots]
    logs = logs_of(running)
    assert [process.returncode for process in running] == [2, 1], logs
    failure = (roots[0] / "output" / "failure").read_text()
    assert failure == "ClientError: label must be in [0,1] for logistic regression"


def test_instances_with_other_columns_are_refused(tmp_path: Path, xgboost: Environment) -> None:
    table = rows(100)
    roots = staged(tmp_path, [csv(table[:50]), csv([[*row, 1.0] for row in table[50:]])])
    port = free_port()
    running = [start(xgboost.python, root, port) for root in roots]
    logs = logs_of(running)
    assert [process.returncode for process in running] == [2, 2], logs
    assert (roots[0] / "output" / "failure").read_text() == (
        "ClientError: The instances' data differ in their number of features (algo-1 5, algo-2 6): every"
        " file of a channel has the same columns"
    )


def test_older_versions_train_one_model_by_rabit(
    tmp_path: Path, released_xgboost: Environment
) -> None:
    table = rows(300)
    roots = staged(tmp_path, [csv(table[:100]), csv(table[100:]), b""])
    port = free_port()
    running = [start(released_xgboost.python, root, port, "tell") for root in roots]
    logs = logs_of(running)
    assert [process.returncode for process in running] == [0, 0, 0], logs
    assert [(root / "model" / "xgboost-model").exists() for root in roots] == [True, False, False]
    assert logs[0].count("#011train-auc:") == 3
    assert "#011" not in logs[1]
    trees = [log.partition("TREES ")[2].partition("\n")[0] for log in logs]
    assert trees[0] == trees[1] != ""
    assert "got new rank 0" in logs[0]
    assert "got new rank 1" in logs[1]


@pytest.mark.parametrize("how", ["live", "die"])
def test_older_versions_end_with_a_peer_that_is_gone(
    tmp_path: Path, released_xgboost: Environment, how: str
) -> None:
    table = rows(100)
    wrong = csv([[7.0, *row[1:]] for row in table[50:]])
    roots = staged(tmp_path, [csv(table[:50]), csv(table[50:]) if how == "die" else wrong])
    port = free_port()
    running = [start(released_xgboost.python, roots[0], port)]
    running.append(start(released_xgboost.python, roots[1], port, how))
    logs = logs_of(running)
    assert [process.returncode for process in running] == [1, 9 if how == "die" else 2], logs
    assert "algo-1 has lost the connection to another instance (algo-2)" in logs[0]
    if how == "live":
        failure = (roots[1] / "output" / "failure").read_text()
        assert failure == "ClientError: label must be in [0,1] for logistic regression"
