"""Pictures over time: what commands want drawn, and the program that draws it.

The server's own environment has no matplotlib; that of jobs has. So a picture is described here, and
drawn by `drawing`, which imports nothing of ours, in whichever interpreter can.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagebrush.commands.running import CommandError
from sagebrush.settings import Settings

INK, WARM, GREEN, GREY = "#2f6f9f", "#d1495b", "#3b8f5e", "#9aa7b4"


@dataclass(frozen=True)
class Line:
    """Values over time, which is in seconds since the epoch."""

    label: str
    times: Sequence[float]
    values: Sequence[float | None]
    colour: str = INK
    style: str = "line"
    """`line`, `dashed`, `step` or `area`; a value of the last two holds until the next one."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes; panels share the time."""

    title: str
    unit: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    """Moments, and what is written at them."""
    logarithmic: bool = False
    whole: bool = False
    """Whether its values are whole numbers."""


@dataclass(frozen=True)
class Picture:
    """Panels, one below the other."""

    title: str
    panels: Sequence[Panel]


def draw(picture: Picture, path: Path, chosen: Settings) -> None:
    """The picture is in the file, a PNG. Raises CommandError."""
    from sagebrush.commands.pictures import drawing

    run(Path(str(drawing.__file__)), asdict(picture), path, chosen)


def run(program: Path, described: Any, path: Path, chosen: Settings) -> None:
    """`program` has drawn what is described into the file, a PNG. Raises CommandError."""
    if path.suffix.lower() != ".png":
        raise CommandError(f"{path}: the file's name must end in .png")
    python = _interpreter(chosen)
    with tempfile.TemporaryDirectory(prefix="sagebrush-picture-") as folder:
        data = Path(folder) / "picture.json"
        data.write_text(json.dumps(described))
        command = [str(python), str(program), str(data), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"the picture could not be drawn:\n{done.stderr.strip()[-2000:]}")


def _interpreter(chosen: Settings) -> Path:
    """One that has matplotlib: this one, or that of jobs, which is built where it is not yet."""
    if importlib.util.find_spec("matplotlib") is not None:
        return Path(sys.executable)
    from sagebrush.environments.builds import BuildFailed
    from sagebrush.environments.store import Environments

    try:
        return Environments(chosen.environments).build("base").python
    except BuildFailed as error:
        raise CommandError(f"a picture needs an environment with matplotlib: {error}") from error
