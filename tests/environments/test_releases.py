"""AWS's image releases: the table is in order, and knows every version that the SDKs can name."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.environments import releases
from sagebrush.environments.releases import TABLE, Release, table
from tests.needs import sdk

PRINCIPAL = {
    "scikit-learn": "scikit-learn",
    "xgboost": "xgboost",
    "pytorch": "torch",
    "tensorflow": "tensorflow",
    "huggingface-pytorch": "transformers",
    "huggingface-tensorflow": "transformers",
}
OLDEST = {"pytorch": (1, 4, 0), "tensorflow": (2, 0, 0)}
"""Older versions of these families are no part of the table."""
CONFIGURATIONS = {"sdk2": "image_uri_config", "sdk3": "core/image_uri_config"}
SCOPES = ("training", "inference", "inference_graviton")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def name_of(release: Release) -> tuple[str, str, str]:
    return release.family, release.version, release.framework


def test_the_table_is_sorted_and_each_release_stands_once() -> None:
    order = [(r.family, numbers(r.version), numbers(r.framework)) for r in table()]
    assert order == sorted(order)
    names = [name_of(release) for release in table()]
    assert len(names) == len(set(names))
    assert {release.family for release in table()} == set(PRINCIPAL)


def test_each_release_stands_on_a_line_of_its_own() -> None:
    lines = [line for line in TABLE.read_text().splitlines() if line not in ("[", "]")]
    assert [json.loads(line.rstrip(","))["version"] for line in lines] == [
        release.version for release in table()
    ]


@pytest.mark.parametrize("release", table(), ids=lambda r: "-".join(filter(None, name_of(r))))
def test_a_release_says_what_an_environment_needs(release: Release) -> None:
    day = datetime.date.fromisoformat(release.released)
    assert datetime.date(2018, 1, 1) < day <= datetime.datetime.now(datetime.UTC).date()
    assert numbers(release.python)[0] == 3
    assert 6 <= numbers(release.python)[1] <= 13
    principal = PRINCIPAL[release.family]
    assert next(iter(release.pins)) == principal
    for package, version in release.pins.items():
        assert re.fullmatch(r"[a-z0-9-]+", package)
        assert re.fullmatch(r"\d+(\.\d+)+", version)
    if release.family in ("scikit-learn", "xgboost"):
        # The container's version starts with the package's: 1.2-1 has scikit-learn 1.2.1.
        assert numbers(release.pins[principal])[:2] == numbers(release.version)[:2]
    else:
        assert release.pins[principal] == release.version


def test_the_framework_is_told_apart_where_the_tag_has_two_versions() -> None:
    for release in table():
        hugging_face, _, framework = release.family.partition("-")
        assert bool(release.framework) == (hugging_face == "huggingface")
        if release.framework:
            package = PRINCIPAL[framework]
            assert release.pins[package] == release.framework


def named(configurations: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Family, version and framework of each image that an SDK's image tables name."""
    for name, configuration in configurations.items():
        family = {"sklearn": "scikit-learn", "pytorch-amzn2023": "pytorch"}.get(name, name)
        for scope in SCOPES:
            for version, entry in configuration.get(scope, {}).get("versions", {}).items():
                if name == "huggingface":
                    for base in sorted(set(entry) - {"version_aliases"}):
                        framework = base.rstrip("0123456789.")
                        yield f"{family}-{framework}", version, base.removeprefix(framework)
                elif name == "xgboost" and entry["repository"] != "sagemaker-xgboost":
                    continue  # `xgboost:1` is XGBoost 0.72
                elif numbers(version) >= OLDEST.get(family, ()):
                    yield family, version, ""


@pytest.mark.costs("asks an SDK's environment")
@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_what_an_sdk_can_name_is_in_the_table(name: str) -> None:
    script = (
        "import importlib.util, json, pathlib\n"
        "root, = importlib.util.find_spec('sagemaker').submodule_search_locations\n"
        f"folder = pathlib.Path(root, '{CONFIGURATIONS[name]}')\n"
        "names = 'sklearn xgboost pytorch pytorch-amzn2023 tensorflow huggingface'.split()\n"
        "paths = [folder / f'{n}.json' for n in names]\n"
        "print(json.dumps({p.stem: json.loads(p.read_text()) for p in paths if p.exists()}))\n"
    )
    done = subprocess.run(
        [str(sdk(name)), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wanted = set(named(json.loads(done.stdout)))
    assert {family for family, _, _ in wanted} == set(PRINCIPAL)
    known = {name_of(release) for release in table()}
    # A tag of two numbers (`2.13-cpu-amzn2023-sagemaker`) promises the release of three.
    known |= {(f, v.rpartition(".")[0], "") for f, v, _ in known if f == "pytorch"}
    assert wanted - known == set()


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("huggingface-pytorch-4.30.1-2.0.0", "huggingface-pytorch-4.28.1-2.0.0"),
        ("tensorflow-2.15.0", "tensorflow-2.14.1"),
        ("pytorch-2.0.2", "pytorch-2.0.1"),
        ("pytorch-1.3.0", ""),  # older than the table
        ("pytorch-99.0.0", ""),  # newer
        ("huggingface-pytorch-4.30.1", ""),
        ("scikit-learn-1.1.0", ""),  # a container's number is no package's version
        ("pytorch-2.0", ""),
        ("mine-1.2.3", ""),
    ],
)
def test_a_release_between_two_of_the_table_has_the_day_of_the_one_below(
    name: str, below: str
) -> None:
    found = releases.named(name)
    if not below:
        assert found is None
        return
    assert found is not None
    assert found not in table()
    assert found.environment == name
    lower = releases.below(found)
    assert lower.environment == below
    assert (found.released, found.python) == (lower.released, lower.python)
    assert list(found.pins) == list(releases.PRINCIPALS[found.family])
