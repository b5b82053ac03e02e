"""An interpreter with modules loaded that then runs one script, as `python script.py …` would.

It writes one byte to stderr when the modules are there, then reads a line of JSON from stdin: `argv`
(the script and its arguments), `cwd`, `env`. Modules are only imported: nothing is computed.
Standard library only.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path


def load(names: list[str]) -> None:
    """The modules that can be loaded are loaded; their output is not shown."""
    null = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(1), os.dup(2)]
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in names:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        for number, fd in enumerate(kept, 1):
            os.dup2(fd, number)
            os.close(fd)
        os.close(null)


def main(names: list[str]) -> None:
    """The script has run in this interpreter; does not return when it failed."""
    sys.path.pop(0)  # the toolkit's folder
    load(names)
    os.write(2, b".")
    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(0)  # no script will come
    job = json.loads(line)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    become(job["argv"], job["cwd"], job["env"])


def become(argv: list[str], cwd: str, env: dict[str, str]) -> None:
    """The script `argv[0]` has run as this interpreter's main program, in `cwd` with `env`."""
    before = (os.environ.get("PYTHONPATH") or "").split(os.pathsep)
    for name in list(os.environ):
        del os.environ[name]
    os.environ.update(env)
    if hasattr(time, "tzset"):
        time.tzset()
    os.chdir(cwd)
    paths = [p for p in (env.get("PYTHONPATH") or "").split(os.pathsep) if p and p not in before]
    folder = os.path.dirname(os.path.abspath(argv[0]))
    sys.path[:0] = [folder, *paths]
    importlib.invalidate_caches()
    sys.argv = argv
    main = sys.modules["__main__"]
    for name in [n for n in vars(main) if not (n.startswith("__") and n.endswith("__"))]:
        delattr(main, name)
    main.__file__, main.__doc__, main.__spec__ = argv[0], None, None
    main.__dict__.pop("__annotations__", None)
    try:
        with open(argv[0], "rb") as file:
            code = compile(file.read(), argv[0], "exec")
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        own = error.with_traceback(trace.tb_next if trace is not None else None)
        sys.excepthook(type(own), own, own.__traceback__)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


if __name__ == "__main__":
    # as a module of its own: the script will be __main__
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    from sagebrush.toolkit.training import preload

    preload.main(sys.argv[1:])
