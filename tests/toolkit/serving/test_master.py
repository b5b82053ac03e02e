"""The model server under load and under models that misbehave: batches, a bounded queue, workers
that die, hang, leak or hide."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.toolkit.serving.test_serve import Server, Start, start, wait_for  # noqa: F401

BATCHES = """
import json, os, time
import numpy
SAGEBRUSH_BATCH_SIZE = 8
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    open("calls", "a").write(json.dumps(data) + "\\n")
    if "wait" in data:
        open("held", "w").close()
        while os.path.exists("held"):
            time.sleep(0.005)
    if "die" in data:
        os._exit(7)
    if "raise" in data:
        raise ValueError("refused")
    return data
def output_fn(prediction, accept):
    return json.dumps({"rows": prediction, "pid": os.getpid()})
"""


def behind(server: Server, pool: ThreadPoolExecutor, *values: object) -> list[Future]:
    """Requests with `values` wait, in this order, behind one that holds the only worker."""
    pool.submit(server.post, ["wait"])
    wait_for((server.ml / "held").exists)
    futures = []
    for value in values:
        connection = server.connect()  # in order, and with its request, before the next
        connection.request("POST", "/invocations", json.dumps(value).encode())
        futures.append(pool.submit(_answer, connection))
    assert server.get("/ping")[0] == 200, "the server has seen them: they came before this"
    return futures


def _answer(connection: object) -> tuple[int, dict | str]:
    with connection.getresponse() as answer:  # type: ignore[attr-defined]
        body = answer.read()
        kind = answer.getheader("Content-Type") or ""
        return answer.status, json.loads(body) if "json" in kind else body.decode()


def calls(server: Server) -> list[list]:
    return [json.loads(line) for line in (server.ml / "calls").read_text().splitlines()]


def test_what_waits_is_answered_together_in_order_and_alone_at_once(start: Start) -> None:  # noqa: F811
    server = start(BATCHES)
    server.ready()
    assert server.ask([1])["rows"] == [1]
    with ThreadPoolExecutor(16) as pool:
        futures = behind(server, pool, *[[n] for n in range(10)])
        (server.ml / "held").unlink()
        found = [future.result() for future in futures]
    assert [rows["rows"] for _, rows in found if isinstance(rows, dict)] == [[n] for n in range(10)]
    assert calls(server) == [[1], ["wait"], list(range(8)), [8, 9]]


def test_one_that_the_model_refuses_or_dies_of_leaves_its_neighbours_alone(start: Start) -> None:  # noqa: F811
    server = start(BATCHES)
    server.ready()
    with ThreadPoolExecutor(16) as pool:
        futures = behind(server, pool, [1], ["raise"], [2])
        (server.ml / "held").unlink()
        assert [future.result()[0] for future in futures] == [200, 500, 200]
        futures = behind(server, pool, [3], ["die"], [4])
        (server.ml / "held").unlink()
        found = [future.result() for future in futures]
    assert [status for status, _ in found] == [200, 502, 200]
    assert calls(server)[-4:] == [[3, "die", 4], [3], ["die"], [4]]
    assert "exit 7" in str(found[1][1])


def test_odd_requests_do_not_hold_up_a_batch(start: Start) -> None:  # noqa: F811
    server = start(BATCHES)
    server.ready()
    with ThreadPoolExecutor(16) as pool, socket.socket() as slow, socket.socket() as bad:
        futures = behind(server, pool, [1], [2])
        for raw, text in (
            (slow, b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\n\r\n["),
            (bad, b"POST /invocations HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        ):
            raw.connect(("127.0.0.1", server.port))
            raw.sendall(text)
        assert server.get("/ping")[0] == 200
        (server.ml / "held").unlink()
        assert [future.result()[0] for future in futures] == [200, 200]
        assert slow.send(b"3]") == 2
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert bad.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_a_full_queue_is_told_at_once_and_the_connection_is_kept(start: Start) -> None:  # noqa: F811
    server = start(BATCHES, SAGEBRUSH_QUEUE_SIZE="2")
    server.ready()
    with ThreadPoolExecutor(16) as pool:
        futures = behind(server, pool, [1], [2])
        connection = server.connect()
        for _ in range(2):
            connection.request("POST", "/invocations", b"[3]")
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert (answer.status, told["type"]) == (503, "ServiceUnavailableException")
            assert int(answer.getheader("Retry-After", "")) == told["retry_after"]
        large = server.connect()
        large.request("POST", "/invocations", b"[%d]" % 3 + b" " * 3_000_000)
        assert large.getresponse().status == 503, "although the server read no such body"
        (server.ml / "held").unlink()
        assert [future.result()[0] for future in futures] == [200, 200]
        assert server.ask([3], connection)["rows"] == [3]


def test_a_hung_worker_is_ended_and_its_caller_told(start: Start) -> None:  # noqa: F811
    server = start(BATCHES, SAGEMAKER_MODEL_SERVER_TIMEOUT="1")
    server.ready()
    before = server.ask([1])["pid"]
    assert server.post(["wait"]) == (504, {
        "code": 504, "type": "ModelTimeoutException",
        "message": "The model did not answer within 1 seconds.",
    })  # fmt: skip
    (server.ml / "held").unlink()
    assert server.ask([2])["pid"] != before


ODD = """
import json, os, sys
def model_fn(model_dir):
    return []
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    if data == "fork":
        pid = os.fork()
        if pid == 0:
            import time
            time.sleep(60)
        open("child", "w").write(str(pid))
        os._exit(9)
    if data == "close":
        os.closerange(3, 64)
    if data == "leak":
        model.append(b"x" * (256 << 20))
    return os.getpid()
def output_fn(prediction, accept, context):
    context.set_response_header(0, "Content-Length", "3")
    context.set_response_header(0, "X-Forged", "a\\r\\nContent-Type: b")
    return json.dumps(prediction)
"""


def test_a_worker_whose_child_holds_its_sockets_is_replaced(start: Start) -> None:  # noqa: F811
    server = start(ODD)
    server.ready()
    try:
        assert server.post("fork")[0] == 502
        assert server.ask(1)
    finally:
        os.kill(int((server.ml / "child").read_text()), signal.SIGKILL)


def test_a_worker_that_closes_what_is_not_its_own_is_replaced(start: Start) -> None:  # noqa: F811
    server = start(ODD)
    server.ready()
    with contextlib.suppress(http.client.RemoteDisconnected):  # it may notice first, or the master
        assert server.post("close")[0] == 502
    assert server.ask(1)


def test_headers_that_would_break_the_framing_are_not_the_models(start: Start) -> None:  # noqa: F811
    server = start(ODD)
    server.ready()
    connection = server.connect()
    for _ in range(2):
        connection.request("POST", "/invocations", b"1")
        answer = connection.getresponse()
        assert answer.getheader("X-Forged") == "a  Content-Type: b"
        assert int(answer.read()) > 0


def test_a_worker_that_leaks_is_replaced_between_requests(start: Start) -> None:  # noqa: F811
    server = start(ODD, SAGEBRUSH_MEMORY=str(200 << 20))
    server.ready()
    before = server.ask("leak")
    wait_for(lambda: "its memory grew" in server.log.read_text() or server.ask(1) != before)
    assert server.ask(1) != before


def test_workers_end_with_a_master_that_is_killed(start: Start) -> None:  # noqa: F811
    server = start(BATCHES)
    server.ready()
    pid = server.ask([1])["pid"]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_lost, server)
        wait_for((server.ml / "held").exists)  # the worker is busy: it does not look at its socket
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not Path(f"/proc/{pid}/status").exists() or _zombie(pid))


def _lost(server: Server) -> None:
    with contextlib.suppress(OSError):
        server.post(["wait"])


def _zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    return True


def test_a_caller_that_left_while_it_waited_costs_no_call(start: Start) -> None:  # noqa: F811
    server = start(BATCHES)
    server.ready()
    with ThreadPoolExecutor(16) as pool:
        futures = behind(server, pool, [1])
        gone = server.connect()
        gone.request("POST", "/invocations", b"[99]")
        assert server.get("/ping")[0] == 200
        gone.close()
        until = time.monotonic() + 0.06
        while time.monotonic() < until:  # what came just now is not asked whether it left
            assert server.get("/ping")[0] == 200
        (server.ml / "held").unlink()
        assert futures[0].result()[0] == 200
    assert [99] not in calls(server)
    assert not any(99 in call for call in calls(server))


def test_what_the_only_worker_was_handed_ahead_outlives_it(start: Start) -> None:  # noqa: F811
    server = start(BATCHES, SAGEBRUSH_BATCH_SIZE="1")
    server.ready()
    pid = server.ask([1])["pid"]
    with ThreadPoolExecutor(16) as pool:
        futures = behind(server, pool, [1], [2], [3])
        (server.ml / "held").rename(server.ml / "over")
        os.kill(pid, signal.SIGSTOP)  # whatever it has begun, it dies of this
        os.kill(pid, signal.SIGKILL)
        found = [future.result() for future in futures]
    assert [status for status, _ in found[1:]] == [200, 200]
    assert found[0][0] in (200, 502), "the next one may have been begun"
    assert [call for call in calls(server) if call == [2]] == [[2]], "none is given twice"
