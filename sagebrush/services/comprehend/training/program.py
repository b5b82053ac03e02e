"""The processing job that trains a custom model: its name, and what its program is told.

The program (`algorithms/comprehend/custom/train.py`) runs in Comprehend's own account as the data access
role: it reads and writes what that role may, and stores the model by URLs that are signed for that.
"""

from __future__ import annotations

from pathlib import Path

from sagebrush.errors import Doc
from sagebrush.services.comprehend import fleet, work
from sagebrush.services.comprehend.requests import place
from sagebrush.services.comprehend.training import artifacts
from sagebrush.services.comprehend.training.families import FAMILIES
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import launch
from sagebrush.world import World

PROGRAM = ("python3", "-m", "comprehend.custom.train")
TYPE = "ml.m5.xlarge"
"""Instance type: 4 vCPU and 16 GiB; less where this host has less."""
LONGEST = 5 * 24 * 3600
"""Seconds that training may take: less than the URLs are good for, which it ends with."""


def name(row: Row) -> str:
    """The name of the model's processing job: the same whenever a step is repeated."""
    return f"{FAMILIES[row.kind].code.lower()}-{plan_of(row).get('id')}"


def request(world: World, row: Row) -> Doc:
    """CreateProcessingJob's request for the model in `row`."""
    algorithms = launch.place(world, Path()).algorithms
    cluster = {"InstanceCount": 1, "InstanceType": TYPE, "VolumeSizeInGB": 30}
    return {
        "ProcessingJobName": name(row),
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {
            "ImageUri": fleet.IMAGE,
            "ContainerEntrypoint": list(PROGRAM),
            "ContainerArguments": work.packed(told(world, row)),
        },
        "Environment": {"PYTHONPATH": algorithms, **fleet.environment(world)},
        "RoleArn": row.doc["DataAccessRoleArn"],
        "StoppingCondition": {"MaxRuntimeInSeconds": LONGEST},
    }


def told(world: World, row: Row) -> Doc:
    """What the program is told of the model (`algorithms/comprehend/custom/order.py`)."""
    return {
        **described(row),
        "Model": artifacts.put_url(world, row, artifacts.MODEL),
        "Metadata": artifacts.put_url(world, row, artifacts.METADATA),
    }


def described(row: Row) -> Doc:
    """The part of that which has no URL of Comprehend's bucket."""
    doc = row.doc
    given = doc.get("OutputDataConfig", {}).get("S3Uri")
    to, key = place(given) if given else ("", "")
    return {
        "Kind": row.kind,
        "LanguageCode": doc["LanguageCode"],
        "Mode": doc.get("Mode", ""),
        "InputDataConfig": doc["InputDataConfig"],
        "Output": {"Bucket": to, "Key": key} if given else None,
    }
