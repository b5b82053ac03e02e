"""The processing job that does an asynchronous job: its name, and what its program is told.

The program (`algorithms/comprehend/process.py`) runs in Comprehend's own account as the data access role:
it reads and writes what that role may, and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from sagebrush.errors import Doc
from sagebrush.services.comprehend import fleet, work
from sagebrush.services.comprehend.jobs import checks, families
from sagebrush.services.comprehend.jobs.families import FAMILIES, Family
from sagebrush.services.comprehend.jobs.plan import plan_of
from sagebrush.services.comprehend.requests import place
from sagebrush.services.comprehend.training import artifacts
from sagebrush.store.rows import Row
from sagebrush.workload import launch
from sagebrush.world import World

PROGRAM = ("python3", "-m", "comprehend.process")
TOPICS_PROGRAM = ("python3", "-m", "comprehend.topics")
TOPICS_IMAGE = "lda"
"""Its environment has what the algorithm `lda` needs, which the program uses."""
TYPE, TOPICS_TYPE = "ml.t3.large", "ml.m5.xlarge"
"""Instance types: 2 vCPU and 8 GiB, 4 vCPU and 16 GiB; less where this host has less."""
LONGEST = 9 * 24 * 3600
"""Seconds that a job may take: SageMaker's most. AWS names no bound of Comprehend's."""


def name(row: Row) -> str:
    """The name of the job's processing job: the same whenever a step is repeated."""
    return f"{FAMILIES[row.kind].code.lower()}-{row.name}"


def request(world: World, row: Row) -> Doc:
    """CreateProcessingJob's request for the job in `row`."""
    family = FAMILIES[row.kind]
    topics = family is families.TOPICS
    algorithms = launch.place(world, Path()).algorithms
    variables = {"PYTHONPATH": algorithms, **fleet.environment(world)}
    cluster = {
        "InstanceCount": 1,
        "InstanceType": TOPICS_TYPE if topics else TYPE,
        "VolumeSizeInGB": 30,
    }
    return {
        "ProcessingJobName": name(row),
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {
            "ImageUri": TOPICS_IMAGE if topics else fleet.IMAGE,
            "ContainerEntrypoint": list(TOPICS_PROGRAM if topics else PROGRAM),
            "ContainerArguments": work.packed(told(world, family, row)),
        },
        "Environment": variables,
        "RoleArn": row.doc["DataAccessRoleArn"],
        "StoppingCondition": {"MaxRuntimeInSeconds": LONGEST},
    }


def told(world: World, family: Family, row: Row) -> Doc:
    """What the program is told of the job: all that it needs to know. The archive of a custom model is in
    Comprehend's own bucket, which the data access role cannot read."""
    doc, limits = row.doc, family.limits
    bucket, prefix = place(doc["InputDataConfig"]["S3Uri"])
    to, key = place(doc["OutputDataConfig"]["S3Uri"])
    model = plan_of(row).get("model")
    redacts = family is families.PII and doc["Mode"] == "ONLY_REDACTION"
    return {
        "Task": family.task,
        "LanguageCode": doc.get("LanguageCode", ""),
        "Input": {
            "Bucket": bucket,
            "Prefix": prefix,
            "Lines": doc["InputDataConfig"]["InputFormat"] == checks.LINE,
        },
        "Output": {"Bucket": to, "Key": key, "Results": family.results},
        "Limits": {
            "Document": limits.document,
            "Total": limits.total,
            "Files": limits.files,
            "Lines": limits.lines,
            "Least": limits.least,
        },
        "Redaction": doc["RedactionConfig"] if redacts else None,
        "Topics": doc.get("NumberOfTopics"),
        "Model": artifacts.get_url(world, model) if model else None,
    }
