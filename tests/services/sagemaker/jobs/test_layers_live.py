"""requirements.txt over the base environment: real sandboxes, a real index, real packages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
import uv
from pip._internal.models.index import PyPI

from sagebrush.compute.base import Gone
from sagebrush.compute.local import probe
from sagebrush.environments import uvtool
from sagebrush.environments.environment import Environment
from sagebrush.workload import layers
from tests.base_environment import base  # noqa: F401
from tests.conftest import Server, make_settings, started
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.training.test_training_live import IMAGE, ROLE, ended
from tests.waiting import until

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

SHOW = "import emoji; print('SEEN', emoji.__version__, emoji.__file__)"
V3 = """#!/bin/bash
set -e
cd /opt/ml/input/data/code
python3 /opt/ml/input/data/sm_drivers/scripts/install_requirements.py requirements.txt
python3 train.py
"""
"""What SDK v3's training script comes to."""
INSTALL = """import subprocess, sys
subprocess.check_call([sys.executable, "-m", "pip", "install", "-r", sys.argv[1]])
"""


class Desk:
    """A server with sandboxes, and jobs with requirements."""

    def __init__(self, server: Server) -> None:
        self.serve(server)
        self.s3.create_bucket(Bucket="jobs")

    def serve(self, server: Server) -> None:
        """From now on `server` answers."""
        self.server = server
        self.sagemaker, self.s3 = server.client("sagemaker"), server.client("s3")

    @property
    def home(self) -> Path:
        return self.server.app.settings.home

    def start(self, name: str, files: dict[str, str], **changes: Any) -> None:
        """A job of script mode runs: `files` are its submitted code."""
        key = f"code/{name}.tar.gz"
        self.s3.put_object(Bucket="jobs", Key=key, Body=archive(files))
        self.create(
            name,
            HyperParameters={
                "sagemaker_program": json.dumps("train.py"),
                "sagemaker_submit_directory": json.dumps(f"s3://jobs/{key}"),
            },
            **changes,
        )

    def create(self, name: str, entry: list[str] | None = None, **changes: Any) -> None:
        spec: dict[str, Any] = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
        if entry:
            spec["ContainerEntrypoint"] = entry
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification=spec,
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": "s3://jobs/out"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            **{"StoppingCondition": {"MaxRuntimeInSeconds": 60}, **changes},
        )

    def run(self, name: str, files: dict[str, str], **changes: Any) -> dict[str, Any]:
        self.start(name, files, **changes)
        return ended(self.sagemaker, name, 90.0)

    def log(self, name: str, kind: str = "Training") -> str:
        logs, group = self.server.client("logs"), f"/aws/sagemaker/{kind}Jobs"
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        stream = streams["logStreams"][0]["logStreamName"]
        found = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
        return "\n".join(event["message"] for event in found["events"])

    def layers(self) -> list[Path]:
        return sorted((self.home / "layers").glob("*"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, base: Environment) -> Iterator[Desk]:  # noqa: F811
    if probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    home = tmp_path_factory.mktemp("layers")
    asked = home / "in.txt"
    asked.write_text("emoji\n")
    command = [uv.find_uv_bin(), "pip", "compile", "-q", "--python", sys.executable, str(asked)]
    environ = uvtool.variables(os.environ, home)
    if subprocess.run(command, env=environ, capture_output=True, check=False).returncode:
        needs.missing("no package index can be reached")
    settings = make_settings(
        home / "home",
        isolation="sandbox",
        environments=base.path.parent,
        # a mirror of the usual index may be at a private address
        egress_allow=(PyPI.netloc, PyPI.file_storage_domain),
    )
    made = Desk(started(settings))
    yield made
    made.server.stop()


def test_the_first_job_builds_and_the_second_finds_it_built(desk: Desk, base: Environment) -> None:  # noqa: F811
    show = f"import os, sys; print('PYTHON', sys.executable, os.__file__); {SHOW}"
    files = {"train.py": show, "requirements.txt": "emoji\npandas\n"}
    first = desk.run("first", files)
    assert first["TrainingJobStatus"] == "Completed", first.get("FailureReason")
    log = desk.log("first")
    assert "requirements.txt: 1 package layered over base (built in " in log
    assert " + emoji==" in log, "uv's own words are in the job's log"
    assert "pip install" not in log
    [layer] = desk.layers()
    assert " /opt/sagebrush/layer/venv/lib/" in log
    assert "PYTHON /opt/sagebrush/layer/venv/bin/python " in log
    for path in (layer, *base.prefixes):
        assert str(path) == "/usr" or f"{path}/" not in log
    size = sum(f.lstat().st_size for f in layer.rglob("*"))
    assert size < 20 << 20, "pandas is the environment's"
    assert list(layer.rglob("emoji/__pycache__/*.pyc"))
    assert not list((desk.home / "jobs").glob("l-*")), "the build's own directory is gone"

    second = desk.run("second", files)
    assert second["TrainingJobStatus"] == "Completed"
    assert "requirements.txt: 1 package layered over base (cached)" in desk.log("second")
    assert desk.layers() == [layer]


def test_what_a_layer_holds_cannot_be_written_by_a_job(desk: Desk) -> None:
    script = SHOW + "\nimport pathlib; pathlib.Path(emoji.__file__).write_text('evil')"
    done = desk.run("evil", {"train.py": script, "requirements.txt": "emoji\npandas\n"})
    assert "Read-only file system" in done["FailureReason"]
    if os.geteuid() == 0:
        owners = {f.lstat().st_uid for f in desk.layers()[0].rglob("*")}
        assert owners == {0}


@pytest.mark.full
def test_a_conflict_is_told_by_name_and_the_file_wins(desk: Desk) -> None:
    script = "import numpy, threadpoolctl; print('SEEN', threadpoolctl.__version__)"
    done = desk.run("conflict", {"train.py": script, "requirements.txt": "threadpoolctl<3.5\n"})
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    log = desk.log("conflict")
    assert "SEEN 3.4" in log
    [told] = [line for line in log.splitlines() if "WARNING: threadpoolctl: base has " in line]
    assert "requirements.txt asks for threadpoolctl<3.5: threadpoolctl 3.4" in told


@pytest.mark.full
def test_a_file_that_cannot_be_satisfied_fails_the_job_with_the_names(desk: Desk) -> None:
    wanted = "emoji\npandas<3\npandas>3.1\n"
    done = desk.run("never", {"train.py": SHOW, "requirements.txt": wanted})
    assert done["TrainingJobStatus"] == "Failed"
    reason = done["FailureReason"]
    assert "InstallRequirementsError:\nExitCode 1\nErrorMessage " in reason
    assert "(pandas): Because you require pandas<3 and pandas>3.1" in reason
    assert "InstallRequirementsError" in desk.log("never")
    assert [t["Status"] for t in done["SecondaryStatusTransitions"]][-1] == "Failed"

    missing = desk.run("missing", {"train.py": SHOW, "requirements.txt": "no-such-package-xyz\n"})
    assert "(no-such-package-xyz)" in missing["FailureReason"]


@pytest.mark.full
def test_jobs_at_once_build_it_once(desk: Desk) -> None:
    before, launches = desk.layers(), []
    backend = desk.server.world.backend
    real = backend.launch
    backend.launch = lambda spec: (launches.append(spec.key), real(spec))[1]
    try:
        for name in ("twin-a", "twin-b"):
            desk.start(name, {"train.py": "import humanize", "requirements.txt": "humanize\n"})
        for name in ("twin-a", "twin-b"):
            done = ended(desk.sagemaker, name, 90.0)
            assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    finally:
        backend.launch = real
    assert len([key for key in launches if key.startswith("l-")]) == 1
    assert len(desk.layers()) == len(before) + 1


@pytest.mark.full
def test_a_builder_killed_half_way_leaves_nothing_half_made(desk: Desk) -> None:
    """The supervisor of the build is killed, its sandbox with it; the job gets its layer all the same."""
    before = desk.layers()
    desk.start("killed", {"train.py": "import tomli", "requirements.txt": "tomli\nrich\n"})
    os.kill(building(desk)["shim"], signal.SIGKILL)
    assert desk.layers() == before
    done = ended(desk.sagemaker, "killed", 90.0)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert len(desk.layers()) == len(before) + 1
    assert all((layer / "layer.json").is_file() for layer in desk.layers())


def building(desk: Desk) -> dict[str, Any]:
    """The state of the build that runs, once one does."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for file in (desk.home / "jobs").glob("l-*/state.json"):
            state = json.loads(file.read_text())
            if state["phase"] == "running" and not (file.parent / "exit.json").exists():
                return state
        time.sleep(0.005)
    raise AssertionError("nothing is being built")


@pytest.mark.full
def test_a_build_goes_on_while_the_server_is_away(desk: Desk) -> None:
    desk.start("away", {"train.py": "import slugify", "requirements.txt": "python-slugify\n"})
    shim = building(desk)["shim"]
    desk.server.stop()
    desk.serve(started(desk.server.app.settings))
    done = ended(desk.sagemaker, "away", 90.0)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert "python-slugify" in desk.log("away")
    assert not runs(shim)


def runs(pid: int) -> bool:
    """Whether the process runs; one that the server which is gone has not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def v3(desk: Desk, name: str, wanted: str, script: str, **more: str) -> dict[str, Any]:
    """A job as SDK v3's ModelTrainer makes it, with the channels that it uploads."""
    source = {"source_dir": "src", "requirements": "requirements.txt", "entry_script": "train.py"}
    files = {
        "sm_drivers/sourcecode.json": json.dumps(source),
        "sm_drivers/sm_train.sh": V3,
        "sm_drivers/scripts/install_requirements.py": INSTALL,
        "code/requirements.txt": wanted,
        "code/train.py": script,
        **{f"code/{file}": text for file, text in more.items()},
    }
    for file, text in files.items():
        desk.s3.put_object(Bucket="jobs", Key=f"{name}/{file}", Body=text.encode())
    channels = [
        {
            "ChannelName": each,
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://jobs/{name}/{each}/"}
            },
        }
        for each in ("code", "sm_drivers")
    ]
    entry = ["/bin/bash", "/opt/ml/input/data/sm_drivers/sm_train.sh"]
    desk.create(name, entry, InputDataConfig=channels)
    return ended(desk.sagemaker, name, 90.0)


def test_the_script_of_sdk_v3_finds_its_requirements_installed(desk: Desk) -> None:
    done = v3(desk, "v3", "emoji\npandas\n", SHOW)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    log = desk.log("v3")
    assert "requirements.txt: 1 package layered over base (cached)" in log
    assert "Requirement already satisfied: emoji" in log
    assert "SEEN" in log


@pytest.mark.full
def test_requirements_of_the_jobs_own_files_are_left_to_pip(desk: Desk) -> None:
    before = desk.layers()
    more = {"more.txt": "emoji\n"}
    done = v3(desk, "local", "-r more.txt\n", SHOW, **more)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert "SEEN" in desk.log("local")
    done = desk.run("local-v2", {"train.py": SHOW, "requirements.txt": "-r more.txt\n", **more})
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert desk.layers() == before


def test_an_isolated_job_gets_no_layer(desk: Desk) -> None:
    files = {"train.py": SHOW, "requirements.txt": "emoji\npandas\n"}
    done = desk.run("isolated", files, EnableNetworkIsolation=True)
    assert done["TrainingJobStatus"] == "Failed"


RUNPROC = """
cd /opt/ml/processing/input/code/
tar -xzf sourcedir.tar.gz

set -e

if [[ -f 'requirements.txt' ]]; then
    pip uninstall --yes typing

    python -m pip install -r requirements.txt
fi

python process.py "$@"
"""
"""What SDK v2's FrameworkProcessor runs."""


def processed(desk: Desk, name: str, wanted: str, script: str) -> dict[str, Any]:
    """A processing job as FrameworkProcessor makes it, once it has ended."""
    code = archive({"process.py": script, "requirements.txt": wanted})
    desk.s3.put_object(Bucket="jobs", Key=f"{name}/sourcedir.tar.gz", Body=code)
    desk.s3.put_object(Bucket="jobs", Key=f"{name}/runproc.sh", Body=RUNPROC.encode())
    folder = "/opt/ml/processing/input"
    files = {"code": "sourcedir.tar.gz", "entrypoint": "runproc.sh"}
    desk.sagemaker.create_processing_job(
        ProcessingJobName=name,
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["/bin/bash", f"{folder}/entrypoint/runproc.sh"],
        },
        ProcessingInputs=[
            {
                "InputName": each,
                "S3Input": {
                    "S3Uri": f"s3://jobs/{name}/{file}",
                    "LocalPath": f"{folder}/{each}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for each, file in files.items()
        ],
        ProcessingResources={
            "ClusterConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            }
        },
        RoleArn=ROLE,
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )

    def look() -> dict[str, Any] | None:
        found = desk.sagemaker.describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] not in ("InProgress", "Stopping") else None

    return until(look, f"the end of {name}", 90)


@pytest.mark.full
def test_framework_processors_share_a_layer_as_training_jobs_do(desk: Desk) -> None:
    wanted = "emoji\npandas\nhumanize\n"
    before = desk.layers()
    for name, how in (("process-a", "(built in "), ("process-b", "(cached)")):
        done = processed(desk, name, wanted, SHOW)
        log = desk.log(name, "Processing")
        assert done["ProcessingJobStatus"] == "Completed", (done.get("FailureReason"), log)
        assert f"packages layered over base {how}" in log
        assert "Requirement already satisfied: emoji" in log
        assert "Collecting" not in log
        assert len(desk.layers()) == len(before) + 1
        assert " /opt/sagebrush/layer/venv/lib/" in log


@pytest.mark.full
def test_a_processing_job_whose_requirements_fail_says_why(desk: Desk) -> None:
    done = processed(desk, "process-never", "pandas<3\npandas>3.1\n", SHOW)
    assert done["ProcessingJobStatus"] == "Failed"
    assert "(pandas): Because you require pandas<3 and pandas>3.1" in done["FailureReason"]


@pytest.mark.full
def test_an_endpoints_requirements_are_layered(desk: Desk) -> None:
    code = (
        "import emoji\n"
        "def model_fn(folder): return emoji.__file__\n"
        "def transform_fn(model, data, kind, accept): return model, 'text/plain'\n"
    )
    body = archive({"code/inference.py": code, "code/requirements.txt": "emoji\npandas\n"})
    desk.s3.put_object(Bucket="jobs", Key="model.tar.gz", Body=body)
    endpoint(desk, "serve", "s3://jobs/model.tar.gz")
    assert status(desk, "serve")["EndpointStatus"] == "InService"
    runtime = desk.server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="serve", Body=b"x", ContentType="text/plain")
    assert answer["Body"].read().decode().startswith("/opt/sagebrush/layer/")
    desk.sagemaker.delete_endpoint(EndpointName="serve")

    body = archive({"code/inference.py": code, "code/requirements.txt": "no-such-package-xyz\n"})
    desk.s3.put_object(Bucket="jobs", Key="bad.tar.gz", Body=body)
    endpoint(desk, "bad", "s3://jobs/bad.tar.gz")
    failed = status(desk, "bad")
    assert failed["EndpointStatus"] == "Failed"
    assert "InstallRequirementsError: ExitCode 1" in failed["FailureReason"]
    assert "(no-such-package-xyz)" in failed["FailureReason"]
    desk.sagemaker.delete_endpoint(EndpointName="bad")


def endpoint(desk: Desk, name: str, data: str) -> None:
    container = {"Image": IMAGE, "ModelDataUrl": data}
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    desk.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    desk.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    desk.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def status(desk: Desk, name: str) -> dict[str, Any]:
    """The endpoint once it is no longer being created."""

    def look() -> dict[str, Any] | None:
        found = desk.sagemaker.describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] != "Creating" else None

    return until(look, f"the endpoint {name}", 90)


def test_the_build_gets_no_role_and_the_proxy_alone(desk: Desk, base: Environment) -> None:  # noqa: F811
    world, specs = desk.server.world, []
    real = world.backend.launch
    world.backend.launch = specs.append  # type: ignore[method-assign, assignment]
    try:
        assert layers.ready(world, base, "never-built\n") is None
    finally:
        world.backend.launch = real  # type: ignore[method-assign]
    [spec] = specs
    assert (spec.role, spec.listeners) == ("", ("packages",))
    assert not [name for name in spec.env if name.startswith(("AWS_", "SAGEBRUSH_"))]
    assert all(bind.read_only for bind in spec.binds)
    assert isinstance(world.backend.poll(spec.key), Gone)


def test_an_old_pin_without_a_wheel_is_told_with_its_cure(desk: Desk) -> None:
    done = desk.run("old", {"train.py": SHOW, "requirements.txt": "tensorflow-cpu==2.4.0\n"})
    assert done["TrainingJobStatus"] == "Failed"
    reason = done["FailureReason"]
    assert "(tensorflow-cpu): tensorflow-cpu 2.4.0 has no wheel for Python 3." in reason
    assert "pin a version that has one (2." in reason


@pytest.mark.full
@pytest.mark.costs("downloads and compiles a hundred megabytes of packages")
def test_an_old_transformers_brings_its_set_along(desk: Desk) -> None:
    environment = desk.server.world.environments.built("huggingface")
    if environment is None:
        needs.missing("the huggingface environment is not built")
    world, text = desk.server.world, "transformers==4.30.2\n"
    layer = until(lambda: layers.ready(world, environment, text), "the layer", 300)
    versions = dict(each.split("==") for each in layer.packages)
    assert versions["transformers"] == "4.30.2"
    assert versions["accelerate"].startswith("0.2")
    assert versions["datasets"].startswith("2.1")
    assert "brought along: " in layer.log
    assert "(of the time of transformers 4.30.2)" in layer.log

    pair = "transformers==4.30.2\npeft==0.17.0\n"
    with pytest.raises(layers.LayerFailed) as caught:
        until(lambda: layers.ready(world, environment, pair), "the pair", 300)
    assert "transformers 4.30.2 beside " in str(caught.value)
