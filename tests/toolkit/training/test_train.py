"""The training toolkit, run as a job runs it: a process with its own /opt/ml."""

from __future__ import annotations

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.toolkit.training.training_contract import TRAIN, Contract, wheel


@pytest.fixture
def ml(tmp_path: Path) -> Contract:
    return Contract(tmp_path / "ml")


SHOW = "import json, os, sys; print('SEEN', json.dumps([sys.argv[1:], dict(os.environ)]))"


def seen(done: subprocess.CompletedProcess[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments and variables that the script SHOW saw."""
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    return tuple(json.loads(lines[0].removeprefix("SEEN ")))


def test_arguments_are_made_as_the_real_toolkit_makes_them(ml: Contract) -> None:
    arguments, _ = seen(
        ml.run(
            {
                **ml.script(SHOW),
                "epochs": "3",
                "lr": "0.05",
                "name": '"two words"',
                "raw": "not json",
                "b": "true",
                "none": "null",
                "map": '{"z": 1, "a": "x"}',
                "list": "[1, 2]",
                "_tuning_objective_metric": '"acc"',
                "sagemaker_job_name": '"job-1"',
            }
        )
    )
    assert arguments == [
        *("-b", "True"),
        *("--epochs", "3"),
        *("--list", "[1, 2]"),
        *("--lr", "0.05"),
        *("--map", "a=x,z=1"),
        *("--name", "two words"),
        *("--none", ""),
        *("--raw", "not json"),
    ]


def test_variables_say_where_everything_is(ml: Contract) -> None:
    ml.channels = {"train": {"TrainingInputMode": "File"}, "Validation_1": {}}
    _, env = seen(
        ml.run({**ml.script(SHOW), "epochs": "3", "name": '"x"', "sagemaker_mpi_enabled": "false"})
    )
    root = str(ml.root)
    assert env["SM_MODEL_DIR"] == f"{root}/model"
    assert env["SM_OUTPUT_DATA_DIR"] == f"{root}/output/data"
    assert env["SM_OUTPUT_DIR"] == f"{root}/output"
    assert env["SM_OUTPUT_INTERMEDIATE_DIR"] == f"{root}/output/intermediate"
    assert env["SM_INPUT_DIR"] == f"{root}/input"
    assert env["SM_INPUT_CONFIG_DIR"] == f"{root}/input/config"
    assert env["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert env["SM_CHANNEL_VALIDATION_1"] == f"{root}/input/data/Validation_1"
    assert json.loads(env["SM_CHANNELS"]) == ["Validation_1", "train"]
    assert json.loads(env["SM_HPS"]) == {"epochs": 3, "name": "x"}
    assert (env["SM_HP_EPOCHS"], env["SM_HP_NAME"]) == ("3", "x")
    assert json.loads(env["SM_USER_ARGS"]) == ["--epochs", "3", "--name", "x"]
    assert json.loads(env["SM_FRAMEWORK_PARAMS"]) == {"sagemaker_mpi_enabled": False}
    assert json.loads(env["SM_HOSTS"]) == ["algo-1"]
    assert env["SM_CURRENT_HOST"] == "algo-1"
    assert env["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.large"
    assert json.loads(env["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == ["algo-1"]
    assert env["SM_NETWORK_INTERFACE_NAME"] == "lo"
    assert (env["SM_NUM_CPUS"], env["SM_NUM_GPUS"]) == ("2", "0")
    assert json.loads(env["SM_RESOURCE_CONFIG"]) == ml.resources
    assert json.loads(env["SM_INPUT_DATA_CONFIG"]) == ml.channels
    assert (env["SM_MODULE_NAME"], env["SM_USER_ENTRY_POINT"]) == ("train", "train.py")
    assert env["SM_LOG_LEVEL"] == "20"
    training = json.loads(env["SM_TRAINING_ENV"])
    assert training["hyperparameters"] == {"epochs": 3, "name": "x"}
    assert training["job_name"] == "job-1"
    assert training["channel_input_dirs"]["train"] == f"{root}/input/data/train"
    assert env["SAGEMAKER_REGION"] == "eu-west-1"


def test_the_header_names_the_command(ml: Contract) -> None:
    out = ml.run({**ml.script("print('hello')"), "epochs": "3"}).stdout
    assert "sagemaker-training-toolkit INFO     Invoking user script\n\nTraining Env:" in out
    assert "Invoking script with the following command:" in out
    assert "train.py --epochs 3\n" in out
    assert out.index("Invoking user script") < out.index("hello")
    assert out.rstrip().endswith("Reporting training SUCCESS")


def test_a_script_that_raises_is_told_in_the_real_words(ml: Contract) -> None:
    done = ml.run({**ml.script("import sys\nraise ValueError('no such colour')"), "a": "1"})
    assert done.returncode == 1
    assert ml.failure.startswith(
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: no such colour"\nCommand "'
    )
    assert ml.failure.endswith('train.py -a 1"')
    assert "Traceback (most recent call last)" in done.stderr


def test_the_exit_code_of_the_script_is_the_jobs(ml: Contract) -> None:
    assert ml.run(ml.script("import sys; sys.exit(42)")).returncode == 42
    assert "ExitCode 42" in ml.failure


def test_a_reason_that_the_script_wrote_stands(ml: Contract) -> None:
    script = (
        f"open({str(ml.root / 'output' / 'failure')!r}, 'w').write('mine'); raise SystemExit(3)"
    )
    assert ml.run(ml.script(script)).returncode == 3
    assert ml.failure == "mine"


def test_shell_scripts_run_with_quoted_arguments(ml: Contract) -> None:
    done = ml.run({**ml.script('#!/bin/sh\necho "<$2>"', "go.sh"), "name": '"two words; ls"'})
    assert done.returncode == 0, done.stderr
    assert "<two words; ls>" in done.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("#!/no/such/bash\n", "(go.sh names the interpreter /no/such/bash, which is not there)"),
        (
            "#!/bin/sh\r\n",
            "(the lines of go.sh end in CR LF, as Windows writes them: b'/bin/sh\\r' is",
        ),
        ("#!/usr/bin/env bash\r\n", "(the lines of go.sh end in CR LF"),
    ],
)
def test_a_shell_script_that_nothing_can_read_says_why(ml: Contract, line: str, words: str) -> None:
    assert ml.run(ml.script(f"{line}echo ran\n", "go.sh")).returncode == 127
    assert words in ml.failure


def test_a_shell_script_without_a_first_line_is_the_shells(ml: Contract) -> None:
    done = ml.run(ml.script("echo plain", "go.sh"))
    assert "plain" in done.stdout.splitlines()


def test_a_missing_entry_point_is_named(ml: Contract) -> None:
    done = ml.run({"sagemaker_program": '"nowhere.py"'})
    assert done.returncode == 1
    assert ml.failure == "ClientError: the entry point nowhere.py is not in the submitted code"


def test_a_job_with_nothing_to_run_says_so(ml: Contract) -> None:
    assert ml.run({"epochs": "1"}).returncode == 1
    assert "sagemaker_program" in ml.failure


def test_configuration_that_is_no_json_is_told(ml: Contract) -> None:
    ml.write({})
    (ml.config / "resourceconfig.json").write_text("{")
    done = subprocess.run([sys.executable, str(TRAIN)], env=ml.environ({}), check=False)
    assert done.returncode == 1
    assert "resourceconfig.json is not JSON" in ml.failure


def test_sigterm_reaches_the_script(ml: Contract) -> None:
    ml.write(
        ml.script(
            "import signal, sys\n"
            "def end(*_):\n    print('saved'); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('READY', flush=True)\n"
            "signal.pause()"
        )
    )
    with subprocess.Popen(
        [sys.executable, str(TRAIN)], env=ml.environ({}), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "READY\n":
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert "saved" in rest


def test_a_script_that_is_asked_to_stop_does_not_read_like_a_crash(ml: Contract) -> None:
    ml.write(ml.script("import time\nprint('READY', flush=True)\ntime.sleep(60)"))
    with subprocess.Popen(
        [sys.executable, str(TRAIN)], env=ml.environ({}), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "READY\n":
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(20) == 1
    assert "INFO     The job was asked to stop (SIGTERM); the script ended with SIGTERM" in rest
    assert "FAILURE" not in rest
    assert not (ml.root / "output" / "failure").exists()


def test_a_background_process_that_keeps_stderr_open_does_not_hold_the_job(ml: Contract) -> None:
    ml.write(
        ml.script(
            "import subprocess\n"
            "left = subprocess.Popen(['sleep', '60'])\n"
            f"open({str(ml.root / 'pid')!r}, 'w').write(str(left.pid))"
        )
    )
    # Not capture_output: this test would wait for the pipes, which the left process holds.
    with (ml.root / "log").open("w") as out:
        done = subprocess.run(
            [sys.executable, str(TRAIN)], env=ml.environ({}), stdout=out, stderr=out, timeout=20
        )
    os.kill(int((ml.root / "pid").read_text()), signal.SIGKILL)
    assert done.returncode == 0


@pytest.fixture
def bucket() -> Iterator[tuple[str, dict[str, bytes], list[dict[str, str]]]]:
    """A server that answers GETs of objects as S3 does, and what it was asked."""
    objects: dict[str, bytes] = {}
    asked: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append({k.lower(): v for k, v in self.headers.items()} | {":path": self.path})
            body = objects.get(self.path)
            if body is None:
                body = (
                    b"<Error><Code>NoSuchKey</Code>"
                    b"<Message>The specified key does not exist.</Message></Error>"
                )
                self.send_response(404)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", objects, asked
        server.shutdown()


def archive(**files: str) -> bytes:
    """A sourcedir.tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_code_comes_from_s3_signed(
    ml: Contract, bucket: tuple[str, dict[str, bytes], list[dict[str, str]]]
) -> None:
    address, objects, asked = bucket
    objects["/bkt/my%20job/source/sourcedir.tar.gz"] = archive(
        train__py="import other; print(other.WORD)", other__py="WORD = 'imported'"
    )
    done = ml.run(
        {
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": '"s3://bkt/my job/source/sourcedir.tar.gz"',
        },
        AWS_ENDPOINT_URL=address,
        **KEYS,
    )
    assert done.returncode == 0, done.stdout
    assert "imported" in done.stdout
    assert asked[0]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


def test_missing_code_on_s3_tells_s3s_cause(
    ml: Contract, bucket: tuple[str, dict[str, bytes], list[dict[str, str]]]
) -> None:
    hyperparameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://bkt/none.tar.gz",
    }
    assert ml.run(hyperparameters, AWS_ENDPOINT_URL=bucket[0], **KEYS).returncode == 1
    assert ml.failure == (
        "ClientError: s3://bkt/none.tar.gz cannot be read: "
        "NoSuchKey: The specified key does not exist. (404)"
    )


def test_an_archive_that_is_none_is_told(
    ml: Contract, bucket: tuple[str, dict[str, bytes], list[dict[str, str]]]
) -> None:
    bucket[1]["/bkt/code.tar.gz"] = b"not an archive"
    hyperparameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://bkt/code.tar.gz",
    }
    assert ml.run(hyperparameters, AWS_ENDPOINT_URL=bucket[0], **KEYS).returncode == 1
    assert "s3://bkt/code.tar.gz cannot be unpacked" in ml.failure


def test_code_in_a_channel_is_unpacked(ml: Contract) -> None:
    folder = ml.root / "input" / "data" / "code"
    folder.mkdir(parents=True)
    (folder / "sourcedir.tar.gz").write_bytes(archive(train__py="print('from the channel')"))
    done = ml.run(
        {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        }
    )
    assert "from the channel" in done.stdout


def test_requirements_are_installed_over_the_environment(
    ml: Contract,
    base: Environment,  # noqa: F811
) -> None:
    ml.python = str(base.python)
    script = ml.script("import tinymodule, numpy; print('HAVE', tinymodule.WORD, numpy.__file__)")
    file = wheel(ml.root / "code", "tinymodule")
    # numpy is there already: asking for it must not install it again.
    (ml.root / "code" / "requirements.txt").write_text(f"./{file}\nnumpy\n")
    done = ml.run(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"HAVE tinymodule {base.path}" in done.stdout
    assert not list(base.path.glob("lib/*/site-packages/tinymodule*"))


def test_a_package_is_installed_and_run_as_a_module(
    ml: Contract,
    base: Environment,  # noqa: F811
) -> None:
    ml.python = str(base.python)
    code = ml.root / "code"
    script = ml.script("print('never')")
    (code / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='mine', version='1', py_modules=['main'])\n"
    )
    (code / "main.py").write_text("import sys; print('RAN', __name__, __file__, sys.argv[1:])")
    done = ml.run({**script, "sagemaker_program": '"main.py"', "epochs": "3"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RAN __main__" in done.stdout
    assert "['--epochs', '3']" in done.stdout
    assert "InstallModuleError" not in done.stdout


def test_requirements_that_cannot_be_installed_are_told(
    ml: Contract,
    base: Environment,  # noqa: F811
) -> None:
    ml.python = str(base.python)
    script = ml.script("print('never')")
    (ml.root / "code" / "requirements.txt").write_text("./missing-1.0-py3-none-any.whl\n")
    done = ml.run(script)
    assert done.returncode == 1
    assert "never" not in done.stdout.replace("print('never')", "")
    assert ml.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage ")
    assert "missing-1.0-py3-none-any.whl" in ml.failure


@pytest.mark.parametrize("key", ["a/b.tar.gz", "with space/é+%41~_-.tar.gz"])
@pytest.mark.parametrize("token", [None, "session token"])
def test_the_signature_is_botocores(key: str, token: str | None) -> None:
    import datetime
    import urllib.parse

    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    from sagebrush.toolkit.packages import s3

    path = f"/bkt/{urllib.parse.quote(key, safe='/-_.~')}"
    keys = {"AccessKeyId": "AKID", "SecretAccessKey": "secret"} | (
        {"Token": token} if token else {}
    )
    ours = s3.sign(path, "localhost:4566", "eu-west-1", keys, 1_700_000_000.0)
    request = AWSRequest("GET", f"http://localhost:4566{path}", headers={"host": "localhost:4566"})
    request.context["timestamp"] = datetime.datetime.fromtimestamp(
        1_700_000_000, datetime.UTC
    ).strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4Auth(Credentials("AKID", "secret", token), "s3", "eu-west-1")
    request.headers["X-Amz-Content-SHA256"] = s3.EMPTY
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    assert ours["Authorization"].endswith(f"Signature={signature}")
