"""Access keys and role sessions: who a key belongs to and the secret that its signatures need.

Session credentials are stateless: key id, secret and token derive from the server's master key, so
they outlive a restart and need no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagebrush.world import Caller


@dataclass(frozen=True)
class Key:
    """A resolved access key: its secret, who it speaks for, when it ends (None: never)."""

    secret: str
    caller: Caller
    expires: float | None = None


@dataclass(frozen=True)
class Session:
    """Temporary credentials as STS and the container credentials address give them."""

    access_key: str
    secret: str
    token: str
    expires: float


class CredentialBook:
    """Issues and resolves credentials of one data directory."""

    def __init__(self, keys: Path, account: str, role: str, clock: Callable[[], float]) -> None:
        """Reads `keys` (0700), making the master key and the user's long-lived key at first use."""
        raise NotImplementedError

    @property
    def user_key(self) -> tuple[str, str]:
        """The long-lived (access key id, secret) that `sagebrush env` exports."""
        raise NotImplementedError

    def issue(self, role_arn: str, session_name: str, seconds: float) -> Session:
        """Credentials that speak as `role_arn` in a session of that name for `seconds`."""
        raise NotImplementedError

    def resolve(self, access_key: str, token: str | None) -> Key:
        """The key; raises AwsError InvalidClientTokenId / ExpiredToken (403) when it is not ours."""
        raise NotImplementedError
