"""Operations on notebook instances, lifecycle configurations and code repositories."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings, SettingsError
from tests.conftest import Clock
from tests.services.sagemaker.notebook import notebookstand
from tests.services.sagemaker.notebook.notebookstand import Desk
from tests.services.sagemaker.stand import refused

ARN = "arn:aws:sagemaker:us-east-1:123456789012:notebook-instance/nb"
URL = "https://git.example.com/team/project.git"


@pytest.fixture
def desk(settings: Settings, clock: Clock) -> Iterator[Desk]:
    with notebookstand.desk(settings, clock) as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "analysis"
    path.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    return path


def test_an_instance_is_described_as_it_was_asked_for(desk: Desk) -> None:
    desk.script(OnStart="true")
    made = desk.create(
        SubnetId="subnet-1",
        SecurityGroupIds=["sg-1"],
        KmsKeyId="key",
        LifecycleConfigName="lc",
        DirectInternetAccess="Disabled",
        VolumeSizeInGB=20,
        RootAccess="Disabled",
        PlatformIdentifier="notebook-al2-v3",
        InstanceMetadataServiceConfiguration={"MinimumInstanceMetadataServiceVersion": "2"},
        Tags=[{"Key": "team", "Value": "nlp"}],
    )
    assert made == {"NotebookInstanceArn": ARN}
    found = desk.describe()
    assert found["NotebookInstanceStatus"] == "Pending"
    assert found["SecurityGroups"] == ["sg-1"]
    assert found["NotebookInstanceLifecycleConfigName"] == "lc"
    assert found["DirectInternetAccess"] == "Disabled"
    assert (found["VolumeSizeInGB"], found["PlatformIdentifier"]) == (20, "notebook-al2-v3")
    assert found["Url"].startswith("nb-")
    assert "://" not in found["Url"]
    tags = desk.call("ListTags", ResourceArn=ARN)["Tags"]
    assert tags == [{"Key": "team", "Value": "nlp"}]


def test_defaults_are_aws_own(desk: Desk) -> None:
    desk.create()
    found = desk.describe()
    assert found["DirectInternetAccess"] == "Enabled"
    assert found["RootAccess"] == "Enabled"
    assert found["VolumeSizeInGB"] == 5


def test_what_is_not_there_is_refused_in_aws_words(desk: Desk) -> None:
    for name in ("Describe", "Start", "Stop", "Delete", "Update"):
        call = f"{name}NotebookInstance"
        assert refused(desk.call, call, NotebookInstanceName="none") == "RecordNotFound"
    presign = "CreatePresignedNotebookInstanceUrl"
    assert refused(desk.call, presign, NotebookInstanceName="none") == "RecordNotFound"


def test_a_name_is_given_once(desk: Desk) -> None:
    desk.create()
    assert refused(desk.create) == f"Cannot create a duplicate Notebook Instance ({ARN})"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"InstanceType": "ml.huge"}, "Member must satisfy enum value set"),
        ({"RoleArn": "arn:aws:iam::210987654321:role/other"}, "Cross-account pass role"),
        ({"LifecycleConfigName": "none"}, "Notebook Instance Lifecycle Config does not exist."),
        ({"DefaultCodeRepository": "none"}, "Cannot find CodeRepository"),
        ({"DirectInternetAccess": "Disabled"}, "only where SubnetId is given"),
        ({"SecurityGroupIds": ["sg-1"]}, "without SubnetId"),
        ({"DefaultCodeRepository": "ssh://git.example.com/x"}, "regular expression pattern"),
        (
            {"DefaultCodeRepository": URL, "AdditionalCodeRepositories": ["https://b.org/project"]},
            "cloned into the same directory: project",
        ),
    ],
)
def test_a_wrong_request_is_refused(desk: Desk, more: Doc, words: str) -> None:
    assert words in refused(desk.create, **more)


def test_a_status_that_does_not_allow_it_is_told(desk: Desk) -> None:
    desk.create()
    said = refused(desk.call, "StopNotebookInstance", NotebookInstanceName="nb")
    assert said == (
        "Status (Pending) not in ([InService]). Unable to transition to (Stopping) for Notebook"
        f" Instance ({ARN})."
    )
    desk.serve()
    for name, to in (("Delete", "Deleting"), ("Start", "Pending"), ("Update", "Updating")):
        said = refused(desk.call, f"{name}NotebookInstance", NotebookInstanceName="nb")
        assert said == (
            f"Status (InService) not in ([Stopped, Failed]). Unable to transition to ({to}) for"
            f" Notebook Instance ({ARN})."
        )


def test_an_update_leaves_no_two_repositories_in_one_directory(desk: Desk) -> None:
    desk.create(DefaultCodeRepository=URL)
    desk.serve()
    desk.stop()
    desk.turn()
    asked = {"NotebookInstanceName": "nb", "AdditionalCodeRepositories": ["https://b.org/project"]}
    assert "same directory: project" in refused(desk.call, "UpdateNotebookInstance", **asked)
    desk.call("UpdateNotebookInstance", **asked, DisassociateDefaultCodeRepository=True)


def test_a_presigned_url_is_for_an_instance_in_service(desk: Desk) -> None:
    desk.create()
    presign = "CreatePresignedNotebookInstanceUrl"
    assert "(Pending)" in refused(desk.call, presign, NotebookInstanceName="nb")
    desk.serve()
    url = desk.call(presign, NotebookInstanceName="nb", SessionExpirationDurationInSeconds=1800)[
        "AuthorizedUrl"
    ]
    assert url.startswith("http://nb-")
    assert "?authToken=" in url
    (token,) = desk.row().plan["tokens"].values()
    assert token[1] == 1800


def test_an_update_changes_what_it_names(desk: Desk) -> None:
    desk.script(OnStart="true")
    desk.create(LifecycleConfigName="lc", DefaultCodeRepository=URL)
    desk.serve()
    desk.stop()
    desk.call(
        "UpdateNotebookInstance",
        NotebookInstanceName="nb",
        InstanceType="ml.m5.xlarge",
        VolumeSizeInGB=10,
        DisassociateLifecycleConfig=True,
    )
    assert desk.status() == "Updating"
    desk.turn()
    found = desk.describe()
    assert found["NotebookInstanceStatus"] == "Stopped"
    assert found["InstanceType"] == "ml.m5.xlarge"
    assert "NotebookInstanceLifecycleConfigName" not in found
    assert found["DefaultCodeRepository"] == URL


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"VolumeSizeInGB": 5}, "can only be increased"),
        (
            {"DisassociateDefaultCodeRepository": True, "DefaultCodeRepository": URL},
            "cannot be given together",
        ),
    ],
)
def test_an_update_that_cannot_be_is_refused(desk: Desk, more: Doc, words: str) -> None:
    desk.create(VolumeSizeInGB=6)
    desk.serve()
    desk.stop()
    assert words in refused(desk.call, "UpdateNotebookInstance", NotebookInstanceName="nb", **more)


def names(desk: Desk, **more: Any) -> list[str]:
    found = desk.call("ListNotebookInstances", **more)["NotebookInstances"]
    return [each["NotebookInstanceName"] for each in found]


def test_lists_are_filtered_sorted_and_paged(desk: Desk) -> None:
    desk.script(OnStart="true")
    desk.create("b", LifecycleConfigName="lc")
    desk.clock.forward(10)
    desk.create("a", DefaultCodeRepository=URL)
    desk.clock.forward(10)
    desk.create("c", AdditionalCodeRepositories=[URL])
    assert names(desk) == ["a", "b", "c"]
    assert names(desk, SortBy="CreationTime") == ["c", "a", "b"]
    assert names(desk, NameContains="B") == ["b"]
    assert names(desk, StatusEquals="InService") == []
    assert names(desk, NotebookInstanceLifecycleConfigNameContains="LC") == ["b"]
    assert names(desk, DefaultCodeRepositoryContains="project") == ["a"]
    assert names(desk, AdditionalCodeRepositoryEquals=URL) == ["c"]
    first = desk.call("ListNotebookInstances", MaxResults=2)
    assert [each["Url"][:2] for each in first["NotebookInstances"]] == ["a-", "b-"]
    assert names(desk, MaxResults=2, NextToken=first["NextToken"]) == ["c"]


def test_a_filtered_list_is_paged_too(desk: Desk) -> None:
    for number in range(5):
        more = {"DefaultCodeRepository": URL} if number % 2 == 0 else {}
        desk.create(f"n{number}", **more)
    asked: Doc = {"DefaultCodeRepositoryContains": "project", "MaxResults": 2}
    first = desk.call("ListNotebookInstances", **asked)
    assert [e["NotebookInstanceName"] for e in first["NotebookInstances"]] == ["n0", "n2"]
    assert names(desk, **asked, NextToken=first["NextToken"]) == ["n4"]


# ---- lifecycle configurations


def test_a_lifecycle_configuration_is_kept_changed_and_removed(desk: Desk) -> None:
    desk.script(OnCreate="echo made", OnStart="echo started")
    name = {"NotebookInstanceLifecycleConfigName": "lc"}
    found = desk.call("DescribeNotebookInstanceLifecycleConfig", **name)
    assert found["NotebookInstanceLifecycleConfigArn"].endswith(
        ":notebook-instance-lifecycle-config/lc"
    )
    content = found["OnCreate"]
    desk.call("UpdateNotebookInstanceLifecycleConfig", **name, OnStart=content)
    found = desk.call("DescribeNotebookInstanceLifecycleConfig", **name)
    assert found["OnStart"] == content == found["OnCreate"]
    listed = desk.call("ListNotebookInstanceLifecycleConfigs")
    assert len(listed["NotebookInstanceLifecycleConfigs"]) == 1
    desk.clock.forward(10)
    desk.script("later", OnStart="true")
    desk.clock.forward(10)
    desk.call("UpdateNotebookInstanceLifecycleConfig", **name, OnStart=content)
    for order, first in (("CreationTime", "later"), ("LastModifiedTime", "lc")):
        listed = desk.call("ListNotebookInstanceLifecycleConfigs", SortBy=order)
        found = listed["NotebookInstanceLifecycleConfigs"][0]
        assert found["NotebookInstanceLifecycleConfigName"] == first
    assert "already exists" in refused(desk.script)
    desk.call("DeleteNotebookInstanceLifecycleConfig", **name)
    said = refused(desk.call, "DeleteNotebookInstanceLifecycleConfig", **name)
    assert said.startswith("Unable to delete Notebook Instance Lifecycle Config 'arn:")


def test_a_lifecycle_configuration_in_use_stays(desk: Desk) -> None:
    desk.script(OnStart="true")
    desk.create(LifecycleConfigName="lc")
    name = {"NotebookInstanceLifecycleConfigName": "lc"}
    assert "in use by nb" in refused(desk.call, "DeleteNotebookInstanceLifecycleConfig", **name)


def test_a_script_that_is_not_base64_is_refused(desk: Desk) -> None:
    said = refused(
        desk.call,
        "CreateNotebookInstanceLifecycleConfig",
        NotebookInstanceLifecycleConfigName="lc",
        OnStart=[{"Content": "#!/bin/bash"}],
    )
    assert "OnStart: the content of a lifecycle script must be base64-encoded" in said


# ---- code repositories


def test_a_code_repository_is_kept_and_removed(desk: Desk) -> None:
    name = {"CodeRepositoryName": "project"}
    config = {"RepositoryUrl": URL, "Branch": "main"}
    desk.call("CreateCodeRepository", **name, GitConfig=config)
    assert desk.call("DescribeCodeRepository", **name)["GitConfig"] == config
    (listed,) = desk.call("ListCodeRepositories")["CodeRepositorySummaryList"]
    assert listed["GitConfig"] == config
    assert "already exists" in refused(desk.call, "CreateCodeRepository", **name, GitConfig=config)
    desk.call("UpdateCodeRepository", **name)
    desk.call("DeleteCodeRepository", **name)
    assert "Cannot find CodeRepository" in refused(desk.call, "DescribeCodeRepository", **name)


def test_a_secret_of_a_repository_is_refused(desk: Desk) -> None:
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git"
    config = {"RepositoryUrl": URL, "SecretArn": secret}
    said = refused(
        desk.call, "CreateCodeRepository", CodeRepositoryName="project", GitConfig=config
    )
    assert "SecretArn" in said


def test_a_local_repository_is_for_the_owner_alone(desk: Desk, repository: Path) -> None:
    for text in (str(repository), f"file://{repository}"):
        config = {"RepositoryUrl": text}
        params = {"CodeRepositoryName": "local", "GitConfig": config}
        assert "owner's own access key" in refused(desk.call, "CreateCodeRepository", **params)
        assert "owner's own access key" in refused(desk.create, DefaultCodeRepository=text)
    desk.owner.call("sagemaker", "CreateCodeRepository", params)
    assert "owner's own access key" in refused(desk.create, DefaultCodeRepository="local")


def test_a_local_repository_must_be_one(desk: Desk, tmp_path: Path) -> None:
    def told(path: Path) -> str:
        params = {"CodeRepositoryName": "local", "GitConfig": {"RepositoryUrl": str(path)}}
        with pytest.raises(AwsError) as caught:
            desk.owner.call("sagemaker", "CreateCodeRepository", params)
        return caught.value.message

    assert "no repository" in told(tmp_path / "none-at-all")
    (tmp_path / "plain-folder").mkdir()
    assert "not a Git repository" in told(tmp_path / "plain-folder")
    home = desk.world.settings.home
    assert "data directory" in told(home / "jobs" if (home / "jobs").is_dir() else home)
    (tmp_path / "a-link").symlink_to(home)
    assert "data directory" in told(tmp_path / "a-link")


def test_a_setting_of_folders_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="notebook_folders"):
        Settings.load({"SAGEBRUSH_NOTEBOOK_FOLDERS": "nb:/srv/x"}, None, home=tmp_path)
