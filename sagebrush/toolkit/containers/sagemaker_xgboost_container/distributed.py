"""Training on several instances by XGBoost's own collective, as scripts ask AWS's container for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PORT = 9099
"""The tracker's, where a script names none."""


def wait_hostname_resolution(sm_hosts: Sequence[str]) -> None:
    """The names of all hosts resolve."""
    cluster = _cluster()
    for host in sm_hosts:
        cluster.address(host)


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    **how: Any,
) -> None:
    """`exec_fun` has run with `args` on each of `hosts` that has data, as one group; with
    `update_rabit_args` it is told by `is_master` whether it is the first of them.

    Of AWS's other arguments, `first_port` and `second_port` are the trackers'; hosts wait for one
    another whatever `max_connect_attempts` and `connect_retry_timeout` say. Ends this process with
    status 0 where `include_in_training` is false. Raises RuntimeError without any
    data.
    """
    if len(hosts) == 1:
        if include_in_training:
            exec_fun(**args, is_master=True)
        return
    cluster, hosts = _cluster(), sorted(hosts)
    port = how.get("first_port") or PORT
    with cluster.joined(hosts, current_host, port):
        told = cluster.told([current_host, include_in_training], hosts)
    ready = [host for host, included in told if included]
    if not include_in_training:
        print(f"Host {current_host} not being used for distributed training.", flush=True)
        sys.exit(0)
    if not ready:
        raise RuntimeError("No hosts received training data.")
    own = {"is_master": current_host == ready[0]} if how.get("update_rabit_args") else {}
    if len(ready) == 1:
        exec_fun(**{**args, **own})
        return
    with cluster.joined(ready, current_host, how.get("second_port") or port + 1):
        exec_fun(**{**args, **own})


def _cluster() -> Any:
    """The module that the built-in algorithm forms its group by."""
    folder = str(Path(__file__).resolve().parents[3] / "algorithms")
    if folder not in sys.path:
        sys.path.append(folder)
    from sagemaker_xgboost import cluster  # pyright: ignore[reportMissingImports]

    return cluster
