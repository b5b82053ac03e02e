"""What SDK v3's ModelBuilder packs is made to load here; other models stay as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sagebrush.toolkit.serving import handler, modelbuilder, worker

SCRIPT = 'with open("/opt/ml/model/code/serve.pkl", "rb") as f:\n    CONTENT = f.read()\n'


def packed(root: Path, pickled: bool = True) -> Path:
    """Its script; `root` is /opt/ml with a model of one shared library."""
    code = root / "model" / "code"
    code.mkdir(parents=True)
    (root / "model" / "shared_libs").mkdir()
    if pickled:
        (code / "serve.pkl").write_bytes(b"pickled")
    script = code / "inference.py"
    script.write_text(SCRIPT)
    return script


def test_its_script_finds_its_files_where_opt_ml_is_another_directory(tmp_path: Path) -> None:
    script = packed(tmp_path)
    modelbuilder.prepare(tmp_path, script)
    modelbuilder.prepare(tmp_path, script)  # a second worker
    found: dict[str, bytes] = {}
    exec(script.read_text(), found)
    assert found["CONTENT"] == b"pickled"
    assert not (tmp_path / "model" / "shared_libs").exists(), "it would be copied over /lib"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
def test_its_shared_libraries_are_loaded(tmp_path: Path) -> None:
    script = packed(tmp_path)
    maps = Path("/proc/self/maps").read_text().split()
    library = next(Path(w) for w in maps if w.rpartition("/")[2].startswith(("libm.so", "libm-")))
    sent = tmp_path / "model" / "shared_libs" / "libsent.so"
    # A name that nothing has loaded yet: the file is taken, not the one in this process.
    sent.write_bytes(library.read_bytes().replace(b"libm.so.6\0", b"libq.so.6\0"))
    modelbuilder.prepare(tmp_path, script)
    assert "/.shared_libs/libsent.so" in Path("/proc/self/maps").read_text()


def test_a_broken_library_is_told(tmp_path: Path) -> None:
    script = packed(tmp_path)
    (tmp_path / "model" / "shared_libs" / "libsent.so").write_bytes(b"no library")
    with pytest.raises(OSError, match="libsent"):
        modelbuilder.prepare(tmp_path, script)


def test_other_models_stay_as_they_are(tmp_path: Path) -> None:
    script = packed(tmp_path, pickled=False)
    modelbuilder.prepare(tmp_path, script)
    modelbuilder.prepare(tmp_path, None)
    assert script.read_text() == SCRIPT
    assert (tmp_path / "model" / "shared_libs").is_dir()


@pytest.mark.parametrize(
    ("framework", "program", "found"),
    [
        ("pytorch", "inference.py", True),  # as AWS's toolkit: its defaults answer
        ("pytorch", "serve_me.py", False),
        ("sklearn", "inference.py", False),  # no default loads a scikit-learn model
    ],
)
def test_a_script_that_is_always_named_may_be_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str, program: str, found: bool
) -> None:
    """ModelBuilder(model=trainer) names inference.py and sends none."""
    (tmp_path / "model").mkdir()
    for name, value in {
        "SAGEBRUSH_ML": str(tmp_path),
        "SAGEBRUSH_FRAMEWORK": framework,
        "SAGEMAKER_PROGRAM": program,
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }.items():
        monkeypatch.setenv(name, value)
    if found:
        assert worker.code() is None
    else:
        with pytest.raises(handler.NoHandler, match=program):
            worker.code()
