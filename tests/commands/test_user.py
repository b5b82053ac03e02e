"""`sagebrush user` and `sagebrush account`: what they print, and that it works in a shell."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.__main__ import main
from sagebrush.commands import env, running
from sagebrush.settings import Settings
from tests.conftest import Server
from tests.people import MAIN, Person, owner, refused

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sagebrush(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command line against the module's server: status, output, errors."""
    monkeypatch.setattr(running, "settings", lambda: server.app.settings)
    monkeypatch.setattr(running, "require", lambda _: running.server(server.app.state()))

    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def holder(server: Server, script: str) -> Person:
    """Who a shell is, after it has evaluated the lines."""
    done = subprocess.run(
        ["sh", "-c", 'eval "$1"; env', "sh", script],
        capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "AWS_SESSION_TOKEN": "stale"},
    )  # fmt: skip
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert "AWS_SESSION_TOKEN" not in found
    assert found["AWS_ENDPOINT_URL"].endswith(f":{server.app.port}")
    return Person(server, found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"])


def test_a_member_of_a_team(server: Server, sagebrush: Run) -> None:
    iam = owner(server)("iam")
    iam.create_group(GroupName="team")
    status, out, _ = sagebrush(
        "user", "add", "ann", "--policy", "AmazonSageMakerFullAccess", "--group", "team"
    )
    assert status == 0
    assert f"arn:aws:iam::{MAIN}:user/ann" in out
    assert "AmazonSageMakerFullAccess, group team" in out
    ann = holder(server, out)
    assert ann("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{MAIN}:user/ann"
    assert not refused(ann("sagemaker").list_models)
    assert refused(ann("iam").list_users) == "AccessDenied"
    assert ann.secret in out
    again = sagebrush("user", "keys", "ann")[1]
    assert holder(server, again) == ann
    listed = sagebrush("user", "list")[1]
    assert ann.key in listed
    assert ann.secret not in listed
    iam.put_user_policy(
        UserName="ann", PolicyName="p", PolicyDocument='{"Version":"2012-10-17","Statement":'
        '[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
    )  # fmt: skip
    assert sagebrush("user", "remove", "ann")[0] == 0
    assert refused(ann("sts").get_caller_identity) == "InvalidClientTokenId"
    assert sagebrush("user", "keys", "ann")[0] == 1


def test_a_user_without_a_policy_is_told_so(server: Server, sagebrush: Run) -> None:
    _, out, _ = sagebrush("user", "add", "poor")
    assert "It may do nothing yet" in out
    assert "attach-user-policy --user-name poor" in out
    assert refused(holder(server, out)("s3").list_buckets) == "AccessDenied"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "add", "x", "--policy", "NoSuchPolicy"), "there is no managed policy NoSuch"),
        (("user", "add", "x", "--policy", "arn:aws:iam::aws:policy/NoSuch"), "NoSuch"),
        (("user", "add", "x", "--group", "absent"), "absent"),
        (("user", "add", "no spaces"), "userName"),
        (("user", "add", "x", "--account", "absent"), "there is no account absent"),
        (("user", "remove", "absent"), "absent"),
        (("account", "add", "123"), "12 digits"),
        (("account", "env", "absent"), "there is no account absent"),
    ],
)
def test_what_cannot_be_done_is_said(
    server: Server, sagebrush: Run, words: tuple[str, ...], said: str
) -> None:
    status, out, error = sagebrush(*words)
    assert (status, out) == (1, "")
    assert said in error
    assert refused(owner(server)("iam").get_user, UserName="x") == "NoSuchEntity"


def test_an_account_and_its_users(server: Server, sagebrush: Run) -> None:
    status, out, _ = sagebrush("account", "add", "222222222222", "--name", "research")
    assert status == 0
    admin = holder(server, out)
    assert admin("sts").get_caller_identity()["Account"] == "222222222222"
    assert admin("s3").list_buckets()["Buckets"] == []
    assert holder(server, sagebrush("account", "env", "research")[1]) == admin
    listed = sagebrush("account", "list")[1]
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        [MAIN, "-"], ["222222222222", "research"],
    ]  # fmt: skip
    made = sagebrush("user", "add", "rita", "--account", "research")[1]
    assert "arn:aws:iam::222222222222:user/rita" in made
    rita = holder(server, made)
    assert rita("sts").get_caller_identity()["Account"] == "222222222222"
    assert "rita" not in sagebrush("user", "list")[1]
    assert "rita" in sagebrush("user", "list", "--account", "research")[1]
    assert sagebrush("account", "add", "research")[0] == 1


def test_accounts_are_the_owners_to_add(server: Server) -> None:
    found = running.ask(server.app.port, running.ACCOUNTS)
    assert found is None, "without the token of the owner's pages"


@pytest.mark.parametrize(
    ("changes", "url", "bundle"),
    [
        ({}, "http://localhost:1", None),
        ({"host": "10.0.0.5", "tls_only": True}, "https://10.0.0.5:2", env.BUNDLE),
        ({"host": "10.0.0.5", "insecure": True}, "http://10.0.0.5:1", None),
        ({"host": "0.0.0.0", "tls_only": True, "hosts": ("gpu.lab",)}, "https://gpu.lab:2",
         env.BUNDLE),
    ],
)  # fmt: skip
def test_lines_for_others(
    settings: Settings, changes: dict[str, Any], url: str, bundle: str | None
) -> None:
    chosen = dataclasses.replace(settings, **changes)
    listening = running.Server(1, chosen.host, 1, 2)
    found = env.elsewhere(chosen, listening, ("AKIA", "secret"))
    assert found["AWS_ENDPOINT_URL"] == url
    assert found.get("AWS_CA_BUNDLE") == bundle
    assert str(chosen.home) not in " ".join(found.values())
