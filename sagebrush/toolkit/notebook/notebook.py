"""Makes a notebook instance ready and becomes its Jupyter server; runs inside, as its process.

It reads /opt/ml/config/notebook.json: lifecycle scripts run (AWS: 5 minutes each, their output in
/opt/ml/output/LifecycleConfig<hook>.log), repositories are cloned into the volume, Jupyter is
configured and started. A failure is written to /opt/ml/output/failure. Standard library only.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/notebook/notebook.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sagebrush.toolkit.notebook import furnish

LIMIT = 300.0
"""Seconds that a lifecycle script may take (AWS: 5 minutes)."""
REASON = 1000
"""Characters of the failure file."""
LINES = 8
"""Lines of a script's or git's output that a failure quotes."""
TAIL = 8192
"""Bytes at the end of a script's output in which those lines are looked for."""
UNSTARTED = 126
"""Exit status of a script that could not be started, as in bash."""
CRLF = (
    b"(The lines of this script end in CR LF, as Windows writes them, and the CR belongs to what is"
    b" written before it: save the script with LF alone.)\n"
)
PORT = "8888"
SOCKET = 107
"""Bytes that the path of a socket may have (sun_path of unix(7), less its end)."""
SOCKET_NAME = 60
"""Bytes of the name of a kernel's socket, `/kernel-<uuid>-ipc-5`."""
INSIDE = {"volume": "/home/ec2-user/SageMaker", "home": "/home/ec2-user", "ml": "/opt/ml"}
ENVS = re.compile(rb"/anaconda3/envs/(\w+)/")
"""Conda environments that a script names by their paths."""
SYSTEM = {"profile": "/etc/profile.d", "log": "/var/log"}
"""Paths in scripts written for AWS; without a sandbox these are other directories of the host."""

CONFIG = """import json, sys
sys.path.append({toolkit!r})  # for notebook_activity and its like; last, so that it hides nothing
c = get_config()
for name, values in json.loads({settings!r}).items():
    getattr(c, name).update(values)
"""


class Failed(Exception):
    """The instance cannot start; the text is its FailureReason."""


@dataclass(frozen=True)
class Desk:
    """Where this instance's files are, and what it is to do."""

    ml: Path
    home: Path
    volume: Path
    orders: dict[str, Any]

    @property
    def output(self) -> Path:
        return self.ml / "output"

    @property
    def profile(self) -> Path:
        """/etc/profile.d, whose files login shells and Jupyter read."""
        return self._system("profile")

    @property
    def log(self) -> Path:
        return self._system("log")

    def _system(self, name: str) -> Path:
        sandbox = str(self.ml) == INSIDE["ml"]
        return Path(SYSTEM[name]) if sandbox else self.ml / "system" / name

    def here(self, script: bytes) -> bytes:
        """`script` with AWS's paths as they are here."""
        for name, path in (INSIDE | SYSTEM).items():
            script = script.replace(path.encode(), os.fsencode(getattr(self, name)))
        return script


def read(environ: dict[str, str]) -> Desk:
    """This instance, by its environment."""
    ml = Path(environ.get("SAGEBRUSH_ML", INSIDE["ml"]))
    orders = json.loads((ml / "config" / "notebook.json").read_text())
    volume = Path(environ.get("SAGEBRUSH_VOLUME", INSIDE["volume"]))
    return Desk(ml, Path(environ.get("HOME", INSIDE["home"])), volume, orders)


# ---- home


def prepare(desk: Desk) -> None:
    """The home directory and the folders of the system that scripts write to are there."""
    for path in (desk.profile, desk.log):
        path.mkdir(parents=True, exist_ok=True)
    found = furnish.furnish(desk.home, desk.volume, desk.profile, kernelspecs(dict(os.environ)))
    for hook in desk.orders["hooks"]:
        names = ENVS.findall(base64.b64decode(hook["content"]))
        found.link(name.decode() for name in names)


def kernelspecs(environ: dict[str, str]) -> Path:
    """The folder of the built environments' kernelspecs, which is the first of JUPYTER_PATH."""
    return Path(environ.get("JUPYTER_PATH", "/nowhere").split(os.pathsep)[0]) / "kernels"


def profiled(desk: Desk, environ: dict[str, str]) -> dict[str, str]:
    """`environ` as the files in /etc/profile.d change it, as they do for Jupyter on AWS."""
    if not list(desk.profile.glob("*.sh")):
        return environ
    each = f'for each in {shlex.quote(str(desk.profile))}/*.sh; do . "$each"; done'
    done = subprocess.run(
        ["bash", "-c", f"{{ {each}; unset each; }} >/dev/null 2>&1 </dev/null; env -0"],
        env=environ,
        stdout=subprocess.PIPE,
    )
    pairs = (part.partition(b"=") for part in done.stdout.split(b"\0") if b"=" in part)
    found = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    for name in ("_", "SHLVL", "PWD", "OLDPWD"):
        found.pop(name, None)
    return found if "HOME" in found else environ


# ---- lifecycle scripts


def run_hooks(desk: Desk, limit: float = LIMIT) -> None:
    """Every lifecycle script has run and succeeded. Raises Failed."""
    for hook in desk.orders["hooks"]:
        run_hook(desk, hook, limit)


def run_hook(desk: Desk, hook: dict[str, Any], limit: float) -> None:
    """The script has succeeded within `limit` seconds; its background processes go on.

    Raises Failed in AWS's words, with the last lines that it wrote.
    """
    name = hook["name"]
    log = desk.output / f"LifecycleConfig{name}.log"
    content = desk.here(base64.b64decode(hook["content"]))
    script = _placed(name, content)
    print(f"lifecycle configuration: {name} runs", flush=True)
    with open(log, "ab") as output:
        code = _run(script, content, output, desk.home, limit)
        if code and b"\r\n" in content:
            output.write(CRLF)
    script.unlink(missing_ok=True)
    whose = (
        f"Notebook Instance Lifecycle Config '{hook['arn']}' for Notebook Instance"
        f" '{desk.orders['arn']}'"
    )
    if code is None:
        words = f"{limit / 60:.0f} minutes" if limit >= 60 else f"{limit:g} seconds"
        raise Failed(_with_last_lines(f"{whose} took longer than {words} ({name})", log))
    if code:
        raise Failed(_with_last_lines(f"{whose} failed: {name} ended with exit code {code}", log))


def _placed(name: str, content: bytes) -> Path:
    """The script's file, named as on AWS (its logs show /tmp/OnStart_2019-07-25-15-25eklvadz0)."""
    prefix = f"{name}_{time.strftime('%Y-%m-%d-%H-%M', time.gmtime())}"
    fd, path = tempfile.mkstemp(prefix=prefix)
    with open(fd, "wb") as file:
        file.write(content)
        os.fchmod(fd, 0o700)
    return Path(path)


def _run(script: Path, content: bytes, output: BinaryIO, home: Path, limit: float) -> int | None:
    """The script's exit status, None where it took longer than `limit` and was killed."""
    try:
        process = _started(script, content, output, home)
    except OSError as error:
        named = "".join(f"{word}: bad interpreter: " for word in shebang(content)[:1])
        why = f"{named}{error.strerror}".replace("\r", "^M")
        # AWS's words: bash starts the script there (aws-samples/
        # amazon-sagemaker-notebook-instance-lifecycle-config-samples#8)
        output.write(f"/bin/bash: {script}: {why}\n".encode(errors="surrogateescape"))
        return UNSTARTED
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def _started(script: Path, content: bytes, output: BinaryIO, home: Path) -> subprocess.Popen[bytes]:
    """The process of the script, which is a program: what its first line names reads it, as the
    kernel does it (execve(2)), and bash one without such a line, as a shell does it. Raises OSError."""

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            start_new_session=True,
        )

    named = shebang(content)
    try:
        return start(str(script))
    except PermissionError:  # the interpreter's, or this host mounts temporary files noexec
        if named and (os.path.isdir(named[0]) or not os.access(named[0], os.X_OK)):
            raise
        return start(*(named or ["bash"]), str(script))
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start("bash", str(script))


def shebang(content: bytes) -> list[str]:
    """The interpreter that a script's first line names, and its one argument; [] where it names none.

    As execve(2) on Linux has it: blanks end the interpreter, what follows is one argument, and a
    carriage return is a character like any other.
    """
    first = content.partition(b"\n")[0]
    text = first[2:].strip(b" \t")
    if not first.startswith(b"#!") or not text:
        return []
    return [os.fsdecode(word) for word in re.split(rb"[ \t]+", text, maxsplit=1)]


def _with_last_lines(what: str, log: Path) -> str:
    """AWS's sentence about the script, and the end of what it wrote."""
    size = log.stat().st_size
    with open(log, "rb") as file:
        file.seek(max(0, size - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    last = [line for line in lines if line.strip()][-LINES:]
    return f"{what}. Please check your CloudWatch logs for more details.\n" + "\n".join(last)


# ---- repositories


def clone_all(desk: Desk) -> None:
    """Every repository is in the volume; one that is there already stays as it is. Raises Failed."""
    for repository in desk.orders["repositories"]:
        target = desk.volume / repository["directory"]
        if not os.path.lexists(target):
            clone(repository, target)


def clone(repository: dict[str, Any], target: Path) -> None:
    """The repository is at `target`: cloned aside and renamed. Raises Failed with git's words."""
    if shutil.which("git") is None:
        raise Failed("The Git repository could not be cloned: this machine has no git.")
    url = repository["url"]
    aside = Path(tempfile.mkdtemp(prefix=".clone-", dir=target.parent))
    command = ["git", "-c", "credential.helper=", "clone", "--no-hardlinks"]
    if repository.get("branch"):
        command.append(f"--branch={repository['branch']}")
    print(f"cloning {_without_password(url)}", flush=True)
    done = subprocess.run(
        [*command, "--", url, str(aside / "clone")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": ""},
    )
    output = _without_password(done.stdout.decode(errors="replace")).strip()
    print(output, flush=True)
    try:
        if done.returncode:
            last = "\n".join(output.splitlines()[-LINES:])
            raise Failed(
                f"The Git repository {_without_password(url)} could not be cloned:\n{last}"
            )
        os.rename(aside / "clone", target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s']*@", "//", text)


# ---- Jupyter


def settings(desk: Desk, runtime: str) -> dict[str, dict[str, Any]]:
    """The server's configuration: class -> trait -> value."""
    default = desk.orders.get("default")
    found: dict[str, dict[str, Any]] = {
        "ServerApp": {
            "root_dir": str(desk.volume),
            "default_url": f"/lab/tree/{quote(default)}" if default else "/lab",
            "open_browser": False,
            "allow_remote_access": True,  # the gateway's host name comes through
            "allow_root": True,
            "quit_button": False,
            "terminado_settings": {"shell_command": ["/bin/bash"]},
            "jpserver_extensions": {"notebook_activity": True},
            "kernel_spec_manager_class": "notebook_kernels.KernelSpecs",
            "contents_manager_class": "notebook_kernels.Contents",
        },
        "MultiKernelManager": {"default_kernel_name": "python3"},
        "KernelSpecManager": {"ensure_native_kernel": False},
        "FileContentsManager": {"delete_to_trash": False},
        "LabApp": {
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "news_url": None,
            "extension_manager": "readonly",
        },
        "LanguageServerManager": {"virtual_documents_dir": f"{runtime}/documents"},
        "ResourceUseDisplay": {
            "mem_limit": desk.orders.get("memory", 0),
            "track_cpu_percent": True,
        },
    }
    if len(runtime) + SOCKET_NAME <= SOCKET:
        # Sockets in a directory of this user alone, not ports that others could connect to.
        found["KernelManager"] = {"transport": "ipc"}
    return found


def configure(desk: Desk, runtime: str) -> str:
    """The folder of Jupyter's configuration, which holds `settings`."""
    folder = desk.ml / "config" / "jupyter"
    toolkit = os.path.dirname(os.path.abspath(__file__))
    text = CONFIG.format(toolkit=toolkit, settings=json.dumps(settings(desk, runtime)))
    furnish.write(folder / "jupyter_server_config.py", text)
    silent = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    furnish.write(folder / "labconfig" / "page_config.json", json.dumps(silent))
    return str(folder)


def serve(desk: Desk) -> None:
    """Jupyter runs in place of this process, on the port that this instance is to answer on."""
    runtime = tempfile.mkdtemp(prefix="jupyter-")
    environ = profiled(desk, dict(os.environ))
    environ |= {"JUPYTER_CONFIG_PATH": configure(desk, runtime), "JUPYTER_RUNTIME_DIR": runtime}
    port = environ.get("SAGEMAKER_BIND_TO_PORT", PORT)
    given = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": "0",
    }
    if not environ.get("JUPYTER_TOKEN"):
        given["IdentityProvider.token"] = ""  # only the gateway can reach it
    command = [sys.executable, "-P", "-m", "jupyterlab"]
    os.chdir(desk.home)
    sys.stdout.flush()
    os.execve(sys.executable, [*command, *(f"--{k}={v}" for k, v in given.items())], environ)


def main() -> None:
    """The instance is ready and serves, or the failure file says why not (exit status 1)."""
    desk = read(dict(os.environ))
    try:
        prepare(desk)
        run_hooks(desk, float(desk.orders.get("limit", LIMIT)))
        clone_all(desk)
    except Failed as failure:
        text = str(failure)
        room = REASON if len(text) <= REASON else REASON // 2
        reason = text if len(text) <= REASON else text[:room] + "…" + text[-(room - 1) :]
        (desk.output / "failure").write_text(reason)
        print(text, flush=True)
        raise SystemExit(1) from None
    if not desk.orders.get("root_access"):
        for name in ("sudo", "su"):
            (desk.home / ".local" / "bin" / name).unlink(missing_ok=True)
    serve(desk)


if __name__ == "__main__":
    main()
