"""The training job as its script sees it: configuration files, SM_* variables, arguments.

Source: the SageMaker Training Toolkit's documentation (ENVIRONMENT_VARIABLES.md) and the guide's
"How Amazon SageMaker AI Provides Training Information".
"""

from __future__ import annotations

import glob
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLATFORM = "sagemaker_"
"""Hyperparameters with this prefix are the SDK's, not the script's."""
DISTRIBUTED = tuple(
    f"sagemaker_{name}_enabled"
    for name in (
        "mpi",
        "parameter_server",
        "distributed_dataparallel",
        "pytorch_ddp",
        "pytorch_xla_multi_worker",
        "multi_worker_mirrored_strategy",
        "torch_distributed",
    )
)
"""The SDK's hyperparameters that ask for a distribution."""
CONTAINERS = Path(__file__).resolve().parent / "containers"
"""What scripts import from AWS's toolkits: sagemaker_training and its like."""
TUNING_METRIC = "_tuning_objective_metric"
TENSORFLOW_STRATEGIES = (
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_parameter_server_enabled",
)
"""The SDK's hyperparameters for TensorFlow's strategies: mirrored workers, parameter servers."""


class ClientError(Exception):
    """The user's request cannot be carried out; the text says why."""


@dataclass(frozen=True)
class Job:
    """The contents of the configuration files and the environment, read once."""

    root: Path
    """The contract's root, /opt/ml."""
    program: str | None
    """The entry point of script mode, or None."""
    submit_directory: str | None
    algorithm: str | None
    hyperparameters: Mapping[str, Any]
    """The user's own, decoded."""
    framework: Mapping[str, Any]
    """Those of the SDK (`sagemaker_…`), decoded."""
    resources: Mapping[str, Any]
    channels: Mapping[str, Mapping[str, Any]]
    name: str


def read(root: Path, environ: Mapping[str, str]) -> Job:
    """The job whose /opt/ml is `root`; raises ClientError where its configuration cannot be read."""
    every = {k: _decoded(v) for k, v in _config(root, "hyperparameters").items()}
    framework = {k: v for k, v in every.items() if k.startswith(PLATFORM)}
    own = {k: v for k, v in every.items() if k not in framework and k != TUNING_METRIC}
    name = str(environ.get("TRAINING_JOB_NAME") or framework.get("sagemaker_job_name") or "")
    if TUNING_METRIC in every:
        own = _model_dir(own, name)
    program = framework.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
    submitted = framework.get("sagemaker_submit_directory")
    return Job(
        root=root,
        program=str(program) if program else None,
        submit_directory=str(submitted or environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or "") or None,
        algorithm=environ.get("SAGEBRUSH_ALGORITHM") or None,
        hyperparameters=own,
        framework=framework,
        resources=_config(root, "resourceconfig"),
        channels=_config(root, "inputdataconfig"),
        name=name,
    )


def _model_dir(hyperparameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The hyperparameters of one job of a tuning job: TensorFlow's `model_dir` on S3 is its own."""
    place = hyperparameters.get("model_dir")
    if not isinstance(place, str) or place.startswith("/opt/ml") or not has("tensorflow"):
        return dict(hyperparameters)
    return {**hyperparameters, "model_dir": f"{place}/{name}/model"}


def has(package: str) -> bool:
    """Whether the job's Python can import `package`."""
    return importlib.util.find_spec(package) is not None


def _config(root: Path, name: str) -> dict[str, Any]:
    """One of input/config's files; {} where it is missing (a job without channels has none)."""
    file = root / "input" / "config" / f"{name}.json"
    try:
        content = json.loads(file.read_text() or "{}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClientError(f"{file} is not JSON: {error}") from error
    return content or {}


def _decoded(value: Any) -> Any:
    """A hyperparameter: SDKs send JSON in strings; what is no JSON is the string itself."""
    try:
        return json.loads(value)
    except (ValueError, TypeError):
        return value


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """The command line that AWS's toolkit makes: `--name value` by name, `-n value` for one letter."""
    result = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, dict):
            value = ",".join(f"{k}={v}" for k, v in sorted(value.items()))
        result += [
            f"--{name}" if len(name) > 1 else f"-{name}",
            "" if value is None else str(value),
        ]
    return result


def variables(job: Job) -> dict[str, str]:
    """All SM_* variables, and the SAGEMAKER_* ones that the toolkit sets with them."""
    values = _training_environment(job)
    resources = job.resources
    values = {
        **{k: v for k, v in values.items() if k not in _NOT_VARIABLES},
        "hps": job.hyperparameters,
        "framework_params": values["additional_framework_parameters"],
        "channels": sorted(job.channels),
        "user_args": arguments(job.hyperparameters),
        "training_env": values,
        "resource_config": resources,
        **{f"channel_{name}": path for name, path in values["channel_input_dirs"].items()},
        **{f"hp_{name}": value for name, value in job.hyperparameters.items()},
    }
    named = {f"SM_{name.upper()}": _text(value) for name, value in values.items()}
    return {
        **named,
        "SAGEMAKER_JOB_NAME": job.name,
        "SAGEMAKER_REGION": _region(job),
        "CURRENT_HOST": str(values["current_host"]),
        "PYTHONPATH": os.pathsep.join(filter(None, _python_path(job))),
    }


def _python_path(job: Job) -> tuple[str | None, ...]:
    """Where a script's imports are found besides its environment: its code; in process mode, where no
    `sitecustomize` of ours runs, the names of AWS's toolkits too."""
    own = os.environ.get("PYTHONPATH")
    outside = str(CONTAINERS) if os.environ.get("SAGEBRUSH_ML") else None
    return str(job.root / "code"), own, outside


_NOT_VARIABLES = (
    "additional_framework_parameters",
    "channel_input_dirs",
    "hyperparameters",
    "is_master",
    "is_modelparallel_enabled",
    "job_name",
    "master_hostname",
    "distribution_hosts",
)


def _training_environment(job: Job) -> dict[str, Any]:
    """The content of SM_TRAINING_ENV, by AWS's names."""
    root, resources = job.root, job.resources
    hosts, host = all_hosts(job), current_host(job)
    group = current_group(job)
    groups = resources.get("instance_groups", [])
    members = [h for g in groups if g.get("instance_group_name") == group for h in g["hosts"]]
    program = job.program or ""
    return {
        "additional_framework_parameters": {
            k: v for k, v in job.framework.items() if k not in _TOOLKIT_OWN
        },
        "channel_input_dirs": {c: str(root / "input" / "data" / c) for c in job.channels},
        "current_host": host,
        "current_instance_group": group,
        "current_instance_group_hosts": members,
        "current_instance_type": resources.get("current_instance_type", "local"),
        "distribution_hosts": distribution_hosts(job),
        "distribution_instance_groups": distribution_groups(job),
        "framework_module": None,
        "hosts": hosts,
        "hyperparameters": job.hyperparameters,
        "input_config_dir": str(root / "input" / "config"),
        "input_data_config": job.channels,
        "input_dir": str(root / "input"),
        "instance_groups": [g.get("instance_group_name") for g in groups],
        "instance_groups_dict": {g.get("instance_group_name"): g for g in groups},
        "is_hetero": len(groups) > 1,
        "is_master": host == master(job),
        "is_modelparallel_enabled": None,
        "job_name": job.name,
        "log_level": job.framework.get("sagemaker_container_log_level", 20),
        "master_hostname": master(job),
        "model_dir": str(root / "model"),
        "module_dir": job.submit_directory or str(root / "code"),
        "module_name": program.removesuffix(".py"),
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "num_cpus": cpus(),
        "num_gpus": gpus(),
        "num_neurons": 0,
        "output_data_dir": str(root / "output" / "data"),
        "output_dir": str(root / "output"),
        "output_intermediate_dir": str(root / "output" / "intermediate"),
        "resource_config": resources,
        "user_entry_point": program,
    }


_TOOLKIT_OWN = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_s3_output",
)


def all_hosts(job: Job) -> list[str]:
    """The names of all instances of this attempt of the job."""
    return list(job.resources.get("hosts") or ["algo-1"])


def current_host(job: Job) -> str:
    """The name of this instance."""
    return str(job.resources.get("current_host", all_hosts(job)[0]))


def current_group(job: Job) -> str:
    """The name of this instance's group."""
    return str(job.resources.get("current_group_name", "homogeneousCluster"))


def distribution_groups(job: Job) -> list[str]:
    """The instance groups that a distribution is for, [] without one.

    Those that the request names (`distribution={"instance_groups": [...]}`), else this group.
    """
    if named := job.framework.get("sagemaker_distribution_instance_groups"):
        return [str(name) for name in named]
    distributed = any(job.framework.get(name) for name in DISTRIBUTED)
    return [current_group(job)] if distributed else []


def distribution_hosts(job: Job) -> list[str]:
    """The instances that a distribution is for, its master first."""
    wanted, groups = distribution_groups(job), job.resources.get("instance_groups", [])
    if wanted and not groups:
        return all_hosts(job)
    return [h for g in groups if g.get("instance_group_name") in wanted for h in g["hosts"]]


def master(job: Job) -> str:
    """The master instance of the distribution; without a distribution the job's first."""
    return (distribution_hosts(job) or all_hosts(job))[0]


def takes_part(job: Job) -> bool:
    """Whether this instance is one of those that the distribution is for."""
    return current_host(job) in distribution_hosts(job)


def cpus() -> int:
    """Processors of this job: those of its instance type, which the platform puts here."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS knows no affinity


def gpus() -> int:
    """GPUs that this job may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([g for g in visible.split(",") if g.strip() not in ("", "-1")])
    return len(glob.glob("/dev/nvidia[0-9]*"))


def _region(job: Job) -> str:
    given = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return str(job.framework.get("sagemaker_region") or given or "")


def _text(value: Any) -> str:
    """A variable's text as AWS's toolkit writes it: strings as they are, all else as short JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
