"""What is refused when it is asked for: types that do not exist, quotas, what this host never has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sagebrush.errors import AwsError
from sagebrush.facts import Quota, Running
from sagebrush.scheduler.instances import Instance, instance, named
from sagebrush.scheduler.sizes import described, share
from sagebrush.settings import Settings
from sagebrush.store.rows import Reader
from sagebrush.world import Ctx, World

MOST = 1000
"""Instances of a variant, or copies of an inference component."""


def refuse(ctx: Ctx, types: Sequence[str], use: str) -> None:
    """Refuses instances of `types`, together for `use` (`facts.Quota.use`), that cannot be granted.

    Raises ValidationException for what is no instance type, ResourceLimitExceeded for what a quota
    forbids or this host can never give, LookupError for a use that no kind has.
    """
    world = ctx.world
    kind, quota = _quota_of(world, use)
    try:
        wanted = [instance(name) for name in types]
    except LookupError as error:
        unknown = next(name for name in types if not named(name))
        listed = ", ".join(_listed(quota.shape))
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{unknown}' at 'instanceType' failed to satisfy"
            f" constraint: Member must satisfy enum value set: [{listed}]",
        ) from error
    check_quota(ctx, types, use, world.rows)
    if kind.shares_cpu:  # each alone must fit, their GPUs together
        for each in dict.fromkeys(wanted):
            _host(world, [each])
        _gpus(world, wanted)
    else:
        _host(world, wanted)


def bound(count: int, what: str) -> None:
    """Raises ResourceLimitExceeded for more than MOST instances, or copies (`what`): each is a row's
    entry and a process to watch, and AWS's models bound neither."""
    if count > MOST:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The number of {what} is limited to {MOST}, with a request for {count}.",
        )


def check_quota(ctx: Ctx, types: Sequence[str], use: str, rows: Reader) -> None:
    """Raises ResourceLimitExceeded for what a quota of the account and region forbids, by what `rows`
    are in use.

    What creates the instances asks again in its transaction: two callers would both have had the last.
    """
    kind, quota = _quota_of(ctx.world, use)
    for name, count in Counter(types).items():
        most = limit(ctx.world.settings, name)
        if most is not None:
            _quota((name, count), quota, most, _used(ctx, rows, name, (kind, quota)))


def limit(settings: Settings, name: str) -> int | None:
    """How many instances of the type may be in use at once; None where no quota says."""
    for each in settings.quotas:
        of, _, number = each.partition("=")
        if of.strip() == name:
            return int(number)
    return None


def _quota_of(world: World, use: str) -> tuple[Running, Quota]:
    for kind in world.kinds.values():
        for quota in kind.quotas:
            if quota.use == use:
                return kind, quota
    raise LookupError(f"no kind has instances for {use} usage")


def _quota(wanted: tuple[str, int], quota: Quota, most: int, used: int) -> None:
    name, count = wanted
    if used + count > most:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name} for {quota.use} usage' is {most} Instances, with"
            f" current utilization of {used} Instances and a request delta of {count} Instances."
            " Please use AWS Service Quotas to request an increase for this quota. If AWS Service"
            " Quotas is not available, contact AWS support to request an increase for this quota."
            " (Sagebrush: the setting quotas says so.)",
        )


def _used(ctx: Ctx, rows: Reader, name: str, of: tuple[Running, Quota]) -> int:
    """How many instances of the type are in use so in the context's account and region."""
    (kind, quota), here = of, (ctx.account, ctx.region)
    found = [
        row
        for row in rows.select(kind.kind, kind.busy)
        if (row.account, row.region) == here and quota.counts(row.doc)
    ]
    return sum(n for row in found for each, n in kind.instances(row.doc, row.plan) if each == name)


def _host(world: World, wanted: Sequence[Instance]) -> None:
    """Raises ResourceLimitExceeded for what would be less than it says, against the settings."""
    of, settings = world.host, world.settings
    names = ", ".join(f"{n} x {name}" for name, n in Counter(w.name for w in wanted).items())
    sizes, _ = share([each.name for each in wanted], of)
    without = [w for w, size in zip(wanted, sizes, strict=True) if w.gpus and not size.gpus]
    there = described(of.cpus, of.memory, len(of.gpus))
    if without and not settings.gpu_as_cpu:
        raise AwsError(
            "ResourceLimitExceeded",
            f"CapacityError: Unable to provision requested ML compute capacity: {names} need"
            f" {sum(w.gpus for w in wanted)} GPU, and this host has {len(of.gpus) or 'none'}."
            " Sagebrush runs a GPU instance type without a GPU only where the setting gpu_as_cpu"
            " (SAGEBRUSH_GPU_AS_CPU=1) allows it.",
        )
    less = any(
        size.cpu < w.cpus or size.memory < w.memory or 0 < size.gpus < w.gpus
        for w, size in zip(wanted, sizes, strict=True)
    )
    if less and not settings.scale_down:
        raise AwsError(
            "ResourceLimitExceeded",
            f"CapacityError: Unable to provision requested ML compute capacity: {names} are larger"
            f" than this host ({there}). Sagebrush runs them with what the host has only where the"
            " setting scale_down allows it.",
        )


def _gpus(world: World, wanted: Sequence[Instance]) -> None:
    """Raises ResourceLimitExceeded for more GPUs than could ever be held at once."""
    of = world.host
    asked = sum(min(each.gpus, len(of.gpus)) for each in wanted)
    if asked > len(of.gpus):
        raise AwsError(
            "ResourceLimitExceeded",
            "CapacityError: Unable to provision requested ML compute capacity: the instances need"
            f" {asked} GPU together, and this host has {len(of.gpus)}.",
        )


def _listed(shape: str) -> list[str]:
    """The instance types that AWS's model lists."""
    from botocore.loaders import Loader

    model = Loader().load_service_model("sagemaker", "service-2")
    return list(model["shapes"][shape]["enum"])
