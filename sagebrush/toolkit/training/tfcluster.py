"""TensorFlow over several instances: TF_CONFIG, and a parameter server next to the script.

Source: AWS's TensorFlow training toolkit ("Distributed Training" in its README).
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job
from sagebrush.toolkit.training import mpi_agent

MIRRORED, SERVERS = job.TENSORFLOW_STRATEGIES
WORKER_PORT = 8890
MASTER_PORT, SERVER_PORT = 2222, 2223
HELD_PORT = 7779
"""Where the master holds the others' connections for as long as its script runs."""
LATE = 30.0
"""Seconds after its own script in which an instance may still find the master."""
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
    """This instance's parameter server runs, and after the script until the master's has ended."""
    found = json.loads(environ["TF_CONFIG"])
    host, master = job.current_host(this), job.master(this)
    told = json.dumps([found["cluster"], job.distribution_hosts(this).index(host)])
    # Two processes of TensorFlow would each take all of a GPU's memory: this one has none.
    own = {**environ, "CUDA_VISIBLE_DEVICES": "-1"}
    with contextlib.ExitStack() as stack:
        if host == master:
            stack.enter_context(socket.create_server((host, HELD_PORT), backlog=64))
        process = subprocess.Popen([python, "-c", _SERVE, told], env=own)
        stack.callback(process.wait)
        stack.callback(process.kill)
        if host == master:
            yield
            return
        waiting = _Waiting(master)
        waiting.start()
        yield
        waiting.script_ended = time.monotonic()
        waiting.join()


class _Waiting(threading.Thread):
    """Ends when the master does; when it cannot be found, LATE seconds after the script."""

    def __init__(self, master: str) -> None:
        super().__init__(daemon=True)
        self._master = master
        self.script_ended = float("inf")

    def run(self) -> None:
        while True:
            try:
                held = mpi_agent.connect(self._master, patience=1.0, port=HELD_PORT)
            except OSError:
                if time.monotonic() > self.script_ended + LATE:
                    return
                continue
            held.settimeout(None)
            with held, contextlib.suppress(OSError):
                held.recv(1)  # nothing is written: it returns when the master closes
            return
