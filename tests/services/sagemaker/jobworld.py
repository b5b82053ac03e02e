"""A world for tests of jobs: real rows and objects, a clock that is set, a backend that obeys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from botocore import xform_name

from sagebrush import services
from sagebrush.compute.base import Exited, Gone, LogLine, Pending, Running, Spec, State
from sagebrush.compute.host import measure
from sagebrush.compute.local import fuse
from sagebrush.credentials import CredentialBook
from sagebrush.engine.loop import Loop
from sagebrush.environments.builds import LayerBuilds
from sagebrush.environments.environment import Environment
from sagebrush.environments.images import resolve
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.endpoints import Endpoints
from sagebrush.services.sagemaker import events
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.deliveries import Deliveries
from sagebrush.store.edges import EdgeReader
from sagebrush.store.events import Events, Interest
from sagebrush.store.executions import Executions
from sagebrush.store.messages import Messages
from sagebrush.store.news import News
from sagebrush.store.objects import Blob, ObjectStore
from sagebrush.store.rows import Rows
from sagebrush.store.series import Point, Series
from sagebrush.world import Ctx, World

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"


class ScriptedBackend:
    """Runs nothing: `script` says what a launched job did; `launched` counts real launches."""

    isolation = "sandbox"
    networks = True

    def __init__(self) -> None:
        self.specs: dict[str, Spec] = {}
        self.states: dict[str, State] = {}
        self.lines: dict[str, list[str]] = {}
        self.stops: list[tuple[str, float]] = []
        self.launches = 0
        self.script: Callable[[Spec], State] = lambda spec: Exited(0, "", "", 0.0, 0.0, 1 << 20)
        self.on_stop: State = Exited(-15, "stopped")

    def launch(self, spec: Spec) -> None:
        if spec.key not in self.specs:
            self.specs[spec.key] = spec
            self.launches += 1
            self.states[spec.key] = self.script(spec)

    def poll(self, key: str) -> State:
        return self.states.get(key, Gone())

    def stop(self, key: str, grace: float) -> None:
        self.stops.append((key, grace))
        if isinstance(self.states.get(key), Running | Pending):
            self.states[key] = self.on_stop

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        found, at = [], 0
        for text in self.lines.get(key, []):
            if at >= offset:
                found.append(LogLine(at, 1_000_000, text))
            at += len(text) + 1
        return found[:limit]

    def log_end(self, key: str) -> int:
        return self.logs(key)[-1].offset + 1 if self.logs(key) else 0

    def forget(self, key: str) -> None:
        self.states.pop(key, None)


class FakeS3:
    """The few S3 operations that jobs use, in memory."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {"bucket": {}}
        self.puts = 0
        self.fail: AwsError | None = None

    def call(self, ctx: Ctx, operation: str, p: Doc) -> Doc:
        if p["Bucket"] not in self.buckets:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        objects = self.buckets[p["Bucket"]]
        if operation == "ListObjectsV2":
            found = sorted(k for k in objects if k.startswith(p.get("Prefix", "")))
            start = int(p.get("ContinuationToken", 0))
            page = found[start : start + p.get("MaxKeys", 2)]
            more = start + len(page) < len(found)
            return {
                "Contents": [{"Key": k, "Size": len(objects[k])} for k in page],
                "IsTruncated": more,
                "NextContinuationToken": str(start + len(page)),
            }
        if operation == "PutObject":
            if self.fail:
                raise self.fail
            self.puts += 1
            objects[p["Key"]] = p["Body"].read()
            return {}
        if operation == "HeadBucket":
            return {}
        if p["Key"] not in objects:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        data = objects[p["Key"]]
        return {"Body": Blob(len(data), data=data), "ContentLength": len(data)}


class FakeEnvironments:
    """Every environment is built."""

    def __init__(self) -> None:
        self.there = True
        self.does = ""
        self.versions: dict[str, str] = {}
        self.packages: dict[str, str] = {}

    def resolve(self, image: str) -> Any:
        return resolve(image)

    def built(self, name: str) -> Environment | None:
        return self.ready(name)

    def ready(self, name: str) -> Environment | None:
        path = Path("/environments") / name
        python = path / "bin/python"
        found = Environment(name, path, python, (path,), self.versions, self.packages)
        return found if self.there else None

    def doing(self, name: str) -> str:
        return self.does


class Recorder(Series):
    def __init__(self) -> None:
        self.points: list[Point] = []

    def append(self, account: str, region: str, points: Any) -> None:
        self.points += points


class NoStreams:
    def __init__(self) -> None:
        self.registered: list[tuple[str, ...]] = []

    def register(self, *args: str) -> None:
        self.registered.append(args)


class JobWorld:
    """The world, its doubles by name, and shortcuts."""

    def __init__(self, home: Path, consumed: bool = False) -> None:
        """`consumed`: whether somebody consumes events."""
        self.now = 1_000_000.0
        self.home = home
        self.backend = ScriptedBackend()
        self.s3 = FakeS3()
        self.environments = FakeEnvironments()
        self.series = Recorder()
        self.streams = NoStreams()
        self.objects = ObjectStore(home / "objects")
        self.consumed = consumed
        self.open()

    def open(self) -> None:
        """The server (again): fresh rows, fresh loop, the same data and backend."""
        self.db = Db(self.home / "db.sqlite")
        self.rows = Rows(self.db, self._clock)
        interest = Interest(always=self.consumed)
        self.events = Events(self.db, self._clock, events.EVENT_SOURCES, interest)
        self.rows.changed = self.events.changed
        self.world = World(
            settings=Settings(home=self.home),
            clock=self._clock,
            db=self.db,
            rows=self.rows,
            edges=EdgeReader(self.db.read),
            objects=self.objects,
            series=self.series,
            streams=cast(Any, self.streams),
            samples=cast(Any, None),
            messages=Messages(self.db, self._clock),
            events=self.events,
            deliveries=Deliveries(self.db, self._clock),
            functions=cast(Any, None),
            function_counts=cast(Any, None),
            unit_counts=cast(Any, None),
            executions=Executions(self.db, self._clock),
            news=News(),
            captures=cast(Any, None),
            backend=self.backend,
            environments=cast(Any, self.environments),
            host=measure(),
            fuse_lacking=fuse.lacking,
            overlayfs_lacking=lambda: "",
            layers=LayerBuilds(),
            endpoints=Endpoints(self.backend),
            forward=cast(Any, None),
            tallies=cast(Any, None),
            health=cast(Any, None),
            notebooks=cast(Any, None),
            credentials=CredentialBook(self.home / "keys", ROLE.split(":")[4], "Role", self._clock),
            operations={},
            dispatch=self.dispatch,
            kinds=services.running(),
        )
        self.ctx = self.world.service_ctx(ROLE)
        self.loop = Loop(self.world, {training.KIND.name: training.KIND}, threads=1)

    def _clock(self) -> float:
        return self.now

    def dispatch(self, ctx: Ctx, service: str, operation: str, params: Doc) -> Doc:
        if service == "s3":
            return self.s3.call(ctx, operation, params)
        assert service == "sagemaker", f"{service} {operation} is not called by jobs"
        return getattr(training, xform_name(operation))(ctx, params)

    def run(self, seconds: float = 10.0, turns: int = 50) -> None:
        """Time passes, second by second, and the loop does all that becomes due."""
        until = self.now + seconds
        for _ in range(turns):
            while self.loop.run_once():
                pass
            if self.now >= until:
                return
            self.now = min(until, self.now + max(1.0, seconds / turns))

    def request(self, name: str = "job", **changes: Any) -> Doc:
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }

    def create(self, name: str = "job", **changes: Any) -> Doc:
        return training.create_training_job(self.ctx, self.request(name, **changes))

    def describe(self, name: str = "job") -> Doc:
        return training.describe_training_job(self.ctx, {"TrainingJobName": name})

    def key(self, name: str = "job") -> str:
        row = self.rows.get("123456789012", "us-east-1", "training-job", name)
        assert row is not None
        return row.plan["key"]

    def ml(self, name: str = "job") -> Path:
        return self.home / "jobs" / self.key(name) / "ml"


def channel(name: str, uri: str, kind: str = "S3Prefix", **more: Any) -> Doc:
    """A channel of S3 data."""
    source = {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}
    return {"ChannelName": name, "DataSource": source, **more}


def of_group(name: str) -> Doc:
    """A channel for the instances of a group alone."""
    found = channel("train", "s3://bucket/in/")
    found["DataSource"]["S3DataSource"]["InstanceGroupNames"] = [name]
    return found


def resources(**changes: Any) -> Doc:
    """A ResourceConfig; a change to None leaves a member out."""
    found = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **changes}
    return {k: v for k, v in found.items() if v is not None}
