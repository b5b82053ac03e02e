"""Unpacked model archives that are kept while their processes come and go.

`HOME/unpacked/<location>/<version>/` is what one version of an archive in S3 holds. Only the server
writes there, and no process sees it: each gets a copy. It may be removed at any time.
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


def taken(world: World, location: tuple[str, str], version: str, target: Path) -> bool:
    """Whether that version is kept; then its files are in `target`, an empty directory."""
    place = _place(world, location) / version
    if not place.is_dir():
        return False
    try:
        shutil.copytree(place, target, symlinks=True, dirs_exist_ok=True)
        os.utime(place.parent)
    except OSError:  # removed meanwhile
        for each in target.iterdir():
            stage.remove(each)
        return False
    return True


def keep(world: World, location: tuple[str, str], version: str, source: Path) -> None:
    """That version's files are kept, those of others of the same archive are not, as far as the disk
    allows."""
    place = _place(world, location)
    part = place.with_name(f"{place.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(source, part / version, symlinks=True)
        if place.exists():
            stage.remove(place)
        part.rename(place)
    except OSError:  # a full disk, or another one was faster
        stage.remove(part)
    _sweep(place.parent)


def forget(world: World, location: tuple[str, str]) -> None:
    """Nothing is kept of the archive."""
    stage.remove(_place(world, location))


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
