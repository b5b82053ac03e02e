"""What a job's companion supplies while the job runs: FIFOs (Pipe) and file systems (FastFile).

Staging writes `feeds/plan.json` into the job's directory for the companion, and `feeds/spec.json` for
`with_companion`. Sources: "Access Training Data" and "Augmented Manifest Files for Training Jobs"
(developer guide).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sagebrush.compute.base import Spec
from sagebrush.errors import Doc
from sagebrush.workload import channels, dirfd, sources
from sagebrush.workload.sources import Shard, Source, StageError
from sagebrush.world import World

DATA = ("input", "data")
FOLDER = "feeds"
LONGEST_NAME = 255
"""Bytes of a file's name, as on the disk."""


def mode(channel: Doc, doc: Doc) -> str:
    """The input mode of a channel of the training job `doc`."""
    return channel.get("InputMode") or doc["AlgorithmSpecification"]["TrainingInputMode"]


def streams(doc: Doc) -> bool:
    """Whether the training job has a channel of another input mode than File."""
    return any(mode(channel, doc) != "File" for channel in doc.get("InputDataConfig", ()))


def lacking(world: World) -> str:
    """Why FastFile channels are downloaded first on this host; "" where they are not."""
    if world.backend.isolation != "sandbox":
        return "jobs run without a sandbox here"
    return world.fuse_lacking()


@dataclass
class Feeds:
    """What the companion of one instance supplies; `write` puts it on the disk."""

    root: Path
    ml: str
    region: str
    channels: list[Doc] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: dict[str, list[list[object]]] = field(default_factory=dict)

    def pipe(self, fd: int, channel: Doc, part: Shard, found: Sequence[Source]) -> None:
        """The channel comes by FIFOs, the first of which is under /opt/ml (`fd`) already.

        `found` are all objects of the channel, of an augmented manifest none: `lines` has it then.
        """
        name = channel["ChannelName"]
        with dirfd.directory(fd, DATA, make=True) as data:
            os.mkfifo(f"{name}_0", 0o600, dir_fd=data)
        entry: Doc = {
            "name": name,
            "mode": "Pipe",
            "seed": sources.seed(channel),
            "shard": [part.own, part.of],
            "gzip": channel.get("CompressionType") == "Gzip",
            "recordio": channel.get("RecordWrapperType") == "RecordIO",
        }
        if name in self.lines:
            entry["lines"] = str(self.root / FOLDER / f"{len(self.channels)}.lines")
            entry["attributes"] = channel["DataSource"]["S3DataSource"]["AttributeNames"]
        else:
            entry["objects"] = [[s.bucket, s.key, s.size, s.etag] for s in found]
        self.channels.append(entry)

    def mount(self, fd: int, channel: Doc, found: Sequence[Source]) -> None:
        """The channel is a file system, whose place under /opt/ml (`fd`) is there. Raises
        StageError for what would not be files."""
        name = channel["ChannelName"]
        with dirfd.directory(fd, (*DATA, name), make=True):
            pass
        paths = ["/".join(parts) for parts in _distinct(found)]
        objects = [
            [s.bucket, s.key, s.size, s.etag, path] for s, path in zip(found, paths, strict=True)
        ]
        self.channels.append({"name": name, "mode": "FastFile", "objects": objects})
        self.mounts.append(f"{self.ml}/{'/'.join(DATA)}/{name}")

    def downloaded(self, channel: Doc, why: str) -> None:
        """The job's log says that the FastFile channel is not one."""
        name = channel["ChannelName"]
        self.notes.append(
            f"Sagebrush: FastFile: no FUSE on this host ({why}): channel {name} was downloaded first"
        )

    def write(self) -> None:
        """What `with_companion` and the companion read is in the job's directory."""
        if not (self.channels or self.notes):
            return
        folder = self.root / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        for entry in self.channels:
            if "lines" in entry:
                with open(entry["lines"], "w") as file:
                    file.writelines(
                        json.dumps(values) + "\n" for values in self.lines[entry["name"]]
                    )
        plan = {"region": self.region, "channels": self.channels}
        (folder / "plan.json").write_text(json.dumps(plan))
        spec = {"fed": bool(self.channels), "mounts": self.mounts, "notes": self.notes}
        (folder / "spec.json").write_text(json.dumps(spec))


def with_companion(root: Path, spec: Spec) -> Spec:
    """`spec` with the companion that staging planned in the job's directory `root`, if any, and with
    the lines that staging left for its log."""
    try:
        planned = json.loads((root / FOLDER / "spec.json").read_bytes())
    except FileNotFoundError:
        return spec
    return replace(
        spec,
        companion=str(root / FOLDER / "plan.json") if planned["fed"] else "",
        mounts=tuple(planned["mounts"]),
        banner="\n".join(text for text in (spec.banner, *planned["notes"]) if text),
    )


def _distinct(found: Sequence[Source]) -> list[tuple[str, ...]]:
    """The path of each in parts; raises StageError where two would be one, or a directory too."""
    paths = [channels.parts_of(source) for source in found]
    folders = {path[:n] for path in paths for n in range(1, len(path))}
    seen: set[tuple[str, ...]] = set()
    for source, path in zip(found, paths, strict=True):
        if path in seen or path in folders:
            raise StageError(
                f"ClientError: Data download failed:s3://{source.bucket}/{source.key} would be both"
                " a file and a directory, or the same file as another key"
            )
        if any(len(part.encode()) > LONGEST_NAME for part in path):
            raise StageError(
                "ClientError: Data download failed:File name too long"
                f" (s3://{source.bucket}/{source.key})"
            )
        seen.add(path)
    return paths
