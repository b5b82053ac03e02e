"""Functions of container images, by the API, under a Podman of the tests' own."""

from __future__ import annotations

import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import podman_service
import pytest

from sagebrush.compute.base import Spec
from sagebrush.compute.containers import container, tied
from tests.services.lambda_.lambdas import ROLE, active, answer, refused
from tests.waiting import until

pytestmark = pytest.mark.full  # as the tests of the engine itself

FUNCTION, OTHER = "localhost/function:1", "localhost/function:2"
RUNTIME = """\
#!/bin/sh
# Answers by the Runtime API, with nothing but busybox.
unset http_proxy HTTP_PROXY
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
echo "beginning as $*"
case $1 in no) exit 7 ;; esac
count=0
while wget -S -O /tmp/event $api/invocation/next 2>/tmp/headers; do
    id=$(sed -n 's/^ *[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p' /tmp/headers | tr -d '\\r')
    count=$((count + 1))
    result=null
    case $(cat /tmp/event) in
    *exit*) echo leaving; exit 3 ;;
    *hang*) printf waiting; sleep 1000 ;;
    *grow*) x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done ;;
    *lines*) i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo out $i; done; echo last >&2 ;;
    *look*)
        touch /here 2>/dev/null && result='"written"'
        wget -q -O - http://$GATEWAY >/dev/null 2>&1 && result='"reached"'
        ls /sys/class/net | grep -qv lo && result='"network"' ;;
    *api*) wget -q -O - $AWS_ENDPOINT_URL/_sagebrush/health >/tmp/a 2>&1 || result="\\"$(cat /tmp/a)\\"" ;;
    *env*) result="\\"$_HANDLER $AWS_LAMBDA_FUNCTION_NAME $LAMBDA_TASK_ROOT $MINE $(id -u) $(pwd)\\"" ;;
    esac
    wget -q -O /dev/null --post-data "{\\"count\\": $count, \\"result\\": $result}" \\
        $api/invocation/$id/response
done
"""


@pytest.fixture(scope="module")
def podman() -> Iterator[podman_service.Podman]:
    """A Podman with an image of a function."""
    before = os.umask(0o022)  # a server's own is Podman's too, whose images nobody else could read
    try:
        with podman_service.served() as found:
            _images(found)
            os.umask(before)
            yield found
    finally:
        os.umask(before)


def _images(found: podman_service.Podman) -> None:
    """There are the images."""
    files = found.files.with_name("function.tar")
    with tarfile.open(found.files) as old, tarfile.open(files, "w") as tar:
        for each in old:
            each.mode |= 0o555  # a function has a user of its own
            tar.addfile(each, old.extractfile(each) if each.isfile() else None)
        member = tarfile.TarInfo("./bin/runtime")
        member.mode, member.size = 0o755, len(RUNTIME.encode())
        tar.addfile(member, io.BytesIO(RUNTIME.encode()))
    for name, word in ((FUNCTION, "one"), (OTHER, "two")):
        replace(found, files=files).make(
            name, 'ENTRYPOINT ["/bin/runtime"]', f'CMD ["{word}", "word"]', "WORKDIR /root"
        )


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, podman: podman_service.Podman) -> Iterator[Any]:
    """A server whose engine that is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", podman.url)
        server = request.getfixturevalue("server")
        yield server
        server.world.functions.empty()
        until(lambda: not podman.run("ps", "--all", "--quiet"), "no container")


def made(server: Any, image: str = FUNCTION, **more: Any) -> str:
    """The name of a new function of the image, which is active."""
    name, client = f"f{uuid.uuid4().hex[:8]}", server.client("lambda")
    client.create_function(
        FunctionName=name, PackageType="Image", Role=ROLE, Code={"ImageUri": image}, **more
    )
    active(client, name)
    return name


def failed(client: Any, name: str, payload: str = "{}") -> dict[str, Any]:
    """The error's document."""
    found = client.invoke(FunctionName=name, Payload=payload)
    assert found["FunctionError"] == "Unhandled"
    return json.loads(found["Payload"].read())


def log(server: Any, name: str) -> list[str]:
    """The messages of the newest log stream."""
    logs, group = server.client("logs"), f"/aws/lambda/{name}"

    def look() -> list[str]:
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        found = []
        for each in streams:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=each["logStreamName"], startFromHead=True
            )
            found.append([event["message"] for event in events["events"]])
        return found[-1] if found and any("REPORT" in m for m in found[-1]) else []

    return until(look, "the log")


def test_an_image_answers_and_is_kept(live: Any, podman: podman_service.Podman) -> None:
    client = live.client("lambda")
    name = made(live, Environment={"Variables": {"MINE": "mine", "GATEWAY": "10.88.0.1:1"}})
    told = client.get_function(FunctionName=name)
    digest = podman.run("image", "inspect", "--format", "{{.Digest}}", FUNCTION)
    assert told["Code"] == {
        "RepositoryType": "ECR", "ImageUri": FUNCTION,
        "ResolvedImageUri": f"localhost/function@{digest}",
    }  # fmt: skip
    assert told["Configuration"]["CodeSha256"] == digest.removeprefix("sha256:")
    assert told["Configuration"]["PackageType"] == "Image"
    first = answer(client, name, "env")
    assert first == {"count": 1, "result": f"one {name} /var/task mine 900993 /root"}
    assert answer(client, name, "look") == {"count": 2, "result": None}
    assert "404" in answer(client, name, "api")["result"]
    tail = client.invoke(FunctionName=name, Payload='"lines"', LogType="Tail")
    assert tail["ResponseMetadata"]["HTTPStatusCode"] == 200
    found = log(live, name)
    starts = [n for n, line in enumerate(found) if line.startswith("START")]
    ends = [n for n, line in enumerate(found) if line.startswith("END")]
    assert found[0] == "beginning as one word"
    assert [len(starts), len(ends)] == [4, 4]
    inner = found[starts[3] + 1 : ends[3]]
    assert [line for line in inner if line != "last"] == [f"out {n}" for n in range(1, 501)]
    assert "last" in inner
    assert "Init Duration" in found[ends[0] + 1]
    (environment,) = [e for e in live.world.functions._all.values() if e.version.name == name]
    still = Path(environment._link._container._still._file)
    until(lambda: still.read_text().strip() in ("FROZEN", "1"), "it stands still")
    assert answer(client, name)["count"] == 5


def test_what_overrides_the_image(live: Any) -> None:
    client = live.client("lambda")
    config = {"Command": ["mine"], "WorkingDirectory": "/tmp"}
    name = made(live, ImageConfig=config)
    told = client.get_function_configuration(FunctionName=name)
    assert told["ImageConfigResponse"]["ImageConfig"] == config
    assert answer(client, name, "env")["result"].split()[0] == "mine"
    assert answer(client, name, "env")["result"].split()[-1] == "/tmp"
    client.update_function_configuration(FunctionName=name, ImageConfig={})
    active(client, name)
    assert answer(client, name, "env")["result"].split()[0] == "one"


def test_a_version_keeps_its_image(live: Any, podman: podman_service.Podman) -> None:
    client, tag = live.client("lambda"), "localhost/moving:1"
    podman.run("tag", FUNCTION, tag)
    name = made(live, tag, Publish=True)
    podman.run("tag", OTHER, tag)
    assert answer(client, name, "env")["result"].split()[0] == "one"
    before = client.get_function(FunctionName=name)["Configuration"]["CodeSha256"]
    client.update_function_code(FunctionName=name, ImageUri=tag)
    active(client, name)
    assert client.get_function(FunctionName=name)["Configuration"]["CodeSha256"] != before
    assert answer(client, name, "env")["result"].split()[0] == "two"
    assert answer(client, f"{name}:1", "env")["result"].split()[0] == "one"


def test_failures_are_told_in_awss_words(live: Any) -> None:
    client = live.client("lambda")
    name = made(live, Timeout=1, MemorySize=128)
    answer(client, name)
    found = failed(client, name, '"exit"')
    assert found["errorType"] == "Runtime.ExitError"
    assert found["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    answer(client, name)
    assert failed(client, name, '"hang"')["errorType"] == "Sandbox.Timedout"
    assert answer(client, name)["count"] == 1
    client.update_function_configuration(FunctionName=name, Timeout=20)
    active(client, name)
    assert failed(client, name, '"grow"')["errorType"] == "Runtime.OutOfMemory"
    name = made(live, ImageConfig={"Command": ["no"]})
    assert failed(client, name)["errorMessage"].endswith("exit status 7")
    name = made(live, ImageConfig={"EntryPoint": ["/no/such"]})
    found = failed(client, name)
    assert found["errorType"] == "Runtime.InvalidEntrypoint"
    assert found["errorMessage"].endswith("fork/exec /no/such: no such file or directory")


def test_what_cannot_be_is_refused(live: Any) -> None:
    client = live.client("lambda")
    given: dict[str, Any] = {"PackageType": "Image", "Role": ROLE, "FunctionName": "refused"}
    code = "InvalidParameterValueException"
    create = client.create_function
    words = refused(code, create, **given, Code={"ImageUri": "nowhere:1"})
    assert words == "Source image nowhere:1 does not exist. Provide a valid source image."
    both = f"x:1@sha256:{'0' * 64}"
    assert "is not valid" in refused(code, create, **given, Code={"ImageUri": both})
    words = refused(code, create, **given, Code={"ImageUri": FUNCTION}, Handler="a.b")
    assert words.startswith("Please don't provide Handler or Runtime or Layer")
    name = made(live)
    update = client.update_function_configuration
    assert "Runtime and Handler" in refused(code, update, FunctionName=name, Handler="a.b")
    update = client.update_function_code
    assert "Please provide ImageUri" in refused(code, update, FunctionName=name, ZipFile=b"x")
    client.create_function(
        **given | {"FunctionName": "pulls"}, Code={"ImageUri": "localhost:1/no:9"}
    )

    def look() -> Any:
        found = client.get_function_configuration(FunctionName="pulls")
        return found if found["State"] == "Failed" else None

    assert until(look, "it failed")["StateReasonCode"] == "InvalidImage"


def test_what_an_earlier_server_left_is_gone(
    live: Any, podman: podman_service.Podman, tmp_path: Any
) -> None:
    engine, jobs = live.app.backend.containers.engines.find(), live.app.settings.home / "jobs"
    spec = Spec(
        key="function-left", argv=("one",), env={}, root=tmp_path, image=FUNCTION, storage=1 << 20
    )
    left = tied.TiedContainer(engine, spec, {tied.HOME: container.home(jobs), tied.SERVER: "other"})
    try:
        left.make({})
        left.start()
        _swept(live, podman)
    finally:
        left.remove()


def _swept(live: Any, podman: podman_service.Podman) -> None:
    """The next server's look removes it."""
    assert "function-left" in podman.run("ps", "--all", "--format", "{{.Names}}")
    live.world.functions._containers.sweep()
    assert "function-left" not in podman.run("ps", "--all", "--format", "{{.Names}}")


def test_as_under_docker_another_container_holds_the_network(
    live: Any, podman: podman_service.Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the calls that Docker has too, on the same Podman."""
    images = live.world.functions.images
    engine = replace(images.engine(), podman=False)
    monkeypatch.setattr(images, "engine", lambda: engine)
    client, name = live.client("lambda"), made(live)
    assert answer(client, name, "look") == {"count": 1, "result": None}
    assert answer(client, name, "env")["count"] == 2
    assert log(live, name)[0] == "beginning as one word"
    assert "-network" in podman.run("ps", "--format", "{{.Names}}")
    assert failed(client, name, '"exit"')["errorMessage"].endswith("exit status 3")
    until(lambda: "-network" not in podman.run("ps", "--format", "{{.Names}}"), "they are gone")
