"""The second argument of a handler. Source: AWS Lambda Developer Guide, "Using the Lambda context
object to retrieve Python function information"."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any


class _Members:
    """Members of a document as attributes; absent ones are None."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, given: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, given.get(name))

    def __repr__(self) -> str:
        return _shown(self, self.__slots__)


class CognitoIdentity(_Members):
    """Who is signed in by Amazon Cognito, in calls of the AWS Mobile SDK."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Members):
    """The calling application, in calls of the AWS Mobile SDK."""

    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )


class ClientContext(_Members):
    """What the caller gave as ClientContext."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        inner = given.get("client")
        self.client = Client(inner) if isinstance(inner, dict) else inner


class LambdaContext:
    """One invocation, its function and its environment."""

    def __init__(
        self, request_id: str, arn: str, deadline: int, client: Any = None, identity: Any = None
    ) -> None:
        """`deadline` in milliseconds since the epoch; `client` and `identity`: parsed documents."""
        self.aws_request_id = request_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.tenant_id = None
        self.client_context = None if client is None else ClientContext(client)
        known = identity or {}
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": known.get("cognitoIdentityId"),
                "cognito_identity_pool_id": known.get("cognitoIdentityPoolId"),
            }
        )
        self._epoch_deadline_time_in_ms = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out; 0 once it has."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, msg: object) -> None:
        """`msg` is in the function's log, as it is."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name",
            "memory_limit_in_mb", "function_version", "invoked_function_arn", "client_context",
            "identity", "tenant_id",
        )  # fmt: skip
        return _shown(self, names)


def _shown(thing: object, names: tuple[str, ...]) -> str:
    inner = ",".join(f"{name}={getattr(thing, name)}" for name in names)
    return f"{type(thing).__name__}([{inner}])"
