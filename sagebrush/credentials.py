"""Access keys and role sessions: who a key belongs to and the secret that its signatures need.

Session credentials are stateless: key id, secret and token derive from the server's master key, so
they outlive a restart and need no rows.
"""

from __future__ import annotations

import base64
import datetime as dt
import getpass
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.errors import AwsError, Doc

PAGE_TOKEN = "pages.token"
"""The file, in the directory of the other keys, that holds the token for Sagebrush's own pages."""


def role_of(arn: str) -> tuple[str, str]:
    """Account and name of a role's ARN; its path says nothing. Both empty for another text."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("role/"):
        return "", ""
    return parts[4], parts[5].rsplit("/", 1)[-1]


ROOT = "<root_account>"
"""The user name of an account's own key, as in IAM's credential report; no user can have it."""


def user_of(arn: str) -> tuple[str, str]:
    """Account and name of a user's ARN; its path says nothing. ROOT for the account's own (`…:root`);
    both empty for another text."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam":
        return "", ""
    if parts[5] == "root":
        return parts[4], ROOT
    return (parts[4], parts[5].rsplit("/", 1)[-1]) if parts[5].startswith("user/") else ("", "")


@dataclass(frozen=True)
class Caller:
    """Who asks: the principal's ARN, its unique id, and the name of the role or user behind it."""

    arn: str
    user_id: str
    account: str
    role: str | None = None
    """The role's name; None for what is no role session."""
    access_key: str = ""
    policies: tuple[Doc, ...] = field(default=(), hash=False)
    """Session policies: what the session may do at most."""
    session: RoleSession | UserSession | None = field(default=None, hash=False)
    """What temporary credentials carry; None for long-lived keys and for Sagebrush's own work."""
    user: str | None = None
    """The IAM user's name; None for what is neither a user nor a session of one."""
    administrator: bool = False
    """Whether it holds the key that `sagebrush account add` gave to a further account."""

    @property
    def federated(self) -> bool:
        """Whether it holds credentials of GetFederationToken."""
        return isinstance(self.session, UserSession) and bool(self.session.federated)


@dataclass(frozen=True)
class Identity:
    """A role or a user as requests are checked against it."""

    arn: str
    id: str
    policies: tuple[Mapping[str, Any], ...]
    """Inline and attached ones, parsed (`access.policy.Policy`)."""
    tags: Mapping[str, str]
    boundary: Mapping[str, Any] | None = None
    """The permissions boundary: what the policies can allow at most."""


@dataclass(frozen=True)
class Key:
    """A resolved access key: its secret, who it speaks for, when it ends (None: never)."""

    secret: str = field(repr=False)
    caller: Caller
    expires: float | None = None


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the credentials of every session carry besides whose they are."""

    policies: tuple[Doc, ...] = ()
    """Session policies: what the session may do at most."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Session tags, those that an earlier session passed on among them."""
    transitive: tuple[str, ...] = ()
    """Keys of the tags that sessions begun from this one get too."""
    source_identity: str = ""
    issued: float = 0.0
    """Seconds since the epoch; set when the credentials are made."""

    @property
    def packed(self) -> int:
        """Bytes that its policies and tags take in the token."""
        return len(zlib.compress(json.dumps([self.policies, self.tags]).encode()))


@dataclass(frozen=True)
class RoleSession(Terms):
    """A session of a role: everything that its credentials carry."""

    role_arn: str
    role_id: str
    """The role's unique id: a role that is created again under the name has another, and the session
    is not of that one. Empty: of no role."""
    name: str

    @property
    def account(self) -> str:
        return role_of(self.role_arn)[0]


@dataclass(frozen=True)
class UserSession(Terms):
    """A session of an IAM user: of GetSessionToken, or of GetFederationToken for someone else."""

    user_arn: str
    user_id: str
    """The user's unique id, as a role's of a role session."""
    federated: str = ""
    """The name of the federated user; empty for the user itself."""

    @property
    def account(self) -> str:
        return user_of(self.user_arn)[0]


@dataclass(frozen=True)
class Session:
    """Temporary credentials as STS and the container credentials address give them."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires: float


Holder = Callable[[str], Caller | None]
"""The id of a long-lived key -> who it speaks for; None where there is no such key, it is inactive,
or its user is gone."""


def _nobody(access_key: str) -> Caller | None:
    return None


class CredentialBook:
    """Issues and resolves credentials of one data directory."""

    def __init__(
        self,
        keys: Path,
        account: str,
        role: str,
        clock: Callable[[], float],
        holder: Holder = _nobody,
    ) -> None:
        """Reads `keys` (0700), making the master key and the user's long-lived key at first use.

        `holder` finds who other long-lived keys speak for, whose secrets derive from the master key.
        """
        self._account = account
        self._role = role
        self._clock = clock
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys.chmod(0o700)
        self._master = _kept(keys / "master", lambda: secrets.token_bytes(32))
        text = _kept(keys / "user.json", _fresh_user_key)
        user = json.loads(text)
        self.user_since = (keys / "user.json").stat().st_mtime
        """When the user's key was made, in seconds since the epoch."""
        self._user = (user["AccessKeyId"], user["SecretAccessKey"])
        me = user_name()
        self._user_resolved = Key(
            self._user[1],
            Caller(
                f"arn:aws:sts::{account}:assumed-role/{role}/{me}",
                f"{role_id(account, role)}:{me}",
                account,
                role,
                self._user[0],
            ),
        )
        self._sessions: dict[tuple[str, str], Key] = {}
        self._holder = holder
        self._held: dict[str, Key] = {}
        self.page_token = _kept(keys / PAGE_TOKEN, _fresh_page_token).decode()
        """What shows whoever can read the data directory to be its owner, on Sagebrush's own pages."""

    @property
    def user_key(self) -> tuple[str, str]:
        """The long-lived (access key id, secret) that `sagebrush env` exports."""
        return self._user

    @property
    def user_caller(self) -> Caller:
        """Who the long-lived key speaks for."""
        return self._user_resolved.caller

    def owns(self, caller: Caller) -> bool:
        """Whether the caller holds the long-lived key of this installation's owner."""
        return caller.access_key == self._user[0]

    def account_of(self, access_key: str, others: Iterable[str] = ()) -> str | None:
        """The account of the owner's key, or of a session that was issued here, ended or not; None
        for another one.

        Sessions are not kept: as an AWS key id encodes its account, these are tried for ours and for
        each of `others`.
        """
        if access_key == self._user[0]:
            return self._account
        if not access_key.startswith("ASIA"):
            return None
        tried = (self._account, *others)
        return next((each for each in tried if self._ours(access_key, each)), None)

    def mint(self) -> tuple[str, str]:
        """A new access key id of a user, and its secret, which derives from the master key and so
        is stored nowhere.

        The key works once a row of it exists.
        """
        key = self._fresh_id("AKIA", "user")
        return key, self._secret(key)

    def secret_of(self, access_key: str) -> str:
        """The secret of a key that `mint` gave; AwsError InvalidClientTokenId (403) for others."""
        if not access_key.startswith("AKIA") or not self._ours(access_key, "user"):
            raise _invalid()
        return self._secret(access_key)

    def _fresh_id(self, kind: str, of: str) -> str:
        """A key id: `kind`, and 16 characters of which the last show whose it is."""
        raw = secrets.token_bytes(7)
        return kind + base64.b32encode(raw + self._shown(of, raw)).decode()

    def _ours(self, access_key: str, of: str) -> bool:
        """Whether the key id was made here, for the sessions of an account or for users."""
        try:
            raw = base64.b32decode(access_key[4:])
        except ValueError:
            return False
        return len(raw) == 10 and hmac.compare_digest(self._shown(of, raw[:7]), raw[7:])

    def _shown(self, of: str, raw: bytes) -> bytes:
        """Three bytes that show whose seven of a key id are."""
        return self._mac(b"key id" if of == self._account else b"key id/" + of.encode(), raw)[:3]

    def issue(self, session: RoleSession | UserSession, seconds: float) -> Session:
        """Credentials of the session, begun now, for `seconds`."""
        key = self._fresh_id("ASIA", session.account)
        now = self._clock()
        expires = float(int(now + seconds))
        body = json.dumps([key, expires, {**asdict(session), "issued": now}]).encode()
        body = zlib.compress(body)
        token = _text(body + self._mac(b"token", body))
        return Session(key, self._secret(key), token, expires)

    def resolve(self, access_key: str, token: str | None) -> Key:
        """The key; raises AwsError InvalidClientTokenId / ExpiredToken (403) when it is not ours."""
        if access_key == self._user[0] and not token:
            return self._user_resolved
        if not token:
            return self._long_lived(access_key)
        if not access_key.startswith("ASIA"):
            raise _invalid()
        key = self._sessions.get((access_key, token)) or self._open(access_key, token)
        if key.expires is not None and key.expires <= self._clock():
            raise _expired()
        return key

    def _long_lived(self, access_key: str) -> Key:
        """The key of a user or of an account's administrator, kept until `forget`."""
        held = self._held  # as it is before the rows are read: see `forget`
        found = held.get(access_key)
        if found is None:
            ours = access_key.startswith("AKIA") and self._ours(access_key, "user")
            caller = self._holder(access_key) if ours else None  # strangers cost no read
            if caller is None:
                raise _invalid()
            held[access_key] = found = Key(self._secret(access_key), caller)
        return found

    def forget(self) -> None:
        """Who long-lived keys speak for is looked up again: a key, or its user, has changed."""
        self._held = {}  # whoever has read an older row fills the old one

    def _open(self, access_key: str, token: str) -> Key:
        """The session key that `token` proves; raises AwsError when it is not one of ours."""
        body = self._proven(b"token", token)
        try:
            key, expires, members = json.loads(zlib.decompress(body))
            lists = {name: tuple(members[name]) for name in ("policies", "transitive")}
            whose = UserSession if "user_arn" in members else RoleSession
            session = whose(**{**members, **lists})
        except (zlib.error, ValueError, TypeError, KeyError) as error:
            # Ours, of an earlier version: SDKs fetch new ones where these have expired.
            raise _expired() from error
        if key != access_key:
            raise _invalid()
        resolved = Key(self._secret(access_key), session_caller(session, access_key), expires)
        if len(self._sessions) >= 4096:
            self._sessions.clear()
        self._sessions[access_key, token] = resolved
        return resolved

    def container_token(self, role_arn: str) -> str:
        """A bearer token for the role's credentials at the loopback credentials address."""
        body = json.dumps([role_arn]).encode()
        return _text(body + self._mac(b"container", body))

    def container_role(self, token: str) -> str:
        """The role ARN that a container token is for; raises AwsError InvalidClientTokenId."""
        return json.loads(self._proven(b"container", token))[0]

    def container_document(self, session: RoleSession, seconds: float) -> dict[str, str]:
        """Fresh credentials of the session, as ECS's credentials address gives them.

        ECS developer guide, "Task IAM role": SDKs fetch new ones before `Expiration`.
        """
        found = self.issue(session, seconds)
        expires = dt.datetime.fromtimestamp(found.expires, dt.UTC)
        return {
            "AccessKeyId": found.access_key,
            "SecretAccessKey": found.secret,
            "Token": found.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": session.role_arn,
        }

    def seal(self, purpose: bytes, body: bytes) -> str:
        """`body` in text that only this data directory can have made, for that purpose; it is
        signed, not hidden."""
        return _text(body + self._mac(b"seal/" + purpose, body))

    def open_seal(self, purpose: bytes, text: str) -> bytes:
        """The body that was sealed for that purpose; raises AwsError InvalidClientTokenId."""
        return self._proven(b"seal/" + purpose, text)

    def _proven(self, purpose: bytes, token: str) -> bytes:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError as error:
            raise _invalid() from error
        body, mac = raw[:-32], raw[-32:]
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            raise _invalid()
        return body

    def _mac(self, purpose: bytes, body: bytes) -> bytes:
        return hmac.digest(self._master, purpose + b"\0" + body, "sha256")

    def _secret(self, access_key: str) -> str:
        return base64.b64encode(self._mac(b"secret", access_key.encode())[:30]).decode()


def session_caller(session: RoleSession | UserSession, access_key: str) -> Caller:
    """The principal of a session."""
    if isinstance(session, UserSession):
        return _user_caller(session, access_key)
    account, role = role_of(session.role_arn)
    return Caller(
        f"arn:aws:sts::{account}:assumed-role/{role}/{session.name}",
        f"{session.role_id or NO_ROLE}:{session.name}",
        account,
        role,
        access_key,
        session.policies,
        session,
    )


def _user_caller(session: UserSession, access_key: str) -> Caller:
    account, user = user_of(session.user_arn)
    arn, number = session.user_arn, session.user_id
    if session.federated:
        arn = f"arn:aws:sts::{account}:federated-user/{session.federated}"
        number = f"{account}:{session.federated}"
    return Caller(arn, number, account, None, access_key, session.policies, session, user)


NO_ROLE = "AROA" + "A" * 17
"""Stands in a user id for the id of a role that is not there."""


def role_id(account: str, role: str) -> str:
    """A unique id in AWS's form, the same for the same name: of what there is only once."""
    digest = hashlib.sha256(f"{account}/{role}".encode()).digest()
    return "AROA" + base64.b32encode(digest).decode()[:17]


def fresh_role_id() -> str:
    """A unique id that no role had before."""
    return "AROA" + base64.b32encode(secrets.token_bytes(11)).decode()[:17]


def user_name() -> str:
    """The operating system user, in the characters that a session name may have."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return re.sub(r"[^\w+=,.@-]", "-", name, flags=re.ASCII)[:64].ljust(2, "-")


def _fresh_user_key() -> bytes:
    key = {
        "AccessKeyId": "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        "SecretAccessKey": base64.b64encode(secrets.token_bytes(30)).decode(),
    }
    return json.dumps(key).encode()


def _fresh_page_token() -> bytes:
    return secrets.token_urlsafe(32).encode()


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What `path` holds; made once, whole or not at all, and readable by its owner alone."""
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
        with os.fdopen(handle, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)  # unlike rename, keeps what another process made first
        except FileExistsError:
            pass
        finally:
            os.unlink(name)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return path.read_bytes()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _expired() -> AwsError:
    return AwsError("ExpiredToken", "The security token included in the request is expired", 403)


def _invalid() -> AwsError:
    return AwsError(
        "InvalidClientTokenId", "The security token included in the request is invalid.", 403
    )
