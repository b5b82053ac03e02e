"""Starts a notebook's Python kernel: `python kernel.py SDK_ENVIRONMENT CONNECTION_FILE`.

It runs under the framework environment's interpreter, which is read-only and shared. The kernel runs
in a virtual environment of the notebook's own laid over it (made once, in a few milliseconds), which
sees the framework's packages and then those of SDK_ENVIRONMENT (IPython's kernel, the SageMaker SDK):
`%pip install` and `!pip install` add to that one alone. Standard library
only; copied next to each kernel.json.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
import venv

PIP = '#!/bin/sh\nexec "$(dirname "$(realpath "$0")")/python" -m pip "$@"\n'
"""`!pip` in a cell, which would be the framework environment's own, whose installations no kernel
sees."""


def packages(environment: str) -> str:
    """The folder of pure and platform packages of the virtual environment at `environment`."""
    return sysconfig.get_path("purelib", "venv", {"base": environment, "platbase": environment})


def overlay(home: str, environment: str, sdk: str) -> str:
    """The interpreter of the notebook's own environment over the two; made where it is not there.

    It is made aside and renamed: two kernels that start at once share one.
    """
    name = f"{os.path.basename(environment)}-{os.path.basename(sdk)}"
    folder = os.path.join(home, ".kernels", name)
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        aside = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(folder))
        venv.EnvBuilder(symlinks=True, with_pip=False).create(aside)
        with open(os.path.join(packages(aside), "_beneath.pth"), "w", encoding="utf-8") as file:
            file.write(f"{packages(environment)}\n{packages(sdk)}\n")
        for tool in ("pip", "pip3"):
            script = os.path.join(aside, "bin", tool)
            with open(script, "w", encoding="utf-8") as file:
                file.write(PIP)
            os.chmod(script, 0o755)
        try:
            os.rename(aside, folder)
        except OSError:  # another kernel was faster
            shutil.rmtree(aside, ignore_errors=True)
    return python


def main(sdk: str, connection: str) -> None:
    """IPython's kernel runs in place of this process."""
    home = os.path.expanduser("~")
    python = overlay(home if os.access(home, os.W_OK) else tempfile.gettempdir(), sys.prefix, sdk)
    environ = dict(os.environ, VIRTUAL_ENV=os.path.dirname(os.path.dirname(python)))
    tools = f"{os.path.dirname(python)}{os.pathsep}{os.path.join(sys.prefix, 'bin')}"
    environ["PATH"] = f"{tools}{os.pathsep}{environ.get('PATH', os.defpath)}"
    # debugpy inspects frozen modules; without this, IPython warns at every start
    arguments = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", connection]
    os.execve(python, arguments, environ)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
