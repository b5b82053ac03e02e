"""pip in a job whose environment is read-only: in a real sandbox, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.compute.base import Bind
from sagebrush.compute.local import probe
from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.compute.live_jobs import Jobs
from tests.needs import missing
from tests.toolkit.training.training_contract import TRAIN, wheel

SCRIPT = """
import os, subprocess, sys
pip = [sys.executable, "-m", "pip", "install", "--no-index", "--quiet"]
import numpy
try:
    import tinymodule
except ImportError:
    pass
subprocess.check_call([*pip, "/opt/ml/tinymodule-1.0-py3-none-any.whl", "numpy"])
import tinymodule
print("RUNNING", tinymodule.WORD, numpy.__file__, sys.executable)
told = "import tinymodule; print('LATER', tinymodule.WORD)"
subprocess.check_call([sys.executable, "-c", told])
subprocess.check_call(["sh", "-c", "pip install --no-index -q /opt/ml/other-1.0-py3-none-any.whl"])
subprocess.check_call(["python3", "-c", "import other, tinymodule; print('SCRIPT', other.WORD)"])
subprocess.check_call(["pip", "uninstall", "-q", "-y", "other"])
gone = subprocess.run(["python3", "-c", "import other"], capture_output=True, text=True)
print("GONE", gone.stderr.splitlines()[-1])
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A backend with sandboxes."""
    yield from sandboxed(tmp_path)


def sandboxed(tmp_path: Path) -> Iterator[Jobs]:
    """A backend with sandboxes, closed afterwards."""
    check = probe.sandboxed()
    if not check.ok:
        missing(f"this host cannot isolate: {check.detail}")
    made = Jobs(tmp_path / "home", "sandbox")
    yield made
    made.backend.close()


def run(jobs: Jobs, environment: Environment, files: dict[str, str], *argv: str) -> str:
    """The log of a job with `files` in /opt/ml, run as the platform runs one."""
    ml = jobs.directory / "job" / "ml"
    ml.mkdir(parents=True)
    for name in ("tinymodule", "other", "botocore"):
        wheel(ml, name)
    for name, text in files.items():
        (ml / name).parent.mkdir(parents=True, exist_ok=True)
        (ml / name).write_text(text)
    jobs.launch(
        [str(environment.python), *argv],
        env={
            "PATH": f"{environment.path / 'bin'}:/usr/bin:/bin",
            "PYTHONPATH": "/opt/sagebrush/toolkit/client",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/tmp",
        },
        binds=(
            Bind(TRAIN.parents[1], "/opt/sagebrush/toolkit"),
            *(Bind(prefix, str(prefix)) for prefix in environment.prefixes),
        ),
    )
    state = jobs.ended()
    assert state.code == 0, (state, jobs.text())
    return jobs.text()


def test_pip_installs_over_the_environment(
    jobs: Jobs,
    base: Environment,  # noqa: F811
) -> None:
    told = run(jobs, base, {"script.py": SCRIPT}, "/opt/ml/script.py")
    assert f"RUNNING tinymodule {base.path}" in told
    assert f" {base.python}" in told, "the script's own interpreter stays the environment's"
    assert "LATER tinymodule" in told
    assert "SCRIPT other" in told
    assert "GONE ModuleNotFoundError: No module named 'other'" in told
    assert not list(base.path.glob("lib/*/site-packages/tinymodule*"))


def test_programs_of_the_environment_see_what_requirements_installed(
    jobs: Jobs,
    base: Environment,  # noqa: F811
) -> None:
    """torchrun and its like start with the environment's own interpreter."""
    files = {
        "code/requirements.txt": "--no-index\n/opt/ml/tinymodule-1.0-py3-none-any.whl\n",
        "code/train.py": "import os, tinymodule; print('TRAIN', tinymodule.WORD)\n"
        f"os.system('{base.python} -c \"import tinymodule; print(2 * tinymodule.WORD)\"')\n",
        "input/config/hyperparameters.json": '{"sagemaker_program": "train.py"}',
    }
    told = run(jobs, base, files, "/opt/sagebrush/toolkit/training/train.py")
    assert "TRAIN tinymodule" in told
    assert "tinymoduletinymodule" in told


OLD_BOTOCORE = """
import os, subprocess
os.environ["PIP_NO_INDEX"] = "1"
subprocess.check_call(["pip", "install", "-q", "/opt/ml/botocore-1.0-py3-none-any.whl"])
"""


def test_what_pip_tears_apart_is_told(
    jobs: Jobs,
    base: Environment,  # noqa: F811
) -> None:
    told = run(jobs, base, {"script.py": OLD_BOTOCORE}, "/opt/ml/script.py")
    assert 'this would: pip install "boto3<=1.0.0" "botocore==1.0"' in told
