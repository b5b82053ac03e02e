"""The GPUs of this host, as jobs may be given them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """One GPU: `number` is that of its device file (/dev/nvidia<number>); memory in bytes.

    Name and uuid are "" and the memory 0 where no driver's tool reports them.
    """

    number: int
    name: str = ""
    memory: int = 0
    uuid: str = ""


def discover(environ: Mapping[str, str], dev: Path = Path("/dev")) -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that this process may use, by number: from nvidia-smi, else from /dev.

    CUDA_VISIBLE_DEVICES, where it is set, narrows them: to the numbers or uuids that it lists.
    """
    there = _told(environ) or tuple(Gpu(number) for number in _files(dev))
    chosen = environ.get(VISIBLE)
    if chosen is None:
        return there
    listed = [part.strip() for part in chosen.split(",") if part.strip()]
    found = [
        each
        for word in listed
        for each in there
        if word == str(each.number) or (each.uuid and each.uuid.startswith(word))
    ]
    return tuple(dict.fromkeys(found))


def devices(environ: Mapping[str, str], dev: Path = Path("/dev")) -> tuple[int, ...]:
    """The numbers of the GPUs that `discover` finds."""
    return tuple(each.number for each in discover(environ, dev))


def found(environ: Mapping[str, str]) -> bool:
    """Whether a GPU with a working driver is there: nvidia-smi names one."""
    return any(each.name for each in discover(environ))


def _files(dev: Path) -> list[int]:
    return sorted(
        int(match[1])
        for path in dev.glob("nvidia*")
        if (match := re.fullmatch(r"nvidia(\d+)", path.name))
    )


def _told(environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """What nvidia-smi says, () where it is not there or fails."""
    tool = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    if tool is None:
        return ()
    try:
        done = subprocess.run([tool, "-q", "-x"], capture_output=True, timeout=20, check=True)
        return parse(done.stdout.decode(errors="replace"))
    except (OSError, subprocess.SubprocessError, ElementTree.ParseError):
        return ()


def parse(report: str) -> tuple[Gpu, ...]:
    """The GPUs in the report of `nvidia-smi -q -x`. Raises ParseError for what is none."""
    gpus = []
    for place, each in enumerate(ElementTree.fromstring(report).iter("gpu")):
        minor = (each.findtext("minor_number") or "").strip()
        size = re.match(r"(\d+) MiB", each.findtext("fb_memory_usage/total") or "")
        gpus.append(
            Gpu(
                number=int(minor) if minor.isdigit() else place,
                name=(each.findtext("product_name") or "").strip(),
                memory=int(size[1]) << 20 if size else 0,
                uuid=(each.findtext("uuid") or "").strip(),
            )
        )
    return tuple(sorted(gpus, key=lambda gpu: gpu.number))
