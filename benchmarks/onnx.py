"""One MiniLM classifier by PyTorch, by an ONNX graph, and by that with int8 weights.

    python benchmarks/onnx.py MODEL_DIRECTORY [--seconds S]

For each: from the start of the model server's process to its first answer, the median time of one
text by HTTP, and texts a second in requests of 16, with the CPU that they took. The machine's files
are read once before. `sagebrush model optimize` makes the graphs; MODEL_DIRECTORY holds a classifier
as transformers' save_pretrained writes it. Nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SERVE = ROOT / "sagebrush" / "toolkit" / "serving" / "serve.py"
TEXT = "Returns the list of tags that are attached to the resource, with the date of each."
STARTS = 3


def main() -> None:
    """Prints a line for each form of the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    python = Environments(Settings.load(dict(os.environ)).environments).build("huggingface").python
    with tempfile.TemporaryDirectory() as folder:
        for name, ml in forms(args.model, Path(folder)):
            starts = []
            for _ in range(STARTS):
                with served(python, ml) as (_, took, _):
                    starts.append(took)
            with served(python, ml) as (port, _, process):
                single, _, _ = asked(port, process, 1, args.seconds)
                _, rate, cpu = asked(port, process, 16, args.seconds)
            print(
                f"{name:<22} first answer {min(starts[1:]):5.2f} s   one text {single:6.2f} ms   "
                f"{rate:5.0f} texts/s, {cpu:5.2f} ms of CPU each",
                flush=True,
            )
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")


def forms(model: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, /opt/ml) of each form of the model."""
    shutil.copytree(model, folder / "torch" / "model")
    yield "PyTorch float32", folder / "torch"
    for precision in ("float32", "int8"):
        made = folder / f"{precision}.tar.gz"
        command = [sys.executable, "-m", "sagebrush", "model", "optimize", str(model)]
        command += ["--precision", precision, "--output", str(made)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        (folder / precision / "model").mkdir(parents=True)
        shutil.unpack_archive(made, folder / precision / "model", filter="data")
        yield f"ONNX Runtime {precision}", folder / precision


@contextlib.contextmanager
def served(python: Path, ml: Path) -> Iterator[tuple[int, float, psutil.Process]]:
    """(port, seconds from its start to its first answer, process) of a model server over `ml`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(ml), "SAGEBRUSH_ML": str(ml),
        "SAGEBRUSH_FRAMEWORK": "huggingface", "HF_TASK": "text-classification",
        "SAGEMAKER_BIND_TO_PORT": str(port), "SAGEBRUSH_BIND_HOST": "127.0.0.1",
        "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen([str(python), str(SERVE)], env=environ, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                ask(http.client.HTTPConnection("127.0.0.1", port), 1)
                break
            except ConnectionError:
                if process.poll() is not None:
                    raise SystemExit(f"the model in {ml} cannot be served") from None
                time.sleep(0.005)
        yield port, time.perf_counter() - start, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def ask(connection: http.client.HTTPConnection, count: int) -> None:
    """`count` texts are answered in one request."""
    body = json.dumps({"inputs": [TEXT] * count})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert len(json.loads(answer.read())) == count, answer.status


def asked(
    port: int, process: psutil.Process, count: int, seconds: float
) -> tuple[float, float, float]:
    """(median milliseconds of a request, texts a second, milliseconds of CPU a text)."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(5):
        ask(connection, count)
    family = [process, *process.children(recursive=True)]
    before = sum(each.cpu_times().user + each.cpu_times().system for each in family)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        ask(connection, count)
        times.append(time.perf_counter() - began)
    texts = count * len(times)
    cpu = sum(each.cpu_times().user + each.cpu_times().system for each in family) - before
    wall = time.perf_counter() - start
    return 1000 * statistics.median(times), texts / wall, 1000 * cpu / texts


if __name__ == "__main__":
    main()
