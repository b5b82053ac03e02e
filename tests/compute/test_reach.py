"""A job reaches AWS's API as its role, and the internet only through the proxy."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Bind, Exited, Spec
from sagebrush.workload import launch
from tests.conftest import Server, make_settings, started

PREFIXES = {Path(sys.prefix), Path(os.path.realpath(sys.base_prefix)), Path(sys.base_prefix)}


@pytest.fixture
def server(tmp_path: Path, isolation: str) -> Iterator[Server]:
    """A server with each isolation in turn."""
    made = started(make_settings(tmp_path / "home", isolation=isolation))
    yield made
    made.app.backend.forget("reach")
    made.stop()


def inside(
    server: Server,
    program: str,
    listeners: tuple[str, ...] = launch.LISTENERS,
    outside: bool = False,
) -> Any:
    """What `program`, run as a job of the execution role, printed last, as JSON."""
    app = server.app
    sandboxed = app.backend.isolation == "sandbox" and not outside
    root = app.settings.home / "jobs" / "reach"
    env = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1", "HOME": "/tmp"}
    if sandboxed:
        env |= {
            "AWS_ENDPOINT_URL": launch.GATEWAY,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/job",
            "http_proxy": launch.PROXY,
            "no_proxy": "127.0.0.1,169.254.170.2,169.254.169.254",
        }
    app.backend.launch(
        Spec(
            key="reach",
            argv=[sys.executable, "-c", textwrap.dedent(program)],
            env=env,
            root=root,
            role=f"arn:aws:iam::{app.settings.account}:role/{app.settings.role}",
            binds=tuple(Bind(prefix, str(prefix)) for prefix in PREFIXES),
            cwd="/opt/ml" if sandboxed else str(root / "ml"),
            listeners=listeners,
            time_limit=60,
            grace=0,
            outside=outside,
        )
    )
    limit = time.monotonic() + 90
    while not isinstance(state := app.backend.poll("reach"), Exited):
        assert time.monotonic() < limit
        time.sleep(0.02)
    lines = [line.text for line in app.backend.logs("reach")]
    assert (state.code, state.reason) == (0, ""), "\n".join(lines)
    return json.loads(lines[-1])


def test_the_api_answers_as_the_role(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="shared")
    server.client("s3").put_object(Bucket="shared", Key="a", Body=b"for the job")
    told = inside(
        server,
        """
        import boto3, json
        s3 = boto3.client("s3")
        s3.put_object(Bucket="shared", Key="b", Body=b"from the job")
        print(json.dumps([boto3.client("sts").get_caller_identity()["Arn"],
                          s3.get_object(Bucket="shared", Key="a")["Body"].read().decode()]))
        """,
    )
    role = server.app.settings.role
    assert told[0].startswith(f"arn:aws:sts::{server.app.settings.account}:assumed-role/{role}/")
    assert told[1] == "for the job"
    body = server.client("s3").get_object(Bucket="shared", Key="b")["Body"].read()
    assert body == b"from the job"


def test_a_program_of_ours_outside_of_sandboxes_reads_s3_as_the_role(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="shared")
    server.client("s3").put_object(Bucket="shared", Key="a", Body=b"for the driver")
    told = inside(
        server,
        """
        import json, os
        from urllib.parse import urlsplit
        from sagebrush.companion import fetch
        path = urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).path
        token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        role = fetch.Role(int(os.environ["SAGEBRUSH_FEED"]), path, token, "us-east-1")
        reader = fetch.Reader(role)
        print(json.dumps([fetch.whole(reader, "shared", "a").decode(), os.getuid(), os.getcwd()]))
        """,
        listeners=(),
        outside=True,
    )
    where = str(server.app.settings.home / "jobs" / "reach" / "ml")
    assert told == ["for the driver", os.getuid(), where]


@pytest.mark.sandbox
@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_the_proxy_does_not_lead_to_this_host(server: Server) -> None:
    told = inside(
        server,
        f"""
        import json, os, urllib.error, urllib.request
        del os.environ["no_proxy"]
        def get(url):
            try: return urllib.request.urlopen(url, timeout=20).status
            except urllib.error.HTTPError as error: return [error.code, error.read().decode()]
        print(json.dumps([get("http://127.0.0.1:{server.app.port}/_sagebrush/health"),
                          get("http://169.254.169.254/latest/meta-data/")]))
        """,
    )
    for code, text in told:
        assert code == 403
        assert "egress_allow" in text


@pytest.mark.sandbox
@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_clients_find_the_instance_metadata(server: Server) -> None:
    """As version 2 asks for it, and a notice as version 1 may."""
    place = server.app.settings.home / "jobs" / "reach"
    place.mkdir()
    (place / "notice").write_text('{"action": "terminate", "time": "2026-01-02T03:04:05Z"}')
    region, found, notice, forged = inside(
        server,
        """
        import json, os, urllib.error, urllib.request
        from botocore.session import Session
        from botocore.utils import IMDSRegionProvider, InstanceMetadataFetcher
        for name in ("AWS_ENDPOINT_URL", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_DEFAULT_REGION"):
            del os.environ[name]
        url = "http://169.254.169.254/latest/meta-data/spot/instance-action"
        notice = json.load(urllib.request.urlopen(url))
        request = urllib.request.Request(url, headers={"X-aws-ec2-metadata-token": "forged"})
        try: forged = urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error: forged = error.code
        found = InstanceMetadataFetcher().retrieve_iam_role_credentials()
        print(json.dumps([IMDSRegionProvider(Session()).provide(), found, notice, forged]))
        """,
    )
    assert region == server.app.settings.region
    assert found["role_name"] == server.app.settings.role
    assert notice["time"] == "2026-01-02T03:04:05Z"
    assert forged == 401
    client = server.client(
        "sts",
        aws_access_key_id=found["access_key"],
        aws_secret_access_key=found["secret_key"],
        aws_session_token=found["token"],
    )
    assert f"assumed-role/{server.app.settings.role}/" in client.get_caller_identity()["Arn"]


@pytest.mark.sandbox
@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_an_isolated_job_reaches_nothing(server: Server) -> None:
    told = inside(
        server,
        """
        import errno, json, socket
        def reach(host, port):
            try: socket.create_connection((host, port), 2).close(); return "ok"
            except OSError as error: return errno.errorcode.get(error.errno, str(error))
        places = [("127.0.0.1", 4566), ("169.254.170.2", 80), ("127.0.0.1", 3128), ("1.1.1.1", 80)]
        print(json.dumps([reach(*place) for place in places]))
        """,
        listeners=(),
    )
    assert told == ["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "ENETUNREACH"]
