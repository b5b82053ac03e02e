"""What a processing job consists of: its /opt/ml, the Specs of its instances, its outputs.

Source: "How to Build Your Own Processing Container" (developer guide).
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path

from sagebrush.compute.base import Limits, NotYet, Spec
from sagebrush.environments.environment import Environment
from sagebrush.errors import Doc
from sagebrush.scheduler.members import Member, members_of, resource_config
from sagebrush.scheduler.sizes import Size, share
from sagebrush.services.sagemaker.jobs import instances
from sagebrush.services.sagemaker.jobs.instances import contained, root
from sagebrush.services.sagemaker.processing import facts
from sagebrush.services.sagemaker.processing.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import channels, containers, dirfd, launch, layers, sources, stage, upload
from sagebrush.world import Ctx, World

GROUP = facts.GROUP
DIRECTORIES = ("config", "output", "processing")
CODE = ("/opt/ml/processing/input/code", "/opt/ml/processing/input/entrypoint")
"""Where the SDKs put scripts, in which /opt/ml may be written."""
MESSAGE = 1024
"""Bytes of an ExitMessage."""


def resources(row: Row) -> Doc:
    """The ClusterConfig."""
    return row.doc["ProcessingResources"]["ClusterConfig"]


def members(row: Row) -> tuple[Member, ...]:
    """The instances of the job."""
    return tuple(members_of(plan_of(row)["key"], resources(row)))


def roots(world: World, row: Row) -> tuple[Path, ...]:
    """The directories of all instances, algo-1's first."""
    return tuple(root(world, member) for member in members(row))


def image(row: Row) -> str:
    """The name under which memory peaks and run times are recorded."""
    return f"processing/{plan_of(row)['environment'] or plan_of(row)['container']}"


def isolated(row: Row) -> bool:
    """Whether the job has no network at all, not even to S3."""
    return bool(row.doc.get("NetworkConfig", {}).get("EnableNetworkIsolation"))


def sizes(world: World, row: Row) -> tuple[list[Size], str]:
    """The size of each instance on this host, and a sentence that says if it is less than its
    type."""
    return share([member.type for member in members(row)], world.host)


# ---- /opt/ml


def build(world: World, row: Row, member: Member, check: Callable[[], None]) -> None:
    """The instance's /opt/ml is complete, and what its script installs is known. Raises
    StageError."""
    place = root(world, member)
    if layers.asked(place):
        return
    ml = "/opt/ml" if contained(row) else launch.place(world, place).ml
    ctx = world.service_ctx(row.doc["RoleArn"], row.region)
    stage.aside(place, lambda fd: _fill(ctx, row, (member, ml), fd, check))
    if not contained(row):
        layers.ask_processing(world, row.doc, place)


def _fill(
    ctx: Ctx, row: Row, which: tuple[Member, str], fd: int, check: Callable[[], None]
) -> None:
    member, ml = which
    for name in DIRECTORIES:
        with dirfd.directory(fd, (name,), make=True):
            pass
    for name, content in configuration(row, member).items():
        with dirfd.created(fd, ("config", name)) as out:
            os.write(out, json.dumps(content, default=str).replace("/opt/ml", ml).encode())
    for output in outputs(row):
        with dirfd.directory(fd, _parts(output["LocalPath"]), make=True):
            pass
    wanted = []
    for each in row.doc.get("ProcessingInputs", ()):
        part = sources.shard(each["S3Input"], members(row), member)
        found = sources.sources(ctx, _channel(each))
        wanted.append((each["S3Input"], sources.ordered(found, part) if part else []))
    channels.check_space([source for _, found in wanted for source in found], fd)
    for s3, found in wanted:
        rewrite = None
        if ml != "/opt/ml" and s3["LocalPath"].rstrip("/").startswith(CODE):
            rewrite = lambda body: body.replace(b"/opt/ml", ml.encode())  # noqa: E731
        with dirfd.directory(fd, _parts(s3["LocalPath"]), make=True) as target:
            channels.download(ctx, found, target, check, rewrite)


def _channel(given: Doc) -> Doc:
    """A processing input in the form of a training job's channel."""
    return {"ChannelName": given["InputName"], "DataSource": {"S3DataSource": given["S3Input"]}}


def configuration(row: Row, member: Member) -> dict[str, Doc]:
    """The files of /opt/ml/config for the instance `member`: name -> content."""
    names = (
        "ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment",
        "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "NetworkConfig",
        "RoleArn", "StoppingCondition", "ExperimentConfig",
    )  # fmt: skip
    job = members(row)
    interface = stage.SHARED if len(job) > 1 else stage.INTERFACE
    hosts = resource_config(job, member, interface)
    shown = ("current_host", "current_instance_type", "hosts", "network_interface_name")
    return {
        "processingjobconfig.json": {n: row.doc[n] for n in names if n in row.doc},
        "resourceconfig.json": {name: hosts[name] for name in shown},
    }


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.removeprefix("/opt/ml").split("/") if part)


# ---- the processes


def installing(world: World, row: Row) -> str:
    """What an instance waits for whose script's packages are being installed; "" where none does."""
    environment = plan_of(row)["environment"]
    waits = (layers.pending(world, environment, place) for place in roots(world, row))
    return next((text for text in waits if text), "")


def ready(world: World, row: Row) -> list[Spec]:
    """One Spec for each instance. Raises NotYet while the environment, or a layer over it, is
    built."""
    found, scaled = sizes(world, row)
    specs = []
    for member, limits in zip(members(row), instances.limits(row, found), strict=True):
        place = root(world, member)
        if contained(row):
            specs.append(
                containers.job(
                    world,
                    facts.PROCESSING_JOB,
                    row.doc,
                    (member.key, place, row.region),
                    (limits, scaled),
                )
            )
            continue
        environment = world.environments.ready(plan_of(row)["environment"])
        if environment is None:
            raise NotYet(f"the environment {plan_of(row)['environment']} is built")
        spec = _spec(world, row, (member, environment), (limits, scaled))
        specs.append(layers.over(world, environment, place, spec))
    return specs


def _spec(
    world: World, row: Row, which: tuple[Member, Environment], size: tuple[Limits, str]
) -> Spec:
    (member, environment), (limits, scaled) = which, size
    doc, place, job = row.doc, root(world, member), members(row)
    here = launch.place(world, place)
    given = {
        **doc.get("Environment", {}),
        "PROCESSING_JOB_NAME": row.name,
        "PROCESSING_JOB_ARN": doc["ProcessingJobArn"],
    }
    app = doc["AppSpecification"]
    argv = [*app["ContainerEntrypoint"], *app.get("ContainerArguments", ())]
    if not here.sandbox:
        argv = [text.replace("/opt/ml", here.ml) for text in argv]
    return Spec(
        key=member.key,
        argv=tuple(argv),
        env=launch.variables(world, environment, here, limits, row.region, isolated(row), given)
        | launch.carried(None, plan_of(row)["framework"]),
        root=place,
        role=doc["RoleArn"],
        region=row.region,
        binds=launch.binds(world, environment),
        cwd=here.ml,
        hostname=member.name,
        limits=limits,
        listeners=launch.listeners(isolated(row)),
        time_limit=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=launch.banner(app["ImageUri"], environment, scaled, plan_of(row).get("asked")),
        **instances.shared(row, job),
    )


# ---- results


def outputs(row: Row) -> list[Doc]:
    """The S3Output of each output."""
    return [
        each["S3Output"] for each in row.doc.get("ProcessingOutputConfig", {}).get("Outputs", ())
    ]


def store(
    world: World,
    row: Row,
    mode: str,
    note: Callable[[str], None],
    times: tuple[float, float] = (0.0, inf),
) -> None:
    """Files of the outputs of that S3UploadMode that changed within `times` are in S3.

    `note` is called with a sentence about each that is not stored. Repeatable. Raises UploadError
    and AwsError.
    """
    ctx = world.service_ctx(row.doc["RoleArn"], row.region)
    for output in outputs(row):
        if output["S3UploadMode"] != mode:
            continue
        bucket, prefix = sources.split(output["S3Uri"])
        with upload.directories(roots(world, row), _parts(output["LocalPath"]), "Output") as found:
            if not found and mode == "EndOfJob":
                raise upload.UploadError(
                    f"ClientError: Output upload failed:{output['LocalPath']} is not a directory any"
                    " more"
                )
            if not times[0]:
                upload.weigh(found)
            place, left = (bucket, prefix.rstrip("/")), partial(_left, note, output["S3Uri"])
            upload.store(ctx, dirfd.merged(found), place, left, times)


def _left(note: Callable[[str], None], uri: str, text: str) -> None:
    note(f"left out of {uri}: {text}")


def message(world: World, row: Row) -> str:
    """ExitMessage: what the instances wrote into /opt/ml/output/message, concatenated; at most 1
    KB, cut between characters. Raises UnicodeDecodeError where it is not UTF-8."""
    each: list[bytes] = []
    for place in roots(world, row):
        with suppress(OSError), dirfd.opened(place / "ml") as ml:
            each.append(dirfd.read_small(ml, ("output", "message"), MESSAGE + 1) or b"")
    whole = b"\n".join(text.rstrip(b"\n") for text in each if text)
    # a character cut by the limit does not make the message invalid
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    return decoder.decode(whole[:MESSAGE], len(whole) <= MESSAGE).replace("\0", "").strip()
