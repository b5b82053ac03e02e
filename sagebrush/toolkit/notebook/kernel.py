"""Starts a notebook's Python kernel: `python kernel.py SDK_ENVIRONMENT CONNECTION_FILE`.

It runs under the framework environment's interpreter, which is read-only and shared. The kernel runs
in a virtual environment of the notebook's own laid over it (made once, in a few milliseconds), which
sees the framework's packages and then those of SDK_ENVIRONMENT (IPython's kernel, the SageMaker SDK):
`%pip install` and `!pip install` add to that one alone. Standard library
only; copied next to each kernel.json.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile

PIP = '#!/bin/sh\nexec "$(dirname "$(realpath "$0")")/python" -m pip "$@"\n'
"""`!pip` in a cell, which would be the framework environment's own, whose installations no kernel
sees."""


def packages(environment: str) -> str:
    """The folder of pure and platform packages of the virtual environment at `environment`."""
    found = sorted(glob.glob(os.path.join(environment, "lib", "python*", "site-packages")))
    return found[0] if found else os.path.join(environment, "lib", _version(), "site-packages")


def overlay(home: str, environment: str, sdk: str) -> str:
    """The interpreter of the notebook's own environment over the two; made where it is not there.

    Any Python may make it, also one of another version, and without starting another one (PEP 405):
    an instance has one for each kernel before the first lifecycle script runs. It is made aside and
    renamed: two kernels that start at once share one.
    """
    name = f"{os.path.basename(environment)}-{os.path.basename(sdk)}"
    folder = os.path.join(home, ".kernels", name)
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        aside = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(folder))
        _lay(aside, environment, sdk)
        try:
            os.rename(aside, folder)
        except OSError:  # another kernel was faster
            shutil.rmtree(aside, ignore_errors=True)
    return python


def _lay(aside: str, environment: str, sdk: str) -> None:
    """`aside` is a virtual environment of the Python of `environment`, which sees the packages of both."""
    beneath = packages(environment)
    own = os.path.join(aside, os.path.relpath(beneath, environment))
    os.makedirs(own)
    os.makedirs(os.path.join(aside, "bin"))
    os.symlink("lib", os.path.join(aside, "lib64"))  # some systems' platform packages
    base = os.path.realpath(os.path.join(environment, "bin", "python"))
    version = os.path.basename(os.path.dirname(beneath))
    os.symlink(base, os.path.join(aside, "bin", "python"))
    for other in ("python3", version):
        os.symlink("python", os.path.join(aside, "bin", other))
    with open(os.path.join(aside, "pyvenv.cfg"), "w", encoding="utf-8") as file:
        file.write(f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
    with open(os.path.join(own, "_beneath.pth"), "w", encoding="utf-8") as file:
        file.write(f"{beneath}\n{packages(sdk)}\n")
    os.makedirs(os.path.join(aside, "conda-meta"))
    with open(os.path.join(aside, "conda-meta", "history"), "w", encoding="utf-8"):
        pass  # IPython's %conda asks for it, and runs the instance's conda (conda.py)
    for tool in ("pip", "pip3"):
        script = os.path.join(aside, "bin", tool)
        with open(script, "w", encoding="utf-8") as file:
            file.write(PIP)
        os.chmod(script, 0o755)


def _version() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


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
