"""Builds a job's /opt/ml: configuration as SageMaker writes it, channels in, directories to fill.

Source: "How Amazon SageMaker AI Provides Training Information" (developer guide).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sagebrush.aws.names import short_id
from sagebrush.compute import trees
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members
from sagebrush.scheduler.members import Member
from sagebrush.workload import channels, dirfd, sources, streamed_input
from sagebrush.workload.sources import StageError
from sagebrush.world import Ctx

__all__ = ["StageError", "Staging", "build", "ml_path", "remove"]

log = logging.getLogger(__name__)

DIRECTORIES = ("input/config", "input/data", "model", "output/data", "checkpoints", "code")
LOCAL = {
    "CheckpointConfig": "checkpoints",
    "DebugHookConfig": "output/tensors",
    "TensorBoardOutputConfig": "output/tensorboard",
}
"""The local paths that the API reference gives where the request has none."""
DRIVERS = "sm_drivers"
"""The channel in which SDK v3 sends scripts that have /opt/ml written into them."""
GOING = ".going-"
"""What the names of trees begin with that are being removed."""
PATIENCE = 5.0
"""Seconds that a caller waits for the removal of a tree."""
INTERFACE = "lo"
"""The only interface of a sandbox alone. AWS says eth0; code binds to what is named here."""
SHARED = "eth0"
"""The interface by which the instances of one job reach each other."""


@dataclass(frozen=True)
class Staging:
    """What staging needs: who asks, the request, where to, how to look up from work.

    `ml` is the path of /opt/ml as the job will see it. `check` is called between files. `job` are
    all of its instances, and `member` is the one that this /opt/ml is for.
    """

    ctx: Ctx
    doc: Doc
    root: Path
    ml: str
    check: Callable[[], None]
    job: tuple[Member, ...]
    member: Member


def ml_path(isolation: str, root: Path) -> str:
    """/opt/ml as a job at `root` sees it."""
    return "/opt/ml" if isolation == "sandbox" else str(root / "ml")


def build(staging: Staging, into: bool = False) -> None:
    """`root/ml` is complete and replaces any earlier one; `into` as for `aside`. Raises StageError."""
    remove(staging.root / streamed_input.FOLDER)
    aside(staging.root, lambda fd: _fill(staging, fd), into)


def aside(root: Path, fill: Callable[[int], None], into: bool = False) -> None:
    """`root/ml` holds what `fill` put under the directory descriptor that it is given.

    It is built aside and renamed, so that a half-built one is never taken for a whole one; `into`:
    what was built is moved into `root/ml`, which a process that waits already has as its own. Raises
    StageError, also for what the disk refuses.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in (*root.glob("staging-*"), *root.glob(f"{GOING}*")):
        remove(old)
    place = root / f"staging-{short_id()}"
    place.mkdir(mode=0o755)
    try:
        with dirfd.opened(place) as fd:
            fill(fd)
    except OSError as error:
        remove(place)
        raise StageError(f"ClientError: Data download failed:{error.strerror or error}") from error
    except BaseException:
        remove(place)
        raise
    if into:
        for old in (root / "ml").iterdir():
            remove(old)
        for new in place.iterdir():
            new.rename(root / "ml" / new.name)
        place.rmdir()
        return
    remove(root / "ml")
    place.rename(root / "ml")


def remove(path: Path) -> None:
    """The tree at `path`, which an ended job may have written, is gone; no link in it is followed.

    What takes longer than PATIENCE (a job may leave millions of files) goes on under another name
    next to it, in a thread of its own; if the server ends before, it goes with what is around it.
    Raises OSError for what cannot be removed.
    """
    aside = path.with_name(f"{GOING}{short_id()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if not trees.remove(str(aside), time.monotonic() + PATIENCE):
        _go_on([aside])


def remove_all(paths: Sequence[Path], patience: float) -> None:
    """The trees at `paths` are gone from there at once; what takes longer than `patience` seconds for
    all of them goes on aside, as for `remove`."""
    aside, until = [], time.monotonic() + patience
    for path in paths:
        with suppress(FileNotFoundError):
            aside.append(path.rename(path.with_name(f"{GOING}{short_id()}")))
    _go_on([path for path in aside if not _removed(path, until)])


def _removed(path: Path, until: float) -> bool:
    try:
        return time.monotonic() < until and trees.remove(str(path), until)
    except OSError:
        log.exception("%s could not be removed", path)
        return True


def go_on(folder: Path) -> None:
    """What the last server had begun to remove from `folder` goes, in a thread of its own."""
    _go_on(sorted(folder.glob(f"{GOING}*")))


def _go_on(paths: Sequence[Path]) -> None:
    def work() -> None:
        for path in paths:
            try:
                trees.remove(str(path))
            except OSError:
                log.exception("%s could not be removed", path)

    if paths:
        threading.Thread(target=work, name="remove", daemon=True).start()


def remove_inside(root: Path, parts: tuple[str, ...]) -> None:
    """The tree at `parts` under the directory `root`, which a job wrote, is gone; what is reached by
    a link is not the job's, and stays. Only the server writes in `root`'s own parent."""
    aside = root.with_name(f"{GOING}{short_id()}")
    with suppress(OSError), dirfd.opened(root) as top:
        with dirfd.directory(top, parts[:-1]) as parent:
            os.rename(parts[-1], aside, src_dir_fd=parent)
        remove(aside)


def _fill(staging: Staging, fd: int) -> None:
    for name in DIRECTORIES:
        with dirfd.directory(fd, tuple(name.split("/")), make=True):
            pass
    for name, content in configuration(staging.doc, staging.job, staging.member).items():
        text = json.dumps(content).replace("/opt/ml", staging.ml)
        with dirfd.created(fd, ("input", "config", name)) as out:
            os.write(out, text.encode())
    _bring(staging, fd)
    _restore_checkpoints(staging, fd)


def _bring(staging: Staging, fd: int) -> None:
    """The instance's channels are there, or planned for the job's companion to supply."""
    world = staging.ctx.world
    plan = streamed_input.Feeds(staging.root, staging.ml, staging.ctx.region)
    files: list[tuple[Doc, list[sources.Source]]] = []
    for channel, part in _own(staging):
        s3, mode = channel["DataSource"]["S3DataSource"], streamed_input.mode(channel, staging.doc)
        if mode == "Pipe" and s3["S3DataType"] == "AugmentedManifestFile":
            plan.lines[channel["ChannelName"]] = sources.lines(staging.ctx, channel)
            plan.pipe(fd, channel, part, ())
            continue
        found = sources.sources(staging.ctx, channel)
        if mode == "Pipe":
            plan.pipe(fd, channel, part, found)
            continue
        found = sources.ordered(found, part, sources.seed(channel))
        why = streamed_input.lacking(world) if mode == "FastFile" else ""
        if mode == "FastFile" and not why:
            plan.mount(fd, channel, found)
            continue
        if why:
            plan.downloaded(channel, why)
        files.append((channel, found))
    _copy(staging, fd, files)
    plan.write()


def _own(staging: Staging) -> list[tuple[Doc, sources.Shard]]:
    """The channels of this instance, and its part of each."""
    found = []
    for channel in staging.doc.get("InputDataConfig", ()):
        s3 = channel["DataSource"]["S3DataSource"]
        if (part := sources.shard(s3, staging.job, staging.member)) is not None:
            found.append((channel, part))
    return found


def _copy(staging: Staging, fd: int, files: Sequence[tuple[Doc, list[sources.Source]]]) -> None:
    """The objects of the channels are files."""
    channels.check_space([source for _, found in files for source in found], fd)
    for channel, found in files:
        name = channel["ChannelName"]
        rewrite = None
        if name == DRIVERS and staging.ml != "/opt/ml":
            rewrite = lambda body: body.replace(b"/opt/ml", staging.ml.encode())  # noqa: E731
        with dirfd.directory(fd, ("input", "data", name), make=True) as target:
            channels.download(staging.ctx, found, target, staging.check, rewrite)


def _restore_checkpoints(staging: Staging, fd: int) -> None:
    """What CheckpointConfig names is under its local path, when that is under /opt/ml."""
    config = staging.doc.get("CheckpointConfig")
    if not config:
        return
    bucket, prefix = sources.split(config["S3Uri"])
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    try:
        found = [
            sources.Source(bucket, key, size, key[len(prefix) :])
            for key, size in sources.keys(staging.ctx, bucket, prefix)
            if not key.endswith("/")
        ]
    except AwsError as error:
        if error.status >= 500:
            raise
        raise StageError(
            f"ClientError: Checkpoint download failed:{error.code}: {error.message}"
            f" ({config['S3Uri']})"
        ) from error
    channels.check_space(found, fd)
    with dirfd.directory(fd, local_parts(staging.doc, "CheckpointConfig"), make=True) as target:
        channels.download(staging.ctx, found, target, staging.check)


def local_parts(doc: Doc, member: str) -> tuple[str, ...]:
    """Where a job writes what `member` stores, as parts under /opt/ml."""
    path = doc.get(member, {}).get("LocalPath") or f"/opt/ml/{LOCAL[member]}"
    return tuple(part for part in path.removeprefix("/opt/ml").split("/") if part)


def configuration(doc: Doc, job: Sequence[Member], member: Member) -> dict[str, Doc]:
    """The files of input/config as the instance `member` of `job` finds them: name -> content."""
    return {
        "hyperparameters.json": {k: str(v) for k, v in doc.get("HyperParameters", {}).items()},
        "inputdataconfig.json": {
            c["ChannelName"]: _channel(c, doc)
            for c in doc.get("InputDataConfig", ())
            if sources.shard(c["DataSource"]["S3DataSource"], job, member) is not None
        },
        "resourceconfig.json": members.resource_config(
            job, member, SHARED if len(job) > 1 else INTERFACE
        ),
    }


def _channel(channel: Doc, doc: Doc) -> Doc:
    s3 = channel["DataSource"]["S3DataSource"]
    found = {
        "ContentType": channel.get("ContentType"),
        "TrainingInputMode": streamed_input.mode(channel, doc),
        "S3DistributionType": s3.get("S3DataDistributionType") or "FullyReplicated",
        "RecordWrapperType": channel.get("RecordWrapperType") or "None",
    }
    return {k: v for k, v in found.items() if v is not None}
