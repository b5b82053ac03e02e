"""Runs scripts of users one after another in forks of one process that has loaded their SDK.

standby.py MODULE...: loads the modules, and says `ready`. Each line of its input is JSON, [file, script,
word...]: the script runs in a process of its own, as `python script word...` does, but for the loading,
which takes seconds of processor; all that it says goes to the file, and its exit status is one line of
the output.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys


def ran(file: str, script: str, *words: str) -> int:
    """The exit status of the script. In the process that runs it, this does not return."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number, end in enumerate((nothing, said, said)):
        os.dup2(end, number)
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    # What SDKs print as they are loaded is no status.
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print("ready", file=told, flush=True)
    # readline: what the next line says is not read ahead, and again by who runs this one.
    while line := sys.stdin.readline():
        print(ran(*json.loads(line)), file=told, flush=True)
