"""Unpacked model archives that are kept while their processes come and go.

`HOME/unpacked/<location>/<version>/` is what one version of an archive in S3 holds. Only the server
writes there, once: what is there never changes. A process gets a copy, or (`shared`) names of the same
files in its job's directory, which may be shown to it only where it cannot change them
(`compute.base.Bind.apart`). So it may be removed at any time, also while processes run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

from sagebrush.workload import stage
from sagebrush.world import World

UNUSED = 7 * 86400.0
"""Seconds after which what nobody asked for is removed."""


def taken(
    world: World, location: tuple[str, str], version: str, target: Path, shared: bool = False
) -> bool:
    """Whether that version is kept; then its files are in `target`, an empty directory."""
    place = _place(world, location) / version
    if not place.is_dir():
        return False
    try:
        _copy(place, target, shared)
        os.utime(place.parent)
    except OSError:  # removed meanwhile
        for each in target.iterdir():
            stage.remove(each)
        return False
    return True


def keep(
    world: World, location: tuple[str, str], version: str, source: Path, shared: bool = False
) -> None:
    """That version's files, those in `source`, are kept, those of others of the same archive are not,
    as far as the disk allows."""
    place = _place(world, location)
    part = place.with_name(f"{place.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        (part / version).mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(source, part / version, shared)
        if place.exists():
            stage.remove(place)
        part.rename(place)
    except OSError:  # a full disk, or another one was faster
        stage.remove(part)
    _sweep(place.parent)


def forget(world: World, location: tuple[str, str]) -> None:
    """Nothing is kept of the archive."""
    stage.remove(_place(world, location))


def _copy(source: Path, target: Path, shared: bool) -> None:
    """What is in `source` is in the directory `target` too, as copies or as further names."""
    function = _link if shared else shutil.copy2
    shutil.copytree(source, target, symlinks=True, copy_function=function, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """`target` is a name of the file `source`; a copy where it may have no more."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, target)


def _place(world: World, location: tuple[str, str]) -> Path:
    name = hashlib.sha256("\n".join(location).encode()).hexdigest()[:32]
    return world.settings.home / "unpacked" / name


def _sweep(folder: Path) -> None:
    """What was not used for long, and what a killed server left half-made, is removed."""
    old = time.time() - UNUSED
    for each in folder.iterdir():
        try:
            if each.stat().st_mtime < old:
                stage.remove(each)
        except OSError:
            continue
