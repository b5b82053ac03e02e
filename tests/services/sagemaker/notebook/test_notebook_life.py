"""The life of a notebook instance: a scripted backend, a clock that is turned, the real rows."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Gone
from sagebrush.compute.host import Host
from sagebrush.engine import idle
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.notebook import life as notebook_life
from sagebrush.services.sagemaker.notebook import use as notebook_use
from sagebrush.services.sagemaker.notebook.logs import GROUP
from sagebrush.settings import Settings
from tests.conftest import Clock
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker.notebook import notebookstand
from tests.services.sagemaker.notebook.notebookstand import PLACE, Desk


@pytest.fixture
def desk(settings: Settings, clock: Clock) -> Iterator[Desk]:
    with notebookstand.desk(settings, clock) as found:
        yield found


def targets(desk: Desk) -> dict[str, tuple[Path, bool, bool]]:
    return {bind.target: (bind.source, bind.read_only, bind.give) for bind in desk.spec.binds}


def test_a_start_is_one_process_with_its_volume_and_its_role(desk: Desk) -> None:
    desk.create()
    desk.turn()
    spec, volume = desk.spec, desk.world.settings.home / "notebooks" / desk.row().plan["id"]
    assert spec.role == ROLE
    assert spec.port == 8888
    assert spec.limits.share
    assert spec.listeners == ("aws", "credentials", "metadata", "packages")
    binds = targets(desk)
    assert binds["/home/ec2-user/SageMaker"] == (volume / "volume", False, True)
    assert binds["/home/ec2-user"] == (spec.root / "ml/home", False, False)
    assert binds["/etc/profile.d"] == (spec.root / "ml/system/profile", False, False)
    assert spec.env["HOME"] == spec.home == "/home/ec2-user"
    assert (spec.user, spec.shell) == ("ec2-user", "/bin/bash")
    assert "JUPYTER_TOKEN" not in spec.env
    metadata = json.loads((desk.ml / "metadata/resource-metadata.json").read_text())
    assert metadata == {
        "ResourceArn": desk.describe()["NotebookInstanceArn"],
        "ResourceName": "nb",
        "ExecutionRoleArn": ROLE,
    }
    assert desk.status() == "Pending"
    desk.serve()
    stream = desk.world.streams.streams(*PLACE, GROUP)[0]
    assert (stream.name, stream.job) == ("nb/jupyter.log", spec.key)


def test_without_a_sandbox_jupyter_asks_for_a_token(desk: Desk) -> None:
    desk.backend.isolation = "process"
    desk.create()
    desk.turn()
    assert len(desk.row().plan["token"]) > 30
    assert desk.spec.env["JUPYTER_TOKEN"] == desk.row().plan["token"]


def test_without_internet_there_is_no_proxy(desk: Desk) -> None:
    desk.create(DirectInternetAccess="Disabled", SubnetId="subnet-1")
    desk.turn()
    assert desk.spec.listeners == ("aws", "credentials")
    assert not [name for name in desk.spec.env if name.lower() in ("http_proxy", "https_proxy")]


def test_it_waits_for_its_environments_and_says_so(desk: Desk) -> None:
    desk.environments.missing = {"sagemaker2"}
    desk.create()
    desk.turn()
    assert not desk.backend.specs
    assert "sagemaker2" in desk.row().plan["waiting"]
    desk.turn(5)
    assert desk.events("status") == [
        "Pending: preparing the environment sagemaker2 (once on this machine)"
    ]
    desk.environments.missing = set()
    desk.turn(5)
    assert desk.backend.running()
    desk.serve()


def test_an_environment_that_cannot_be_built_fails_it(desk: Desk) -> None:
    desk.environments.broken = {"jupyter"}
    desk.create()
    desk.turn()
    assert desk.status() == "Failed"
    assert "no luck" in desk.describe()["FailureReason"]


def test_it_waits_for_memory_behind_its_like(desk: Desk) -> None:
    desk.world.host = Host(2.0, 3 << 29)  # room for one of them
    desk.create()
    desk.serve()
    desk.create("second")
    desk.turn()
    words = "waiting for capacity (position 1): 1.0 GiB are asked for, 512 MiB are free"
    assert desk.row("second").plan["waiting"] == words
    desk.stop()
    desk.turn()
    desk.serve("second")


def test_one_that_waits_can_be_stopped_and_is_out_of_the_queue(desk: Desk) -> None:
    desk.world.host = Host(2.0, 3 << 29)  # room for one of them
    desk.create()
    desk.serve()
    desk.create("second")
    desk.turn()
    waiting = desk.row("second").plan["key"]
    assert capacity.place(desk.world, waiting) == 1
    desk.call("StopNotebookInstance", NotebookInstanceName="second")
    desk.turn()
    assert desk.status("second") == "Stopped"
    assert capacity.place(desk.world, waiting) == 0
    desk.call("DeleteNotebookInstance", NotebookInstanceName="second")


def test_further_environments_are_built_one_after_another(desk: Desk) -> None:
    desk.environments.missing = {"pytorch", "nlp"}
    desk.create()
    desk.serve()
    desk.environments.asked.clear()
    desk.turn(notebook_use.BUILDING)
    assert desk.environments.asked[-1] == "pytorch"
    desk.environments.missing.remove("pytorch")
    desk.environments.broken = {"tensorflow"}
    desk.turn(notebook_use.BUILDING)
    assert desk.environments.asked[-1] == "nlp"
    assert desk.events("status") == [
        "The environment tensorflow could not be built: environment tensorflow: no luck"
    ]
    desk.environments.asked.clear()
    desk.environments.missing = set()
    desk.turn(notebook_use.BUILDING)
    assert "tensorflow" not in desk.environments.asked
    assert desk.status() == "InService"


def test_the_volume_outlives_a_stop_and_nothing_else_does(desk: Desk) -> None:
    desk.create()
    desk.serve()
    volume = targets(desk)["/home/ec2-user/SageMaker"][0]
    (volume / "work.ipynb").write_text("{}")
    first = desk.spec
    desk.stop()
    assert desk.backend.stopped == [first.key]
    assert not (first.root / "ml").exists()
    assert (volume / "work.ipynb").exists()
    desk.start()
    desk.turn()
    assert desk.spec.key != first.key
    assert targets(desk)["/home/ec2-user/SageMaker"][0] == volume
    desk.serve()


def test_another_type_takes_another_share(desk: Desk) -> None:
    desk.create()
    desk.serve()
    desk.stop()
    desk.call("UpdateNotebookInstance", NotebookInstanceName="nb", InstanceType="ml.t2.medium")
    desk.turn()
    desk.start()
    desk.turn()
    assert desk.spec.limits.name == "ml.t2.medium"


def test_a_deleted_instance_leaves_nothing(desk: Desk) -> None:
    desk.create()
    desk.serve()
    own = targets(desk)["/home/ec2-user/SageMaker"][0].parent
    desk.stop()
    desk.call("DeleteNotebookInstance", NotebookInstanceName="nb")
    desk.turn()
    assert not own.exists()
    assert desk.call("ListNotebookInstances")["NotebookInstances"] == []
    desk.create()  # the name is free


def test_an_end_in_service_is_a_failure_with_the_logs_end(desk: Desk) -> None:
    desk.create()
    desk.serve()
    desk.die(1, log="Traceback\nOSError: no space left")
    found = desk.describe()
    assert found["NotebookInstanceStatus"] == "Failed"
    assert found["FailureReason"].endswith("OSError: no space left")
    assert "exit code 1" in found["FailureReason"]
    assert len(desk.backend.specs) == 1  # not silently started again
    desk.start()
    desk.serve()
    assert "FailureReason" not in desk.describe()


def test_too_much_memory_is_named(desk: Desk) -> None:
    desk.create()
    desk.serve()
    desk.die(-9, "oom")
    assert "GiB of ml.t3.medium" in desk.describe()["FailureReason"]


def test_a_start_that_the_machine_ended_is_repeated(desk: Desk) -> None:
    desk.create()
    desk.turn()
    first = desk.spec.key
    desk.die(-1, "lost")
    desk.turn()
    assert desk.spec.key != first
    desk.serve()


def test_a_start_that_is_always_lost_fails_in_the_end(desk: Desk) -> None:
    desk.create()
    desk.turn()
    for _ in range(notebook_life.TRIES + 1):
        assert desk.status() == "Pending"
        desk.die(-1, "lost")
    assert desk.status() == "Failed"


def test_a_launched_start_of_which_nothing_is_known_is_waited_for(desk: Desk) -> None:
    desk.create()
    desk.turn()
    key = desk.spec.key
    desk.backend.states[key] = Gone()
    desk.touch()
    assert desk.row().plan["key"] == key
    desk.turn(notebook_life.GONE + 2)
    assert desk.row().plan["key"] != key


def test_a_server_that_never_answers_is_ended(desk: Desk) -> None:
    desk.create()
    desk.turn()
    desk.turn(notebook_life.BOOT + 5)
    desk.turn(2)
    assert desk.status() == "Failed"
    assert "did not answer" in desk.describe()["FailureReason"]
    assert not desk.backend.running()


def test_a_step_that_is_repeated_launches_nothing_new(desk: Desk) -> None:
    desk.create()
    stale = desk.world.rows.claim(30.0, 10)[0]
    notebook_life.reconcile(desk.world, stale)
    notebook_life.reconcile(desk.world, stale)
    assert len(desk.backend.specs) == 1


# ---- scripts


def hooks(desk: Desk) -> list[tuple[str, str]]:
    """(hook, script) of those that the present start is to run."""
    orders = json.loads((desk.ml / "config/notebook.json").read_text())
    return [(each["name"], base64.b64decode(each["content"]).decode()) for each in orders["hooks"]]


def test_scripts_of_creation_run_once(desk: Desk) -> None:
    desk.script(OnCreate="echo made", OnStart="echo started")
    desk.create(LifecycleConfigName="lc")
    desk.turn()

    assert hooks(desk) == [("OnCreate", "echo made"), ("OnStart", "echo started")]
    desk.serve()
    desk.stop()
    desk.start()
    desk.turn()
    assert hooks(desk) == [("OnStart", "echo started")]


def test_environments_that_scripts_name_are_there_before_them(desk: Desk) -> None:
    desk.environments.missing, desk.environments.broken = {"pytorch"}, {"tensorflow"}
    desk.script(
        OnStart="source ~/anaconda3/bin/activate pytorch_p310\nconda list -n tensorflow2_p36"
    )
    desk.create(LifecycleConfigName="lc")
    desk.turn()
    assert "the environment pytorch" in desk.row().plan["waiting"]
    desk.environments.missing = set()
    desk.serve()  # the script itself is told of the one that cannot be built
    assert "tensorflow" in desk.environments.asked
    assert "nlp" not in desk.environments.asked[: desk.environments.asked.index("tensorflow")]


def test_scripts_are_heard_while_they_run(desk: Desk) -> None:
    desk.script(OnStart="echo one")
    desk.create(LifecycleConfigName="lc")
    desk.turn()
    log = desk.ml / "output/LifecycleConfigOnStart.log"
    log.write_text("one\ntw")
    desk.turn(2)
    assert desk.events("LifecycleConfigOnStart") == ["one"]
    log.write_text("one\ntwo\n")
    desk.turn(2)
    desk.turn(2)
    assert desk.events("LifecycleConfigOnStart") == ["one", "two"]


def test_a_dropped_step_repeats_no_line(desk: Desk) -> None:
    desk.script(OnStart="echo one")
    desk.create(LifecycleConfigName="lc")
    desk.turn()
    (desk.ml / "output/LifecycleConfigOnStart.log").write_text("one\n")
    row = desk.row()
    notebook_life.reconcile(desk.world, row)
    notebook_life.reconcile(desk.world, row)
    assert desk.events("LifecycleConfigOnStart") == ["one"]


def test_a_log_that_is_a_link_is_not_read(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key\n")
    desk.script(OnStart="true")
    desk.create(LifecycleConfigName="lc")
    desk.turn()
    os.symlink(tmp_path / "secret", desk.ml / "output/LifecycleConfigOnStart.log")
    os.symlink(tmp_path / "secret", desk.ml / "output/failure")
    desk.turn(2)
    desk.die(1, log="bad")
    assert desk.events("LifecycleConfigOnStart") == []
    assert "key" not in desk.describe()["FailureReason"]


def test_a_failed_script_is_the_reason(desk: Desk) -> None:
    desk.script(OnCreate="exit 3")
    desk.create(LifecycleConfigName="lc")
    desk.turn()
    (desk.ml / "output/LifecycleConfigOnCreate.log").write_text("no such file")
    (desk.ml / "output/failure").write_text("OnCreate ended with exit code 3")
    desk.die(1)
    assert desk.describe()["FailureReason"] == "OnCreate ended with exit code 3"
    assert desk.events("LifecycleConfigOnCreate") == ["no such file"]
    desk.start()
    desk.turn()
    assert hooks(desk) == [("OnCreate", "exit 3")]  # it never succeeded


# ---- repositories and folders


def test_a_local_repository_is_shown_read_only(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "analysis"
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    params = {"NotebookInstanceName": "nb", "InstanceType": "ml.t3.medium", "RoleArn": ROLE}
    more = {"DefaultCodeRepository": str(path), "AdditionalCodeRepositories": ["https://b.org/o"]}
    desk.owner.call("sagemaker", "CreateNotebookInstance", {**params, **more})
    desk.turn()
    assert targets(desk)["/mnt/repositories/0"] == (path, True, False)
    orders = json.loads((desk.ml / "config/notebook.json").read_text())
    assert [(r["url"], r["directory"]) for r in orders["repositories"]] == [
        ("/mnt/repositories/0", "analysis"),
        ("https://b.org/o", "o"),
    ]
    assert orders["default"] == "analysis"


def test_a_repository_that_went_fails_the_start(desk: Desk) -> None:
    config = {"RepositoryUrl": "https://b.org/other"}
    desk.call("CreateCodeRepository", CodeRepositoryName="other", GitConfig=config)
    desk.create(DefaultCodeRepository="other")
    desk.call("DeleteCodeRepository", CodeRepositoryName="other")
    desk.turn()
    assert desk.status() == "Failed"
    assert "Cannot find CodeRepository" in desk.describe()["FailureReason"]


def with_folder(desk: Desk, *folders: str) -> None:
    settings = replace(desk.world.settings, notebook_folders=folders)
    desk.world.settings = settings


def test_a_folder_is_shown_where_the_setting_says(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    with_folder(desk, f"nb={folder}", f"other={tmp_path}")
    desk.create()
    desk.turn()
    assert targets(desk)["/home/ec2-user/SageMaker/corpus"] == (folder, False, False)
    volume = targets(desk)["/home/ec2-user/SageMaker"][0]
    assert (volume / "corpus").is_dir()  # its mount point
    desk.serve()
    desk.stop()
    (volume / "corpus").rmdir()
    (volume / "corpus").symlink_to("/etc")  # as a notebook may have done
    desk.start()
    desk.turn()
    assert desk.status() == "Failed"


def test_the_data_directory_is_no_folder(desk: Desk) -> None:
    with_folder(desk, f"nb={desk.world.settings.home}")
    desk.create()
    desk.turn()
    assert "notebook_folders" in desk.describe()["FailureReason"]


# ---- idle stop


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the server inside tells; the test changes it."""
    found: dict[str, Any] = {
        "busy_kernels": 0,
        "terminals_running": 0,
        "programs": 0,
        "last_activity": 0.0,
    }

    def activity(address: str, token: str) -> dict[str, Any] | None:
        return found if found else None

    monkeypatch.setattr(notebook_use, "activity", activity)
    return found


def idle_tags(minutes: str, dry: str = "") -> list[dict[str, str]]:
    found = [{"Key": idle.MINUTES, "Value": minutes}]
    return [*found, {"Key": idle.DRY_RUN, "Value": dry}] if dry else found


def test_an_idle_instance_is_stopped_and_the_log_says_why(desk: Desk, told: dict[str, Any]) -> None:
    desk.create(Tags=idle_tags("30"))
    desk.serve()
    for _ in range(28):
        desk.turn(60)
    assert desk.status() == "InService"
    for _ in range(4):
        desk.turn(60)
    assert desk.status() == "Stopped"
    (line,) = desk.events("idle")
    assert line.startswith("Stopping the instance: no busy kernel")


def test_a_dry_run_only_says_so_once(desk: Desk, told: dict[str, Any]) -> None:
    desk.create(Tags=idle_tags("5", "true"))
    desk.serve()
    for _ in range(12):
        desk.turn(60)
    assert desk.status() == "InService"
    (line,) = desk.events("idle")
    assert line.startswith("Dry run: it would be stopped now")


@pytest.mark.parametrize("use", ["busy_kernels", "terminals_running", "unknown", "requests"])
def test_work_is_never_stopped(desk: Desk, told: dict[str, Any], use: str) -> None:
    desk.create(Tags=idle_tags("5"))
    desk.serve()
    if use == "unknown":
        told.clear()
    elif use != "requests":
        told[use] = 1
    for _ in range(12):
        if use == "requests":
            desk.live.seen(desk.row().id)
        desk.turn(60)
    assert desk.status() == "InService"


def test_without_the_tag_nothing_is_stopped(desk: Desk, told: dict[str, Any]) -> None:
    desk.create()
    desk.serve()
    for _ in range(100):
        desk.turn(60)
    assert desk.status() == "InService"


def test_an_end_that_was_not_asked_for_is_told(desk: Desk) -> None:
    desk.create()
    desk.serve()
    desk.backend.states[desk.row().plan["key"]] = Exited(-15, "stopped")
    desk.touch()
    assert "stopped" in desk.describe()["FailureReason"]
