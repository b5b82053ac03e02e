"""Jupyter's kernelspecs of the built environments: one for each framework and SageMaker SDK.

They lie in `<root>/kernels/kernels/<name>`, so JUPYTER_PATH is `<root>/kernels`; a notebook server
that runs sees new ones as soon as they are written. `toolkit/notebook/kernel.py` starts the kernel, in an
overlay of the notebook's own, so that `%pip install` works over a read-only environment.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.environments import locks

if TYPE_CHECKING:
    from sagebrush.environments.environment import Environment

FOLDER = "kernels"
SDKS = {"sagemaker2": ("", "SDK v2"), "sagemaker3": ("-sdk3", "SDK v3")}
"""The SDK's environment -> how the kernel's name ends, and the words that describe it."""
TITLES = {
    "base": "Python 3",
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
    "huggingface": "Hugging Face",
    "nlp": "NLTK · spaCy · gensim",
}
STARTER = Path(__file__).resolve().parent.parent / "toolkit" / "notebook" / "kernel.py"
"""Copied next to each kernel.json: notebooks see these folders at their own path."""


def write(root: Path, built: Mapping[str, Environment]) -> None:
    """The kernelspecs are those of the environments `built`, and no others."""
    folder = root / FOLDER / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    _show(folder.parent)
    _show(folder)
    wanted = {
        name: content
        for environment in built.values()
        if environment.name not in locks.BESIDE
        for name, content in specs(environment, built).items()
    }
    for name, content in wanted.items():
        (folder / name).mkdir(exist_ok=True)
        _show(folder / name)
        _place(folder / name / STARTER.name, STARTER.read_text())
        _place(folder / name / "kernel.json", json.dumps(content, indent=1))
    for old in folder.iterdir():
        if old.name not in wanted:
            shutil.rmtree(old, ignore_errors=True)


def specs(environment: Environment, built: Mapping[str, Environment]) -> dict[str, dict[str, Any]]:
    """Kernel name -> kernel.json of the environment, one for each SDK that is built.

    An SDK that was built on another Python cannot be combined with it.
    """
    own = "python3" if environment.name == "base" else environment.name
    title = TITLES.get(environment.name, environment.name)
    found = {}
    for sdk, (end, words) in SDKS.items():
        beside = built.get(sdk)
        if beside is None or _minor(beside) != _minor(environment):
            continue
        argv = [str(environment.python), f"{{resource_dir}}/{STARTER.name}"]
        found[own + end] = {
            "argv": [*argv, str(beside.path), "{connection_file}"],
            "display_name": f"{title} ({words})",
            "language": "python",
            "metadata": {"debugger": True, "versions": dict(environment.versions)},
            # SDK v2 prints a page of advice to move to v3 at every step otherwise
            "env": {"SAGEMAKER_SUPPRESS_V2_WARNING": "1"},
        }
    return found


def _minor(environment: Environment) -> list[str]:
    return environment.versions.get("Python", "").split(".")[:2]


def _show(folder: Path) -> None:
    """Notebooks, which run as other users, can read `folder`, whatever the umask of this process."""
    if folder.stat().st_mode & 0o777 != 0o755:
        folder.chmod(0o755)


def _place(file: Path, text: str) -> None:
    """`file` holds `text`, whole at any time."""
    if file.exists() and file.read_text() == text:
        return
    part = file.parent / f".{file.name}.{os.getpid()}"
    part.write_text(text)
    part.chmod(0o644)
    part.replace(file)
