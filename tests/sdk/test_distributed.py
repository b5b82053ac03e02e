"""Training on several instances by both SDKs, unmodified: what they learn equals what one learns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from sagebrush.compute.local import probe
from sagebrush.quickstart import texts
from tests import needs
from tests.built_environments import released_pytorch, released_tensorflow  # noqa: F401
from tests.sdk_server import SCRIPTS, run

pytestmark = [
    pytest.mark.full,
    pytest.mark.sandbox,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        probe.choose("auto") != "sandbox", reason="several instances need sandboxes"
    ),
    pytest.mark.usefixtures("released_pytorch", "released_tensorflow"),
]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labelled sentences to learn from and others to be tested with."""
    folder = tmp_path_factory.mktemp("texts")
    parts = texts.split(texts.aws_documentation())
    written(folder / "train.csv", parts.train[:3000])
    written(folder / "test.csv", parts.test[:1000])
    return folder


def written(file: Path, examples: Sequence[texts.Example]) -> None:
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["label", "text"])
        rows.writerows([each.label, each.text] for each in examples)


@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_several_instances_learn_what_one_does(
    variables: dict[str, str],
    labelled: Path,
    sdk: str,
) -> None:
    script = SCRIPTS / f"v{sdk[-1]}_distributed.py"
    said = run(variables, needs.sdk(sdk), script, labelled, SCRIPTS, seconds=850)
    assert f"v{sdk[-1]} distributed: all well" in said
