"""What staging prepares for each input mode, on each instance."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobworld import JobWorld, channel, resources

from sagebrush.compute.base import Exited, Spec, State
from sagebrush.errors import Doc


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    found.s3.buckets["bucket"].update({f"in/{n}.txt": b"%d" % n for n in range(5)})
    found.world.fuse_lacking = lambda: ""
    yield found
    found.db.close()


def seen(jobs: JobWorld, *channels: Doc, **changes: Any) -> dict[str, Doc]:
    """What each instance found and is fed, by its host name; runs the job."""
    found: dict[str, Doc] = {}

    def script(spec: Spec) -> State:
        data = spec.root / "ml/input/data"
        config = json.loads((spec.root / "ml/input/config/inputdataconfig.json").read_text())
        plan = json.loads(Path(spec.companion).read_text()) if spec.companion else None
        if plan:
            for each in plan["channels"]:
                if "lines" in each:
                    each["lines"] = Path(each["lines"]).read_text().splitlines()
        found[spec.hostname] = {
            "files": sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()),
            "fifos": sorted(p.name for p in data.iterdir() if stat.S_ISFIFO(p.stat().st_mode)),
            "folders": sorted(p.name for p in data.iterdir() if p.is_dir()),
            "config": config,
            "plan": plan,
            "spec": spec,
        }
        return Exited(0)

    jobs.backend.script = script
    jobs.create(InputDataConfig=list(channels), **changes)
    jobs.run()
    told = jobs.describe()
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    return found


def sharded(name: str, uri: str, **more: Any) -> Doc:
    found = channel(name, uri, **more)
    found["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    return found


def test_sharded_files_are_dealt_out_and_replicated_ones_are_everywhere(jobs: JobWorld) -> None:
    found = seen(
        jobs, sharded("own", "s3://bucket/in/"), channel("all", "s3://bucket/in/"),
        ResourceConfig=resources(InstanceCount=3),
    )  # fmt: skip
    own = [[f for f in found[f"algo-{n}"]["files"] if f.startswith("own/")] for n in (1, 2, 3)]
    assert own == [["own/0.txt", "own/3.txt"], ["own/1.txt", "own/4.txt"], ["own/2.txt"]]
    for n in (1, 2, 3):
        assert len([f for f in found[f"algo-{n}"]["files"] if f.startswith("all/")]) == 5
        assert found[f"algo-{n}"]["config"]["own"]["S3DistributionType"] == "ShardedByS3Key"
        assert found[f"algo-{n}"]["spec"].companion == ""


def test_a_seed_decides_who_gets_what(jobs: JobWorld) -> None:
    more = {"ShuffleConfig": {"Seed": 5}}
    found = seen(
        jobs, sharded("own", "s3://bucket/in/", **more), ResourceConfig=resources(InstanceCount=2)
    )
    one, two = (set(found[f"algo-{n}"]["files"]) for n in (1, 2))
    assert one | two == {f"own/{n}.txt" for n in range(5)}
    assert one != {"own/0.txt", "own/2.txt", "own/4.txt"}
    assert not one & two


def test_a_pipe_is_a_fifo_and_a_plan(jobs: JobWorld) -> None:
    train = sharded(
        "train", "s3://bucket/in/", InputMode="Pipe", CompressionType="Gzip",
        RecordWrapperType="RecordIO", ShuffleConfig={"Seed": 9},
    )  # fmt: skip
    found = seen(jobs, train, ResourceConfig=resources(InstanceCount=2))["algo-2"]
    assert (found["files"], found["fifos"], found["folders"]) == ([], ["train_0"], [])
    (told,) = found["plan"]["channels"]
    keys = [key for _, key, _, _ in told.pop("objects")]
    assert keys == [f"in/{n}.txt" for n in range(5)]
    assert told == {
        "name": "train", "mode": "Pipe", "seed": 9, "shard": [1, 2], "gzip": True, "recordio": True,
    }  # fmt: skip
    assert found["config"]["train"] == {
        "TrainingInputMode": "Pipe",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "RecordIO",
    }
    assert not found["spec"].mounts


def augmented(*names: str) -> Doc:
    found = channel("train", "s3://bucket/aug", "AugmentedManifestFile", InputMode="Pipe")
    found["DataSource"]["S3DataSource"]["AttributeNames"] = list(names)
    return found


def test_the_attributes_of_an_augmented_manifest_come_in_their_order(jobs: JobWorld) -> None:
    body = (
        b'{"b": 1, "a-ref": "s3://bucket/x", "c": 2}\n\n{"a-ref": "s3://bucket/y", "b": {"k": []}}'
    )
    jobs.s3.buckets["bucket"]["aug"] = body
    (told,) = seen(jobs, augmented("a-ref", "b"))["algo-1"]["plan"]["channels"]
    assert [json.loads(line) for line in told["lines"]] == [
        ["s3://bucket/x", 1],
        ["s3://bucket/y", {"k": []}],
    ]
    assert told["attributes"] == ["a-ref", "b"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a-ref": "s3://bucket/x", "b": 1}\n{"b": 1}', "line 2 of the augmented manifest s3://bucket/aug cannot be used: it has no attribute 'a-ref'"),
        (b'{"a-ref": 7, "b": 1}', "line 1 of the augmented manifest s3://bucket/aug cannot be used: a-ref is not the S3 URI of an object: 7"),
        (b"[1]", "it is no JSON object"),
        (b"{", "line 1 of"),
        (b"\n", "has no line"),
    ],
)  # fmt: skip
def test_an_augmented_manifest_that_cannot_be_used_is_told(
    jobs: JobWorld, body: bytes, words: str
) -> None:
    jobs.s3.buckets["bucket"]["aug"] = body
    jobs.create(InputDataConfig=[augmented("a-ref", "b")])
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert reason.startswith("ClientError: Data download failed:")
    assert words in reason
    assert jobs.backend.launches == 0


def test_a_lazy_channel_is_a_mount_where_the_host_has_fuse(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"]["in/deep//er/x"] = b"x"
    found = seen(jobs, channel("train", "s3://bucket/in/", InputMode="FastFile"))["algo-1"]
    assert (found["files"], found["folders"]) == ([], ["train"])
    assert found["spec"].mounts == ("/opt/ml/input/data/train",)
    assert "FastFile" not in found["spec"].banner
    (told,) = found["plan"]["channels"]
    paths = [path for *_, path in told["objects"]]
    assert paths == [*(f"{n}.txt" for n in range(5)), "deep/er/x"]


def test_without_fuse_a_lazy_channel_is_downloaded_and_the_log_says_so(jobs: JobWorld) -> None:
    jobs.world.fuse_lacking = lambda: "open /dev/fuse: Permission denied"
    found = seen(jobs, channel("train", "s3://bucket/in/", InputMode="FastFile"))["algo-1"]
    assert len(found["files"]) == 5
    assert not found["spec"].mounts
    assert not found["spec"].companion
    assert found["spec"].banner.splitlines()[-1] == (
        "Sagebrush: FastFile: no FUSE on this host (open /dev/fuse: Permission denied): channel"
        " train was downloaded first"
    )


@pytest.mark.parametrize("keys", [("k/a", "k/a/b"), ("k/a//b", "k/a/b"), ("k/" + "n" * 300,)])
def test_objects_that_cannot_be_lazy_files_fail_the_job(jobs: JobWorld, keys: tuple[str]) -> None:
    jobs.s3.buckets["bucket"].update(dict.fromkeys(keys, b"x"))
    jobs.create(InputDataConfig=[channel("train", "s3://bucket/k/", InputMode="FastFile")])
    jobs.run()
    assert jobs.describe()["FailureReason"].startswith("ClientError: Data download failed:")


def test_a_channel_of_another_group_is_not_there(jobs: JobWorld) -> None:
    groups = [
        {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": 1}
        for name in ("a", "b")
    ]
    train = channel("train", "s3://bucket/in/", InputMode="Pipe")
    train["DataSource"]["S3DataSource"]["InstanceGroupNames"] = ["b"]
    found = seen(jobs, train, ResourceConfig={"VolumeSizeInGB": 1, "InstanceGroups": groups})
    assert (found["algo-1"]["config"], found["algo-1"]["fifos"]) == ({}, [])
    assert found["algo-1"]["plan"] is None
    assert (list(found["algo-2"]["config"]), found["algo-2"]["fifos"]) == (["train"], ["train_0"])
