"""`image`: lists, builds, adds and removes the environments of images, and opens a shell in one."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.commands import running
from sagebrush.commands.running import CommandError

if TYPE_CHECKING:
    from sagebrush.environments.environment import Environment
    from sagebrush.environments.store import Environments

OVERLAY = """
import sys
sys.path[0] = sys.argv[1]
from sagebrush.toolkit.packages import overlay
print(overlay.create())
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `image`."""
    commands = parser.add_subparsers(dest="what", metavar="list | build | rm | prune | shell")
    commands.add_parser("list", help="every environment, its size and the versions in it")
    build = commands.add_parser("build", help="build environments now rather than at first need")
    build.add_argument("names", nargs="*", metavar="NAME", help="default: all of Sagebrush's own")
    build.add_argument(
        "-r",
        "--requirements",
        type=Path,
        metavar="FILE",
        help="add an environment of your own: a requirements or lock file; image sagebrush/NAME",
    )
    build.add_argument(
        "--again",
        action="store_true",
        help="resolve releases of AWS's images anew, whose packages were resolved on this host",
    )
    remove = commands.add_parser("rm", help="remove environments; they are built again when needed")
    remove.add_argument("names", nargs="+", metavar="NAME")
    remove.add_argument("--force", action="store_true", help="even where jobs run in them now")
    prune = commands.add_parser("prune", help="remove environments that nothing ran in for a while")
    prune.add_argument(
        "--days", type=float, default=30, help="how long nothing ran in them (default 30)"
    )
    prune.add_argument("-n", "--dry-run", action="store_true", help="only say what would go")
    shell = commands.add_parser("shell", help="a shell, or a command, in an environment")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("command", nargs=argparse.REMAINDER, help="what to run (default: a shell)")


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    from sagebrush.environments.store import BuildFailed, Environments

    environments = Environments(running.settings().environments)
    try:
        if args.what == "build":
            return _build(environments, args.names, args.requirements, args.again)
        if args.what == "rm":
            return _remove(environments, args.names, args.force)
        if args.what == "prune":
            return _prune(environments, args.days, args.dry_run)
        if args.what == "shell":
            return _shell(_one(environments, args.name), args.command)
    except BuildFailed as error:
        raise CommandError(str(error)) from error
    return _list(environments)


def _list(environments: Environments) -> int:
    from rich.console import Console

    console, root = Console(), environments.root
    sizes, together = _sizes(root) if root.is_dir() else ({}, 0)
    for each in environments.known():
        size = f"{sizes.get(each.built.path.name, 0) >> 20:,} MB" if each.built else ""
        state = _used(each.used) if each.built else "at first need"
        state += ", yours" if each.added else ""
        rest = f"{each.released:<10} {size:>9}  {state}"
        console.print(f"[bold]{each.name:<35}[/] {rest}", highlight=False)
        if each.built:
            inside = each.built.told(9).partition("(")[2].rstrip(")")
            console.print(f"    {inside}", style="dim", highlight=False)
    if root.is_dir():
        console.print(f"{together >> 20:,} MB together in {root} (files are shared)")
    return 0


def _used(at: float) -> str:
    """How long ago something last ran in a built environment."""
    days = int((time.time() - at) // 86400)
    return "used today" if days < 1 else f"used {days} day{'' if days == 1 else 's'} ago"


def _prune(environments: Environments, days: float, dry: bool) -> int:
    jobs, before = running.settings().home / "jobs", time.time() - days * 86400
    old = [
        each
        for each in environments.builds()
        if each.used < before and not _users(jobs, [each.directory])
    ]
    for each in old:
        if not dry:
            environments.drop(each)
        print(f"{'would remove' if dry else 'removed'} {each.name}")
    if old and not dry:
        print("their packages stay in uv's cache, for the next build, until: uv cache clean")
    if not old:
        print(f"nothing to remove: something ran in every environment within {days:g} days")
    return 0


def _sizes(root: Path) -> tuple[dict[str, int], int]:
    """Directory below `root` -> bytes of its files, and the bytes of all of them on the disk, each file
    counted once: environments share most of theirs."""
    sizes: dict[str, int] = {}
    seen: dict[tuple[int, int], int] = {}
    for top in os.scandir(root):
        below = [top.path] if top.is_dir(follow_symlinks=False) else []
        while below:
            with contextlib.suppress(OSError), os.scandir(below.pop()) as entries:
                for entry in entries:  # a build may take any of it away meanwhile
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
                        continue
                    with contextlib.suppress(OSError):
                        info = entry.stat(follow_symlinks=False)
                        sizes[top.name] = sizes.get(top.name, 0) + info.st_size
                        seen[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sizes, sum(seen.values())


def _build(
    environments: Environments, names: list[str], requirements: Path | None, again: bool
) -> int:
    from sagebrush.environments import locks

    if again and not names:
        raise CommandError("name the releases that are to be resolved anew (sagebrush image list)")
    if requirements is not None:
        if len(names) != 1:
            raise CommandError("name the environment that FILE describes: image build NAME -r FILE")
        if not requirements.is_file():
            raise CommandError(f"{requirements}: there is no such file")
        count = environments.define(names[0], requirements)
        print(f"{names[0]}: {count} packages locked; use it as the image sagebrush/{names[0]}")
    for name in names or locks.BUILT_IN:
        built = _one(environments, name, again)
        print(f"✓ {built.told(9)}")
    return 0


def _one(environments: Environments, name: str, again: bool = False) -> Environment:
    """The environment, built if need be under a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.fields[name]:<12}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("", total=1.0, name=name)

        def report(doing: str, share: float) -> None:
            bar.update(task, completed=share, description=doing)

        return environments.build(name, report, again)


def _remove(environments: Environments, names: list[str], force: bool) -> int:
    from sagebrush.environments.releases import named

    known = [each.name for each in environments.known()]
    for name in names:
        used = (
            []
            if force
            else _users(running.settings().home / "jobs", environments.directories(name))
        )
        if used:
            raise CommandError(
                f"environment {name} is in use ({', '.join(used)}): stop what runs in it, or say --force"
            )
        if not environments.remove(name):
            why = f"environment {name} is not built" if name in known or named(name) else ""
            raise CommandError(why or f"there is no environment {name}")
        print(f"removed {name}")
    return 0


def _users(jobs: Path, places: list[Path]) -> list[str]:
    """What runs in the environment's directories now among the jobs of this data directory: names or keys.

    A notebook sees all environments: a kernel in it may run in any of them.
    """
    from sagebrush.compute import record

    found: list[str] = []
    for directory in sorted(jobs.iterdir()) if places and jobs.is_dir() else ():
        kept = record.read(directory, "spec.json")
        if kept is None or not record.held(directory):
            continue
        spec = record.from_json(kept["spec"])
        seen = [*(bind.source for bind in spec.binds), *map(Path, spec.argv)]
        if any(path.is_relative_to(p) or path == p.parent for p in places for path in seen):
            found.append(spec.env.get("TRAINING_JOB_NAME") or spec.key)
    return found


def _shell(environment: Environment, command: list[str]) -> int:
    """Runs in an overlay, since the environment is shared: what is installed there is temporary."""
    package = Path(__file__).resolve().parents[2]
    made = subprocess.run(
        [str(environment.python), "-c", OVERLAY, str(package)], capture_output=True, text=True
    )
    if made.returncode:
        raise CommandError(f"no overlay of {environment.name} could be made: {made.stderr.strip()}")
    python = Path(made.stdout.strip())
    places = [str(python.parent), str(environment.path / "bin")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environ["PATH"] = os.pathsep.join([*places, environ.get("PATH", os.defpath)])
    environ["VIRTUAL_ENV"] = str(python.parent.parent)
    words = command[1:] if command[:1] == ["--"] else command
    if not words:
        words = [os.environ.get("SHELL") or "/bin/sh"]
        print(f"{environment.told()}; what you install here goes away with this shell")
    try:
        return subprocess.run(words, env=environ).returncode
    except OSError as error:
        raise CommandError(f"{words[0]}: {error.strerror}") from error
    finally:
        shutil.rmtree(python.parent.parent, ignore_errors=True)
