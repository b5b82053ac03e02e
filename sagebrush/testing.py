"""A server for tests of users' own code: a process of its own, with a data directory of its own.

`pytest_plugin` makes fixtures of it; other frameworks may use it as it is: `Server.start`,
`Server.reset` before each test, `use` around it, `Server.stop` at the end.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

START = 60.0
"""Seconds that a server has to answer."""
END = 30.0
"""Seconds that a server without jobs has to end."""
OURS = "for-tests"
"""The file that shows a data directory to be made for tests: what is in it may be deleted."""
FOREIGN = (
    "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)  # fmt: skip
"""Variables of the real AWS that would lead code elsewhere, besides AWS_ENDPOINT_URL_<SERVICE>."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PYTHON = "SAGEBRUSH_PYTHON"
"""The variable that names another interpreter with Sagebrush for the server."""
LAUNCH = (
    "import sys; sys.path.append(sys.argv.pop(1));"
    " from sagebrush.testing import serve; sys.exit(serve(sys.argv[1:]))"
)
"""What the server's process runs, which finds the package where it lies: by PYTHONPATH, the programs
that the server starts would find it too."""


class ServerError(RuntimeError):
    """The server did not start, or has ended; the text has its last words."""


@dataclass(frozen=True)
class Account:
    """What a test needs of the account. It is the same for all tests of a server; its content is not."""

    endpoint_url: str
    region: str
    account_id: str
    role_arn: str
    """The execution role: an administrator that SageMaker may assume."""
    access_key: str
    secret_key: str = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    """The environment by which AWS's SDKs and command line find the server (`sagebrush env`)."""

    @cached_property
    def models(self) -> Any:
        """Botocore's loader of AWS's models, with what it has read; made within `use`."""
        from botocore.loaders import create_loader

        return create_loader(os.environ.get("AWS_DATA_PATH"))

    def client(self, service: str, **given: Any) -> Any:
        """A boto3 client; `given` as for `boto3.client`. It works without the variables too."""
        return self.session(given.pop("region_name", None)).client(
            service, **{"endpoint_url": self.endpoint_url, **given}
        )

    def session(self, region: str | None = None) -> Any:
        """A boto3 session with the owner's key. Its clients need the variables, or `endpoint_url`."""
        import boto3.session

        return boto3.session.Session(self.access_key, self.secret_key, None, region or self.region)


class Server:
    """A running server; `account` is what its clients need."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, keep: bool) -> None:
        self._process = process
        self._keep = keep
        self.home = home
        """The data directory."""
        self._port = 0

    @staticmethod
    def start(home: Path | None = None, **settings: Any) -> Server:
        """A server that answers, on free ports of this machine, and ends at the latest with this
        process.

        `home`: its data directory, kept afterwards; else a temporary one. `settings` as in
        docs/settings.md; `SAGEBRUSH_…` variables and the settings file count too, for all but
        the data directory and addresses. Raises ServerError, and ValueError for a `home` that holds
        something else.
        """
        keep = home is not None
        place = _claimed(home) if home else Path(tempfile.mkdtemp(prefix="sagebrush-"))
        (place / OURS).touch()
        environ = {
            **os.environ,
            **{f"SAGEBRUSH_{k.upper()}": _text(v) for k, v in settings.items()},
        }
        own = ["--host", "127.0.0.1", "--port", "0", "--home", str(place)]
        with open(place / "up.log", "wb") as out:
            process = subprocess.Popen(
                [*_program(environ), *own],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=environ,
                start_new_session=True,  # Ctrl-C is for the tests: they stop it
            )
        server = Server(process, place, keep)
        try:
            server._wait_until_it_answers()
            server.account = server._account(environ)
        except BaseException:
            server.stop()
            raise
        return server

    account: Account

    def reset(self) -> dict[str, Any]:
        """The account is empty: nothing runs, nothing is stored. Returns what was there.

        Raises ServerError where that fails, or the server has ended.
        """
        token = (self.home / "keys" / "pages.token").read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(
                "POST", "/_sagebrush/reset", headers={"Authorization": f"Bearer {token}"}
            )
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except OSError as error:
            raise ServerError(f"the server does not answer: {error}\n{self._words()}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise ServerError(f"the account could not be emptied: {said.get('message', said)}")
        return said

    def stop(self) -> None:
        """Nothing of the server is left: what it ran is killed. Repeatable."""
        if self._process.poll() is None and self._port:
            with suppress(ServerError):
                self.reset()  # so that its end waits for no job
        self._process.terminate()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not self._keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START
        file = self.home / "server.json"
        while True:
            with suppress(OSError, ValueError):
                said = json.loads(file.read_text())
                if said["pid"] == self._process.pid:  # not of a server that was killed
                    self._port = said["port"]
                    return
            if self._process.poll() is not None or time.monotonic() > until:
                raise ServerError(f"the server did not start:\n{self._words()}")
            time.sleep(0.005)

    def _words(self) -> str:
        """The last that the server said."""
        try:
            return (self.home / "up.log").read_text(errors="replace")[-4000:]
        except OSError:
            return ""

    def _account(self, environ: Mapping[str, str]) -> Account:
        from sagebrush.commands import env, running

        chosen = running.settings(dict(environ), home=self.home)
        found = running.server(running.state(chosen))
        variables = env.variables(chosen, found)
        return Account(
            endpoint_url=found.url,
            region=found.region,
            account_id=found.account,
            role_arn=f"arn:aws:iam::{found.account}:role/{chosen.role}",
            access_key=variables["AWS_ACCESS_KEY_ID"],
            secret_key=variables["AWS_SECRET_ACCESS_KEY"],
            variables=variables,
        )


@contextmanager
def use(account: Account) -> Iterator[Account]:
    """Within, this process and what it starts talk to the account, as after `sagebrush env`:
    `boto3.client("s3")` and `sagemaker.Session()` need no further argument.

    Clients and sessions that were made before keep what they had.
    """
    import boto3
    from botocore.loaders import Loader

    given = {**account.variables, **_past_proxies(os.environ)}
    gone = [n for n in os.environ if n in FOREIGN or n.startswith("AWS_ENDPOINT_URL_")]
    before = {name: os.environ.get(name) for name in (*given, *gone)}
    # the SageMaker SDKs take the address of STS from botocore's table (toolkit/client)
    session, table = boto3.DEFAULT_SESSION, Loader.CUSTOMER_DATA_PATH
    for name in gone:
        del os.environ[name]
    os.environ.update(given)
    Loader.CUSTOMER_DATA_PATH = account.variables["SAGEBRUSH_CLIENT_DATA"]
    try:
        boto3.DEFAULT_SESSION = _default_session(account)
        yield account
    finally:
        Loader.CUSTOMER_DATA_PATH, boto3.DEFAULT_SESSION = table, session
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _default_session(account: Account) -> Any:
    """A new session like boto3's own default, but for AWS's models, which are read once for all tests
    of the account: reading them takes a quarter of a second."""
    import boto3.session
    import botocore.session

    core = botocore.session.get_session()
    core.register_component("data_loader", account.models)
    return boto3.session.Session(botocore_session=core)


def serve(arguments: list[str]) -> int:
    """Runs the server of these arguments of `up`, until a signal or the end of its standard input,
    which comes with the end of whoever started it."""
    from sagebrush.__main__ import main

    def watch() -> None:
        while os.read(0, 4096):
            pass
        for _ in range(2):  # the second one does not wait for jobs
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5.0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    return main(["up", *arguments])


def _program(environ: Mapping[str, str]) -> list[str]:
    """What runs `serve`; without the working directory on its path (-P), where anything may lie."""
    if other := environ.get(PYTHON):
        return [other, "-P", "-m", "sagebrush.testing"]
    root = Path(__file__).resolve().parent.parent
    return [sys.executable, "-P", "-c", LAUNCH, str(root)]


def _claimed(home: Path) -> Path:
    """The directory, which is there; raises ValueError where it holds what is not for tests."""
    home = home.expanduser().absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(home.iterdir()) and not (home / OURS).exists():
        raise ValueError(f"{home} holds something that was not made for tests: name another")
    return home


def _text(value: Any) -> str:
    """The value of a setting as a variable."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which requests to this machine pass no proxy."""
    found = {}
    if any(environ.get(name) or environ.get(name.lower()) for name in PROXIES):
        for name in ("NO_PROXY", "no_proxy"):
            known = environ.get(name, "").split(",")
            found[name] = ",".join(filter(None, [*known, "localhost", "127.0.0.1"]))
    return found


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
