"""`doctor`: what this host can isolate and limit, which fallback is used, and the cure."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sagebrush.commands import running

if TYPE_CHECKING:
    from sagebrush.compute.local.probe import Check


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `doctor`."""
    parser.add_argument(
        "--selftest", action="store_true", help="prove each promise of the sandbox in a real one"
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was found; the exit status is 1 when a promise of the sandbox is not kept."""
    from sagebrush.compute.local import probe

    chosen = running.settings()
    found = [*probe.checks(), interpreter(), *further()]
    _print(found)
    sandbox = found[0].ok
    print(f"\nisolation in force: {in_force(chosen.isolation, sandbox)}")
    if not args.selftest:
        return 0
    if not sandbox:
        print("the self-test needs the sandbox, which does not work here", file=sys.stderr)
        return 1
    print("\nself-test: each promise, tried in a sandbox")
    return 1 if _print(probe.selftest()) else 0


def in_force(setting: str, sandbox: bool) -> str:
    """What jobs get under that setting of `isolation`, in words."""
    if setting == "process":
        return "process mode, as set: jobs can read what you can; for your own code only"
    if sandbox:
        return "sandbox: each job has files, processes and network of its own"
    if setting == "sandbox":
        return "none: the setting asks for the sandbox, so the server does not start"
    return "process mode: jobs can read what you can; for your own code only (cure above)"


def interpreter() -> Check:
    """The Python that the jobs' environments are built with."""
    from sagebrush.compute.local.probe import Check
    from sagebrush.environments import interpreters

    found = interpreters.find(os.environ)
    wanted = ", ".join(interpreters.VERSIONS)
    if found:
        version = found.version.split()[0]
        return Check("python", True, f"jobs run on Python {version} ({found.executable})")
    return Check(
        "python",
        False,
        f"none of Python {wanted} is here, and jobs' packages are locked for these",
        f"install Python {interpreters.VERSIONS[0]}, or let uv fetch it at the first job (network)",
    )


def further() -> list[Check]:
    """The optional parts of a host: a container engine, GPUs."""
    from sagebrush.compute.containers.engines import Engines
    from sagebrush.compute.local import gpus
    from sagebrush.compute.local.probe import Check

    engine = Engines().find()
    words = "no Docker or Podman answers: only images that an environment stands for run"
    if engine is not None:
        words = f"{engine.name} at {engine.url} runs images that no environment stands for"
    there = [each.name or f"GPU {each.number}" for each in gpus.discover(os.environ)]
    counted = "none: GPU instance types are refused, unless the setting gpu_as_cpu allows them"
    if there:
        counted = f"{len(there)} found ({', '.join(there)}); each has one holder at a time"
    return [Check("containers", True, words), Check("gpus", True, counted)]


def _print(found: Iterable[Check]) -> int:
    """Prints the checks as they come; returns how many failed."""
    failed = 0
    for check in found:
        failed += not check.ok
        print(f"{'✓' if check.ok else '✗'} {check.check:<10} {check.detail}".rstrip(), flush=True)
        if check.cure and not check.ok:
            print(f"  cure: {check.cure}")
    return failed
