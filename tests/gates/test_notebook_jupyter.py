"""JupyterLab itself behind the gateway: its page opens by a link, a kernel runs a cell."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector, WSMsgType
from aiohttp.abc import AbstractResolver, ResolveResult

from sagebrush.environments.store import Environments
from sagebrush.routing import notebooks
from tests.conftest import make_settings, started
from tests.gates.notebook_stand import Stand
from tests.needs import missing
from tests.protocol import wire

STARTED = 60.0
"""Seconds that Jupyter may take; 3 where nothing else runs."""


class Here(AbstractResolver):
    """Every name is this machine, as browsers have it for `*.localhost`."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the notebook server's environment."""
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    for known in Environments(root.expanduser()).known():
        if known.name == "jupyter" and known.built is not None:
            return known.built.python
    missing("the jupyter environment is not built")


@pytest.fixture(scope="module")
def jupyter(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab without authentication."""
    home = tmp_path_factory.mktemp("desk")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.allow_remote_access": True,
        "ServerApp.allow_root": True,
        "ServerApp.root_dir": home,
        "IdentityProvider.token": "",
    }
    command = [python, "-P", "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())]
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "JUPYTER_NO_CONFIG": "1"}
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environ, stdout=log, stderr=log)
    yield f"tcp:127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


async def run(url: str, code: str) -> tuple[str, Any]:
    """The page behind the link, and what a cell with `code` printed."""
    base = url.partition("/?")[0]
    jar = CookieJar()
    async with ClientSession(connector=TCPConnector(resolver=Here()), cookie_jar=jar) as browser:
        async with browser.get(url) as answer:
            assert answer.status == 200
            assert str(answer.url) == f"{base}/lab"
            page = await answer.text()
        own = {cookie.key: cookie.value for cookie in jar}
        headers = {"Origin": base, "X-XSRFToken": own["_xsrf"]}
        async with browser.post(f"{base}/api/kernels", json={}, headers=headers) as answer:
            assert answer.status == 201
            kernel = (await answer.json())["id"]
        channels = f"{base}/api/kernels/{kernel}/channels?session_id=s"
        async with browser.ws_connect(channels, headers={"Origin": base}, max_msg_size=0) as shell:
            await shell.send_str(json.dumps(execute(code)))
            printed = []
            while True:
                message = await asyncio.wait_for(shell.receive(), STARTED)
                assert message.type is WSMsgType.TEXT, message
                told = json.loads(message.data)
                if told["msg_type"] == "stream":
                    printed.append(told["content"]["text"])
                elif told["msg_type"] == "status" and printed:
                    return page, "".join(printed)


def execute(code: str) -> dict[str, Any]:
    """The message that runs a cell (jupyter_client, "Messaging")."""
    header = {
        "msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "u",
        "session": "s", "date": "", "version": "5.3",
    }  # fmt: skip
    content = {
        "code": code, "silent": False, "store_history": True, "user_expressions": {},
        "allow_stdin": False,
    }  # fmt: skip
    return {
        "header": header, "parent_header": {}, "metadata": {}, "content": content,
        "channel": "shell", "buffers": [],
    }  # fmt: skip


def test_a_link_opens_jupyterlab_and_runs_a_cell(
    jupyter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = make_settings(tmp_path_factory.mktemp("home"), isolation="process")
    stand = Stand(started(settings))
    try:
        row = stand.notebook("desk", "abc123", "Pending")
        stand.addresses["n-abc123"] = jupyter
        known = stand.world.health
        until = stand.world.clock() + STARTED
        known.watch("n-abc123", row.id, "/api", until)
        assert wire.settled(lambda: known.ready("n-abc123"), STARTED)
        stand.status(row, "InService")
        url = (
            notebooks.url(stand.world.settings, stand.world.ports, "desk", "abc123")
            + f"?authToken={stand.token(row)}"
        )
        page, printed = asyncio.run(run(url, "print(6 * 7, 'é' * 100_000)"))
        assert '"appName":"JupyterLab"' in page.replace(": ", ":")
        assert printed == f"42 {'é' * 100_000}\n"
        assert stand.world.notebooks.last_seen(row.id) is not None
    finally:
        stand.stop()
