"""Notebook instances as a user has them: a real server, real Jupyter, real kernels."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from sagebrush.environments.store import BuildFailed, Environments
from tests.faults.stand import ROLE, Stand, until
from tests.needs import missing
from tests.notebook_browser import Browser

OTHER = "arn:aws:iam::123456789012:role/SomebodyElse"
FAST = {"Delay": 0.25, "MaxAttempts": 480}
pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """What a notebook needs is there."""
    environments = Environments(Path(Stand(Path("/none")).environment()["SAGEBRUSH_ENVIRONMENTS"]))
    for name in ("base", "jupyter", "sagemaker2"):
        try:
            environments.build(name)
        except BuildFailed as error:
            missing(f"the environment {name} cannot be built: {error}")


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    root = tmp_path_factory.mktemp("desk")
    (root / "corpus").mkdir(mode=0o777)
    (root / "corpus").chmod(0o777)
    (root / "corpus" / "text.txt").write_text("words")
    (root / "corpus" / "text.txt").chmod(0o644)  # whatever this process's umask is by now
    found = Stand(
        root / "home",
        isolation="sandbox",
        notebook_environments="base",
        notebook_folders=f"scripted={root / 'corpus'}",
    ).up()
    yield found
    found.clean()


def create(stand: Stand, name: str, **more: Any) -> None:
    asked = {"NotebookInstanceName": name, "InstanceType": "ml.t3.medium", "RoleArn": ROLE}
    stand.sm.create_notebook_instance(**{**asked, **more})


def wait(stand: Stand, what: str, name: str) -> None:
    waiter = stand.sm.get_waiter(f"notebook_instance_{what}")
    waiter.wait(NotebookInstanceName=name, WaiterConfig=FAST)


def opened(stand: Stand, name: str) -> Browser:
    """A browser in the instance."""
    link = stand.sm.create_presigned_notebook_instance_url(NotebookInstanceName=name)
    browser = Browser(link["AuthorizedUrl"])
    assert browser.enter() == 200
    return browser


def described(stand: Stand, name: str) -> dict[str, Any]:
    return stand.sm.describe_notebook_instance(NotebookInstanceName=name)


CELL = """
import boto3, os, sagemaker
names = [i["NotebookInstanceName"] for i in
         boto3.client("sagemaker").list_notebook_instances()["NotebookInstances"]]
print(names, sagemaker.get_execution_role(), sagemaker.Session().boto_region_name)
print(os.getcwd(), os.path.expanduser("~"))
open("kept.txt", "w").write("kept")
import ipykernel, json
print(json.load(open(ipykernel.get_connection_file()))["transport"])
"""
V3 = """
from sagemaker.core.helper.session_helper import Session, get_execution_role
print(get_execution_role(), Session().boto_region_name)
"""


IMPORTS = """
import bokeh.plotting, nltk, plotly.express, pyarrow, s3fs, seaborn
import boto3, logging, pandas
logging.basicConfig(level=logging.INFO)
boto3.client("s3").create_bucket(Bucket="imports")
pandas.DataFrame({"word": ["a", "b"]}).to_csv("s3://imports/data/words.csv", index=False)
print(pandas.read_csv("s3://imports/data/words.csv")["word"].tolist())
print(s3fs.S3FileSystem().ls("imports/data"))
"""


@pytest.mark.full
def test_a_desk_from_its_creation_to_its_end(stand: Stand) -> None:
    create(stand, "desk")
    wait(stand, "in_service", "desk")
    browser = opened(stand, "desk")
    said, kernel = browser.execute(IMPORTS)
    assert said == "['a', 'b']\n['imports/data/words.csv']\n", "nor INFO lines of botocore"
    said, _ = browser.execute(CELL, kernel)
    assert f"['desk'] {ROLE} us-east-1" in said
    assert "/home/ec2-user/SageMaker /home/ec2-user" in said
    assert said.rstrip().endswith("ipc")  # no port that another process could connect to
    kernels = browser.ask("GET", "/api/kernelspecs")
    assert kernels["default"] == "python3"
    if "python3-sdk3" in kernels["kernelspecs"]:
        said, _ = browser.execute(V3, name="python3-sdk3")
        assert f"{ROLE} us-east-1" in said
    browser.ask("POST", "/api/terminals")
    told = browser.ask("GET", "/sagebrush/activity")
    assert told["kernels"] >= 1
    assert (told["busy_kernels"], told["terminals_running"]) == (0, 0)
    files = {each["name"] for each in browser.ask("GET", "/api/contents")["content"]}
    assert {"examples", "kept.txt"} <= files

    stand.sm.stop_notebook_instance(NotebookInstanceName="desk")
    wait(stand, "stopped", "desk")
    stand.sm.update_notebook_instance(NotebookInstanceName="desk", InstanceType="ml.m5.xlarge")
    wait(stand, "stopped", "desk")
    stand.sm.start_notebook_instance(NotebookInstanceName="desk")
    wait(stand, "in_service", "desk")
    assert described(stand, "desk")["InstanceType"] == "ml.m5.xlarge"
    said, _ = opened(stand, "desk").execute("print(open('kept.txt').read())")
    assert said == "kept\n"

    stand.sm.stop_notebook_instance(NotebookInstanceName="desk")
    wait(stand, "stopped", "desk")
    stand.sm.delete_notebook_instance(NotebookInstanceName="desk")
    wait(stand, "deleted", "desk")
    with pytest.raises(ClientError, match="RecordNotFound"):
        described(stand, "desk")
    assert not list((stand.home / "notebooks").iterdir())


PRY = """
import os
def tried(path):
    try:
        return os.listdir(path) if os.path.isdir(path) else open(path).read()
    except OSError as error:
        return error.strerror
for path in {paths!r}:
    print(path, "->", tried(path))
found = []
for top in ("/home", "/mnt", "/opt", "/tmp", "/run", "/var", "/dev"):
    for folder, folders, files in os.walk(top):
        found += [f for f in files if f == "hidden-of-a.txt"]
print("volumes:", found)
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])
"""


@pytest.mark.full
def test_a_notebook_of_one_role_sees_nothing_of_another(stand: Stand) -> None:
    create(stand, "a")
    create(stand, "b", RoleArn=OTHER)
    for name in ("a", "b"):
        wait(stand, "in_service", name)
    hidden = {"type": "file", "format": "text", "content": "a"}
    opened(stand, "a").ask("PUT", "/api/contents/hidden-of-a.txt", **hidden)
    home = str(stand.home)
    paths = [home, f"{home}/keys", f"{home}/notebooks", f"{home}/sagebrush.db", "/root"]
    said, _ = opened(stand, "b").execute(PRY.format(paths=paths))
    for path in paths[:-1]:
        assert f"{path} -> No such file or directory" in said
    assert "volumes: []" in said
    assert "assumed-role/SomebodyElse/" in said
    # Nor does the link of one open the other.
    link = stand.sm.create_presigned_notebook_instance_url(NotebookInstanceName="a")
    other = Browser(link["AuthorizedUrl"])
    other.host = described(stand, "b")["Url"]
    assert other.enter() == 403
    for name in ("a", "b"):
        stand.sm.stop_notebook_instance(NotebookInstanceName=name)
        wait(stand, "stopped", name)


def content(script: str) -> list[dict[str, str]]:
    return [{"Content": base64.b64encode(script.encode()).decode()}]


def events(stand: Stand, stream: str) -> list[str]:
    found = stand.client("logs").get_log_events(
        logGroupName="/aws/sagemaker/NotebookInstances", logStreamName=stream, startFromHead=True
    )
    return [each["message"] for each in found["events"]]


SCRIPT = """
set -e
echo started
aws --version || true
whoami && echo ~ec2-user
source /home/ec2-user/anaconda3/bin/activate python3
cat > /tmp/wheel.py <<'EOF'
import zipfile
with zipfile.ZipFile("/tmp/added-1.0-py3-none-any.whl", "w") as wheel:
    info = "added-1.0.dist-info"
    wheel.writestr("added.py", "text = 'added by a script'")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: added\\nVersion: 1.0\\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
    wheel.writestr(f"{info}/RECORD", "")
EOF
python /tmp/wheel.py
pip install -q --no-index /tmp/added-1.0-py3-none-any.whl
source /home/ec2-user/anaconda3/bin/deactivate
echo "export TEAM=blue" >> /etc/profile.d/jupyter-env.sh
. /etc/os-release
sudo systemctl --no-block restart jupyter-server.service > /var/log/restart.log
"""
AWS = "conda_python3"
"""The kernel for which AWS's instances save notebooks."""


def kernel_in(browser: Browser, path: str) -> str:
    """The kernel's name in a notebook, as JupyterLab gets it."""
    return browser.ask("GET", f"/api/contents/{path}")["content"]["metadata"]["kernelspec"]["name"]


def save(browser: Browser, path: str, kernel: str) -> None:
    """JupyterLab saves the notebook, which has this kernel."""
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    content = {"cells": [], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    given = {"type": "notebook", "format": "json", "content": content}
    browser.ask("PUT", f"/api/contents/{path}", **given)


@pytest.mark.full
def test_scripts_repositories_and_folders_are_there_before_the_first_cell(
    stand: Stand, tmp_path: Path
) -> None:
    path = tmp_path / "analysis"
    tmp_path.chmod(0o755)
    git = ["git", "-C", str(path), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    (path / "notes.md").write_text("notes")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(path)], check=True)
    stand.sm.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="scripts",
        OnCreate=content("echo made > /home/ec2-user/SageMaker/made"),
        OnStart=content(SCRIPT),
    )
    create(stand, "scripted", LifecycleConfigName="scripts", DefaultCodeRepository=f"file://{path}")
    wait(stand, "in_service", "scripted")
    browser = opened(stand, "scripted")
    said, kernel = browser.execute("print(open('made').read(), open('analysis/notes.md').read())")
    assert said == "made\n notes\n"
    # A project folder is the host's own.
    cell = "print(open('corpus/text.txt').read()); open('corpus/new.txt', 'w').write('new')"
    said, _ = browser.execute(cell)
    assert said.startswith("words\n")
    assert (stand.home.parent / "corpus" / "new.txt").read_text() == "new"
    said = events(stand, "scripted/LifecycleConfigOnStart")
    assert said[0] == "started"
    assert said[-2:] == ["ec2-user", "/home/ec2-user"]
    # Kernels have what the script installed, and are found by their names on AWS.
    cell = "import added, os; print(added.text, os.environ['TEAM'])"
    assert browser.execute(cell, name=AWS)[0] == "added by a script blue\n"
    assert AWS not in browser.ask("GET", "/api/kernelspecs")["kernelspecs"]  # nor in the launcher
    save(browser, "old.ipynb", AWS)
    assert kernel_in(browser, "old.ipynb") == "python3"
    save(browser, "old.ipynb", "python3")
    cell = "import json; print(json.load(open('old.ipynb'))['metadata']['kernelspec']['name'])"
    assert browser.execute(cell, kernel)[0] == f"{AWS}\n"
    studio = "python3__SAGEMAKER_INTERNAL__arn:aws:sagemaker:us-east-1:081325390199:image/pandas-1"
    save(browser, "studio.ipynb", studio)
    assert kernel_in(browser, "studio.ipynb") == "python3"
    save(browser, "old.ipynb", "python3-sdk3")  # another one was chosen
    assert kernel_in(browser, "old.ipynb") == "python3-sdk3"
    assert any("Serving notebooks" in line for line in events(stand, "scripted/jupyter.log"))
    stand.sm.stop_notebook_instance(NotebookInstanceName="scripted")
    wait(stand, "stopped", "scripted")


def test_a_failing_script_fails_the_instance(stand: Stand) -> None:
    stand.sm.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="failing",
        OnStart=content("echo the cause; exit 7"),
    )
    create(stand, "failing", LifecycleConfigName="failing")
    with pytest.raises(WaiterError):
        wait(stand, "in_service", "failing")
    reason = described(stand, "failing")["FailureReason"]
    assert "OnStart ended with exit code 7" in reason
    assert reason.endswith("the cause")
    assert events(stand, "failing/LifecycleConfigOnStart") == ["the cause"]


@pytest.mark.full
def test_a_restart_of_the_server_loses_no_variable_and_a_death_is_told(stand: Stand) -> None:
    create(stand, "lasting")
    wait(stand, "in_service", "lasting")
    browser = opened(stand, "lasting")
    _, kernel = browser.execute("held = 6 * 7")
    stand.kill()
    stand.up()
    assert described(stand, "lasting")["NotebookInstanceStatus"] == "InService"
    said, _ = browser.execute("print(held); import boto3;"
        " print(boto3.client('sts').get_caller_identity()['Account'])", kernel)  # fmt: skip
    assert said == "42\n123456789012\n"
    (directory,) = stand.live()
    os.kill(stand.tree(directory)[1], signal.SIGKILL)  # the first is its sandbox's own
    until(lambda: described(stand, "lasting")["NotebookInstanceStatus"] == "Failed", "its end")
    assert "exit code" in described(stand, "lasting")["FailureReason"]


def command(stand: Stand, *words: str) -> subprocess.CompletedProcess[str]:
    """What `sagebrush notebook` did."""
    return subprocess.run(
        [sys.executable, "-m", "sagebrush", "notebook", *words],
        env={**os.environ, **stand.environment()},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_from_open_to_rm(stand: Stand) -> None:
    opened = command(stand, "open", "typed", "--no-browser")
    assert opened.returncode == 0, opened.stderr
    link = next(line for line in opened.stdout.splitlines() if "authToken=" in line)
    assert Browser(link).enter() == 200
    assert Browser(link).enter() == 403
    told = command(stand, "idle", "typed", "--minutes", "30", "--dry-run").stdout
    assert told.startswith("notebook typed would be stopped after 30 minutes")
    assert "typed" in command(stand, "list").stdout
    assert "--minutes must be" in command(stand, "idle", "typed", "--minutes", "nan").stderr
    assert command(stand, "rm", "typed").stdout == "notebook typed: gone\n"
    refused = command(stand, "rm", "typed")
    assert (refused.returncode, "there is no notebook typed" in refused.stderr) == (1, True)


@pytest.mark.full
def test_down_stops_notebooks(stand: Stand) -> None:
    create(stand, "last")
    wait(stand, "in_service", "last")
    assert stand.end() == 0
    assert not stand.live()
    stand.up()
    assert described(stand, "last")["NotebookInstanceStatus"] == "Stopped"
