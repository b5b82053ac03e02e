"""Layers on a backend that obeys: built once, taken whole or not at all, told, kept while used."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, NotYet, Pending, Running, Spec, State
from sagebrush.environments.environment import Environment
from sagebrush.workload import launch, layers
from sagebrush.workload.layers import LayerFailed
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.jobworld import JobWorld, channel

TEXT = "emoji\n"


class Bench:
    """A world and one environment; `finish` plays the build sandbox."""

    def __init__(self, world: JobWorld) -> None:
        self.jobs = world
        self.backend = world.backend
        self.backend.script = self._launched
        self.backend.forget = self._forgotten
        self.builds: list[Spec] = []
        environment = world.environments.ready("base")
        assert environment is not None
        self.environment: Environment = environment

    def _launched(self, spec: Spec) -> State:
        if spec.key.startswith("l-"):
            self.builds.append(spec)
        return Running(0.0)

    def _forgotten(self, key: str) -> None:
        self.backend.states.pop(key, None)
        self.backend.specs.pop(key, None)

    @property
    def world(self) -> Any:
        return self.jobs.world

    def ready(self, since: float | None = None, text: str = TEXT) -> layers.Layer | None:
        at = self.jobs.now if since is None else since
        return layers.ready(self.world, self.environment, text, at)

    @property
    def key(self) -> str:
        return self.builds[-1].key

    @property
    def built(self) -> Path:
        """Where the build works: /opt/ml/layer."""
        return self.builds[-1].root / "ml" / "layer"

    def finish(self, state: State | None = None) -> None:
        """The build has ended, by default as a good one."""
        ml = self.built.parent
        if state is None:
            (self.built / "venv" / "bin").mkdir(parents=True)
            (self.built / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
            said = {"packages": ["emoji==2.0"], "warnings": ["click: base has click 8.3"]}
            (ml / "output" / "layer.json").write_text(json.dumps(said))
        self.backend.lines[self.key] = ["installing", " + emoji==2.0"]
        self.backend.states[self.key] = state or Exited(0, "", "", 10.0, 13.2)

    def fails(self, why: str = "no emoji") -> None:
        (self.built.parent / "output" / "failure").write_text(why)
        self.finish(Exited(1))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(JobWorld(tmp_path))
    yield made
    made.jobs.db.close()


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(LayerFailed) as caught:
        call()
    return str(caught.value)


def test_the_hash_is_of_what_the_file_means() -> None:
    assert layers.key("base-1", "a\nb\n") == layers.key("base-1", "# so\na   # why\n\nb")
    assert layers.key("base-1", "a\n") != layers.key("base-2", "a\n")
    assert layers.key("base-1", "a\n") != layers.key("base-1", "--pre\na\n")


def test_a_build_has_what_its_hash_is_of(bench: Bench) -> None:
    """A line that two readers could read in two ways must not be another role's layer."""
    bench.ready(text="emoji   # so\n\n\x0bclick\\\n ==8\r\n")
    given = (bench.built.parent / "input" / "requirements.txt").read_text()
    assert given == "emoji\nclick ==8\n"


def test_two_who_ask_at_once_build_it_once(bench: Bench) -> None:
    assert bench.ready() is None
    assert bench.ready() is None
    assert bench.backend.launches == 1
    bench.finish()
    first, second = bench.ready(), bench.ready()
    assert first == second
    assert first is not None
    assert bench.backend.launches == 1
    assert not (bench.jobs.home / "jobs" / bench.key).exists()
    assert first.packages == ("emoji==2.0",)
    told = first.banner(bench.jobs.now).splitlines()
    assert told[0] == "requirements.txt: 1 package layered over base (built in 3.2 s)"
    assert "requirements.txt: WARNING: click: base has click 8.3" in told
    assert told[-1] == " + emoji==2.0"
    assert "(cached)" in first.banner(bench.jobs.now + 1)


def test_a_server_that_comes_back_goes_on_with_the_build(bench: Bench) -> None:
    assert bench.ready() is None
    bench.jobs.open()
    assert bench.ready() is None
    bench.finish()
    bench.jobs.open()
    assert bench.ready() is not None
    assert bench.backend.launches == 1


def test_a_failure_is_told_to_all_who_waited_and_a_later_job_tries_again(bench: Bench) -> None:
    asked = bench.jobs.now
    assert bench.ready() is None
    bench.jobs.now += 5
    bench.fails()
    assert failure(lambda: bench.ready(asked)) == "no emoji"
    bench.jobs.now += 5
    assert failure(lambda: bench.ready(asked + 2)) == "no emoji"
    assert bench.backend.launches == 1
    assert bench.ready() is None
    assert bench.backend.launches == 2
    bench.finish()
    assert bench.ready() is not None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Exited(-9, "oom"), "more than 4 GiB of memory"),
        (Exited(-15, "timeout"), "within 30 minutes"),
        (Exited(125, "sandbox: bind", "bind /x: no"), "could not be started: bind /x: no"),
        (Exited(3), "exit status 3"),
    ],
)
def test_every_other_end_has_its_words(bench: Bench, state: State, words: str) -> None:
    bench.ready()
    bench.finish(state)
    assert words in failure(bench.ready)


def test_a_killed_or_stopped_build_is_begun_again_and_not_for_ever(bench: Bench) -> None:
    bench.ready()
    (bench.built / "venv").mkdir()
    for reason in ("lost", "stopped"):
        bench.finish(Exited(-9, reason))
        assert bench.ready() is None
        assert list(bench.built.iterdir()) == [], "nothing of the one before is left"
    assert bench.backend.launches == 3
    bench.finish(Exited(-9, "lost"))
    assert "ended with exit status" in failure(bench.ready)
    assert not list((bench.jobs.home / "layers").glob("*"))


def test_a_build_that_says_nothing_of_itself_is_not_taken(bench: Bench) -> None:
    bench.ready()
    bench.finish(Exited(0))
    assert "cannot be used" in failure(bench.ready)
    assert not list((bench.jobs.home / "layers").glob("*"))


def test_what_a_build_planted_is_taken_out_or_refused(bench: Bench) -> None:
    secret = bench.jobs.home / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    bench.ready()
    bench.finish()
    venv = bench.built / "venv"
    (venv / "tool").write_text("#!/bin/sh\n")
    (venv / "tool").chmod(0o6711)
    (venv / "data").write_text("data")
    (venv / "data").chmod(0o600)
    os.mkfifo(venv / "pipe")
    (venv / "link").symlink_to(secret)
    layer = bench.ready()
    assert layer is not None
    found = {path.name: path.lstat() for path in (layer.path / "venv").iterdir()}
    assert stat.S_IMODE(found["tool"].st_mode) == 0o755
    assert stat.S_IMODE(found["data"].st_mode) == 0o644
    assert "pipe" not in found
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.parametrize("plant", ["several names", "layer.json", "a link"])
def test_a_layer_that_is_no_plain_tree_is_refused(bench: Bench, plant: str) -> None:
    bench.ready()
    bench.finish()
    if plant == "several names":
        (bench.built / "venv" / "a").write_text("a")
        os.link(bench.built / "venv" / "a", bench.built.parent / "b")
    elif plant == "layer.json":
        (bench.built / "layer.json").symlink_to(bench.jobs.home / "written")
    else:
        bench.built.rename(bench.built.parent / "moved")
        bench.built.symlink_to("/etc")
    assert "cannot be used" in failure(bench.ready)
    assert not (bench.jobs.home / "written").exists()
    assert not list((bench.jobs.home / "layers").glob("*"))


def test_the_servers_index_is_the_builds_and_its_folders_are_shown(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    found, binds = layers.index(
        {
            "PIP_FIND_LINKS": f"{wheels} https://wheels.example",
            "PIP_INDEX_URL": "https://index.example/simple",
            "UV_INDEX": f"own=file://{wheels}",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "HOME": str(tmp_path),
        }
    )
    assert found == {
        "UV_FIND_LINKS": f"{wheels},https://wheels.example",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": f"own=file://{wheels}",
    }
    assert {bind.source for bind in binds} == {wheels}
    assert all(bind.read_only for bind in binds)


# ---- jobs over layers


def submitted(bench: Bench, name: str = "job", text: str = TEXT, **changes: Any) -> None:
    """A training job of script mode with that requirements.txt."""
    body = archive({"train.py": "", "requirements.txt": text})
    bench.jobs.s3.buckets["bucket"]["code.tar.gz"] = body
    parameters = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://bucket/code.tar.gz"',
    }
    bench.jobs.create(name, HyperParameters=parameters, **changes)


def spec_of(bench: Bench, name: str = "job") -> Spec:
    return bench.backend.specs[bench.jobs.key(name)]


def test_a_job_waits_for_its_layer_and_says_so(bench: Bench) -> None:
    submitted(bench)
    bench.jobs.run(100.0)
    doc = bench.jobs.describe()
    assert doc["SecondaryStatus"] == "Downloading"
    message = doc["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert message == "Installing requirements.txt over base"
    assert bench.backend.launches == 1, "the build alone"
    bench.finish()
    bench.jobs.run(5.0)
    spec = spec_of(bench)
    [layer] = (bench.jobs.home / "layers").iterdir()
    place = "/opt/sagebrush/layer"
    assert spec.argv == (f"{place}/venv/bin/python", "/opt/sagebrush/toolkit/training/train.py")
    assert spec.env["PATH"].startswith(f"{place}/venv/bin:{launch.OVERLAY}/bin:/opt/conda/bin:")
    assert spec.env["SAGEBRUSH_LAYER"] == place
    assert [(b.source, b.target) for b in spec.binds if b.source == layer] == [(layer, place)]
    assert "requirements.txt: 1 package layered over base (built in 3.2 s)" in spec.banner
    assert spec.time_limit == 600.0, "waiting is not counted"
    words = [t["Status"] for t in bench.jobs.describe()["SecondaryStatusTransitions"]]
    assert words == ["Starting", "Downloading", "Training"]


def test_a_failed_layer_ends_the_job_through_its_own_log(bench: Bench) -> None:
    submitted(bench)
    bench.jobs.run(2.0)
    bench.fails("(emoji): no")
    bench.jobs.run(5.0)
    spec = spec_of(bench)
    assert spec.argv[1:] == ("/opt/sagebrush/toolkit/packages/layer.py", "--failed", "(emoji): no")
    assert "installing" in spec.banner
    assert "SAGEBRUSH_LAYER" not in spec.env


def test_a_base_model_that_is_a_package_is_layered_and_its_failure_says_what_helps(
    bench: Bench,
) -> None:
    told = {"model_id": "tc-x", "key": "training/train-tc-x.tar.gz", "package": "x-model==1.0"}
    referring = archive({"reference.json": json.dumps(told)})
    bench.jobs.s3.buckets["bucket"]["model/train-tc-x.tar.gz"] = referring
    submitted(bench, InputDataConfig=[channel("model", "s3://bucket/model/train-tc-x.tar.gz")])
    bench.jobs.run(2.0)
    bench.fails("(x-model): no")
    bench.jobs.run(5.0)
    wanted = json.loads((bench.jobs.ml().parent / "requirements.json").read_text())["text"]
    assert wanted.split() == [*TEXT.split(), "x-model==1.0"]
    failed = spec_of(bench).argv[-1]
    assert failed.startswith("(x-model): no x-model==1.0 holds the base model tc-x"), failed
    assert "samples add jumpstart-cache-prod-REGION/training/train-tc-x.tar.gz" in failed


def test_a_job_that_is_stopped_does_not_wait(bench: Bench) -> None:
    submitted(bench)
    bench.jobs.run(2.0)
    bench.jobs.world.rows.update(
        bench.jobs.rows.select("training-job", ["InProgress"])[0].id,
        lambda row: _stopped(row),
    )
    bench.jobs.run(5.0)
    assert bench.jobs.describe()["TrainingJobStatus"] == "Stopped"


def _stopped(row: Any) -> Any:
    from dataclasses import replace

    return replace(row, status="Stopping", plan={**row.plan, "stop": 1.0}, due_at=0.0)


@pytest.mark.parametrize("why", ["isolated", "process", "local", "own index"])
def test_the_toolkit_installs_where_no_layer_is_made(bench: Bench, why: str) -> None:
    changes: dict[str, Any] = {}
    if why == "isolated":
        changes["EnableNetworkIsolation"] = True
    elif why == "own index":
        changes["Environment"] = {"PIP_INDEX_URL": "https://index.example"}
    elif why == "process":
        bench.backend.isolation = "process"
    submitted(bench, text="./lib\n" if why == "local" else TEXT, **changes)
    bench.jobs.run(5.0)
    spec = spec_of(bench)
    assert bench.backend.launches == 1
    python = "/environments/base" if why == "process" else "/opt/conda"
    assert spec.argv[0] == f"{python}/bin/python"
    assert "SAGEBRUSH_LAYER" not in spec.env


def test_another_program_gets_an_environment_that_pip_can_write(bench: Bench) -> None:
    objects = bench.jobs.s3.buckets["bucket"]
    objects["d/sourcecode.json"] = json.dumps({"requirements": "requirements.txt"}).encode()
    objects["c/requirements.txt"] = b"-r more.txt\n"
    channels = [
        {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{p}"}},
        }
        for name, p in (("sm_drivers", "d/"), ("code", "c/"))
    ]
    given = bench.jobs.request()["AlgorithmSpecification"]
    given = {**given, "ContainerEntrypoint": ["/bin/bash", "run.sh"]}
    bench.jobs.create(AlgorithmSpecification=given, InputDataConfig=channels)
    bench.jobs.run(5.0)
    python, *rest = spec_of(bench).argv
    assert python == "/opt/conda/bin/python"
    assert rest == ["/opt/sagebrush/toolkit/packages/layer.py", "--over", "/bin/bash", "run.sh"]


def test_a_layer_that_vanished_is_built_again_before_the_launch(bench: Bench) -> None:
    root = bench.jobs.home / "jobs" / "t-x"
    root.mkdir(parents=True)
    asked = {"since": bench.jobs.now, "text": TEXT, "layer": True}
    (root / layers.ASKED).write_text(json.dumps(asked))
    spec = Spec("t-x", ("python",), {"PATH": ""}, root)
    with pytest.raises(NotYet):
        layers.over(bench.world, bench.environment, root, spec)
    assert isinstance(bench.backend.poll(bench.key), Running | Pending)


# ---- retention


def test_layers_go_when_nobody_used_them_for_long(bench: Bench) -> None:
    bench.ready()
    bench.finish()
    layer = bench.ready()
    assert layer is not None
    days = bench.jobs.world.settings.keep_jobs_days
    bench.jobs.now += days * 86400 - 10
    assert layers.expire(bench.world) == []
    assert bench.ready() == layer, "used now"
    bench.jobs.now += 20
    assert layers.expire(bench.world) == []
    marker = bench.jobs.home / "jobs" / "e-live"
    marker.mkdir(parents=True)
    (marker / "layer").write_text(layer.path.name)
    bench.backend.states["e-live"] = Running(0.0)
    bench.jobs.now += days * 86400
    assert layers.expire(bench.world) == [], "an endpoint runs over it"
    bench.backend.states["e-live"] = Exited(0)
    assert layers.expire(bench.world) == [layer.path.name]
    assert not list((bench.jobs.home / "layers").iterdir())
