"""What FrameworkProcessor's script installs is a layer before the job runs, on a scripted backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.engine.loop import Loop
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.processing import operations as processing
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.jobworld import ROLE, JobWorld

SCRIPT = "cd /opt/ml/processing/input/code/\ntar -xzf sourcedir.tar.gz\n"
SCRIPT += "python -m pip install -r requirements.txt\npython process.py\n"
FOLDER = "/opt/ml/processing/input"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"


class Desk(JobWorld):
    """Processing jobs; `build` plays the build sandbox."""

    def open(self) -> None:
        super().open()
        self.loop = Loop(self.world, {processing.KIND.name: processing.KIND}, threads=1)
        self.builds: list[Spec] = []
        self.backend.script = self._launched
        self.backend.forget = self._forgotten

    def _launched(self, spec: Spec) -> State:
        if spec.key.startswith("l-"):
            self.builds.append(spec)
            return Running(0.0)
        return Exited(0, "", "", 0.0, 0.0, 1 << 20)

    def _forgotten(self, key: str) -> None:
        self.backend.states.pop(key, None)

    def begin(self, wanted: str, **changes: Any) -> None:
        self.s3.buckets["bucket"] |= {
            "a/sourcedir.tar.gz": archive({"process.py": "", "requirements.txt": wanted}),
            "a/runproc.sh": SCRIPT.encode(),
        }
        request: Doc = {
            "ProcessingJobName": "job",
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["/bin/bash", f"{FOLDER}/entrypoint/runproc.sh"],
            },
            "ProcessingInputs": [
                {
                    "InputName": name,
                    "S3Input": {
                        "S3Uri": f"s3://bucket/a/{file}",
                        "LocalPath": f"{FOLDER}/{name}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for name, file in (("code", "sourcedir.tar.gz"), ("entrypoint", "runproc.sh"))
            ],
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "RoleArn": ROLE,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        processing.create_processing_job(self.ctx, {**request, **changes})

    @property
    def job(self) -> Doc:
        return processing.describe_processing_job(self.ctx, {"ProcessingJobName": "job"})

    @property
    def specs(self) -> list[Spec]:
        return [spec for key, spec in self.backend.specs.items() if key.startswith("p-")]

    def build(self) -> None:
        ml = self.builds[-1].root / "ml"
        (ml / "layer" / "venv" / "bin").mkdir(parents=True)
        (ml / "output" / "layer.json").write_text(
            json.dumps({"packages": ["emoji==2.0"], "warnings": []})
        )
        self.backend.states[self.builds[-1].key] = Exited(0, "", "", 10.0, 13.2)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.db.close()


def test_a_job_waits_for_its_layer_and_runs_over_it(desk: Desk) -> None:
    desk.begin("emoji\n")
    desk.run(3.0)
    assert desk.job["ExitMessage"] == "Installing requirements.txt over base"
    assert not desk.specs
    assert len(desk.builds) == 1
    desk.build()
    desk.run(20.0)
    [spec] = desk.specs
    layer = spec.env["SAGEBRUSH_LAYER"]
    assert spec.env["PATH"].startswith(f"{layer}/venv/bin:")
    assert "1 package layered over base (built in 3.2 s)" in spec.banner
    assert desk.job["ProcessingJobStatus"] == "Completed"
    assert "ExitMessage" not in desk.job


def test_a_job_can_be_stopped_while_its_layer_is_built(desk: Desk) -> None:
    desk.begin("emoji\n")
    desk.run(3.0)
    processing.stop_processing_job(desk.ctx, {"ProcessingJobName": "job"})
    desk.run(3.0)
    assert desk.job["ProcessingJobStatus"] == "Stopped"
    assert not desk.specs


def test_a_layer_that_fails_is_the_jobs_end(desk: Desk) -> None:
    desk.begin("emoji\n")
    desk.run(3.0)
    (desk.builds[-1].root / "ml" / "output" / "failure").write_text("no emoji")
    desk.backend.states[desk.builds[-1].key] = Exited(1)
    desk.run(20.0)
    [spec] = desk.specs
    assert spec.argv[-2:] == ("--failed", "no emoji")


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ("./lib\n", {}),
        ("emoji\n", {"NetworkConfig": {"EnableNetworkIsolation": True}}),
        ("emoji\n", {"Environment": {"PIP_INDEX_URL": "https://index.example/simple"}}),
    ],
    ids=["its own files", "isolated", "configures pip"],
)
def test_what_cannot_be_layered_is_left_to_pip(
    desk: Desk, wanted: str, changes: dict[str, Any]
) -> None:
    desk.begin(wanted, **changes)
    desk.run(20.0)
    assert desk.job["ProcessingJobStatus"] == "Completed"
    assert not desk.builds


def test_its_exit_message_tells_what_it_waits_for_and_what_stands_in(desk: Desk) -> None:
    """Until, and unless, its container writes one: AWS has no other member for either."""
    desk.environments.there, desk.environments.does = False, "installing 40 packages"
    app = {"ImageUri": f"{IMAGE}:1.2-1-cpu-py3", "ContainerEntrypoint": ["python3", "-V"]}
    desk.begin("emoji\n", AppSpecification=app, ProcessingInputs=[])
    desk.run(1.0)
    assert desk.job["ExitMessage"] == (
        "Preparing the environment scikit-learn-1.2-1 (once on this machine): installing 40 packages"
    )
    desk.environments.there, desk.environments.does = True, ""
    desk.environments.versions = {"Python": "3.11.7"}
    desk.environments.packages = {"scikit-learn": "1.9.1"}
    desk.run(20.0)
    assert desk.job["ProcessingJobStatus"] == "Completed"
    told = "scikit-learn-1.2-1 stands in: scikit-learn 1.9.1 for 1.2.1, Python 3.11.7 for 3.9"
    assert desk.job["ExitMessage"] == told
    [listed] = processing.list_processing_jobs(desk.ctx, {})["ProcessingJobSummaries"]
    assert listed["ExitMessage"] == told
