"""kill -9 of the server: execution environments end with it, and nothing of them is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Exited
from sagebrush.compute.local import probe
from sagebrush.compute.local.backend import LocalBackend
from sagebrush.environments.environment import Environment
from tests.base_environment import base
from tests.waiting import until

__all__ = ["base"]

SERVER = """
import asyncio, json, sys
from pathlib import Path
from sagebrush.app import build
from sagebrush.routing.functions.values import FunctionVersion, Invocation
from sagebrush.settings import Settings
home, isolation, code, environments = map(str, sys.argv[1:])
app = build(Settings.load({}, None, home=Path(home), port=0, isolation=isolation,
                          environments=Path(environments)))
app.start()
version = FunctionVersion(
    arn="arn:aws:lambda:us-east-1:123456789012:function:f:1", account="123456789012",
    region="us-east-1", name="f", version="1", runtime="python3.11",
    handler="lambda_function.handler", role="arn:aws:iam::123456789012:role/r", memory=128,
    timeout=600, storage=512, variables={}, code=Path(code), log_group="/aws/lambda/f", revision="1")
loop = app.dispatcher.loop
def invoke(text):
    asked = Invocation("id", json.dumps(text).encode(), version.arn)
    return asyncio.run_coroutine_threadsafe(app.world.functions.invoke(version, asked), loop)
print(invoke("idle").result().payload.decode(), flush=True)
print(invoke("daemons").result().payload.decode(), flush=True)
invoke("busy").result()
"""
FUNCTION = """
import os, time
def handler(event, context):
    if event == "daemons":
        for _ in range(2):
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
    if event == "busy":
        print("busy", flush=True)
        time.sleep(600)
    return os.getpid()
"""


def test_environments_end_with_their_server(tmp_path: Path, base: Environment) -> None:
    isolation = probe.choose("auto")
    home, code = tmp_path / "home", tmp_path / "code"
    code.mkdir()
    (code / "lambda_function.py").write_text(FUNCTION)
    for path in (tmp_path, code):
        path.chmod(0o755)
    command = [sys.executable, "-c", SERVER, str(home), isolation, str(code), str(base.path.parent)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        server.stdout.readline()
        (used,) = [d for d in (home / "jobs").iterdir() if record.log_end(d)]
        until(lambda: "busy" in [e.text for e in record.lines(used, 0, 100, False)])
        groups = json.loads((used / "spec.json").read_text())["shim"]["limits"]["directories"]
    finally:
        server.send_signal(signal.SIGKILL)
        server.communicate()
    for directory in (home / "jobs").iterdir():  # blank ones too
        until(lambda directory=directory: not record.held(directory))
    until(lambda: not any(Path(each).exists() for each in groups))
    backend = LocalBackend(home / "jobs", lambda *_: None, lambda _: None, isolation)
    assert backend.adopt() == []
    state = backend.poll(used.name)
    assert isinstance(state, Exited)
    assert state.code != 0
    assert [line.text for line in backend.logs(used.name)][-1] == "busy"
    backend.close()
