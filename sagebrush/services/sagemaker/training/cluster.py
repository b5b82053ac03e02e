"""The instances of a training job: their sizes, directories, Specs and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sagebrush.compute.base import Exited, Limits, NotYet, Spec
from sagebrush.environments.environment import Environment
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.members import Member, groups, members_of
from sagebrush.scheduler.position import Position
from sagebrush.scheduler.sizes import Size, share
from sagebrush.services.sagemaker.jobs import instances, share_of_host
from sagebrush.services.sagemaker.jobs.instances import contained, root
from sagebrush.services.sagemaker.training import facts, status
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.workload import (
    containers,
    launch,
    layers,
    log_lines,
    remote_functions,
    stage,
    streamed_input,
    upload,
)
from sagebrush.workload.instances_state import Standing
from sagebrush.world import World

GROUP = facts.GROUP
MINIMUM = "SAGEBRUSH_MIN_INSTANCES"
"""The variable of a job's Environment that says with how few instances it may go on."""
SOCKETS = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "TP_SOCKET_IFNAME")
"""Variables that name the instances' network interface to communication libraries."""


def members(row: Row) -> tuple[Member, ...]:
    """The instances of the job's present attempt."""
    return tuple(members_of(plan_of(row)["key"], row.doc["ResourceConfig"]))[
        : plan_of(row).get("instances")
    ]


def roots(world: World, row: Row) -> tuple[Path, ...]:
    """The directories of all instances, algo-1's first."""
    return tuple(root(world, member) for member in members(row))


def image(row: Row) -> str:
    """The name under which memory peaks and run times are recorded."""
    return plan_of(row)["algorithm"] or plan_of(row)["environment"] or plan_of(row)["container"]


def sizes(world: World, row: Row) -> tuple[list[Size], str]:
    """The size of each instance on this host, and a sentence that says if it is less than its type.

    Where an attempt has fewer instances than the job requests, each is as large as with all of
    them.
    """
    whole = members_of(plan_of(row)["key"], row.doc["ResourceConfig"])
    types = [member.type for member in whole]
    if share_of_host.AT_ONCE in row.doc:  # its parent started other jobs that run concurrently
        found, scaled = share_of_host.sizes(world, row, types)
    else:
        found, scaled = share(types, world.host)
    return found[: plan_of(row).get("instances")], scaled


def fewest(row: Row) -> int:
    """The least number of instances with which an interrupted spot job may go on: as many as it
    requests, or fewer where its environment variable MINIMUM allows it."""
    count = len(members_of("", row.doc["ResourceConfig"]))
    said = row.doc.get("Environment", {}).get(MINIMUM, "")
    again = plan_of(row).get("attempts") and row.doc.get("EnableManagedSpotTraining")
    if not again or len(groups(row.doc["ResourceConfig"])) > 1 or not said.isdigit():
        return count
    return max(1, min(count, int(said)))


def admit(world: World, row: Row) -> tuple[Position, int]:
    """How the job stands once it has its place in the queue, and with how many instances.

    An elastic job that cannot have all of its instances now takes as many as there is capacity for.
    """
    most = len(members_of("", row.doc["ResourceConfig"]))
    least, chosen = fewest(row), plan_of(row).get("instances")
    for count in range(most, least, -1) if not chosen else ():
        turn = capacity.admit(world, ask(world, _with(row, count)))
        if not turn.place:
            return turn, count
    chosen = chosen or least
    return capacity.admit(world, ask(world, _with(row, chosen))), chosen


def _with(row: Row, count: int) -> Row:
    return replace(row, plan={**row.plan, "instances": count})


def ask(world: World, row: Row) -> capacity.Ask:
    """The capacity that all instances request from the host together."""
    return instances.ask(world, row, image(row), sizes(world, row)[0])


def cause(world: World, row: Row, standing: Standing) -> tuple[Member, Exited]:
    """The instance whose end decides the job's. Of several that failed by themselves, the first
    whose log does not only report the loss of another."""
    member, state = standing.verdict
    failed = [each for each in standing.ends if each[1].code and not each[1].reason]
    if len(failed) < 2 or state.reason:
        return member, state
    return next((each for each in failed if not _echo(world, row, each[0])), (member, state))


def only_echoes(world: World, row: Row, standing: Standing) -> bool:
    """Whether every ended instance only reported the loss of another, which has not ended yet."""
    ends = standing.ends
    return bool(ends) and all(e.code and not e.reason and _echo(world, row, m) for m, e in ends)


def _echo(world: World, row: Row, member: Member) -> bool:
    seen = (plan_of(row).get("offsets") or {}).get(member.name, 0)
    return log_lines.echo(log_lines.traceback_of(log_lines.tail(world.backend, member.key, seen)))


def ready(world: World, row: Row) -> list[Spec]:
    """One Spec for each instance. Raises NotYet while the environment is built."""
    found, scaled = sizes(world, row)
    # Instances that have the whole host among them share its CPUs: a part for each would make them
    # wait for one another, since they never work in step.
    whole = len(found) > 1 and sum(size.cpu for size in found) >= world.host.cpus
    specs = []
    for member, own in zip(members(row), instances.limits(row, found), strict=True):
        limits, place = replace(own, share=whole), root(world, member)
        if contained(row):
            spec = containers.job(
                world,
                facts.TRAINING_JOB,
                row.doc,
                (member.key, place, row.region),
                (limits, scaled),
            )
            specs.append(replace(spec, time_limit=plan_of(row).get("seconds")))
            continue
        environment = world.environments.ready(plan_of(row)["environment"])
        if environment is None:
            raise NotYet(f"the environment {plan_of(row)['environment']} is built")
        spec = _spec(world, row, (member, environment), (limits, scaled))
        spec = remote_functions.with_sdk(world, environment, spec)
        specs.append(
            streamed_input.with_companion(place, layers.over(world, environment, place, spec))
        )
    return specs


def _spec(
    world: World,
    row: Row,
    which: tuple[Member, Environment],
    size: tuple[Limits, str],
) -> Spec:
    """The process of one instance."""
    (member, environment), (limits, scaled) = which, size
    doc, place, job = row.doc, root(world, member), members(row)
    here = launch.place(world, place)
    isolated = bool(doc.get("EnableNetworkIsolation"))
    given = {
        **({name: stage.SHARED for name in SOCKETS} if len(job) > 1 else {}),
        **doc.get("Environment", {}),
        "TRAINING_JOB_NAME": row.name,
        "TRAINING_JOB_ARN": doc["TrainingJobArn"],
    }
    env = launch.variables(world, environment, here, limits, row.region, isolated, given)
    env |= launch.carried(plan_of(row)["algorithm"], plan_of(row).get("framework"))
    if plan_of(row)["algorithm"]:  # no file in the sandbox tells how much memory the job may use
        env["SAGEBRUSH_MEMORY"] = str(limits.memory)
    return Spec(
        key=member.key,
        argv=_argv(doc["AlgorithmSpecification"], environment, here),
        env=env,
        root=place,
        role=doc["RoleArn"],
        region=row.region,
        binds=launch.binds(world, environment),
        cwd=here.ml,
        hostname=member.name,
        limits=limits,
        listeners=launch.listeners(isolated),
        time_limit=plan_of(row).get("seconds"),
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=_banner(row, environment, scaled),
        **instances.shared(row, job),
    )


def _banner(row: Row, environment: Environment, scaled: str) -> str:
    """What the log of the job's attempt begins with."""
    image = row.doc["AlgorithmSpecification"]["TrainingImage"]
    about = launch.banner(image, environment, scaled, plan_of(row).get("asked"))
    return "\n".join(text for text in (status.after_interruptions(row), about) if text)


def _argv(spec: Doc, environment: Environment, here: launch.Place) -> tuple[str, ...]:
    """The request's own entry point, or the toolkit command that replaces the image's."""
    arguments = list(spec.get("ContainerArguments", ()))
    if entry := spec.get("ContainerEntrypoint"):
        argv = [*entry, *arguments]
    else:
        argv = [launch.python(environment, here), f"{here.toolkit}/training/train.py", *arguments]
    if not here.sandbox:
        argv = [text.replace("/opt/ml", here.ml) for text in argv]
    return tuple(argv)


def results(
    world: World, row: Row, remark: Callable[[str], None] = lambda _: None
) -> upload.Upload:
    """The upload of the instances' results to S3, as the job's role; `remark` is called with a
    sentence about each file that is not stored."""
    ctx = world.service_ctx(row.doc["RoleArn"], row.region)
    return upload.Upload(ctx, row.doc, roots(world, row), remark)
