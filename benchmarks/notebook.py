"""A notebook instance's cold start beside the floor: the same Jupyter server started by hand.

    python benchmarks/notebook.py [--runs N]

Both are started N times by turns and asked every 20 ms until JupyterLab can be used: its page, its
kernels and its files are answered. Ours is StartNotebookInstance of a stopped instance by boto3,
then DescribeNotebookInstance until InService, a presigned link, and the page through the gateway with
the session that the link gave. The floor is `python -m jupyterlab` of the same environment with the
same extensions and kernels, asked directly. Prints medians, every run, and their ratio.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3.session

from sagebrush.app import App
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

PAUSE = 0.02
PAGES = ("/lab", "/api/kernelspecs", "/api/contents")
PATIENCE = 120.0
EXTENSION = "c.ServerApp.jpserver_extensions = {'notebook_activity': True}\n"


def get(port: int, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """(status, headers) of the answer; status 0 while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def usable(port: int, headers: dict[str, str], began: float) -> float:
    """Seconds since `began` when every page was answered."""
    for path in PAGES:
        while get(port, path, headers)[0] != 200:
            if time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{path} was not answered within {PATIENCE:.0f} s")
            time.sleep(PAUSE)
    return time.perf_counter() - began


def alone(folder: Path, environments: Path, python: Path) -> float:
    """Seconds from the start of a Jupyter server by hand until it can be used."""
    toolkit = Path(__file__).resolve().parents[1] / "sagebrush" / "toolkit" / "notebook"
    (folder / "jupyter_server_config.py").write_text(EXTENSION)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(toolkit),
        "JUPYTER_PATH": str(environments / "kernels"),
        "JUPYTER_CONFIG_PATH": str(folder),
    }
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser"]
    options += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--allow-root"]
    options += ["--KernelSpecManager.ensure_native_kernel=False"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", "jupyterlab", *options],
        env=given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return usable(port, {"Host": f"127.0.0.1:{port}"}, began)
    finally:
        process.terminate()
        process.wait()


class Ours:
    """A server with one stopped instance."""

    def __init__(self, home: Path) -> None:
        self.app = App(Settings.load(os.environ, None, home=home, port=0, notebook_environments=()))
        self.app.start()
        access_key, secret = self.app.world.credentials.user_key
        session = boto3.session.Session(access_key, secret, region_name="us-east-1")
        self.client: Any = session.client(
            "sagemaker", endpoint_url=f"http://127.0.0.1:{self.app.port}"
        )
        role = f"arn:aws:iam::{self.app.settings.account}:role/{self.app.settings.role}"
        self.client.create_notebook_instance(
            NotebookInstanceName="bench", InstanceType="ml.t3.medium", RoleArn=role
        )
        self.until("InService")
        self.stop()

    def until(self, status: str) -> None:
        """The instance is in that status."""
        while True:
            found = self.client.describe_notebook_instance(NotebookInstanceName="bench")
            if found["NotebookInstanceStatus"] == status:
                return
            if found["NotebookInstanceStatus"] == "Failed":
                raise SystemExit(found.get("FailureReason"))
            time.sleep(PAUSE)

    def stop(self) -> None:
        """It is stopped."""
        self.client.stop_notebook_instance(NotebookInstanceName="bench")
        self.until("Stopped")

    def start(self) -> float:
        """Seconds from StartNotebookInstance until it can be used in a browser."""
        began = time.perf_counter()
        self.client.start_notebook_instance(NotebookInstanceName="bench")
        self.until("InService")
        link = self.client.create_presigned_notebook_instance_url(NotebookInstanceName="bench")
        parts = urlsplit(link["AuthorizedUrl"])
        _, answer = get(self.app.port, f"/?{parts.query}", {"Host": parts.netloc})
        cookie = answer["set-cookie"].split(";")[0]
        return usable(self.app.port, {"Host": parts.netloc, "Cookie": cookie}, began)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    root = Settings.load(os.environ).environments
    environments = Environments(root)
    for name in ("base", "jupyter", "sagemaker2"):
        environments.build(name)
    ours, floor = [], []
    with tempfile.TemporaryDirectory() as folder:
        bench = Ours(Path(folder, "home"))
        by_hand = Path(folder, "hand")
        by_hand.mkdir()
        python = environments.build("jupyter").python
        try:
            alone(by_hand, root, python)  # both have their files in the page cache now
            for _ in range(runs):
                floor.append(alone(by_hand, root, python))
                ours.append(bench.start())
                bench.stop()
        finally:
            bench.app.stop_jobs(lambda: False)
            bench.app.stop()
    ratio = statistics.median(ours) / statistics.median(floor)
    for words, found in (("StartNotebookInstance to a usable page", ours), ("by hand", floor)):
        print(f"{words:<40} {statistics.median(found):6.2f} s  ", end="")
        print(" ".join(f"{each:.2f}" for each in found))
    print(f"{'ratio':<40} {ratio:6.2f}   (goal: at most 1.3, and at most 5 s)")


if __name__ == "__main__":
    sys.exit(main())
