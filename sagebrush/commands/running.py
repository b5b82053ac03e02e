"""The server that this data directory's commands talk to: found by its state file, asked by HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from sagebrush.facts import Running
from sagebrush.settings import Settings

STATE = "server.json"
"""In the data directory: what the server that runs there wrote at its start."""
HEALTH = "/_sagebrush/health"
ACCOUNTS = "/_sagebrush/accounts"
PAGE_TOKEN = "pages.token"
"""In `keys` of the data directory (`credentials.PAGE_TOKEN`, which is long to import)."""


class CommandError(Exception):
    """The command cannot be done; the text says why and what to do."""


@dataclass(frozen=True)
class Server:
    """A running server. Ports are those it bound, which differ from a setting of 0."""

    pid: int
    host: str
    port: int
    tls_port: int
    account: str = "123456789012"
    region: str = "us-east-1"
    key: str = ""
    """The id of the key that its clients use; "" for the owner's (`places.server`)."""

    @property
    def url(self) -> str:
        """Where clients on this machine reach it."""
        host = "localhost" if self.host in ("", "127.0.0.1", "::1", "0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}"


def settings(environ: dict[str, str] | None = None, **given: Any) -> Settings:
    """The effective settings: defaults, the settings file, the environment, then `given`."""
    environ = dict(os.environ if environ is None else environ)
    named = environ.get("SAGEBRUSH_SETTINGS")
    base = Path(environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    return Settings.load(environ, Path(named or base / "sagebrush" / "settings.toml"), **given)


def state(chosen: Settings) -> dict[str, Any]:
    """What the server of this data directory wrote at its start; {} when it wrote nothing."""
    try:
        return json.loads((chosen.home / STATE).read_text())
    except (OSError, ValueError):
        return {}


def server(said: Mapping[str, Any]) -> Server:
    """The server that a state file describes."""
    known = {field.name for field in fields(Server)}
    return Server(**{name: value for name, value in said.items() if name in known})


def find(chosen: Settings) -> Server | None:
    """The server of this data directory, or None when none runs (or the file is left over)."""
    said = state(chosen)
    if not {"pid", "port", "tls_port", "host"} <= set(said) or not alive(said["pid"]):
        return None
    return server(said)


def alive(pid: int) -> bool:
    """Whether a `sagebrush` process of that id runs (a dead one that waits to be reaped does not)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except OSError:
        return False
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z" and b"sagebrush" in (process / "cmdline").read_bytes()
    except (OSError, IndexError):
        return not Path("/proc/self/stat").exists()


def require(chosen: Settings) -> Server:
    """The running server; raises CommandError when there is none."""
    server = find(chosen)
    if server is None:
        raise CommandError(f"no server is running for {chosen.home}. Start one: sagebrush up -d")
    return server


def ask(port: int, path: str, token: str = "", timeout: float = 2.0) -> dict[str, Any] | None:
    """The JSON object that GET `path` answers on that port of this machine, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"Host": f"localhost:{port}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read(1 << 20)) if response.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def health(chosen: Settings, server: Server) -> dict[str, Any] | None:
    """The server's health page, as its owner sees it, or None while it does not answer."""
    try:
        token = (chosen.home / "keys" / PAGE_TOKEN).read_text()
    except OSError:
        token = ""
    return ask(server.port, HEALTH, token)


def taken(port: int) -> bool:
    """Whether something listens on that port of this machine."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, port)) == 0:
                return True
    return False


def occupant(port: int) -> str:
    """What answers on a busy port, in words, as far as it can be found out."""
    if ask(port, HEALTH):
        return "another Sagebrush"  # to a client without its token it says no more
    if theirs := ask(port, "/_localstack/health"):
        return f"LocalStack {theirs.get('version', '')}".strip()
    if ask(port, "/moto-api/data.json") is not None:
        return "Moto"
    return "another program"


def user_key(chosen: Settings) -> tuple[str, str]:
    """The user's long-lived (access key id, secret access key)."""
    return _book(chosen).user_key


def secret_of(chosen: Settings, access_key: str) -> str:
    """The secret of a user's or an account's key, which derives from the keys of this data
    directory."""
    owners, secret = user_key(chosen)
    return secret if access_key == owners else _book(chosen).secret_of(access_key)


def _book(chosen: Settings) -> Any:
    import time

    from sagebrush.credentials import CredentialBook

    return CredentialBook(chosen.home / "keys", chosen.account, chosen.role, time.time)


def page(
    chosen: Settings, server: Server, path: str, body: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The JSON object of one of the server's own pages, asked as its owner; with a `body` by POST.

    Raises CommandError in the server's words.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        token = (chosen.home / "keys" / PAGE_TOKEN).read_text()
        headers = {"Host": f"localhost:{server.port}", "Authorization": f"Bearer {token}"}
        sent = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, sent, headers)
        response = connection.getresponse()
        answer = json.loads(response.read(1 << 20))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CommandError(f"the server did not answer: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise CommandError(str(answer.get("message", answer)))
    return answer


def account(chosen: Settings, server: Server, wanted: str = "") -> dict[str, Any]:
    """Id, name and access key of the account of that id or name (default: that of the settings);
    raises CommandError for one that is not there."""
    listed = page(chosen, server, ACCOUNTS)["Accounts"]
    if not wanted:
        return listed[0]
    for each in listed:
        if wanted in (each["Id"], each["Name"]):
            return each
    raise CommandError(f"there is no account {wanted} (sagebrush account list)")


def client(
    chosen: Settings, server: Server, service: str, region: str = "", access_key: str = ""
) -> Any:
    """A boto3 client as a user's would be after `eval "$(sagebrush env)"`, in `region` (default: the
    server's); with the id of another account's key as that account's administrator."""
    used = access_key or server.key
    key = (used, secret_of(chosen, used)) if used else user_key(chosen)
    session = _session(*key)
    return session.client(service, endpoint_url=server.url, region_name=region or server.region)


@cache
def _session(key: str, secret: str) -> Any:
    """A boto3 session, which reads AWS's models once for the clients of all regions."""
    from boto3.session import Session

    return Session(aws_access_key_id=key, aws_secret_access_key=secret)


def describe(client: Any, kind: Running, name: str) -> dict[str, Any]:
    """The description of the resource; raises botocore's ClientError where there is none."""
    from botocore import xform_name

    return getattr(client, xform_name(f"Describe{kind.noun}"))(**{kind.id_member: name})


def span(seconds: float) -> str:
    """A time span in its two largest units."""
    minutes, left = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (left, "s")) if n
    ]
    return " ".join(parts[:2]) or "0 s"


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """The rows as lines with aligned columns, on a terminal and in a file alike."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))] if rows else []
    return [
        gap.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
