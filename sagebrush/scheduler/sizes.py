"""What an instance type gets of this host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.compute.base import Limits
from sagebrush.compute.host import Host
from sagebrush.scheduler.instances import Instance, instance


@dataclass(frozen=True)
class Size:
    """What one instance gets on this host: vCPUs, bytes of memory, a number of whole GPUs."""

    name: str
    cpu: float
    memory: int
    gpus: int = 0

    def limits(self, gpus: tuple[int, ...] = ()) -> Limits:
        """The limits of its process tree, which sees those of the `gpus` that it holds."""
        return Limits(cpu=self.cpu, memory=self.memory, gpus=gpus[: self.gpus], name=self.name)


def share(types: Sequence[str], of: Host) -> tuple[list[Size], str]:
    """What each of the instances gets, and the sentence that says if that is less than its type.

    Together they never get more than the host has: what is too much is scaled down for all alike,
    GPUs to whole ones. The sentence is "" where all fit. Raises LookupError for what is no type.
    """
    wanted = [instance(name) for name in types]
    cpu = _scale([each.cpus for each in wanted], of.cpus)
    memory = _scale([each.memory for each in wanted], of.memory)
    gpus = _whole([each.gpus for each in wanted], len(of.gpus))
    sizes = [
        Size(each.name, c, int(m), g)
        for each, c, m, g in zip(wanted, cpu, memory, gpus, strict=True)
    ]
    if all((s.cpu, s.memory, s.gpus) == (w.cpus, w.memory, w.gpus)
           for s, w in zip(sizes, wanted, strict=True)):  # fmt: skip
        return sizes, ""
    return sizes, _scaled(wanted, sizes)


def limits(type_name: str, of: Host) -> tuple[Limits, str]:
    """The limits of one instance that is given no GPUs, and the sentence that says if it is scaled
    down.

    The sentence is "" where the type fits. Raises LookupError for what is no instance type.
    """
    (size,), scaled = share([type_name], of)
    return size.limits(), scaled


def _scale(wanted: Sequence[float], there: float) -> list[float]:
    """Each wish, or the same part of each (none above what is there) where they are too much."""
    each = [min(wish, there) for wish in wanted]
    total = sum(each)
    return each if total <= there else [wish * there / total for wish in each]


def _whole(wanted: Sequence[int], there: int) -> list[int]:
    """Whole GPUs for each: what is wanted, or else as many for each that wants some."""
    if sum(wanted) <= there:
        return list(wanted)
    some = sum(1 for wish in wanted if wish)
    return [min(wish, there // some) for wish in wanted]


def described(cpu: float, memory: float, gpus: int = 0, whole: bool = False) -> str:
    """vCPUs, memory and GPUs in words; `whole`: an instance type's round sizes."""
    size = f"{memory / 2**30:g} GiB" if whole else amount(memory)
    return f"{cpu:.3g} vCPU, {size}" + (f", {gpus} GPU" if gpus else "")


def amount(memory: float) -> str:
    """Bytes in words: MiB below one GiB."""
    return f"{memory / 2**30:.1f} GiB" if memory >= 1 << 30 else f"{memory / 2**20:.0f} MiB"


def _scaled(wanted: Sequence[Instance], given: Sequence[Size]) -> str:
    if len(wanted) == 1:
        (want,), (got,) = wanted, given
        had = f" and {got.gpus or 'no'} GPU" if want.gpus else ""
        return (
            f"Sagebrush: {want.name} ({described(want.cpus, want.memory, want.gpus, True)}) is"
            f" larger than this host: running with {got.cpu:.3g} vCPU and"
            f" {got.memory / 2**30:.1f} GiB{had}"
        )
    kinds = Counter(want.name for want in wanted)
    first = {want.name: (want, got) for want, got in zip(wanted, given, strict=True)}
    asked = ", ".join(
        f"{count} x {name} ({described(want.cpus, want.memory, want.gpus, True)})"
        for name, count in kinds.items()
        for want, _ in [first[name]]
    )
    parts = [
        f"{got.cpu:.3g} vCPU, {got.memory / 2**30:.1f} GiB"
        + (f" and {got.gpus or 'no'} GPU" if want.gpus else "")
        + (f" for each {name}" if len(kinds) > 1 else " for each")
        for name, (want, got) in first.items()
    ]
    return f"Sagebrush: {asked} are together larger than this host: running with {'; '.join(parts)}"
