"""`top`: what each live job, endpoint and notebook uses now, and what is left of this machine."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush import services
from sagebrush.commands import beside, running
from sagebrush.commands.job import inside
from sagebrush.compute.host import measure
from sagebrush.compute.local import gpus, usage
from sagebrush.compute.local.usage import Gpu, Usage
from sagebrush.engine.running import Live, live
from sagebrush.settings import Settings
from sagebrush.store.reservations import Reservations
from sagebrush.store.rows import Reader

HEADER = ("NAME", "INSTANCE", "KIND", "CPU", "MEMORY", "GPU", "UP", "PROCESSES")
SECOND = 1.0
"""Seconds between two measurements."""


@dataclass(frozen=True)
class Look:
    """All live resources at one moment."""

    rows: tuple[tuple[Live, Usage | None], ...]
    labels: Mapping[str, str]
    """What each kind of row is called."""
    queued: int
    busy: float
    """Seconds of CPU time that the whole machine has spent."""
    at: float
    cards: dict[int, Gpu]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `top`."""
    parser.add_argument("--once", action="store_true", help="one look, of one second, as text")


def run(args: argparse.Namespace) -> int:
    """Shows the table until Ctrl-C; once with `--once`, or where the output is no terminal."""
    chosen = running.settings()
    running.require(chosen)
    if args.once or not sys.stdout.isatty():
        before = _look(chosen)
        time.sleep(SECOND)
        for line in _lines(before, _look(chosen)):
            print(line)
        return 0
    return _watch(lambda: _look(chosen))


def _watch(look: Callable[[], Look]) -> int:
    from rich.console import Console
    from rich.live import Live as Screen
    from rich.text import Text

    before = look()
    with Screen(console=Console(), auto_refresh=False, screen=True) as screen:
        while True:
            time.sleep(SECOND)
            now = look()
            head, *lines = _lines(before, now)
            text = Text(head + "\n", style="bold", no_wrap=True, overflow="ellipsis")
            text.append("\n".join(lines), style="not bold")
            screen.update(text, refresh=True)
            before = now


def _look(chosen: Settings) -> Look:
    cards = usage.gpus(os.environ) if gpus.devices(os.environ) else {}
    kinds = services.running()
    with beside.database(chosen) as stored:
        found = live(Reader(stored.read), kinds)
        queued = Reservations(stored.read).waiting()
    rows = [(each, usage.usage(inside.directory(chosen, each), cards)) for each in found]
    labels = {name: kind.label for name, kind in kinds.items()}
    return Look(tuple(rows), labels, queued, _machine(), time.monotonic(), cards)


def _machine() -> float:
    """Seconds of CPU time that this machine has spent, idle time excluded."""
    try:
        import psutil
    except ImportError:
        return 0.0
    spent: Any = psutil.cpu_times()
    busy = ("user", "nice", "system", "irq", "softirq")
    return sum(getattr(spent, name, 0.0) for name in busy)


def _lines(before: Look, now: Look) -> list[str]:
    """The machine in one line, then a table."""
    known = {each.key: used for each, used in before.rows if used}
    rows = [_row(now.labels[each.kind], each, known.get(each.key), used) for each, used in now.rows]
    head = _head(before, now)
    if not rows:
        return [head, "", "nothing runs"]
    table = [HEADER, *rows]
    regions = [each.region for each, _ in now.rows]
    if len(set(regions)) > 1:
        table = [(*row, of) for row, of in zip(table, ("REGION", *regions), strict=True)]
    return [head, "", *running.columns(table)]


def _head(before: Look, now: Look) -> str:
    host, seconds = measure(), now.at - before.at
    used = [used for _, used in now.rows if used]
    busy = (now.busy - before.busy) / seconds if seconds > 0 else 0.0
    parts = [
        f"{len(used)} running, {now.queued} waiting",
        f"CPU {busy:.1f} of {host.cpus:g} in use",
        f"memory of jobs {_size(sum(each.memory for each in used))} of {_size(host.memory)}",
    ]
    if now.cards:
        parts.append(f"GPU {_gpu(tuple(now.cards.values()))}")
    return "   ".join(parts)


def _row(kind: str, each: Live, before: Usage | None, used: Usage | None) -> tuple[str, ...]:
    where = f"{each.host} {each.type}".strip()
    if used is None:
        return (each.name, where, kind, "starting", "", "", "", "")
    busy = usage.rate(before, used)
    cpu = f"{busy:.0f}%"
    if used.cpus:
        cpu = f"{busy / used.cpus:.0f}% of {used.cpus:.3g}"
    memory = _size(used.memory)
    if used.limit:
        memory = f"{memory} of {_size(used.limit)}"
    up = running.span(time.time() - used.started)
    return (each.name, where, kind, cpu, memory, _gpu(used.gpus), up, str(used.processes))


def _gpu(cards: Sequence[Gpu]) -> str:
    """How busy GPUs are, and their memory."""
    if not cards:
        return ""
    busy = sum(card.busy for card in cards) / len(cards)
    held, there = sum(card.used for card in cards), sum(card.memory for card in cards)
    return f"{busy:.0f}% of {len(cards)}, {_size(held)} of {_size(there)}"


def _size(count: int) -> str:
    """Bytes in GiB, small amounts in MiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 1 << 30 else f"{count / 2**20:.0f} MiB"
