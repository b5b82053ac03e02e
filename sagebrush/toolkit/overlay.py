"""A virtual environment over the job's read-only one, for the user's requirements.txt."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
import venv


def create() -> str:
    """The interpreter of a new environment that sees all packages of the present one.

    `--system-site-packages` would show those of the *base* interpreter instead; a .pth file names
    the present environment's folder. pip sees through it too, and installs only what is missing.
    """
    folder = tempfile.mkdtemp(prefix="requirements-")
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    own = sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder})
    with open(os.path.join(own, "_environment.pth"), "w", encoding="utf-8") as file:
        file.write("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    return os.path.join(folder, "bin", "python")
