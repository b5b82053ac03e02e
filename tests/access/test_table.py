"""The table of actions: whole, as AWS's reference has it, and blind to the order of members."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush import app, registry
from sagebrush.access import actions, conditions
from sagebrush.access.actions.entries import Need, Permission, Target
from sagebrush.access.actions.sagemaker import hosting
from sagebrush.aws import models
from sagebrush.world import Ctx
from tests.access import reference

OPERATIONS = sorted(registry.operations())
ENTRIES = sorted(actions.TABLE)
PERMISSIONS = [(s, n, p) for s, n in ENTRIES for p in actions.TABLE[s, n]]
ASKED = sorted({(s, n, p.action) for s, n, p in PERMISSIONS})
"""(service, operation, action) of every permission."""
SAGEMAKER = [name for service, name in OPERATIONS if service == "sagemaker"]


def input_of(service: str, name: str) -> Any:
    """The shape of the operation's input, or None."""
    return models.model(service).operation_model(name).input_shape


def of_action(service: str, name: str, action: str) -> list[Permission]:
    """The operation's permissions of that action."""
    return [p for p in actions.TABLE[service, name] if p.action == action]


# Whole --------------------------------------------------------------------------------------------


def test_every_operation_has_an_entry_and_every_entry_an_operation():
    assert set(OPERATIONS) <= set(ENTRIES)
    assert set(ENTRIES) - set(OPERATIONS) == set()


def test_an_operation_without_an_entry_is_not_served(settings, monkeypatch):
    without = {k: v for k, v in actions.TABLE.items() if k != ("s3", "GetObject")}
    monkeypatch.setattr(actions, "TABLE", without)
    with pytest.raises(LookupError, match=r"sagebrush\.access\.actions for: s3 GetObject$"):
        app.build(settings)
    monkeypatch.undo()
    app.build(settings).stop()  # the data directory was let go


# As the reference has it --------------------------------------------------------------------------

ABSENT = {
    "sagemaker:DirectGatedModelAccess": "there are no gated models here",
    "sagemaker:CurrentModelLifeCycleStage": "of model packages",
    "sagemaker:CurrentModelLifeCycleStageStatus": "of model packages",
    "sagemaker:CurrentCustomerMetadataProperties/${MetadataKey}": "of model packages",
    "sagemaker:TaggingAction": "of tags that come with a new resource, not of AddTags itself",
    "iam:PermissionsBoundary": "given by the role or user itself, where it has a boundary",
    "sts:TransitiveTagKeys": "of AssumeRole, whose entry has it, not of GetFederationToken",
    "events:ManagedBy": "no service of Sagebrush's manages rules in accounts",
    "events:eventBusInvocation": "of events that a rule sends on, for which no request is made",
    "lambda:CodeSigningConfigArn": "no function has one here",
    "lambda:EventSourceToken": "of Alexa skills, which invoke nothing here",
    "lambda:FunctionArn": "given by the function or mapping itself, where the request does not name it",
    "lambda:FunctionUrlAuthType": "given by the function itself, where it has a URL",
    "lambda:InvokedViaFunctionUrl": "of requests to a function's URL, which are no operation",
    "lambda:Principal": "of AddPermission; RemovePermission names a statement",
    "lambda:VpcIds": "there are no VPCs here",
    "iam:AssociatedResourceArn": "SageMaker is not among the services that AWS says give it",
}
"""Keys of the reference that requests to Sagebrush lack, and why."""


def test_every_action_is_one_of_awss():
    used = {a for _, _, p in PERMISSIONS for a in (p.action, p.versioned, *p.twins) if a}
    assert {action for action in used if reference.action(action) is None} == set()


def test_actions_are_about_the_resources_of_the_reference():
    wrong = []
    for service, name, action in ASKED:
        known = reference.known(action).resources
        kinds = {p.on.kind for p in of_action(service, name, action)} - {""}
        required = {kind for kind, needed in known.items() if needed}
        if reference.MARK not in known and not required <= kinds <= set(known):
            wrong.append((service, name, action, kinds, known))
    assert not wrong


def has_member(service: str, name: str, key: str) -> bool:
    """Whether S3's operation has the header or parameter that the key is about."""
    shape = input_of(service, name)
    wires = {m.serialization.get("name", n).lower() for n, m in shape.members.items()}
    if "Tag" in key:
        return "Tagging" in shape.members or reached(shape, ["CreateBucketConfiguration", "Tags"])
    return key.removeprefix("s3:") in wires


def test_keys_are_those_of_the_reference(ctx):
    for service, name, action in ASKED:
        known, prefix = reference.known(action).keys, action.partition(":")[0]
        permissions = of_action(service, name, action)
        given = {key for p in permissions for each in p.keys for key in each.names}
        assert given <= known, (name, action)
        targets = [t for p in permissions for t in p.on.find(ctx, sample_of(service, name))]
        of_tags = tuple(start for target in targets for start in target.tag_keys)
        lacking = {
            key
            for key in known - given - set(ABSENT)
            if key.startswith((f"{prefix}:", "aws:", "iam:"))
            and not key.lower().startswith(of_tags)
        }
        if prefix == "s3":
            lacking = {key for key in lacking if has_member(service, name, key)}
        assert not lacking, f"{name}: its entry lacks these keys of {action}; or say why in ABSENT"


def test_arns_have_the_form_of_the_reference(ctx):
    seen = set()
    for service, name, permission in PERMISSIONS:
        prefix = permission.action.partition(":")[0]
        if not permission.on.kind:
            continue
        parts = re.split(r"\$\{\w+\}", reference.services()[prefix].arns[permission.on.kind])
        pattern = ".+".join(map(re.escape, parts))
        for target in permission.on.find(ctx, sample_of(service, name)):
            seen.add(permission.on.kind)
            # a log group is asked about with an empty stream
            assert re.fullmatch(pattern, target.arn.removesuffix(":log-stream:")), (name, target)
    assert seen >= {"bucket", "object", "role", "policy", "user", "log-group", "endpoint", "model"}


# Members ------------------------------------------------------------------------------------------


def reached(shape: Any, path: list[str]) -> bool:
    """Whether a path of members leads somewhere in a shape, through lists."""
    while shape.type_name == "list":
        shape = shape.member
    if not path:
        return True
    inner = shape.members.get(path[0]) if shape.type_name == "structure" else None
    return inner is not None and reached(inner, path[1:])


OPTIONAL = {"logGroupIdentifier", "TaggingDirective"}
"""Members that some operations of those that share a resource or key do not have."""


def test_members_are_the_operations_own():
    absent = []
    for service, name, permission in PERMISSIONS:
        shape = input_of(service, name)
        for member in set(permission.members) - OPTIONAL:
            if shape is None or not reached(shape, member.split(".")):
                absent.append((service, name, member))
    assert not absent


def leaves(shape: Any, path: tuple[str, ...] = (), seen: tuple[str, ...] = ()) -> Iterator[Any]:
    """(dotted path, shape) of every member at any depth."""
    while shape.type_name == "list":
        shape = shape.member
    if shape.type_name != "structure" or shape.name in seen:
        return
    for name, member in shape.members.items():
        yield ".".join((*path, name)), member
        yield from leaves(member, (*path, name), (*seen, shape.name))


@pytest.mark.parametrize(
    ("service", "kind"), [("sagemaker", "RoleArn"), ("comprehend", "IamRoleArn")]
)
def test_every_role_in_a_request_is_passed(service, kind):
    for name in [n for s, n in ENTRIES if s == service]:
        shape = input_of(service, name)
        roles = {path for path, member in leaves(shape) if member.name == kind}
        passed = of_action(service, name, "iam:PassRole")
        assert {member for each in passed for member in each.on.members} == roles, name


LEAVES = {
    "InstanceType": "sagemaker:InstanceTypes",
    "SelectedInstanceType": "sagemaker:InstanceTypes",
    "AcceleratorType": "sagemaker:AcceleratorTypes",
    "AcceleratorTypes": "sagemaker:AcceleratorTypes",
    "VolumeKmsKeyId": "sagemaker:VolumeKmsKey",
    "Subnets": "sagemaker:VpcSubnets",
    "SubnetId": "sagemaker:VpcSubnets",
    "SecurityGroupIds": "sagemaker:VpcSecurityGroupIds",
    "EnableNetworkIsolation": "sagemaker:NetworkIsolation",
    "EnableInterContainerTrafficEncryption": "sagemaker:InterContainerTrafficEncryption",
    "MaxRuntimeInSeconds": "sagemaker:MaxRuntimeInSeconds",
    "FileSystemId": "sagemaker:FileSystemId",
    "FileSystemAccessMode": "sagemaker:FileSystemAccessMode",
    "FileSystemType": "sagemaker:FileSystemType",
    "FileSystemDataSource.DirectoryPath": "sagemaker:FileSystemDirectoryPath",
    "RootAccess": "sagemaker:RootAccess",
    "DirectInternetAccess": "sagemaker:DirectInternetAccess",
    "KeepAlivePeriodInSeconds": "sagemaker:KeepAlivePeriod",
    "EnableRemoteDebug": "sagemaker:EnableRemoteDebug",
    "OutputDataConfig.KmsKeyId": "sagemaker:OutputKmsKey",
    "ProcessingOutputConfig.KmsKeyId": "sagemaker:OutputKmsKey",
    "ServerlessConfig.MaxConcurrency": "sagemaker:ServerlessMaxConcurrency",
    "MemorySizeInMB": "sagemaker:ServerlessMemorySize",
    "ModelName": "sagemaker:ModelArn",
    "ModelNameOverride": "sagemaker:ModelArn",
    "MinimumInstanceMetadataServiceVersion": "sagemaker:MinimumInstanceMetadataServiceVersion",
}
"""Ends of members' paths -> the condition key that they are values of."""
NOT_MEANT = {"HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds"}
"""Of the tuning job as a whole, not of what runs."""


def test_a_key_sees_all_members_that_could_be_its_value():
    unseen = []
    for name in SAGEMAKER:
        known = reference.known(f"sagemaker:{name}").keys
        given = [k for p in of_action("sagemaker", name, f"sagemaker:{name}") for k in p.keys]
        for path, _ in leaves(input_of("sagemaker", name)):
            keys = {key for end, key in LEAVES.items() if f".{path}".endswith(f".{end}")}
            for key in keys & known:
                members = {m for each in given if key in each.names for m in each.members}
                if path not in members | NOT_MEANT:
                    unseen.append((name, key, path))
    assert not unseen


# Order --------------------------------------------------------------------------------------------


def value_of(shape: Any, path: str) -> Any:
    """A value of `shape` that is of no other path's: what names what can be told apart."""
    kind = shape.type_name
    if kind == "structure":
        found = {n: value_of(m, f"{path}.{n}".strip(".")) for n, m in shape.members.items()}
        return {name: value for name, value in found.items() if value is not None}
    if kind == "list":
        items = [value_of(shape.member, f"{path}/{i}") for i in (1, 2)]
        return None if None in items else items
    if kind == "map":
        return {"k": "v"}
    if kind != "string":
        return {"boolean": True, "blob": b"", "timestamp": None}.get(kind, 7)
    plain = re.sub(r"[^a-z0-9]+", "-", path.lower())
    if re.search(r"(Tags|TagSet|^tags)/1\.[Kk]ey$", path):
        return "k"
    if path.endswith("RoleArn") or path == "PolicySourceArn":
        return f"arn:aws:iam::123456789012:role/{plain}"
    special = {
        "CopySource": "/from-bucket/from%2Fkey?versionId=null",
        "NewPath": "/new/path/",
        "Path": "/a/path/",
        "Role": "arn:aws:iam::123456789012:role/a-role",
        "PolicyArn": "arn:aws:iam::123456789012:policy/a-policy",
        "ResourceARN": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:an-alarm",
        "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/a-model",
        "ResourceConfig.TrainingPlanArn": (
            "arn:aws:sagemaker:us-east-1:123456789012:training-plan/a-plan"
        ),
        "Tagging": "k=v",
    }
    return special.get(path, plain)


STATES: dict[str, Any] = {
    name: f"arn:aws:states:us-east-1:123456789012:{resource}"
    for name, resource in {
        "stateMachineArn": "stateMachine:m:1",
        "stateMachineAliasArn": "stateMachine:m:live",
        "stateMachineVersionArn": "stateMachine:m:1",
        "executionArn": "execution:m:e",
        "mapRunArn": "mapRun:m/l:u",
        "activityArn": "activity:a",
        "resourceArn": "stateMachine:m",
    }.items()
}
STATES["roleArn"] = "arn:aws:iam::123456789012:role/r"
STATES["routingConfiguration"] = [
    {"stateMachineVersionArn": STATES["stateMachineVersionArn"], "weight": 100}
]
"""Members of Step Functions' requests whose names are not in the case of others'."""


COMPREHEND = {
    "EndpointArn": "document-classifier-endpoint/e",
    "FlywheelArn": "flywheel/f",
    "DatasetArn": "flywheel/f/dataset/d",
    "ModelArn": "document-classifier/m/version/1",
    "ActiveModelArn": "document-classifier/m/version/1",
    "SourceModelArn": "entity-recognizer/m",
    "DesiredModelArn": "document-classifier/m",
    "DocumentClassifierArn": "document-classifier/m",
    "EntityRecognizerArn": "entity-recognizer/m",
    "ResourceArn": "entity-recognizer/m",
    "JobId": "0123456789abcdef0123456789abcdef",
}
"""Members of Comprehend's requests -> what the ARN there ends with."""


def comprehend_sample(name: str) -> dict[str, Any]:
    """The members of the operation that name something of Comprehend's."""
    arn = "arn:aws:comprehend:us-east-1:123456789012:"
    found = {member: f"{arn}{end}" for member, end in COMPREHEND.items() if member != "JobId"}
    if name == "DetectEntities":
        found["EndpointArn"] = f"{arn}entity-recognizer-endpoint/e"
    return {**found, "JobId": COMPREHEND["JobId"]}


def sample_of(service: str, name: str) -> dict[str, Any]:
    """A request with every member of the operation."""
    shape = input_of(service, name)
    found = value_of(shape, "") if shape is not None else {}
    if service == "application-autoscaling" and "ResourceARN" in found:
        found["ResourceARN"] = f"arn:aws:{service}:us-east-1:123456789012:scalable-target/1"
    if service == "events" and "ResourceARN" in found:
        found["ResourceARN"] = f"arn:aws:{service}:us-east-1:123456789012:rule/a-rule"
    if service == "events" and "EventPattern" in found:
        detail = {"service": ["s"], "eventTypeCode": ["c"], "userIdentity": {"principalId": ["p"]}}
        pattern = {"source": ["a"], "detail-type": ["b"], "detail": detail}
        found["EventPattern"] = json.dumps(pattern)
    if service == "scheduler" and "ResourceArn" in found:
        found["ResourceArn"] = f"arn:aws:{service}:us-east-1:123456789012:schedule-group/a-group"
    if service == "comprehend":
        given = comprehend_sample(name)
        found |= {member: given[member] for member in found.keys() & given.keys()}
    if service == "stepfunctions":
        found |= {name: STATES[name] for name in found.keys() & STATES.keys()}
    return found


def shuffled(value: Any, order: random.Random | None) -> Any:
    """`value` with the members of every structure in another order; reversed without `order`."""
    if isinstance(value, dict):
        names = list(value)
        if order is None:
            names.reverse()
        else:
            order.shuffle(names)
        return {name: shuffled(value[name], order) for name in names}
    return [shuffled(each, order) for each in value] if isinstance(value, list) else value


def told(ctx: Ctx, need: Need) -> tuple[Any, ...]:
    """All that a policy can see of a need."""
    known = conditions.Known(ctx, need)
    names = [n for key in need.keys for n in key.names]
    names = [n.replace("${TagKey}", "k").replace("<key>", "k").lower() for n in names]
    values = {name: known.get(name) for name in (*names, *need.target.known)}
    return need.action, need.target.arn, tuple(need.others), values


@pytest.mark.parametrize(("service", "name"), ENTRIES)
def test_the_order_of_members_decides_nothing(ctx, service, name):
    params = sample_of(service, name)
    first = [told(ctx, need) for need in actions.needs(ctx, service, name, params)]
    assert first
    for order in (None, random.Random(1), random.Random(2)):
        again = shuffled(params, order)
        assert [told(ctx, n) for n in actions.needs(ctx, service, name, again)] == first


def test_every_key_finds_the_value_of_its_member(ctx):
    """A key that is in the table but never found would let everything pass, or nothing."""
    unfound = {}
    for service, name in ENTRIES:
        params = sample_of(service, name)
        params.pop("TaggingDirective", None)
        found: dict[str, bool] = {}
        for need in actions.needs(ctx, service, name, params):
            for key, value in told(ctx, need)[3].items():
                found[key] = found.get(key, False) or value is not None
        unfound |= {key: name for key, there in found.items() if not there}
    assert set(unfound) == {"s3:object-lock-retain-until-date"}  # samples have no times


def test_a_resource_without_a_name_is_nobodys():
    permission = Permission("sagemaker:DescribeModel", hosting.MODEL)
    assert [need.target for need in permission.needs(None, {})] == [Target("*")]  # type: ignore[arg-type]
