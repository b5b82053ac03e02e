"""A server as a user starts it, in a process of its own, and what is done to it in fault tests."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagebrush.commands import running
from sagebrush.compute import record
from sagebrush.settings import Settings
from tests.aws_session import SESSION
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
BLAZINGTEXT = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
ENDED = ("Completed", "Failed", "Stopped")
BUCKET = "faults"
HANDLER = """
import os

def model_fn(folder):
    return open(os.path.join(folder, "answer.txt")).read()

def input_fn(body, kind):
    return body

def predict_fn(data, model):
    return model

def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
"""An inference script whose model is the text of answer.txt."""


def channel(name: str, prefix: str) -> dict[str, Any]:
    """An input channel of what lies beneath `prefix`."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def definition(**algorithm: Any) -> dict[str, Any]:
    """What the requests of a training job and of a tuning job's trials have in common."""
    return {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            **algorithm,
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def archive(files: Mapping[str, bytes | str]) -> bytes:
    """A model.tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in files.items():
            data = body.encode() if isinstance(body, str) else body
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def lasting_port() -> int:
    """A free port that the system gives to no outgoing connection, so that it is free again for a
    server that starts anew (`net.ipv4.ip_local_port_range`)."""
    with contextlib.suppress(OSError):
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        for port in random.sample(range(low // 2, low), 50):
            with contextlib.suppress(OSError), socket.socket() as tried:
                tried.bind(("127.0.0.1", port))
                return port
    return 0


class Stand:
    """`sagebrush up` on a data directory of its own; killed, ended and started again at will."""

    def __init__(self, home: Path, **settings: Any) -> None:
        """`settings` go by environment."""
        self.home = home
        self.settings = {"home": str(home), "port": lasting_port(), **settings}
        self.process: subprocess.Popen[str] | None = None
        self.key = ("", "")
        self._clients: dict[str, Any] = {}

    # ---- the server

    def environment(self) -> dict[str, str]:
        """Of the server and of the commands: little, and what must not reach a job."""
        kept = ("PATH", "SAGEBRUSH_ENVIRONMENTS", "UV_FIND_LINKS", "PIP_FIND_LINKS")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        cache = Path("~/.cache/sagebrush/environments").expanduser()
        env.setdefault("SAGEBRUSH_ENVIRONMENTS", str(cache))
        env |= {f"SAGEBRUSH_{name.upper()}": str(v) for name, v in self.settings.items()}
        env |= {"HOME": str(self.home.parent), "PYTHONPATH": str(ROOT)}
        # As a user of the real AWS has them in the shell that starts the server.
        return env | {"AWS_ACCESS_KEY_ID": "AKIAUSERSOWN", "AWS_SECRET_ACCESS_KEY": "users-own-key"}

    def begin(self) -> None:
        """The server starts."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sagebrush", "up"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
            cwd="/",
        )

    def up(self) -> Stand:
        """The server answers."""
        self.begin()
        assert self.process is not None
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert "answers at" in said, said + self.process.stdout.read()
        self.state = json.loads((self.home / "server.json").read_text())
        self.settings["port"] = self.state["port"]  # the next one is found where this one was
        if not self.key[0]:
            self.key = running.user_key(Settings.load({}, None, home=self.home))
        return self

    def kill(self) -> None:
        """The server had SIGKILL and is gone."""
        if self.process is not None:
            self.process.kill()
            self._wait(30)

    def _wait(self, seconds: float) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait(seconds)
        self.process.stdout.close()
        self.process = None
        return status

    def end(self, number: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        """The server had that signal and is gone; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self._wait(seconds)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A `sagebrush` command as the user types it."""
        return subprocess.run(
            [sys.executable, "-m", "sagebrush", *words],
            capture_output=True,
            text=True,
            env={**self.environment(), **more},
            cwd="/",
            timeout=100,
        )

    # ---- clients and requests

    def client(self, service: str) -> Any:
        """A boto3 client with the user's key that tries once."""
        if service not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
            self._clients[service] = SESSION.client(
                service,
                endpoint_url=f"http://127.0.0.1:{self.state['port']}",
                aws_access_key_id=self.key[0],
                aws_secret_access_key=self.key[1],
                region_name="us-east-1",
                config=config,
            )
        return self._clients[service]

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def sm(self) -> Any:
        return self.client("sagemaker")

    def train(self, name: str, program: str, **changes: Any) -> None:
        """The training job has been created; it runs `program`, Python that came by a channel."""
        self.s3.put_object(Bucket=BUCKET, Key=f"code/{name}/run.py", Body=program.encode())
        request = {
            **definition(ContainerEntrypoint=["python", "/opt/ml/input/data/code/run.py"]),
            "TrainingJobName": name,
            "InputDataConfig": [channel("code", f"code/{name}/")],
        }
        self.sm.create_training_job(**{**request, **changes})

    def job(self, name: str) -> dict[str, Any]:
        """The description of the training job."""
        return self.sm.describe_training_job(TrainingJobName=name)

    def ended(self, name: str, patience: float = 90.0) -> dict[str, Any]:
        """The description of the training job once it has ended."""

        def look() -> dict[str, Any] | None:
            found = self.job(name)
            return found if found["TrainingJobStatus"] in ENDED else None

        return until(look, f"the end of {name}", patience)

    def outcome(self, name: str, program: str, **changes: Any) -> dict[str, Any]:
        """The description of a training job that ran `program` and has ended."""
        self.train(name, program, **changes)
        return self.ended(name)

    def model(self, job: str, name: str = "model") -> dict[str, bytes | None]:
        """The members of the job's model.tar.gz (or output): path -> content, None for no file."""
        key = f"out/{job}/output/{name}.tar.gz"
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            return {
                m.name: tar.extractfile(m).read() if m.isreg() else None  # type: ignore[union-attr]
                for m in tar.getmembers()
            }

    def log(self, name: str, group: str = "TrainingJobs") -> list[str]:
        """The lines that a job or endpoint wrote: its log without what Sagebrush says first."""
        logs, path = self.client("logs"), f"/aws/sagemaker/{group}"
        prefix = f"{name}/" if group == "TrainingJobs" else ""
        path = path if prefix else f"{path}/{name}"
        found: list[str] = []
        options = {"logStreamNamePrefix": prefix} if prefix else {}
        try:
            streams = logs.describe_log_streams(logGroupName=path, **options)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        for stream in streams:
            token: dict[str, str] = {}
            while True:
                page = logs.get_log_events(
                    logGroupName=path,
                    logStreamName=stream["logStreamName"],
                    startFromHead=True,
                    **token,
                )
                said = [event["message"] for event in page["events"]]
                found += [line for line in said if not line.startswith("Sagebrush: image ")]
                if page["nextForwardToken"] == token.get("nextToken"):
                    break
                token = {"nextToken": page["nextForwardToken"]}
        return found

    def serve(self, name: str, data: bytes | None = None, **variant: Any) -> None:
        """An endpoint of that name is on its way, with a model of its own (answer.txt: its name)."""
        key = f"models/{name}.tar.gz"
        body = data or archive({"answer.txt": name, "code/inference.py": HANDLER})
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/{key}",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        }
        self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        deployed = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
            **variant,
        }
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[deployed])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def in_service(self, name: str, patience: float = 90.0) -> dict[str, Any]:
        """The description of the endpoint once it is no longer being created."""

        def look() -> dict[str, Any] | None:
            found = self.sm.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] != "Creating" else None

        return until(look, f"the endpoint {name}", patience)

    def invoke(self, name: str) -> str | None:
        """The endpoint's answer, or None where there was none."""
        try:
            answer = self.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
            return answer["Body"].read().decode()
        except (ClientError, BotoCoreError, OSError):
            return None

    # ---- processes

    def live(self) -> list[Path]:
        """The directories of jobs and replicas whose shim lives."""
        found = sorted((self.home / "jobs").glob("*/spec.json"))
        return [path.parent for path in found if record.held(path.parent)]

    def shim(self, directory: Path) -> int:
        """The id of the shim that lives there."""
        return next(pid for pid in processes() if _cwd(pid) == directory and not _nested(pid))

    def tree(self, directory: Path) -> list[int]:
        """The processes beneath that shim, parents first, without it."""
        above, found = [self.shim(directory)], []
        while above:
            found += above
            above = [pid for pid in processes() if _parent(pid) in above]
        return found[1:]

    def clean(self) -> None:
        """Nothing of this stand runs any more."""
        with contextlib.suppress(Exception):
            self.kill()
        for client in self._clients.values():
            client.close()
        for directory in self.live():
            with contextlib.suppress(StopIteration, ProcessLookupError):
                os.kill(self.shim(directory), signal.SIGKILL)


def processes() -> Iterator[int]:
    """The ids of all processes."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _cwd(pid: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def _nested(pid: int) -> bool:
    """Whether the process is beneath another one in the same directory."""
    return _cwd(pid) == _cwd(_parent(pid))
