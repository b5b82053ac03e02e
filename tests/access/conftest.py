"""Roles with policies: as contexts without HTTP, and as sessions of real clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

from sagebrush.app import build
from sagebrush.errors import Doc
from sagebrush.world import Ctx
from tests.access.roles import NUMBERS, TRUST, Limited, document
from tests.aws_session import SESSION
from tests.conftest import Server, make_settings


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ctx]:
    """The user's context in a World that the tests of one module share."""
    made = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield made.world.ctx(made.world.credentials.user_caller, "test-request")
    made.stop()


@pytest.fixture
def decide(ctx: Ctx) -> Limited:
    """A role of the test's own: `decide(*statements)(service, operation, params)`."""
    return Limited(ctx)


@pytest.fixture(scope="module")
def session(server: Server) -> Callable[..., Callable[..., Any]]:
    """`session(*statements)(service)`: a client that acts as a new role with these.

    Its second argument is another address of the server; certificates are not looked at."""
    iam, sts = server.client("iam"), server.client("sts")
    config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)

    def as_role(*statements: Doc) -> Callable[..., Any]:
        name = f"limited-{next(NUMBERS)}"
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
        given = sts.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="test")["Credentials"]

        def client(service: str, url: str = server.url) -> Any:
            return SESSION.client(
                service,
                endpoint_url=url,
                verify=False,
                region_name="us-east-1",
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
                config=config,
            )

        return client

    return as_role
