"""What runs in a training job: AWS's contract around the user's script or a built-in algorithm.

The contract is that of AWS's SageMaker Training Toolkit (its documentation: ENVIRONMENT_VARIABLES.md
and README.md). Only modules that load in a few milliseconds are imported at the top: the user's
first line waits for them.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/training/train.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from sagebrush.toolkit import job
from sagebrush.toolkit.job import Job
from sagebrush.toolkit.training import launchers

SHELL = "/bin/sh"
"""The shell for an entry point that is not Python, as in AWS's toolkit."""
NOTICE = "http://169.254.169.254/latest/meta-data/spot/instance-action"
"""What EC2's metadata service has for an instance that is to be interrupted."""
ECHO = 3.0
"""Seconds by which an instance that failed only because another one failed reports later."""


class ScriptError(Exception):
    """The user's code or what it needs failed; `str` is AWS's message for it."""

    def __init__(self, kind: str, code: int | None, message: str, command: Sequence[str]) -> None:
        super().__init__(
            f'{kind}:\nExitCode {code}\nErrorMessage "{message}"\nCommand "{shlex.join(command)}"'
        )
        self.code = code


class Stopped(Exception):
    """The script has ended after the SIGTERM by which it was to stop, with this exit status."""

    def __init__(self, status: int) -> None:
        self.status = status


def main(environ: Mapping[str, str], loaded: subprocess.Popen[bytes] | None = None) -> int:
    """The exit status of the job; output/failure says why where it is not 0.

    `loaded` is an interpreter with modules loaded that waits for a script (preload.py).
    """
    root = Path(environ.get("SAGEBRUSH_ML", "/opt/ml"))
    try:
        return run(job.read(root, environ), loaded)
    except Stopped as stopped:
        ended = f"exit code {stopped.status}"
        if stopped.status < 0:
            ended = signal.Signals(-stopped.status).name
        log("INFO", f"{_cause()}; the script ended with {ended}")
        return stopped.status if stopped.status > 0 else 1
    except ScriptError as error:
        code = error.code if error.code and error.code > 0 else 1
        return fail(root, str(error), code)
    except job.ClientError as error:
        return fail(root, f"ClientError: {error}", 1)
    except Exception as error:
        import traceback

        return fail(root, f"framework error: \n{traceback.format_exc()}\n{error}", 1)


def _cause() -> str:
    """Why the job had SIGTERM, as its instance's metadata service says."""
    import urllib.request

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(NOTICE, timeout=1):
            return "Spot interruption: the instance is taken back, and the job starts again later"
    except OSError:  # no notice, no spot job, or no metadata service
        return "The job was asked to stop (SIGTERM)"


def fail(root: Path, reason: str, code: int) -> int:
    """`code`; the reason is in the log and in output/failure."""
    log("ERROR", "Reporting training FAILURE")
    log("ERROR", reason)
    (root / "output").mkdir(parents=True, exist_ok=True)
    # A script may have written its own reason, as the contract allows: that one stands.
    failure = root / "output" / "failure"
    if not failure.exists():
        failure.write_text(reason)
    return code


def log(level: str, message: str) -> None:
    """One message in the form of AWS's toolkit."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f",{int(now % 1 * 1000):03d}"
    sys.stdout.write(f"{stamp} sagemaker-training-toolkit {level:<8} {message}\n")
    sys.stdout.flush()


def run(this: Job, loaded: subprocess.Popen[bytes] | None = None) -> int:
    """The exit status of the algorithm or of the user's script; raises ScriptError."""
    if this.program is None:
        _dismiss(loaded)
        if not this.algorithm:
            raise job.ClientError(
                "nothing to run: the hyperparameter sagemaker_program names no script and the image "
                "carries no algorithm"
            )
        return _algorithm(this)
    launchers.check(this)
    code = this.root / "code"
    _fetch_code(this, code)
    if not (code / this.program).exists() and not _is_package(this, code):
        raise job.ClientError(f"the entry point {this.program} is not in the submitted code")
    python = _interpreter(this, code)
    variables = job.variables(this)
    variables |= launchers.variables(this, variables)
    environ = {**os.environ, **variables}
    if launchers.follows(this):
        _dismiss(loaded)
        return _follow(this, code, environ)
    own = _command(this, code, python)
    around = launchers.around(this, list(variables))
    command = [*around, *own]
    for note in launchers.notes(this):
        log("WARNING", note)
    log("INFO", _header(variables, command))
    if loaded is not None and not _fits(loaded, command, code):
        _dismiss(loaded)
        loaded = None
    with launchers.company(this, python, environ) as tell:
        status, stderr, asked = _execute(command, code, environ, loaded)
        found = launchers.reason(this, stderr) if status else None
        tell(status, found.text if found else "")
    if asked and status:
        raise Stopped(status)
    if found:
        if found.echo and len(job.all_hosts(this)) > 1:
            time.sleep(ECHO)
        # mpirun's options name every variable, and would leave no room for the reason.
        said = [*around[:1], *own]
        end = found.code or status
        more = _unread(code / this.program, end) if own[0] == SHELL else ""
        raise ScriptError("ExecuteUserScriptError", end, f"{found.text}{more}", said)
    for warning in launchers.warnings(this.root / "model"):
        log("WARNING", warning)
    log("INFO", "Reporting training SUCCESS")
    return 0


def _algorithm(this: Job) -> int:
    """A built-in algorithm, in place of this process."""
    folder = Path(__file__).resolve().parents[2] / "algorithms"
    command = [sys.executable, "-m", f"{this.algorithm}.train"]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": str(folder)})


def _fetch_code(this: Job, code: Path) -> None:
    """The submitted code is in `code`: unpacked from an archive on S3 or a path, or copied."""
    code.mkdir(exist_ok=True)
    source = this.submit_directory
    if not source:
        return
    from sagebrush.toolkit.training import archive

    archive.unpack(source, code, this.root)


def _interpreter(this: Job, code: Path) -> str:
    """The interpreter to run: the environment's, or one over it with what the code needs installed.

    The environment itself is read-only and shared; the overlay sees all of its packages.
    """
    wanted, package = code / "requirements.txt", _is_package(this, code)
    # A layer holds the requirements already: this interpreter is the layer's.
    install = wanted.is_file() and "SAGEBRUSH_LAYER" not in os.environ
    if not install and not package:
        return sys.executable
    from sagebrush.toolkit.packages import overlay

    python = overlay.create()
    if install:
        command = [python, "-m", "pip", "install", "-r", "requirements.txt"]
        log("INFO", f"Installing dependencies from user requirements.txt:\n{shlex.join(command)}")
        _install("InstallRequirementsError", command, code)
    if package:
        # The environment's setuptools builds it: no network is needed for that.
        command = [python, "-m", "pip", "install", ".", "--no-build-isolation"]
        log("INFO", f"Installing module with the following command:\n{shlex.join(command)}")
        _install("InstallModuleError", command, code)
    return python


def _is_package(this: Job, code: Path) -> bool:
    """Whether the code is a Python package, as AWS's toolkit decides it."""
    return (code / "setup.py").is_file() and not str(this.program).endswith(".sh")


def _install(kind: str, command: Sequence[str], code: Path) -> None:
    status, stderr, asked = _execute(command, code, os.environ)
    if asked and status:
        raise Stopped(status)
    if status:
        from sagebrush.toolkit.training import reasons

        message = reasons.last_error(stderr)
        said = [line for line in message.splitlines() if line.startswith("ERROR: ")]
        raise ScriptError(kind, status, "\n".join(said) or message, command)


def _follow(this: Job, code: Path, environ: Mapping[str, str]) -> int:
    """The exit status of the run that algo-1's mpirun leads; raises ScriptError."""
    from sagebrush.toolkit.training import mpi

    master = job.master(this)
    log("INFO", f"Waiting for the MPI run of {master}")
    status, message = mpi.follow(this, code, environ)
    if status:
        raise ScriptError("ExecuteUserScriptError", status, message, ["mpirun", f"on {master}"])
    log("INFO", "Reporting training SUCCESS")
    return 0


def _command(this: Job, code: Path, python: str) -> list[str]:
    """How the entry point is run: AWS's toolkit knows packages, Python scripts and commands."""
    name = str(this.program)
    arguments = job.arguments(this.hyperparameters)
    package = _is_package(this, code)
    start = launchers.launcher(this, python, package)
    if package:
        return [*start, "-m", name.removesuffix(".py"), *arguments]
    if name.endswith(".py"):
        return [*start, name, *arguments]
    os.chmod(code / name, 0o755)
    return [SHELL, "-c", f"./{shlex.quote(name)} {shlex.join(arguments)}".strip()]


def _unread(script: Path, status: int) -> str:
    """What a shell omits about a program that it could not start: its first line's interpreter."""
    if status not in (126, 127):
        return ""
    from sagebrush.toolkit.notebook.notebook import shebang

    with open(script, "rb") as file:
        first = file.readline(256)
    named = shebang(first)
    if named and first.endswith(b"\r\n"):
        return (
            f" (the lines of {script.name} end in CR LF, as Windows writes them: {first[2:-1]!r} is"
            " no interpreter; save it with LF alone)"
        )
    if named and not os.access(named[0], os.X_OK):
        return f" ({script.name} names the interpreter {named[0]}, which is not there)"
    return ""


def _header(variables: Mapping[str, str], command: Sequence[str]) -> str:
    lines = "\n".join(f"{name}={value}" for name, value in variables.items())
    training = json.dumps(json.loads(variables["SM_TRAINING_ENV"]), indent=4)
    return (
        f"Invoking user script\n\nTraining Env:\n\n{training}\n\nEnvironment variables:\n\n{lines}"
        f"\n\nInvoking script with the following command:\n\n{shlex.join(command)}\n\n"
    )


def _fits(loaded: subprocess.Popen[bytes], command: Sequence[str], code: Path) -> bool:
    """Whether the waiting interpreter can run `command`: a plain script, none of whose own modules
    has the name of one that is loaded."""
    python, script = command[0], command[1] if len(command) > 1 else ""
    if python != sys.executable or not script.endswith(".py") or loaded.poll() is not None:
        return False
    names = {str(module).partition(".")[0] for module in list(loaded.args)[2:]}  # type: ignore[arg-type]
    return not any((code / f"{name}.py").exists() or (code / name).is_dir() for name in names)


def _dismiss(loaded: subprocess.Popen[bytes] | None) -> None:
    """The waiting interpreter, if any, has ended."""
    if loaded is not None:
        loaded.kill()
        loaded.wait()


def _started(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    loaded: subprocess.Popen[bytes] | None,
) -> subprocess.Popen[bytes]:
    """The process that runs `command`: the waiting interpreter, or a new one."""
    if loaded is None or loaded.stdin is None:
        return subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE)
    what = {"argv": list(command[1:]), "cwd": str(folder), "env": dict(environ)}
    loaded.stdin.write(json.dumps(what).encode() + b"\n")
    loaded.stdin.close()
    return loaded


def _execute(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    loaded: subprocess.Popen[bytes] | None = None,
) -> tuple[int, str, bool]:
    """The exit status (negative: the signal), the end of stderr, and whether SIGTERM came, which is
    passed on."""
    running: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def forward(number: int, _frame: object) -> None:
        asked.append(number)
        for process in running:
            process.send_signal(number)

    previous = signal.signal(signal.SIGTERM, forward)
    try:
        process = _started(command, folder, environ, loaded)
    except OSError as error:
        signal.signal(signal.SIGTERM, previous)
        return 127, str(error), bool(asked)
    running.append(process)
    if asked:  # it came while the process was being made
        process.send_signal(asked[0])
    relay = _Relay(process)
    relay.start()
    status = process.wait()
    # A background process that the script left behind may hold stderr open forever.
    relay.join(1.0)
    signal.signal(signal.SIGTERM, previous)
    return status, bytes(relay.tail).decode(errors="replace"), bool(asked)


TAIL = 65536
"""Bytes of stderr in which the reason is looked for: under a launcher, of several processes."""


class _Relay(threading.Thread):
    """Passes a process's stderr on as it comes and keeps its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert process.stderr is not None
        self._source = process.stderr.fileno()
        self.tail = bytearray()

    def run(self) -> None:
        while block := os.read(self._source, 65536):
            self.tail += block
            del self.tail[:-TAIL]
            view = memoryview(block)
            while view:
                view = view[os.write(2, view) :]


if __name__ == "__main__":
    sys.exit(main(os.environ))
