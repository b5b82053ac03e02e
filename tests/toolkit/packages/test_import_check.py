"""The imports of a set, by another Python: which of them fails, why, and beside what."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sagebrush.toolkit.packages import import_check

FILES = {
    "alpha/__init__.py": "",
    "alpha/model.py": "import beta",
    "alpha/train.py": "from beta import gone",
    "beta.py": "",
    "gamma.py": "import beta\nbeta.Missing",
    "delta.py": "try:\n    import gamma\nexcept Exception as e:\n    raise RuntimeError('see') from e",
    "ends.py": "import os; os._exit(3)",
    "leaves.py": "raise SystemExit('no')",
    "loud.py": "print('null')\nimport nowhere",
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which packages are installed for every Python that is started."""
    packages = tmp_path / "site-packages"
    for name, text in FILES.items():
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    return tmp_path


def test_modules_that_can_be_imported_are_nothing_to_tell(work: Path) -> None:
    assert import_check.asked(sys.executable, ["alpha.model", "beta"], work) is None


@pytest.mark.parametrize(
    ("module", "error", "beside"),
    [
        ("alpha.train", "ImportError: cannot import name 'gone' from 'beta'", ["beta", "alpha"]),
        ("gamma", "AttributeError: module 'beta' has no attribute 'Missing'", ["beta", "gamma"]),
        ("delta", "AttributeError: module 'beta' has no attribute 'Missing'", ["beta", "gamma"]),
        ("loud", "ModuleNotFoundError: No module named 'nowhere'", ["nowhere", "loud"]),
        ("leaves", "SystemExit: no", ["leaves"]),
        ("ends", "its import ended Python", []),
    ],
)
def test_the_first_that_fails_is_told_with_its_root_cause(
    work: Path, module: str, error: str, beside: list[str]
) -> None:
    found = import_check.asked(sys.executable, [module, "also_missing"], work)
    assert found is not None
    assert found["module"] == module
    assert found["error"].startswith(error)
    assert found["packages"][: len(beside)] == beside
