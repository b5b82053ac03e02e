"""TensorFlow over several instances: TF_CONFIG, and the parameter server beside the script.

Source: AWS's TensorFlow training toolkit ("Distributed Training" in its README).
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job

MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
SERVERS = "sagemaker_parameter_server_enabled"
WORKER_PORT = 8890
MASTER_PORT, SERVER_PORT = 2222, 2223
PAUSE = 1.0
"""Seconds between two looks whether the master still listens."""
_SERVE = """
import json, sys
import tensorflow as tf
cluster, index = json.loads(sys.argv[1])
server = tf.distribute.Server(tf.train.ClusterSpec(cluster), job_name="ps", task_index=index)
server.join()
"""


def config(this: Job) -> dict[str, Any] | None:
    """TF_CONFIG of this instance, None where no distribution of TensorFlow's is for it."""
    if not job.takes_part(this):
        return None
    hosts = job.distribution_hosts(this)
    if has_servers(this):
        return _with_servers(hosts, job.current_host(this))
    if this.framework.get(MIRRORED):
        task = {"index": hosts.index(job.current_host(this)), "type": "worker"}
        workers = {"worker": _at(hosts, WORKER_PORT)}
        return {"cluster": workers, "environment": "cloud", "task": task}
    return None


def has_servers(this: Job) -> bool:
    """Whether a parameter server runs on this instance: never in a job of one."""
    asked = bool(this.framework.get(SERVERS)) and job.takes_part(this)
    return asked and len(job.distribution_hosts(this)) > 1


def _with_servers(hosts: Sequence[str], current: str) -> dict[str, Any]:
    cluster = {
        "master": _at(hosts[:1], MASTER_PORT),
        "ps": _at(hosts, SERVER_PORT),
        "worker": _at(hosts[1:], MASTER_PORT),
    }
    place = hosts.index(current)
    task = {"index": place - 1, "type": "worker"} if place else {"index": 0, "type": "master"}
    return {"cluster": cluster, "environment": "cloud", "task": task}


def _at(hosts: Sequence[str], port: int) -> list[str]:
    return [f"{host}:{port}" for host in hosts]


@contextlib.contextmanager
def servers(this: Job, python: str, environ: Mapping[str, str]) -> Iterator[None]:
    """This instance's parameter server runs, and after the script until the master is gone."""
    found = json.loads(environ["TF_CONFIG"])
    index = job.distribution_hosts(this).index(job.current_host(this))
    told = json.dumps([found["cluster"], index])
    # Two processes of TensorFlow would each take all of a GPU's memory: this one has none.
    own = {**environ, "CUDA_VISIBLE_DEVICES": "-1"}
    process = subprocess.Popen([python, "-c", _SERVE, told], env=own)
    try:
        yield
        if job.current_host(this) != job.master(this):
            _until_down(job.master(this))
    finally:
        process.kill()
        process.wait()


def _until_down(master: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            socket.create_connection((master, MASTER_PORT), timeout=10.0).close()
            time.sleep(PAUSE)
