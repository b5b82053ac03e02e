"""Every kind that runs something is known to all that reads its facts, and so is a new one."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import sagebrush.services.sagemaker
from sagebrush import registry, services
from sagebrush.access import actions
from sagebrush.access.actions.sagemaker import targets as entries
from sagebrush.aws import models
from sagebrush.commands import jobs, logs, top
from sagebrush.commands import running as commands
from sagebrush.commands.job import inside, show
from sagebrush.commands.running import CommandError
from sagebrush.compute.base import Limits
from sagebrush.compute.local.usage import Usage
from sagebrush.engine import running, shutdown, usage
from sagebrush.engine.kinds import Kind
from sagebrush.engine.running import Live
from sagebrush.errors import AwsError
from sagebrush.facts import Running
from sagebrush.scheduler import quotas
from sagebrush.store.rows import Row
from sagebrush.workload import containers
from tests.conftest import Server, make_settings, started

ROOT = Path(sagebrush.services.__file__).parent.parent
KINDS = services.running()
LOWER = ("access", "compute", "engine", "gates", "protocol", "scheduler", "store", "workload")
"""Folders beneath the services: none names a kind."""


def members(kind: Running, operation: str) -> set[str]:
    """The members of the operation's answer."""
    model = models.operation(kind.service, operation)
    shape: Any = model and model.output_shape
    return set(shape.members) if shape else set()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_facts_agree_with_awss_models(kind: Running) -> None:
    known = set(models.names(kind.service))
    shapes: Any = models.model(kind.service).shape_names
    assert not set(kind.busy) & set(kind.ended)
    assert all(quota.shape in shapes for quota in kind.quotas)
    if kind.listed:
        assert kind.listed in members(kind, f"List{kind.noun}s")
        described = members(kind, f"Describe{kind.noun}")
        assert {kind.id_member, kind.status_member} <= described
    if kind.stop:
        assert kind.stop.operation in known
        assert set(kind.stop.when) <= set(kind.busy)
    if kind.metrics:
        assert kind.metrics.namespace.startswith("/aws/")


def test_every_kind_says_what_runs_of_it_or_that_nothing_does() -> None:
    found = registry.kinds()
    assert {name for name, kind in found.items() if kind.reconcile} == set(KINDS)
    assert {name for name, kind in found.items() if kind.running is None} >= {"model"}
    for field in dataclasses.fields(Running):
        assert field.default is field.default_factory is dataclasses.MISSING, field.name
    with pytest.raises(TypeError, match="running"):
        Kind("thing", "Thing")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="the facts of training-job were given to thing"):
        Kind("thing", "Thing", running=KINDS["training-job"])


def test_a_taken_name_gets_the_code_that_awss_model_lists() -> None:
    """`Kind.exists_code` has a default that other operations answer: forgetting it is silent."""
    wrong = []
    for name, kind in registry.kinds().items():
        service = kind.running.service if kind.running else "sagemaker"
        model = models.operation(service, f"Create{kind.noun}")
        errors: Any = model.error_shapes if model else ()
        if (
            "ResourceInUse" in {each.name for each in errors}
            and kind.exists_code != "ResourceInUse"
        ):
            wrong.append(name)
    assert not wrong


def test_no_floor_beneath_the_services_names_a_kind() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for folder in LOWER
        for path in sorted((ROOT / folder).rglob("*.py"))
        # what policies call resources is AWS's Service Authorization Reference, not our kinds
        if "actions" not in path.parts and any(name in path.read_text() for name in KINDS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in KINDS
    ]
    assert not named


def test_a_service_without_modules_or_operations_stops_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(services.SERVICES, "ecr", "ecr")
    with pytest.raises(ModuleNotFoundError, match=r"sagebrush\.services\.ecr"):
        registry.operations()
    with pytest.raises(LookupError, match="nothing defines an operation of sts"):
        registry.collect("sts", [ast], models.known("sts"))


def test_several_kinds_may_be_in_one_table() -> None:
    one, other = Kind("one", "One", running=None), Kind("other", "Other", running=None)
    module = ModuleType("operations")
    module.__dict__.update(KINDS={"one": one, "other": other}, ONE=one)
    assert services.by_name(Kind, [module], lambda kind: kind.name) == {"one": one, "other": other}
    module.__dict__.update(AGAIN=Kind("other", "Other", running=None))
    with pytest.raises(LookupError, match="there are two kinds other"):
        services.by_name(Kind, [module], lambda kind: kind.name)


# ---- a kind that is new

STUB = {
    "__init__": "",
    "facts": """
from sagebrush.facts import Metrics, Program, Quota, Running, Stop, Tree, always

GROUP = "/aws/sagemaker/LabelingJobs"
LABELING_JOB = Running(
    service="sagemaker",
    kind="labeling-job",
    noun="LabelingJob",
    label="labeling",
    listed="LabelingJobSummaryList",
    busy=("InProgress", "Stopping"),
    ended=("Completed", "Failed", "Stopped"),
    stop=Stop("StopLabelingJob", when=("InProgress",), until=("InProgress", "Stopping")),
    trees=lambda name, doc, plan: [Tree("worker-1", plan["key"], "ml.m5.large")],
    keys=lambda plan: [plan["key"]],
    instances=lambda doc, plan: [("ml.m5.large", 1)],
    quotas=(Quota("labeling job", "TrainingInstanceType", always),),
    shares_cpu=False,
    metrics=Metrics(GROUP, lambda name, host: {"LabelingJobName": name}),
    logs=GROUP,
    variable="LABELING_JOB_NAME",
    reacts_to_tags=True,
    container=lambda doc: Program(
        "me/labels:1", ("label",), (), {}, doc["RoleArn"], False, 60.0
    ),
)
""",
    "operations": """
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.labeling.facts import LABELING_JOB
from sagebrush.store.rows import Next


def reconcile(world, row):
    key, seen = row.plan["key"], row.plan.get("seen", 0) + 1
    if row.status == "Stopping":
        capacity.release(world, key)
        return Next("Stopped", {"LabelingJobStatus": "Stopped"})
    capacity.admit(world, capacity.Ask(key, row.id, 0.1, 1 << 20))
    return Next(plan={"seen": seen}, due=3600.0)


KIND = Kind(LABELING_JOB.kind, LABELING_JOB.noun, running=LABELING_JOB, reconcile=reconcile)


def create_labeling_job(ctx, request):
    row = kinds.create(ctx, KIND, request, "InProgress", plan={"key": "l-1"})
    return {"LabelingJobArn": row.doc["LabelingJobArn"]}


def describe_labeling_job(ctx, request):
    return kinds.describe(KIND, kinds.find(ctx, KIND, request["LabelingJobName"]))


def list_labeling_jobs(ctx, request):
    return kinds.list_page(ctx, KIND, request)


def stop_labeling_job(ctx, request):
    row = kinds.find(ctx, KIND, request["LabelingJobName"])
    ctx.world.rows.update(row.id, lambda r: replace(r, status="Stopping", due_at=0.0))
    ctx.world.wake()
""",
}

LABELING_JOB = entries.Named("labeling-job", "LabelingJobName")
ENTRIES = {
    "CreateLabelingJob": entries.creates("CreateLabelingJob", LABELING_JOB),
    **entries.plain(LABELING_JOB, "DescribeLabelingJob", "StopLabelingJob"),
    **entries.lists("ListLabelingJobs"),
}
"""What its operations ask of policies (access/actions/sagemaker/)."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose SageMaker has one folder more; a real one of that name is set aside."""
    home, place = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("more")
    (place / "labeling").mkdir()
    for name, text in STUB.items():
        (place / "labeling" / f"{name}.py").write_text(text)
    path = sagebrush.services.sagemaker.__path__
    path.insert(0, str(place))
    patched = pytest.MonkeyPatch()
    for name in stubbed():
        patched.delitem(sys.modules, name)
    for name, entry in ENTRIES.items():
        patched.setitem(cast(dict[Any, Any], actions.TABLE), ("sagemaker", name), entry)
    try:
        made = started(make_settings(home, isolation="process", quotas=("ml.m5.large=1",)))
        yield made
        made.app.stop()
    finally:
        path.remove(str(place))
        for name in stubbed():
            del sys.modules[name]
        patched.undo()


def stubbed() -> list[str]:
    """The imported modules of the folder `labeling`, whoever wrote it."""
    folder = "sagebrush.services.sagemaker.labeling"
    return [name for name in sys.modules if name == folder or name.startswith(f"{folder}.")]


REQUEST = {
    "LabelingJobName": "pets",
    "LabelAttributeName": "species",
    "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://b/in"}}},
    "OutputConfig": {"S3OutputPath": "s3://b/out"},
    "RoleArn": "arn:aws:iam::123456789012:role/SagebrushExecutionRole",
    "HumanTaskConfig": {
        "WorkteamArn": "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/me",
        "UiConfig": {"UiTemplateS3Uri": "s3://b/ui"},
        "TaskTitle": "pets",
        "TaskDescription": "which",
        "NumberOfHumanWorkersPerDataObject": 1,
        "TaskTimeLimitInSeconds": 60,
    },
}


def until(test: Callable[[], Any]) -> Any:
    limit = time.monotonic() + 20
    while not (found := test()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def row_of(server: Server) -> Row:
    row = server.world.rows.get("123456789012", "us-east-1", "labeling-job", "pets")
    assert row is not None
    return row


@pytest.fixture(scope="module")
def job(server: Server) -> Live:
    """The new kind's one job, which runs."""
    server.client("sagemaker").create_labeling_job(**REQUEST)
    rows, known = server.world.rows, server.world.kinds
    (found,) = until(lambda: running.live(rows, known))
    return found


def test_a_new_kinds_trees_are_known_beside_the_server_too(server: Server, job: Live) -> None:
    assert (job.kind, job.name, job.host, job.key) == ("labeling-job", "pets", "worker-1", "l-1")
    assert inside.everything(server.app.settings) == [job]


def test_a_new_kind_counts_against_its_quota(server: Server, job: Live) -> None:
    ctx = server.world.ctx(server.world.credentials.user_caller)
    quotas.refuse(ctx, ["ml.m5.large"], "training job")
    with pytest.raises(AwsError, match="for labeling job usage' is 1 Instances"):
        quotas.refuse(ctx, ["ml.m5.large"], "labeling job")
    with pytest.raises(LookupError, match="no kind has instances for sleeping usage"):
        quotas.refuse(ctx, [], "sleeping")


def test_a_new_kind_has_instance_metrics(
    server: Server, job: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Usage(1.0, 1.0, 1 << 20, 1, 50.0, 1.0, 1 << 21, 1.0)
    monkeypatch.setattr(usage.counted, "usage", lambda *_: look)
    assert usage.Sampler(server.world).sample() == 1
    (found,) = server.client("cloudwatch").list_metrics(
        Namespace="/aws/sagemaker/LabelingJobs", MetricName="DiskUtilization"
    )["Metrics"]
    assert found["Dimensions"] == [{"Name": "LabelingJobName", "Value": "pets"}]


def test_a_new_kind_reacts_to_its_tags(server: Server, job: Live) -> None:
    seen = until(lambda: row_of(server).plan.get("seen"))
    arn = row_of(server).doc["LabelingJobArn"]
    server.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    until(lambda: row_of(server).plan["seen"] > seen)


def test_a_new_kind_may_run_in_a_container(server: Server, job: Live, tmp_path: Path) -> None:
    facts, doc = server.world.kinds["labeling-job"], row_of(server).doc
    size = (Limits(1.0, 1 << 20), "as asked")
    spec = containers.job(server.world, facts, doc, ("l-1", tmp_path, "eu-west-1"), size)
    assert (spec.image, spec.argv, spec.time_limit) == ("me/labels:1", ("label",), 60.0)
    assert spec.env["AWS_REGION"] == spec.region == "eu-west-1"
    with pytest.raises(ValueError, match="a WarmPool never runs in an image of its user's"):
        containers.job(server.world, KINDS["warm-pool"], doc, ("k", tmp_path, "eu-west-1"), size)


def test_the_commands_know_a_new_kind(
    server: Server, job: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = commands.Server(1, "127.0.0.1", server.app.port, 0)
    monkeypatch.setattr(commands, "settings", lambda: server.app.settings)
    monkeypatch.setattr(commands, "require", lambda _: here)
    monkeypatch.setattr(
        commands, "client", lambda _, __, service, region="": server.client(service)
    )
    monkeypatch.setattr(top, "SECOND", 0.0)
    for module, line, words in (
        (jobs, ["-n", "5"], ("labeling", "pets", "InProgress")),
        (jobs, ["show", "pets"], ("labeling", "pets", "LabelAttributeName", "species")),
        (top, ["--once"], ("pets", "worker-1 ml.m5.large", "labeling")),
    ):
        parser = argparse.ArgumentParser()
        module.configure(parser)
        assert module.run(parser.parse_args(line)) == 0
        said = capsys.readouterr().out
        assert [word for word in words if word not in said] == []
    parser = argparse.ArgumentParser()
    logs.configure(parser)
    assert parser.parse_args(["labeling", "pets"]).what == "labeling"
    with pytest.raises(CommandError, match="named nobody\nWhat there is:\n  labeling  pets"):
        show.run(argparse.Namespace(kind=None, name="nobody", region=""))


def test_which_streams_are_a_resources_logs() -> None:
    shared, own = KINDS["training-job"], KINDS["endpoint"]
    assert logs.streams_of(shared, "a") == {
        "logGroupName": "/aws/sagemaker/TrainingJobs",
        "logStreamNamePrefix": "a/",
    }
    assert logs.streams_of(own, "a") == {"logGroupName": "/aws/sagemaker/Endpoints/a"}


def test_a_new_kind_is_looked_at_after_a_restart_and_stopped_at_the_end(
    server: Server, job: Live
) -> None:
    seen = row_of(server).plan["seen"]
    server.app.stop()
    again = started(server.app.settings)
    try:
        until(lambda: row_of(again).plan["seen"] > seen)
        begun = time.monotonic()
        again.app.stop_jobs(lambda: time.monotonic() > begun + 20)
        assert row_of(again).status == "Stopped"
        assert next(shutdown.stops(again.world))[0].kind == "hyper-parameter-tuning-job"
    finally:
        again.app.stop()
