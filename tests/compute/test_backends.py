"""One Backend of two: which of them has a job is told by its Spec, later by its directory."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from sagebrush.compute import record
from sagebrush.compute.backends import LocalOrContainer
from sagebrush.compute.base import Gone, LogLine, Pending, Running, Spec, State
from sagebrush.compute.containers.backend import OciBackend
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.local.backend import LocalBackend


class Noted:
    """A Backend that notes what it is asked."""

    def __init__(self, jobs_dir: Path, state: State) -> None:
        self.jobs_dir, self.state = jobs_dir, state
        self.isolation = "process"
        self.asked: list[str] = []

    def launch(self, spec: Spec) -> None:
        self.asked.append(f"launch {spec.key}")
        spec.root.mkdir(parents=True)
        record.write(spec.root, "spec.json", {"spec": record.to_json(spec)})

    def poll(self, key: str) -> State:
        self.asked.append(f"poll {key}")
        return self.state

    def stop(self, key: str, grace: float) -> None:
        self.asked.append(f"stop {key} {grace}")

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        self.asked.append(f"logs {key} {offset} {limit}")
        return []

    def log_end(self, key: str) -> int:
        self.asked.append(f"log_end {key}")
        return 0

    def forget(self, key: str) -> None:
        self.asked.append(f"forget {key}")

    def adopt(self) -> list[str]:
        return [f"of {type(self.state).__name__}"]

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Noted, Noted]:
    return Noted(tmp_path, Running(1.0)), Noted(tmp_path, Pending())


def either(two: tuple[Noted, Noted]) -> LocalOrContainer:
    return LocalOrContainer(cast(LocalBackend, two[0]), cast(OciBackend, two[1]))


def spec(jobs: Path, key: str, image: str = "") -> Spec:
    return Spec(key=key, argv=(), env={}, root=jobs / key, image=image)


def test_each_job_has_one_backend_after_a_restart_too(
    two: tuple[Noted, Noted], tmp_path: Path
) -> None:
    local, containers = two
    backend = either(two)
    backend.launch(spec(tmp_path, "script"))
    backend.launch(spec(tmp_path, "image", "some/image:1"))
    for each in (backend, either(two)):
        assert each.poll("script") == Running(1.0)
        assert each.poll("image") == Pending()
        each.stop("image", 3)
        each.logs("image", 7, 9)
        each.forget("script")
        each.forget("image")
    told = ["poll image", "stop image 3", "logs image 7 9", "forget image"]
    assert containers.asked == ["launch image", *told, *told]
    assert local.asked == ["launch script", *(2 * ["poll script", "forget script"])]


def test_a_key_that_is_asked_for_before_its_launch_is_of_who_launches_it(
    two: tuple[Noted, Noted], tmp_path: Path
) -> None:
    backend = either(two)
    backend.poll("image")
    backend.launch(spec(tmp_path, "image", "some/image:1"))
    assert backend.poll("image") == Pending()


def test_both_are_adopted_and_closed(two: tuple[Noted, Noted]) -> None:
    backend = either(two)
    assert backend.adopt() == ["of Running", "of Pending"]
    assert backend.isolation == "process"
    backend.close()
    assert [each.asked for each in two] == [["close"], ["close"]]


def test_a_local_backend_leaves_containers_alone(tmp_path: Path) -> None:
    containers = OciBackend(tmp_path, Engines({"DOCKER_HOST": "ssh://far"}), lambda _key: None)
    containers.launch(spec(tmp_path, "image", "some/image:1"))
    containers.close()
    local = LocalBackend(tmp_path, lambda *_: None, lambda _key: None, "process")
    assert local.adopt() == []
    assert isinstance(local.poll("image"), Gone)
    assert not (tmp_path / "image" / "exit.json").exists()
    local.close()
