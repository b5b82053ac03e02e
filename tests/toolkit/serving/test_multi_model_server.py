"""The server of many models as jobs run it, asked by AWS's contract over HTTP; what fits (pure)."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sagebrush.toolkit.serving.multimodel import memory
from sagebrush.toolkit.serving.multimodel.server import invoked
from tests.toolkit.serving.test_serve import MODEL, Server
from tests.waiting import until

SHARED = MODEL.replace('return open(os.path.join(model_dir, "weights")).read()', 'return "shared"')


class Many:
    """A running server, and its models' directories."""

    def __init__(self, ml: Path, **variables: str) -> None:
        (ml / "models").mkdir(parents=True)
        self.ml = ml
        self.server = Server(ml, 1, SAGEMAKER_MULTI_MODEL="true", **variables)
        self.server.ready()

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        with_body = b"" if body is None else json.dumps(body).encode()
        with contextlib.closing(self.server.connect()) as connection:
            connection.request(method, path, with_body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        return answer.status, json.loads(data) if data else None

    def load(self, name: str, code: str | None = MODEL) -> tuple[int, Any]:
        folder = self.ml / "models" / name / "model"
        (folder / "code").mkdir(parents=True, exist_ok=True)
        (folder / "weights").write_text(f"weights of {name}")
        if code:
            (folder / "code" / "inference.py").write_text(code)
        url = f"/opt/ml/models/{name}/model"
        return self.ask("POST", "/models", {"model_name": name, "url": url})

    def invoke(self, name: str, data: object) -> tuple[int, Any]:
        return self.ask("POST", f"/models/{name}/invoke", data)


def children(pid: int) -> list[str]:
    """The processes that it has started and not waited for."""
    place = Path(f"/proc/{pid}/task/{pid}/children")
    return place.read_text().split() if place.exists() else []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    ml = tmp_path_factory.mktemp("many") / "ml"
    made = Many(ml, SAGEBRUSH_LOADED_MODELS="2", SAGEBRUSH_MEMORY=str(1 << 32))
    yield made
    made.server.process.terminate()
    assert made.server.process.wait(10) == 0
    for connection in made.server.connections:
        connection.close()


def test_the_contract(many: Many) -> None:
    assert many.ask("GET", "/models") == (200, {"models": []})
    assert many.load("a")[0] == 200
    assert many.load("a")[0] == 409
    described = {"modelName": "a", "modelUrl": "/opt/ml/models/a/model"}
    assert many.ask("GET", "/models/a") == (200, described)
    assert many.ask("GET", "/models") == (200, {"models": [described]})
    status, answer = many.invoke("a", [1])
    assert (status, answer["model"], answer["data"]) == (200, "weights of a", [1])
    assert many.load("b")[0] == 200
    assert many.load("c")[0] == 507
    assert many.invoke("c", 1)[0] == many.ask("DELETE", "/models/c")[0] == 404
    assert many.ask("DELETE", "/models/b")[0] == many.ask("DELETE", "/models/a")[0] == 200
    until(lambda: children(many.server.process.pid) == [])
    assert many.ask("GET", "/models/a")[0] == 404
    assert many.ask("POST", "/models", {"no": "name"})[0] == 400
    assert many.ask("POST", "/invocations", 1)[0] == 404


def test_one_model_that_dies_or_cannot_be_loaded_is_none_of_the_others(many: Many) -> None:
    assert many.load("a")[0] == many.load("b")[0] == 200
    other = many.invoke("b", 1)[1]["pid"]
    assert many.invoke("a", "die")[0] == 502
    assert many.invoke("a", 1)[0] == 404
    status, told = many.load("bad", "raise ValueError('no such weights')")
    assert status == 500
    assert "ValueError: no such weights" in told["message"]
    assert many.invoke("b", 1)[1]["pid"] == other
    os.kill(other, signal.SIGKILL)
    assert many.load("a")[0] == 200
    assert many.ask("DELETE", "/models/a")[0] == 200


def test_what_a_model_has_started_ends_with_it(many: Many) -> None:
    forks = "import os, time\nif (child := os.fork()) == 0:\n    time.sleep(60)\n    os._exit(0)\n"
    forks += "def model_fn(_): return child\ndef predict_fn(data, model):\n"
    forks += "    if data == 'die': os._exit(7)\n    return model\n"
    for ended in ("unloaded", "dies"):
        assert many.load("forks", forks)[0] == 200
        child = many.invoke("forks", 1)[1]
        assert Path(f"/proc/{child}").exists()
        if ended == "unloaded":
            assert many.ask("DELETE", "/models/forks")[0] == 200
        else:
            assert many.invoke("forks", "die")[0] == 502
        until(partial(_over, child))


def test_an_answered_callers_connection_outlives_the_models_end(many: Many) -> None:
    late = MODEL + (
        "import time\nfrom sagebrush.toolkit.serving import worker\nsend = worker._send\n"
        "def slow(*given):\n    kept = send(*given)\n    time.sleep(0.1)\n    return kept\n"
        "worker._send = slow\n"  # the caller has its answer before the server hears of it
    )
    assert many.load("late", late)[0] == 200
    with contextlib.closing(many.server.connect()) as connection:
        connection.request(
            "POST", "/models/late/invoke", b"1", {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        assert many.ask("DELETE", "/models/late")[0] == 200
        connection.request(
            "POST", "/models/late/invoke", b"1", {"Content-Type": "application/json"}
        )
        assert connection.getresponse().status == 404


def _over(pid: int) -> bool:
    """Whether the process has ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_load_whose_caller_has_left_stands_in_no_other_ones_way(many: Many) -> None:
    begun = many.ml / "begun"
    hangs = f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(60)"
    (many.ml / "models" / "left" / "model" / "code").mkdir(parents=True)
    (many.ml / "models" / "left" / "model" / "code" / "inference.py").write_text(hangs)
    connection = many.server.connect()
    body = json.dumps({"model_name": "left", "url": "/opt/ml/models/left/model"})
    connection.request("POST", "/models", body)
    until(begun.exists)
    connection.close()
    assert many.load("left")[0] == 200
    assert many.invoke("left", 1)[0] == 200
    assert many.ask("DELETE", "/models/left")[0] == 200


def test_a_script_for_all_models_serves_those_without_one_and_many_ask_at_once(many: Many) -> None:
    (many.ml / "code").mkdir()
    (many.ml / "code" / "inference.py").write_text(SHARED)
    assert many.load("plain", None)[0] == 200
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: many.invoke("plain", n)[1], range(40)))
    assert [each["data"] for each in found] == list(range(40))
    assert {each["model"] for each in found} == {"shared"}
    assert many.ask("DELETE", "/models/plain")[0] == 200


def test_a_model_that_is_too_large_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    many = Many(tmp_path / "ml", SAGEBRUSH_MEMORY=str(256 << 20))
    assert many.load("small")[0] == 200
    pid = many.invoke("small", 1)[1]["pid"]
    large = MODEL.replace("import json", "held = bytearray(b'x') * (300 << 20)\nimport json")
    status, told = many.load("large", large)
    assert (status, told["type"]) == (507, "InsufficientStorageException")
    assert many.invoke("small", 1)[1]["pid"] == pid
    assert many.invoke("large", 1)[0] == 404
    many.server.process.terminate()
    assert many.server.process.wait(10) == 0
    for connection in many.server.connections:
        connection.close()


def test_what_fits() -> None:
    assert memory.fits([], 1 << 30, 1 << 20, None)  # the first one is tried
    assert memory.fits([100, 100], 100, 500, None)
    assert not memory.fits([100, 100, 100], 100, 500, None)
    assert not memory.fits([1, 1], 1, 500, 2)
    assert memory.fits([1 << 40] * 3, 0, 0, None)  # the instance's memory is not known
    assert memory.exceeds([300, 200], 0, 500)
    with pytest.raises(ValueError, match="whole number"):
        memory.most({"SAGEBRUSH_LOADED_MODELS": "many"})


def test_the_model_of_a_request() -> None:
    assert invoked(b"POST /models/a%2Fb/invoke HTTP/1.1\r\nHost: x") == "a/b"
    assert invoked(b"POST /models HTTP/1.1\r\n") is None
    assert invoked(b"GET /models/a/invoke HTTP/1.1\r\n") is None


GROWS = """
HELD = []
def model_fn(folder): return None
def predict_fn(data, model):
    HELD.append(bytearray(data << 20))
    HELD[-1][::4096] = b"1" * len(HELD[-1][::4096])
    return len(HELD)
"""


weighs = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="what a process holds alone: Linux tells"
)


@weighs
def test_a_model_that_its_answers_make_larger_leaves_no_room(tmp_path: Path) -> None:
    many = Many(tmp_path / "ml", SAGEBRUSH_MEMORY=str(128 << 20))
    assert many.load("large", GROWS)[0] == 200
    assert many.load("other", SHARED)[0] == 200
    assert many.ask("DELETE", "/models/other")[0] == 200
    assert many.invoke("large", 100)[0] == 200
    # it weighs itself once it has answered, so it has when it answers again
    assert many.invoke("large", 0)[0] == 200
    status, told = many.load("other", SHARED)
    assert (status, told["type"]) == (507, "InsufficientStorageException")
    many.server.process.terminate()
    assert many.server.process.wait(10) == 0
    for connection in many.server.connections:
        connection.close()


@weighs
def test_what_a_process_holds_is_told_in_the_memory_that_it_shares() -> None:
    progress = mmap.mmap(-1, 8 + memory.TOLD)
    assert memory.told(progress) == memory.LEAST
    scale = memory.Scale(progress)
    scale.tell(10.0, 0.0)
    first = memory.told(progress)
    held = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held.write(b"1" * (8 << 20))
    scale.tell(10.0)
    assert memory.told(progress) > first + (7 << 20)
    assert progress[:8] == bytes(8)
    del held
    again = memory.told(progress)
    scale.tell(39.0)
    assert memory.told(progress) == again
    progress[-memory.TOLD :] = bytes(memory.TOLD)
    scale.tell(40.0)
    assert memory.told(progress) > memory.LEAST
