"""A row's plan is its own kind's: read by the types of the kind's folder, and by nobody else."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.services.sagemaker.training import attempts
from sagebrush.services.sagemaker.training.plan import ATTEMPT
from sagebrush.store.rows import Row

ROOT = Path(__file__).parent.parent
SERVICES = "sagebrush/services"
TYPED = {
    f"{SERVICES}/lambda_": ["plan.Plan"],
    f"{SERVICES}/autoscaling": ["plan.Plan", "plan.Task", "plan.Made"],
    f"{SERVICES}/cloudwatch/alarms": ["alarms.plan.Plan"],
    f"{SERVICES}/comprehend": ["plan.Model", "plan.Work"],
    f"{SERVICES}/comprehend/flywheels": ["flywheels.plan.Plan"],
    f"{SERVICES}/comprehend/jobs": ["jobs.plan.Plan"],
    f"{SERVICES}/comprehend/training": ["training.plan.Plan"],
    f"{SERVICES}/events": ["plan.Plan"],
    f"{SERVICES}/scheduler": ["plan.Plan"],
    f"{SERVICES}/sagemaker/inference_experiments": ["inference_experiments.plan.Plan"],
    f"{SERVICES}/sagemaker/hosting": ["hosting.plan.Plan"],
    f"{SERVICES}/sagemaker/jobs": ["jobs.plan.Job"],
    f"{SERVICES}/sagemaker/notebook": ["notebook.plan.Plan"],
    f"{SERVICES}/sagemaker/processing": ["processing.plan.Plan"],
    f"{SERVICES}/sagemaker/training": ["training.plan.Plan", "training.warm_pool.plan.Pool"],
    f"{SERVICES}/sagemaker/transform": ["transform.plan.Plan"],
    f"{SERVICES}/sagemaker/tuning": ["tuning.plan.Plan"],
    f"{SERVICES}/states": ["plan.Plan", "program.Plan"],
}
"""Folders whose kinds' plans are typed -> the types."""
OTHERS = {
    f"{SERVICES}/iam": "owns the plans of roles and policies",
    f"{SERVICES}/sts.py": "reads a role's trust, which IAM's rows alone have",
    f"{SERVICES}/sqs": "holds tags, and whom the policy named (access/queue_policies.py)",
    f"{SERVICES}/sns": "holds tags, and whom the policy named (access/queue_policies.py)",
    f"{SERVICES}/sagemaker/events.py": "tells of tags, a member of every plan",
    f"{SERVICES}/sagemaker/tags.py": "tags are a member of every plan (engine.kinds.create)",
    "sagebrush/access/function_policies.py": "asks a function's policies, and URLs' gate with it",
    "sagebrush/access/function_references.py": "asks a function's URLs, for the gate that answers there",
    "sagebrush/access/queue_policies.py": "asks whom policies of queues and topics named when set",
    "sagebrush/access/principals.py": "owns what callers are of the plans of roles",
    "sagebrush/access/users.py": "owns what callers are of the plans of users, groups and keys",
    "sagebrush/access/actions": "asks a role's tags, and tags are a member of every plan",
    "sagebrush/engine/tags.py": "tags are a member of the plans of what services tag alike",
    "sagebrush/engine/loop.py": "counts failures in the plan of any kind, under a name of its own",
    "sagebrush/engine/schedules/firing.py": "keeps the last fire under a name of its own",
    "sagebrush/engine/running.py": "hands plans to the facts of their kind",
    "sagebrush/scheduler/quotas.py": "hands plans to the facts of their kind",
    "sagebrush/routing/endpoints.py": "publishes the replicas of endpoints",
    "sagebrush/routing/notebooks.py": "publishes the servers of notebook instances",
    "sagebrush/store/execution_values.py": "holds the plans of executions",
    "sagebrush/store/executions.py": "stores the plans of executions",
    "sagebrush/store/reservations.py": "hands plans to the facts of their kind",
    "sagebrush/store/reader.py": "reads plans",
    "sagebrush/store/rows.py": "stores plans",
    "sagebrush/compute": "no rows are known here: `plan` is a control group's or a sandbox's",
}
"""Where else an attribute `plan` is read -> why. A stale entry fails the test."""
READERS = {"plan_of", "pool_of"}


def modules() -> list[Path]:
    return sorted((ROOT / "sagebrush").rglob("*.py"))


def owner(path: Path, of: dict[str, object]) -> str:
    name = str(path.relative_to(ROOT))
    return next((each for each in of if name == each or name.startswith(f"{each}/")), "")


def is_plan(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "plan"


def reads(tree: ast.AST) -> Iterator[int]:
    """The lines that read a member of something's `plan` by its key."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value) if is_plan(value):
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "keys" | "setdefault")) if (
                is_plan(value)
            ):
                yield node.lineno
            case ast.Compare(comparators=[value]) if is_plan(value):
                yield node.lineno
            case ast.Call(func=function, args=args) if any(map(is_plan, args)) and (
                ast.unparse(function) != "cast"
            ):  # handed on whole, to be read there
                yield node.lineno
            case ast.Subscript(slice=ast.Constant(value="plan")):  # a row as the database has it
                yield node.lineno


def test_a_plan_is_read_by_its_own_kind_alone() -> None:
    bad, used = [], set()
    for path in modules():
        lines = list(reads(ast.parse(path.read_text())))
        if place := owner(path, {**OTHERS}):
            used |= {place} if lines else set()
        else:
            bad += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    assert not bad, "read these through the type in the kind's plan.py:\n" + "\n".join(bad)
    assert not set(OTHERS) - used, f"no longer exceptions: {set(OTHERS) - used}"


def declared(folder: str) -> set[str]:
    found: set[str] = set()
    service = folder.split("/")[2]
    for each in TYPED[folder]:
        module, _, name = each.rpartition(".")
        plans = importlib.import_module(f"sagebrush.services.{service}.{module}")
        found |= set(getattr(plans, name).__annotations__)
    return found


def keys(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, key) of each member that is read of a typed plan, or written into one by a step."""
    names = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and typed(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def ours(node: ast.AST) -> bool:
        return typed(node) or (isinstance(node, ast.Name) and node.id in names)

    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if ours(value):
                yield node.lineno, key
            case ast.Call(
                func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str(key)), *_]
            ) if ours(value):
                yield node.lineno, key
            case ast.Compare(left=ast.Constant(value=str(key)), comparators=[value]) if ours(value):
                yield node.lineno, key
            case ast.keyword(arg="plan", value=ast.Dict(keys=found)):
                for each in found:
                    if isinstance(each, ast.Constant):
                        yield node.value.lineno, str(each.value)


def typed(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in READERS
    )


@pytest.mark.parametrize("folder", TYPED)
def test_every_key_of_a_plan_is_declared(folder: str) -> None:
    known, found = declared(folder), set()
    for path in sorted((ROOT / folder).glob("*.py")):
        for line, key in keys(ast.parse(path.read_text())):
            found.add(key)
            assert key in known, f"{path.relative_to(ROOT)}:{line}: {key} is in no type of the plan"
    assert found


def test_a_new_attempt_forgets_what_is_of_one_attempt() -> None:
    doc = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}
    plan = {**dict.fromkeys(ATTEMPT, 1), "key": "t-old", "stage": "train", "ran": 7.0, "standby": 1}
    changes = attempts.anew(Row("1", "r", "training-job", "job", "InProgress", doc, plan))
    assert {key for key, value in changes.items() if value is None} == set(ATTEMPT)
    assert {"launched", "begun", "gpus", "gone", "offsets", "instances"} <= set(ATTEMPT)
    assert (changes["stage"], changes["past"], changes["begun_last"]) == (
        "start",
        [["t-old", 1]],
        1,
    )
    assert changes["key"] != "t-old"
    assert not {"ran", "standby"} & changes.keys()
