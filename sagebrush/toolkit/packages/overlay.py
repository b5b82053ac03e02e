"""A virtual environment over the job's read-only one, for what pip installs in the job."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
import venv

SANDBOX = "/opt/sagebrush/"
"""Where this file is in a sandbox."""
PIP = '#!/bin/sh\nexec "$(dirname "$(realpath "$0")")/python" -m pip "$@"\n'
"""The environment's own `pip` would install into the environment."""


def place() -> str | None:
    """The folder of this job's only overlay; None outside sandboxes, where /tmp is shared."""
    if not os.path.abspath(__file__).startswith(SANDBOX):
        return None
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", "sagebrush-overlay")


def create() -> str:
    """The interpreter of an environment that sees all packages of the present one.

    `--system-site-packages` would show those of the *base* interpreter instead; a .pth file names
    the present environment's folder. pip sees through it too, and installs only what is missing.
    In a sandbox there is one overlay, which every Python of the environment sees: sitecustomize
    puts it before the environment.
    """
    folder = place() or tempfile.mkdtemp(prefix="requirements-")
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "complete")):
        return python
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    own = sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder})
    seen = (p for p in sys.path if p.endswith("site-packages") and p != own)
    with open(os.path.join(own, "_environment.pth"), "w", encoding="utf-8") as file:
        file.write("\n".join(dict.fromkeys(seen)) + "\n")
    for name in ("pip", "pip3"):
        script = os.path.join(folder, "bin", name)
        with open(script, "w", encoding="utf-8") as file:
            file.write(PIP)
        os.chmod(script, 0o755)
    with open(os.path.join(folder, "complete"), "w", encoding="utf-8"):
        return python
