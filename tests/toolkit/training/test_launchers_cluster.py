"""What several instances are started with: torchrun's words, TF_CONFIG, groups; MPI where it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.toolkit import job
from sagebrush.toolkit.training import launchers, mpi, tfcluster, torchrun
from tests import needs
from tests.toolkit.training.training_contract import TRAIN, Contract

HOSTS = ("algo-1", "algo-2", "algo-3")


@pytest.fixture
def ml(tmp_path: Path) -> Contract:
    return Contract(tmp_path / "ml")


@pytest.fixture
def mpirun() -> str:
    return shutil.which("mpirun") or needs.missing("Open MPI (openmpi-bin) is not installed")


def seen_by(
    host: str, asked: Mapping[str, Any], groups: Mapping[str, Sequence[str]] | None = None
) -> job.Job:
    """The job as one of its instances reads it."""
    named = groups or {"homogeneousCluster": HOSTS}
    current = next(name for name, members in named.items() if host in members)
    return job.Job(
        root=Path("/opt/ml"),
        program="train.py",
        submit_directory=None,
        algorithm=None,
        hyperparameters={},
        framework=asked,
        resources={
            "current_host": host,
            "current_group_name": current,
            "hosts": [host for members in named.values() for host in members],
            "instance_groups": [
                {"instance_group_name": name, "instance_type": "ml.m5.large", "hosts": list(hosts)}
                for name, hosts in named.items()
            ],
            "network_interface_name": "eth0",
        },
        channels={},
        name="job-1",
    )


def test_torchrun_meets_at_the_first_instance() -> None:
    asked = {"sagemaker_torch_distributed_enabled": True, torchrun.PROCESSES: 2}
    assert torchrun.launcher(seen_by("algo-2", asked), "python", package=False) == [
        *("python", "-m", "torch.distributed.run", "--nnodes", "3", "--nproc_per_node", "2"),
        *("--master_addr", "algo-1", "--master_port", "7777", "--node_rank", "1"),
    ]


def test_an_attempt_with_fewer_instances_asks_for_fewer() -> None:
    asked = {"sagemaker_torch_distributed_enabled": True, torchrun.PROCESSES: 2}
    two = torchrun.launcher(seen_by("algo-2", asked, {"all": HOSTS[:2]}), "python", package=False)
    assert two[two.index("--nnodes") + 1] == "2"
    one = torchrun.launcher(seen_by("algo-1", asked, {"all": HOSTS[:1]}), "python", package=False)
    assert "--standalone" in one


def test_one_process_an_instance_has_torchruns_variables_without_torchrun() -> None:
    asked = {"sagemaker_torch_distributed_enabled": True}
    this = seen_by("algo-3", asked)
    assert torchrun.launcher(this, "python", package=False) == ["python"]
    told = torchrun.variables(this)
    assert (told["RANK"], told["LOCAL_RANK"], told["WORLD_SIZE"]) == ("2", "0", "3")
    assert (told["MASTER_ADDR"], told["MASTER_PORT"]) == ("algo-1", "7777")
    alone = torchrun.variables(seen_by("algo-1", asked, {"all": HOSTS[:1]}))
    assert (alone["RANK"], alone["WORLD_SIZE"], alone["MASTER_ADDR"]) == ("0", "1", "127.0.0.1")
    assert torchrun.variables(seen_by("algo-1", {**asked, torchrun.PROCESSES: 2})) == {}


def test_groups_that_a_distribution_names_are_a_cluster_of_their_own() -> None:
    groups = {"data": ("algo-1",), "dnn": ("algo-2", "algo-3")}
    asked = {
        "sagemaker_pytorch_ddp_enabled": True,
        "sagemaker_distribution_instance_groups": ["dnn"],
        torchrun.PROCESSES: 2,
    }
    data, second, third = (seen_by(host, asked, groups) for host in HOSTS)
    assert launchers.launcher(data, "python", package=False) == ["python"]
    words = torchrun.launcher(third, "python", package=False)
    assert words[words.index("--master_addr") :][:6] == [
        *("--master_addr", "algo-2", "--master_port", "7777", "--node_rank", "1"),
    ]
    assert [job.master(each) for each in (data, second, third)] == ["algo-2"] * 3
    seen = [job.variables(each) for each in (data, second)]
    assert {each["SM_DISTRIBUTION_INSTANCE_GROUPS"] for each in seen} == {'["dnn"]'}
    assert [each["SM_CURRENT_INSTANCE_GROUP"] for each in seen] == ["data", "dnn"]
    assert [each["SM_CURRENT_INSTANCE_GROUP_HOSTS"] for each in seen] == [
        '["algo-1"]',
        '["algo-2","algo-3"]',
    ]
    told = [json.loads(each["SM_TRAINING_ENV"]) for each in seen]
    assert [each["is_master"] for each in told] == [False, True]
    assert told[0]["distribution_hosts"] == ["algo-2", "algo-3"]
    assert told[0]["is_hetero"] is True


def test_without_named_groups_each_group_is_a_cluster() -> None:
    groups = {"one": ("algo-1",), "two": ("algo-2", "algo-3")}
    asked = {"sagemaker_torch_distributed_enabled": True}
    assert job.distribution_hosts(seen_by("algo-1", asked, groups)) == ["algo-1"]
    assert job.distribution_hosts(seen_by("algo-3", asked, groups)) == ["algo-2", "algo-3"]
    assert job.distribution_hosts(seen_by("algo-3", {}, groups)) == []


def test_a_group_that_the_job_has_not_is_refused() -> None:
    asked = {
        "sagemaker_mpi_enabled": True,
        "sagemaker_distribution_instance_groups": ["dxx"],
    }
    with pytest.raises(job.ClientError, match="no instance group dxx; it has homogeneousCluster"):
        launchers.check(seen_by("algo-1", asked))


def test_model_parallel_is_refused_and_xla() -> None:
    this = seen_by("algo-1", {"sagemaker_mpi_enabled": True})
    with pytest.raises(job.ClientError, match="model parallel library is not here"):
        launchers.check(replace(this, hyperparameters={"mp_parameters": {"partitions": 2}}))
    with pytest.raises(job.ClientError, match="PyTorch/XLA is not here"):
        launchers.check(seen_by("algo-1", {"sagemaker_pytorch_xla_multi_worker_enabled": True}))


def test_pytorchddp_as_sdk_v2_sends_it_is_torchruns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "has", lambda package: package == "torch")
    this = seen_by("algo-3", {launchers.DATAPARALLEL: True, torchrun.PROCESSES: 2})
    launchers.check(this)
    words = launchers.launcher(this, "python", package=False)
    assert words[words.index("--node_rank") + 1] == "2"
    assert "smdistributed library is not here" in launchers.notes(this)[0]
    assert not launchers.notes(seen_by("algo-1", {"sagemaker_pytorch_ddp_enabled": True}))


def test_mirrored_workers_know_each_other() -> None:
    this = seen_by("algo-2", {tfcluster.MIRRORED: True})
    found = launchers.variables(this, job.variables(this))
    assert json.loads(found["TF_CONFIG"]) == {
        "cluster": {"worker": ["algo-1:8890", "algo-2:8890", "algo-3:8890"]},
        "environment": "cloud",
        "task": {"index": 1, "type": "worker"},
    }


def test_parameter_servers_are_as_awss_toolkit_has_them() -> None:
    found = [tfcluster.config(seen_by(host, {tfcluster.SERVERS: True})) for host in HOSTS]
    assert [each["task"] for each in found if each] == [
        {"index": 0, "type": "master"},
        {"index": 0, "type": "worker"},
        {"index": 1, "type": "worker"},
    ]
    assert found[0] is not None
    assert found[0]["cluster"] == {
        "master": ["algo-1:2222"],
        "ps": ["algo-1:2223", "algo-2:2223", "algo-3:2223"],
        "worker": ["algo-2:2222", "algo-3:2222"],
    }
    assert tfcluster.config(seen_by("algo-1", {})) is None


def test_mpiruns_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    asked = {
        launchers.MPI: True,
        torchrun.PROCESSES: 2,
        mpi.OPTIONS: "--NCCL_DEBUG=WARN -x 'A=b c' --mca btl_base_verbose 1",
    }
    this = seen_by("algo-1", asked)
    words = mpi.command(this, ["SM_HOSTS", "NCCL_DEBUG"])
    assert words[:5] == ["mpirun", "--host", "algo-1:2,algo-2:2,algo-3:2", "-np", "6"]
    assert words[-9:] == [
        *("-x", "PATH", "-x", "A=b c", "--mca", "btl_base_verbose", "1", "-x", "SM_HOSTS"),
    ]
    assert "NCCL_DEBUG=WARN" in words
    assert words[words.index("btl_tcp_if_include") + 1] == "eth0"
    assert [launchers.follows(seen_by(host, asked)) for host in HOSTS] == [False, True, True]


RANKS = """
import os, sys
rank, size = os.environ["OMPI_COMM_WORLD_RANK"], os.environ["OMPI_COMM_WORLD_SIZE"]
print("TOLD", rank, size, os.environ["SM_HP_A"], sys.argv[1:])
"""


def test_one_instance_runs_its_ranks(ml: Contract, mpirun: str) -> None:
    asked = {"a": "1", "sagemaker_mpi_enabled": "true", torchrun.PROCESSES: "2"}
    done = ml.run({**ml.script(RANKS), **asked})
    assert done.returncode == 0, done.stdout + done.stderr
    told = sorted(line for line in done.stdout.splitlines() if "TOLD" in line)
    assert told == [f"[1,{rank}]<stdout>:TOLD {rank} 2 1 ['-a', '1']" for rank in (0, 1)]


@pytest.mark.parametrize(
    ("fault", "told", "code"),
    [
        ("raise ValueError('rank one says no')", 'ErrorMessage "ValueError: rank one says no"', 1),
        ("sys.exit(7)", 'ExitCode 7\nErrorMessage ""', 7),
        ("os.kill(os.getpid(), 9)", "exited on signal 9 (Killed)", 137),
    ],
)
def test_a_rank_that_fails_is_the_reason(
    ml: Contract, mpirun: str, fault: str, told: str, code: int
) -> None:
    script = f"{RANKS}\nif rank == '1':\n    {fault}\nimport time\ntime.sleep(50)\n"
    asked = {"a": "1", "sagemaker_mpi_enabled": "true", torchrun.PROCESSES: "2"}
    done = ml.run({**ml.script(script), **asked})
    assert done.returncode == code, done.stdout + done.stderr
    assert told in ml.failure
    # mpirun's options would fill AWS's 1,024 characters
    assert ml.failure.splitlines()[-1].startswith(f'Command "mpirun {ml.python} train.py')


def both(tmp_path: Path, script: str) -> list[tuple[int, str, str]]:
    """(status, log, failure) of two instances, named by two addresses of this machine."""
    hosts = ["127.0.0.1", "127.0.0.2"]
    started = []
    for host in hosts:
        ml = Contract(tmp_path / host)
        ml.resources |= {"current_host": host, "hosts": hosts}
        ml.resources["instance_groups"][0]["hosts"] = hosts
        asked = {"a": "1", "sagemaker_mpi_enabled": "true"}
        ml.write({**ml.script(script), **asked})
        process = subprocess.Popen(
            [sys.executable, str(TRAIN)],
            env=ml.environ({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append((ml, process))
    ended = []
    for ml, process in started:
        log, _ = process.communicate(timeout=60)
        file = ml.root / "output" / "failure"
        ended.append((process.returncode, log, file.read_text() if file.exists() else ""))
    return ended


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux only")
def test_the_others_end_as_the_first_one_does(tmp_path: Path, mpirun: str) -> None:
    first, second = both(tmp_path / "well", RANKS)
    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    assert first[1].count("TOLD") == 2
    assert "Waiting for the MPI run of 127.0.0.1" in second[1]
    first, second = both(tmp_path / "ill", RANKS + "raise ValueError('no')")
    assert (first[0], second[0]) == (1, 1)
    assert 'ErrorMessage "ValueError: no"' in first[2]
    assert 'ErrorMessage "ValueError: no"' in second[2]


def driven(driver: str, environs: Sequence[Mapping[str, str]], folder: Path) -> list[str]:
    """What the driver wrote with each of `environs`; the agents that it leaves, as sshd, have ended."""
    files = [(folder / f"log-{n}").open("w+") for n in range(len(environs))]
    processes = [
        subprocess.Popen(
            [sys.executable, driver],
            cwd=folder,
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for environ, file in zip(environs, files, strict=True)
    ]
    try:
        for process in processes:
            process.wait(timeout=60)
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for file in files:
            file.close()
    return [Path(file.name).read_text() for file in files]


DRIVERS = "lib/python3.*/site-packages/sagemaker/train/container_drivers"


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux only")
def test_sdk_v3s_own_mpi_driver_finds_what_it_needs(tmp_path: Path, mpirun: str) -> None:
    [drivers] = needs.sdk("sdk3").parent.parent.glob(DRIVERS)
    client = TRAIN.parents[1] / "client"
    hosts = ["127.0.0.1", "127.0.0.2"]
    code = tmp_path / "train.py"
    code.write_text("import os; print('TOLD', os.environ['OMPI_COMM_WORLD_RANK'])")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEBRUSH_"))}
    shared = {
        **keep,
        "PYTHONPATH": str(client),
        "SM_ENTRY_SCRIPT": code.name,
        "SM_DISTRIBUTED_CONFIG": json.dumps(
            {"process_count_per_node": 2, "mpi_additional_options": ["--map-by", "node"]}
        ),
        "SM_HPS": "{}",
        "SM_HOSTS": json.dumps(hosts),
        "SM_HOST_COUNT": "2",
        "SM_MASTER_ADDR": hosts[0],
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.large",
    }
    driver = str(drivers / "distributed_drivers" / "mpi_driver.py")
    done = Path("/tmp/done.algo-1"), Path(f"/tmp/ready.{hosts[1]}")
    for file in done:
        file.unlink(missing_ok=True)
    logs = driven(driver, [{**shared, "SM_CURRENT_HOST": host} for host in hosts], tmp_path)
    assert sorted(line for line in logs[0].splitlines() if "TOLD" in line) == [
        f"[1,{rank}]<stdout>:TOLD {rank}" for rank in (0, 1)
    ], logs
    assert "Found status file /tmp/done.algo-1" in logs[1], logs
    for file in done:
        file.unlink()
