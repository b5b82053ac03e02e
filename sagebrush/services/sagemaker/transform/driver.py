"""The driver of each instance: a process of its own that takes objects through the model's containers.

It runs outside of any sandbox, since it runs no code of the user's, and reads and writes S3 as the
model's role. What it has done is in its directory, so another one goes on where it ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.companion.transform import journal, run
from sagebrush.companion.transform.plan import Data
from sagebrush.companion.transform.plan import Plan as Order
from sagebrush.compute.base import Exited, Limits, Running, Spec
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members
from sagebrush.scheduler.members import Member
from sagebrush.services.sagemaker.transform import checks, facts
from sagebrush.services.sagemaker.transform.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import captured, launch, log_lines, sources, stage
from sagebrush.workload.sources import Source
from sagebrush.world import Ctx, World

MEMORY = 2 << 30
"""Bytes that a driver may use: at most 100 MB of payloads on their way, twice, and their answers."""
TIMEOUT, RETRIES = 600, 3
"""InvocationsTimeoutInSeconds and InvocationsMaxRetries where the request has none (API reference,
ModelClientConfig)."""
SUFFIX = journal.SUFFIX
_PROGRAM = (
    "import os, sys; sys.path.append(os.environ['SAGEBRUSH_PACKAGE']);"
    " from sagebrush.companion.transform import run; run.main()"
)


def job(row: Row) -> list[Member]:
    """The job's instances."""
    return members.members_of(plan_of(row)["key"], row.doc["TransformResources"])


def key(member: Member) -> str:
    """The key of the driver of that instance."""
    return f"{member.key}{SUFFIX}"


def root(world: World, member: Member) -> Path:
    """The directory of the driver of that instance."""
    return world.settings.home / "jobs" / key(member)


def acting(world: World, row: Row) -> Ctx:
    """A context that acts as the model's role."""
    return checks.acting_as(world, plan_of(row).get("role"), row.account, row.region)


def inputs(world: World, row: Row) -> list[Source]:
    """The objects that the job transforms. Raises StageError."""
    channel = {"ChannelName": "TransformInput", **row.doc["TransformInput"]}
    return sources.sources(acting(world, row), channel)


def output(row: Row) -> tuple[str, str]:
    """Bucket and prefix of the output; the prefix is "" or ends with a slash."""
    bucket, prefix = sources.split(row.doc["TransformOutput"]["S3OutputPath"])
    return bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else ""


def start(world: World, row: Row) -> None:
    """The driver of each instance is launched, with its part of the objects. Repeatable: one that was
    launched goes on. Raises StageError."""
    all_of_them = job(row)
    for member, objects in zip(all_of_them, _parts(world, row), strict=True):
        place = root(world, member)
        (place / run.FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (place / "spec.json").exists():
            part = place / f"{run.PLAN}.part"  # a half-written plan must not be taken for one
            part.write_text(json.dumps(_order(world, row, member, objects)))
            part.replace(place / run.PLAN)
    for member in all_of_them:  # whose plans are all there: what was launched never finds others
        world.backend.launch(_spec(world, row, member))
        stream = f"{stream_of(row, member)}/data-log"
        world.streams.register(row.account, row.region, facts.GROUP, stream, key(member))


def _parts(world: World, row: Row) -> list[list[Source]]:
    """The objects of each instance: those of its plan where all have one, since a journal tells objects
    by their numbers there, whatever has come to S3 since. Raises StageError."""
    all_of_them = job(row)
    planned = [_planned(world, member) for member in all_of_them]
    known = [part for part in planned if part is not None]
    if len(known) == len(planned):
        return known
    found = inputs(world, row)
    return [found[number :: len(all_of_them)] for number in range(len(all_of_them))]


def _planned(world: World, member: Member) -> list[Source] | None:
    """The objects of the instance's plan; None where it has none."""
    try:
        order = json.loads((root(world, member) / run.PLAN).read_text())
    except (OSError, ValueError):
        return None
    return [Source(b, k, size, path, etag) for b, k, size, etag, path in order["objects"]]


def stream_of(row: Row, member: Member) -> str:
    """How the log streams of an instance begin ("Log Amazon SageMaker Events with Amazon
    CloudWatch")."""
    return f"{row.name}/{facts.host(member.key)}-{int(plan_of(row).get('begun', 0.0))}"


def _spec(world: World, row: Row, member: Member) -> Spec:
    place = root(world, member)
    return Spec(
        key=key(member),
        argv=(sys.executable, "-I", "-S", "-c", _PROGRAM),
        env={"SAGEBRUSH_PACKAGE": str(launch.PACKAGE.parent), "LANG": "C.UTF-8"},
        root=place,
        role=checks.role_of(world, plan_of(row).get("role"), row.account),
        region=row.region,
        cwd=str(place),
        limits=Limits(memory=MEMORY, pids=256, name="the driver"),
        log_limit=world.settings.log_limit,
        outside=True,
    )


def _order(world: World, row: Row, member: Member, found: Sequence[Source]) -> Order:
    """What the driver is told."""
    doc, (bucket, prefix) = row.doc, output(row)
    given, asked, client = (
        doc["TransformInput"],
        doc["TransformOutput"],
        doc.get("ModelClientConfig", {}),
    )
    return {
        "region": row.region,
        "objects": [(each.bucket, each.key, each.size, each.etag, each.path) for each in found],
        "bucket": bucket,
        "prefix": prefix,
        "containers": addresses(world, row, member),
        "split": given["SplitType"],
        "gzip": given["CompressionType"] == "Gzip",
        "content_type": given.get("ContentType") or None,
        "accept": asked.get("Accept") or None,
        "lines": asked["AssembleWith"] == "Line",
        "strategy": doc.get("BatchStrategy"),
        "concurrency": doc.get("MaxConcurrentTransforms") or None,
        "payload": doc.get("MaxPayloadInMB"),
        "timeout": client.get("InvocationsTimeoutInSeconds", TIMEOUT),
        "retries": client.get("InvocationsMaxRetries", RETRIES),
        "data": _data(doc),
    }


def _data(doc: Doc) -> Data | None:
    data, capture = doc["DataProcessing"], doc.get("DataCaptureConfig", {})
    stamp = ""
    if capture.get("GenerateInferenceId"):
        stamp = doc["TransformStartTime"].strftime("%Y-%m-%dT%H:%M:%SZ")
    if not checks.asks(data) and not stamp:
        return None
    return {
        "before": data["InputFilter"],
        "after": data["OutputFilter"],
        "join": data["JoinSource"] == "Input",
        "stamp": stamp,
    }


def addresses(world: World, row: Row, member: Member) -> list[str]:
    """Where the containers of the instance listen; one that does not run has no address."""
    states = [
        world.backend.poll(each) for each in facts.keys(member.key, len(plan_of(row)["containers"]))
    ]
    return [state.address if isinstance(state, Running) else "" for state in states]


# ---- what it says


@dataclass(frozen=True)
class Said:
    """What the drivers of all instances have done."""

    done: list[Source]
    """Objects whose output is there."""
    begun: list[tuple[Source, str]]
    """Uploads that are neither completed nor aborted."""
    failed: int
    reasons: list[str]


def said(world: World, row: Row) -> Said:
    """What the drivers' directories say."""
    found = Said([], [], 0, [])
    failed = 0
    for member in job(row):
        texts = {name: _text(world, member, name) for name in (journal.NAME, journal.RESULT)}
        if (objects := _planned(world, member)) is None:
            continue  # it was never launched
        past = journal.read(texts[journal.NAME])
        found.done.extend(objects[number] for number in sorted(past.done))
        found.begun.extend((objects[number], upload) for number, upload in past.begun.items())
        result: Any = json.loads(texts[journal.RESULT] or "{}")
        failed += result.get("failed", 0)
        found.reasons.extend(result.get("reasons", ()))
    return Said(found.done, found.begun, failed, found.reasons)


def _text(world: World, member: Member, name: str) -> str:
    """The file that the driver wrote; "" where there is none."""
    try:
        return (root(world, member) / run.FOLDER / name).read_text()
    except OSError:
        return ""


def verdict(world: World, row: Row, ends: Sequence[tuple[Member, Exited]]) -> tuple[str, str]:
    """(end, reason) of a job whose drivers have all ended."""
    broken = [
        (member, state)
        for member, state in ends
        if state.reason not in ("", "stopped") or state.code not in (run.COMPLETED, run.FAILED)
    ]
    if "stop" in plan_of(row):
        return "Stopped", ""
    if broken:
        member, state = broken[0]
        why = state.message or state.reason
        if not why:
            lines = log_lines.tail(world.backend, key(member), 0)
            why = log_lines.traceback_of(lines).strip().rsplit("\n", 1)[-1]
        return "Failed", (
            "InternalServerError: We encountered an internal error. Please try again. (The process"
            f" that sends records to the model ended: {why}, exit code {state.code})"
        )
    found = said(world, row)
    if not found.failed:
        return "Completed", ""
    more = f" {found.failed} objects could not be transformed." if found.failed > 1 else ""
    return "Failed", f"{found.reasons[0]}{more}"


# ---- its end


def abort(world: World, row: Row) -> None:
    """No upload that a driver began is left over. What S3 refuses is left."""
    (bucket, prefix), ctx = output(row), acting(world, row)
    for source, upload in said(world, row).begun:
        try:
            name = {"Bucket": bucket, "Key": f"{prefix}{source.path}.out", "UploadId": upload}
            ctx.call("s3", "AbortMultipartUpload", name)
        except AwsError as error:
            if error.status >= 500:
                raise


def capture(world: World, row: Row) -> None:
    """The manifests of what went in and came out are in S3, where the job captures data. Repeatable.
    Raises AwsError.

    Source: developer guide, "Capture data from batch transform job".
    """
    config, found = row.doc.get("DataCaptureConfig"), said(world, row).done
    if not config or not found:
        return
    target, prefix = sources.split(config["DestinationS3Uri"])
    hour = moment(plan_of(row).get("begun", 0.0)).strftime("%Y/%m/%d/%H")
    (bucket, out), first = output(row), found[0]
    came = f"s3://{first.bucket}/{first.key[: len(first.key) - len(first.path)]}"
    sides = {
        "input": [{"prefix": came}, *(each.path for each in found)],
        "output": [{"prefix": f"s3://{bucket}/{out}"}, *(f"{each.path}.out" for each in found)],
    }
    for side, manifest in sides.items():
        name = f"{side}/{hour}/{plan_of(row)['key']}.json"
        where = "/".join(part for part in (prefix.strip("/"), name) if part)
        text = json.dumps(manifest).encode()
        captured.put(acting(world, row), target, where, text, "application/json")


def renew(world: World, member: Member) -> None:
    """The lost driver's directory is as if it had not been launched, with its plan and its journal in
    it. Repeatable: one that was renewed only in part is renewed again, and loses neither."""
    place = root(world, member)
    world.backend.forget(key(member))
    for each in (*place.glob("*"), *(place / run.FOLDER).glob("*")):
        if each.name not in (run.PLAN, run.FOLDER, journal.NAME):
            stage.remove(each)
