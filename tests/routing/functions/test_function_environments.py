"""Functions run in execution environments of their own, in a whole sandbox and without one."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sagebrush.compute.local import probe
from sagebrush.environments.environment import Environment as Built
from sagebrush.routing.functions import functions
from sagebrush.routing.functions.environment import Environment
from sagebrush.routing.functions.functions import FUNCTION
from sagebrush.routing.functions.values import (
    FunctionVersion,
    Invocation,
    Outcome,
    StreamEnd,
    Throttled,
    Unrunnable,
)
from sagebrush.workload import function_layers
from tests.base_environment import base
from tests.conftest import Server, make_settings, started
from tests.crowding import crowding
from tests.needs import missing

__all__ = ["base"]

T = TypeVar("T")
ACCOUNT = "123456789012"


class Stand:
    """A server, and functions in folders."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.functions = server.world.functions
        self._folder = folder

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns, in the server's event loop."""
        loop = self.server.app.dispatcher.loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(work, loop).result(60 * crowding())

    def version(self, text: str, file: str = "lambda_function.py", **given: Any) -> FunctionVersion:
        """A function whose code is one file; no other has its environments."""
        name = given.pop("name", f"f{uuid.uuid4().hex[:8]}")
        code = self._folder / uuid.uuid4().hex
        code.mkdir()
        code.chmod(0o755)  # a function has a user of its own
        (code / file).write_text(text)
        (code / file).chmod(0o755)
        made = FunctionVersion(
            arn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}:$LATEST",
            account=ACCOUNT,
            region="us-east-1",
            name=name,
            version="$LATEST",
            runtime="python3.11",
            handler="lambda_function.handler",
            role=f"arn:aws:iam::{ACCOUNT}:role/r",
            memory=128,
            timeout=int(20 * crowding()),
            storage=512,
            variables={},
            code=code,
            log_group=f"/aws/lambda/{name}",
            revision=uuid.uuid4().hex,
        )
        return replace(made, **given)

    def invoke(self, version: FunctionVersion, payload: str = "{}", **given: Any) -> Outcome:
        """What came of one invocation, with the end of its log."""
        asked = Invocation(str(uuid.uuid4()), payload.encode(), version.arn, tail=True, **given)
        return self.run(self.functions.invoke(version, asked))

    def log(self, version: FunctionVersion) -> list[str]:
        """The messages of the only stream of the function's log group."""
        return self.messages(version, self.until(lambda: self.streams(version))[0])

    def streams(self, version: FunctionVersion) -> list[str]:
        """The names of the streams of the function's log group."""
        found = self.server.world.streams.streams(ACCOUNT, "us-east-1", version.log_group)
        return [each.name for each in found]

    def messages(self, version: FunctionVersion, stream: str) -> list[str]:
        """The messages of the stream."""
        found = self.server.client("logs").get_log_events(
            logGroupName=version.log_group, logStreamName=stream, startFromHead=True
        )
        return [each["message"] for each in found["events"]]

    def environments(self, version: FunctionVersion) -> list[Environment]:
        """Those of that function that live."""
        known = list(self.functions._all.values())
        return [each for each in known if each.version.key == version.key and each.live]

    def until(self, test: Callable[[], Any]) -> Any:
        """What `test` returns, once that is true."""
        deadline = time.monotonic() + 20 * crowding()
        while not (found := test()):
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.01)
        return found


@pytest.fixture(scope="module", params=["sandbox", "process"])
def stand(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base: Built
) -> Iterator[Stand]:
    """A server with that isolation."""
    if request.param == "sandbox" and probe.choose("auto") != "sandbox":
        missing("this host has no sandbox")
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o755)
    settings = make_settings(
        home / "home",
        isolation=request.param,
        environments=base.path.parent,
        account=ACCOUNT,
        region="us-east-1",
    )
    server = started(settings)
    code = tmp_path_factory.mktemp("code")
    code.chmod(0o755)
    yield Stand(server, code)
    server.stop()


@pytest.fixture
def sandboxed(stand: Stand) -> Stand:
    """The same, in a sandbox alone."""
    if stand.server.app.backend.isolation != "sandbox":
        pytest.skip("of sandboxes")
    return stand


GREETING = """
import json, os
print("beginning")
def handler(event, context):
    print("got", event)
    return {"request": context.aws_request_id, "role": os.environ["AWS_ACCESS_KEY_ID"][:4],
            "mine": os.environ["MINE"], "at": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
            "pid": os.getpid()}
"""


def test_an_environment_is_used_again_and_logs_in_order(stand: Stand) -> None:
    version = stand.version(GREETING, variables={"MINE": "é"})
    first, second = stand.invoke(version), stand.invoke(version, '{"a": 1}')
    found = [json.loads(each.payload) for each in (first, second)]
    assert (first.error, first.version) == ("", "$LATEST")
    assert found[0]["pid"] == found[1]["pid"]
    assert (found[0]["role"], found[0]["mine"], found[0]["at"]) == ("ASIA", "é", True)
    log = stand.log(version)
    kinds = [line.split()[0] for line in log]
    one = ["START", "got", "END", "REPORT"]
    assert kinds[-9:] == ["beginning", *one, *one]
    assert any(line.startswith("INIT_START Runtime Version: python:3.") for line in log)
    assert "Init Duration" in log[-5]
    assert "Init Duration" not in log[-1]
    assert second.log_tail.decode().splitlines() == [line.rstrip("\n") for line in log[-4:]]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("import nothing_of_that_name", "Runtime.ImportModuleError", "Unable to import module"),
        ("import sys\ndef handler(e, c): sys.exit(3)", "Runtime.ExitError", "exit status 3"),
        ("import os\ndef handler(e, c): os.kill(os.getpid(), 9)", "Runtime.ExitError", "killed"),
        ("import os\nos._exit(0)", "Runtime.ExitError", "without providing a reason"),
        ("def handler(e, c): return 'x' * (7 << 20)", "Function.ResponseSizeTooLarge", "6291556"),
    ],
)
def test_what_goes_wrong_is_told(stand: Stand, text: str, kind: str, words: str) -> None:
    outcome = stand.invoke(stand.version(text))
    found = json.loads(outcome.payload)
    assert (outcome.error, found["errorType"]) == ("Unhandled", kind)
    assert words in found["errorMessage"]
    assert outcome.log_tail.decode().splitlines()[-1].startswith("REPORT RequestId: ")


def test_a_beginning_that_fails_is_tried_again_in_the_invocation(stand: Stand) -> None:
    version = stand.version("print('beginning')\nraise ValueError('no')")
    tail = stand.invoke(version).log_tail.decode()
    assert "\tPhase: invoke\tStatus: error\tError Type: ValueError" in tail
    stand.until(lambda: len(stand.streams(version)) == 2)
    first, second = [stand.messages(version, name) for name in stand.streams(version)]
    logs = first + second
    assert sum("\tPhase: init\tStatus: error" in line for line in logs) == 1
    assert sum(line.startswith("START") for line in logs) == 1


def test_the_second_try_has_the_time_of_the_invocation(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "INIT", 0.05)
    text = (
        "import time\ntime.sleep(0.4)\ndef handler(e, c): return c.get_remaining_time_in_millis()"
    )
    outcome = stand.invoke(stand.version(text, timeout=20))
    assert outcome.error == ""
    assert int(outcome.payload) < 19_600
    report = outcome.log_tail.decode().splitlines()[-1]
    assert "Init Duration" not in report
    assert float(report.split("Duration: ")[1].split()[0]) > 400


def test_a_timeout_ends_the_environment_with_all_that_it_began(stand: Stand) -> None:
    text = """
import os, time
def handler(event, context):
    if os.fork() == 0:
        os.setsid()
    print("it waits")
    time.sleep(600)
"""
    version = stand.version(text, timeout=1)
    outcome = stand.invoke(version)
    found = json.loads(outcome.payload)
    assert found["errorType"] == "Sandbox.Timedout"
    assert found["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    tail = outcome.log_tail.decode()
    assert "it waits" in tail
    assert "Task timed out after 1.00 seconds" in tail
    assert "\tStatus: timeout\t" in tail
    assert stand.environments(version) == []


def test_memory_is_limited(sandboxed: Stand) -> None:
    outcome = sandboxed.invoke(
        sandboxed.version("def handler(e, c): return len(b'x' * (400 << 20))")
    )
    assert json.loads(outcome.payload)["errorType"] == "Runtime.OutOfMemory"
    assert "Max Memory Used: 128 MB" in outcome.log_tail.decode()


def test_as_many_environments_as_invocations_and_no_more_than_allowed(stand: Stand) -> None:
    version = stand.version("import time\ndef handler(e, c): time.sleep(0.3)")

    async def at_once(count: int, most: int | None) -> list[str]:
        async def one(number: int) -> str:
            asked = Invocation(str(number), b"{}", version.arn)
            try:
                return (await stand.functions.invoke(version, asked, most)).error
            except Throttled as error:
                return error.reason

        return list(await asyncio.gather(*map(one, range(count))))

    assert stand.run(at_once(3, None)) == [""] * 3
    assert len(stand.environments(version)) == 3
    assert sorted(stand.run(at_once(3, 2))) == ["", "", FUNCTION]

    async def forget() -> None:
        stand.functions.forget(version.arn)

    stand.run(forget())
    stand.until(lambda: not stand.environments(version))


def test_it_stands_still_between_invocations(stand: Stand) -> None:
    text = """
import threading, time
turns = [0]
def turn():
    while True:
        time.sleep(0.005)
        turns[0] += 1
threading.Thread(target=turn, daemon=True).start()
def handler(event, context): return turns[0]
"""
    version = stand.version(text)
    stand.invoke(version)
    (environment,) = stand.environments(version)
    stand.until(lambda: environment._frozen)
    time.sleep(0.5)
    assert int(stand.invoke(version).payload) < 60  # of the 100 and more that fit


def test_a_functions_boto3_reaches_this_server_as_its_role(stand: Stand) -> None:
    text = """
import boto3
def handler(event, context): return boto3.client("sts").get_caller_identity()["Arn"]
"""
    version = stand.version(text, memory=512)
    arn = json.loads(stand.invoke(version).payload)
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/{version.name}"


def test_layers_are_seen_and_shadow_what_is_warm(sandboxed: Stand, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for number, files in enumerate(
        ({"python/shared.py": "x = 1", "data.txt": "one"}, {"python/shared.py": "x = 2"})
    ):
        for name, text in files.items():
            file = tmp_path / str(number) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    for path in tmp_path.rglob("*"):
        path.chmod(0o755)
    text = """
import shared
def handler(event, context): return [shared.x, shared.__file__, open("/opt/data.txt").read()]
"""
    version = sandboxed.version(text, layers=(tmp_path / "0", tmp_path / "1"))
    assert json.loads(sandboxed.invoke(version).payload) == [2, "/opt/python/shared.py", "one"]


WRAPPED = """
import os, sys, subprocess
def handler(event, context):
    command = [sys.executable, "-c", "import boto3; print(boto3.__file__)"]
    done = subprocess.run(command, capture_output=True, text=True)
    return [os.environ.get("WRAPPED"), sys.executable, done.stdout.strip()]
"""


def test_a_wrapper_script_comes_before_the_interpreter(sandboxed: Stand) -> None:
    version = sandboxed.version(
        WRAPPED, variables={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}, memory=512
    )
    script = version.code / "wrapper"
    script.write_text('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
    script.chmod(0o755)
    wrapped, program, packages = json.loads(sandboxed.invoke(version).payload)
    assert (wrapped, packages) == ("yes", "/var/runtime/boto3/__init__.py")
    assert program.startswith("/var/lang/bin/python3.")


SPY = """
import os
def handler(event, context):
    found = {"tmp": os.listdir("/tmp"), "home": os.path.exists(event["home"]), "wrote": []}
    for place in ("/var/task/x", "/opt/x", "/var/runtime/x", "/x", "/usr/x"):
        try:
            open(place, "w")
            found["wrote"].append(place)
        except OSError:
            pass
    found["read"] = []
    for name in os.listdir("/proc"):
        if name.isdigit() and name != str(os.getpid()):
            try:
                found["read"].append(open(f"/proc/{name}/environ", "rb").read().decode())
            except OSError:
                pass
    found["own"] = open("/proc/self/environ").read().strip("\\0")
    return found
"""


def test_a_function_sees_nothing_of_another(sandboxed: Stand) -> None:
    other = sandboxed.version(
        "def handler(e, c): open('/tmp/secret', 'w').write('s')", variables={"PASSWORD": "p"}
    )
    assert sandboxed.invoke(other).error == ""
    jobs = str(sandboxed.server.app.settings.home / "jobs")
    found = json.loads(sandboxed.invoke(sandboxed.version(SPY), json.dumps({"home": jobs})).payload)
    assert "secret" not in found.pop("tmp")
    assert found == {"home": False, "wrote": [], "read": [], "own": ""}


def test_files_of_tmp_are_bounded(sandboxed: Stand) -> None:
    text = """
import os
assert (os.stat("/tmp").st_uid, os.stat("/tmp").st_mode & 0o777) == (os.getuid(), 0o700)
def handler(event, context):
    with open("/tmp/big", "wb") as file:
        file.truncate(event)
        file.seek(event)
        file.write(b"x")
"""
    outcome = sandboxed.invoke(sandboxed.version(text), str(512 << 20))
    assert json.loads(outcome.payload)["errorMessage"] == "[Errno 27] File too large"


def test_an_environment_with_too_many_files_ends(
    sandboxed: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_layers, "MOST", 50)
    text = """
def handler(event, context):
    for number in range(event):
        open(f"/tmp/{number}", "w").close()
"""
    version = sandboxed.version(text)
    assert sandboxed.invoke(version, "60").error == ""  # which was over before anybody looked
    sandboxed.until(lambda: not sandboxed.environments(version))
    assert sandboxed.invoke(version, "5").error == ""


BOOTSTRAP = """#!/bin/sh
set -euo pipefail
[[ -n "$BASH_VERSION" ]]
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  head=/tmp/head
  event=$(curl -sS -D $head "$api/next") || exit 1
  id=$(grep -i '^lambda-runtime-aws-request-id' $head | tr -d '\\r' | cut -d ' ' -f 2)
  curl -sS "$api/$id/response" -d "got $event by $_HANDLER" > /tmp/answer
done
"""


def test_a_custom_runtime_needs_the_runtime_api_alone(sandboxed: Stand) -> None:
    """A shell's, as AWS's guide writes them: its /bin/sh is bash, as on Amazon Linux."""
    if not (os.path.exists("/usr/bin/curl") and os.path.exists("/bin/bash")):
        missing("no curl, or no bash")
    version = sandboxed.version(BOOTSTRAP, "bootstrap", runtime="provided.al2023", handler="h")
    assert sandboxed.invoke(version, '{"a":1}').payload == b'got {"a":1} by h'
    with pytest.raises(Unrunnable, match="java21"):
        sandboxed.invoke(replace(version, runtime="java21", revision="2"))


STREAMED = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("one ");
  await new Promise((done) => setTimeout(done, event.pause));
  stream.write("two");
  stream.end();
});
"""


def test_node_streams_its_response(sandboxed: Stand) -> None:
    if not os.path.exists("/usr/bin/node"):
        missing("no Node.js among the system's programs")
    version = sandboxed.version(
        STREAMED, "index.js", runtime="nodejs22.x", handler="index.handler", memory=256
    )

    async def pieces(pause: int) -> list[bytes | StreamEnd]:
        asked = Invocation("s", json.dumps({"pause": pause}).encode(), version.arn)
        return [each async for each in sandboxed.functions.invoke_stream(version, asked)]

    # Who reads late gets both at once: on a busy machine the second one waits longer.
    for pause in (50, 1_000, 10_000):
        *found, end = sandboxed.run(pieces(pause))
        if len(found) > 1:
            break
    assert found == [b"one ", b"two"]
    assert end == StreamEnd(version="$LATEST")
    assert sandboxed.invoke(version, '{"pause": 0}').payload == b"one two"


THROWN = """
import { S3Client } from "@aws-sdk/client-s3";
export const handler = async () => 1;
"""


@pytest.mark.parametrize(
    ("file", "text", "payload", "logged"),
    [
        (
            "index.mjs",
            THROWN,
            {
                "errorType": "Error",
                "errorMessage": "Cannot find package '@aws-sdk/client-s3' imported from /var/task/"
                "index.mjs",
            },
            '"code":"ERR_MODULE_NOT_FOUND"',
        ),
        (
            "index.js",
            "exports.handler = async () => { throw { a: 1 }; };",
            {"errorType": "object", "errorMessage": "[object Object]"},
            '"errorMessage":"[object Object]"',
        ),
    ],
)
def test_errors_of_node_are_told_as_by_awss_client(
    sandboxed: Stand, file: str, text: str, payload: dict[str, str], logged: str
) -> None:
    if not os.path.exists("/usr/bin/node"):
        missing("no Node.js among the system's programs")
    version = sandboxed.version(
        text, file, runtime="nodejs22.x", handler="index.handler", memory=256
    )
    outcome = sandboxed.invoke(version)
    found = json.loads(outcome.payload)
    assert {key: found[key] for key in payload} == payload
    assert logged in outcome.log_tail.decode()
