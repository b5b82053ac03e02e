"""The layer's builder: what it makes of a requirements file and of uv's words."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import uv

from sagebrush.toolkit.packages import layer, wheels

TEXT = """\
# what the script needs
--extra-index-url https://index.example/simple
--pre
--trusted-host=index.example
Emoji_Kit==2.0  # pinned
pandas<3
pandas ; python_version > '3'
"""


def test_a_file_is_read_as_pip_reads_it() -> None:
    wanted = layer.read(TEXT)
    assert wanted.requirements == (
        "Emoji_Kit==2.0",
        "pandas<3",
        "pandas ; python_version > '3'",
    )
    assert wanted.named == {
        "emoji-kit": "Emoji_Kit==2.0",
        "pandas": "pandas<3, pandas ; python_version > '3'",
    }
    lines, arguments = layer.uv_text(wanted.options)
    assert lines == ["--extra-index-url https://index.example/simple"]
    assert arguments == [
        *("--prerelease", "allow"),
        *("--allow-insecure-host", "index.example"),
    ]


def test_what_the_environment_has_is_not_installed_again() -> None:
    resolved = layer.pins("emoji==2.0\ntorch==2.13.0+cpu\nclick==8.1\nuvicorn[standard]==0.30\n")
    present = {"torch": "2.13.0", "click": "8.3", "uvicorn": "0.30"}
    assert layer.missing(resolved, present) == {"emoji": "2.0", "click": "8.1"}


def test_each_replaced_package_is_named_with_both_versions() -> None:
    wanted = layer.read("pandas<3\nemoji\n")
    delta = {"emoji": "2.0", "numpy": "1.26.4", "pandas": "2.3.3"}
    told = layer.conflicts(wanted, delta, {"pandas": "3.1.1", "numpy": "2.5.5"}, "base")
    assert told == [
        "numpy: base has numpy 2.5.5, its requirements need another one: numpy 1.26.4 is used",
        "pandas: base has pandas 3.1.1, requirements.txt asks for pandas<3: pandas 2.3.3 is used",
    ]


def test_uvs_explanation_stays_and_its_ornaments_go() -> None:
    old = (
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because you require a<3 and a>3, we can\n      conclude that it is unsatisfiable.\n"
    )
    new = (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because you require a<3 and a>3, we can\n  conclude that it is unsatisfiable.\n"
    )
    for text in (old, new):
        said = layer.explained(text)
        assert said == (
            "Because you require a<3 and a>3, we can\nconclude that it is unsatisfiable."
        )
    assert layer.named(layer.read("a<3\na>3\nb\n"), layer.explained(old)) == ["a"]


def test_a_job_whose_layer_failed_ends_in_the_real_words(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, layer.__file__, "--failed", "Because you require a<3 and\na>3."],
        env={**os.environ, "SAGEBRUSH_ML": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (tmp_path / "output" / "failure").read_text() == (
        'InstallRequirementsError:\nExitCode 1\nErrorMessage "Because you require a<3 and\na>3."\n'
        'Command "uv pip install -r requirements.txt"'
    )
    assert done.stderr.startswith('InstallRequirementsError: ExitCode 1 ErrorMessage "Because')


def test_a_command_over_a_fresh_environment_sees_the_present_one(tmp_path: Path) -> None:
    show = "import sys, pytest; print(sys.prefix, pytest.__file__)"
    done = subprocess.run(
        [sys.executable, layer.__file__, "--over", "/bin/sh", "-c", f"python -c '{show}'"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


UV = """#!{python}
import pathlib, sys
arguments = " ".join(sys.argv[1:])
with pathlib.Path({log!r}).open("a") as log:
    log.write(arguments + "\\n")
if "--torch-backend cpu" in arguments and not {index}:
    sys.exit("the index cannot be reached")
cpu = "--torch-backend cpu" in arguments
libraries = "" if "--excludes" in arguments or cpu else "nvidia-cudnn==9.1\\n"
file = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
file.write_text({torch!r} + libraries)
"""


@pytest.mark.parametrize(
    ("torch", "index", "found", "backend"),
    [
        ("torch==2.12.0\n", True, {"torch"}, ["--torch-backend", "cpu"]),
        ("torch==2.12.0\n", False, {"torch", "nvidia-cudnn"}, []),
        ("torch==2.12.0+cpu\n", False, {"torch"}, []),
        ("torch==2.13.0\n", False, {"torch"}, []),
    ],
    ids=["cpu's build", "no index of PyTorch's", "a wheel at hand", "the environment's own"],
)
def test_another_torch_comes_with_what_it_needs_to_run(
    torch: str, index: bool, found: set[str], backend: list[str], tmp_path: Path
) -> None:
    """PyPI's torch without CUDA's libraries cannot be imported."""
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "requirements.txt").write_text(torch)
    (tmp_path / "input" / "excludes.txt").write_text("nvidia-cudnn\n")
    uv, log = tmp_path / "uv", tmp_path / "log"
    uv.write_text(UV.format(python=sys.executable, log=str(log), index=index, torch=torch))
    uv.chmod(0o755)
    build = layer.Build(tmp_path, "pytorch", str(uv))
    build.present = {"torch": "2.13.0"}
    assert set(build._with_torch(build._resolve())) == found
    assert build.arguments == backend


SET = """#!{python}
import pathlib, sys
arguments = sys.argv[1:]
out = pathlib.Path(arguments[arguments.index("-o") + 1])
[source] = [a for a in arguments if a.endswith(("in.txt", "one.txt"))]
wanted = pathlib.Path(source).read_text().split()
held = [a for a in arguments if a.endswith("held.txt")]
old = "--exclude-newer" in arguments
if "--no-deps" in arguments:
    if old and arguments[arguments.index("--exclude-newer") + 1] < "2023-06-13":
        sys.exit("filtered")
    out.write_text({{"peft": "peft==0.5.0", "datasets": "datasets==2.14.4"}}.get(wanted[0], wanted[0]))
elif held or "peft==0.21.2" in wanted and "datasets<=2.14.4" in wanted:
    sys.exit("Because peft==0.21.2 depends on datasets>=5, it is unsatisfiable.")
else:
    limits = [word for word in wanted if "<=" in word]
    out.write_text("\\n".join([wanted[0], *(word.replace("<=", "==") for word in limits)]))
"""
"""uv with an index that tells when things were published."""


def tied_build(tmp_path: Path, text: str) -> layer.Build:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "requirements.txt").write_text(text)
    (tmp_path / "input" / "excludes.txt").write_text("")
    uv = tmp_path / "uv"
    uv.write_text(SET.format(python=sys.executable))
    uv.chmod(0o755)
    build = layer.Build(tmp_path, "huggingface", str(uv))
    build.present = {"transformers": "5.24.0", "datasets": "5.2.0", "peft": "0.21.2"}
    return build


@pytest.mark.costs("asks for a date by a bisection, each step a process")
def test_a_replaced_library_brings_the_others_of_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = tied_build(tmp_path, "transformers==4.30.2\n")
    resolved = build._with_tied(build._resolve())
    assert resolved == {"transformers": "4.30.2", "datasets": "2.14.4", "peft": "0.5.0"}
    assert build._brought(resolved) == []
    told = "brought along: datasets 2.14.4, peft 0.5.0 (of the time of transformers 4.30.2)"
    assert told in capsys.readouterr().out
    [_, warning, _] = sorted(
        layer.conflicts(build.wanted, resolved, build.present, "huggingface", build.bonds),
        key=lambda line: line.startswith("transformers"),
    )
    assert "transformers 4.30.2 needs one that goes with it: peft 0.5.0 is used" in warning


@pytest.mark.costs("asks for a date by a bisection, each step a process")
def test_a_set_that_does_not_go_together_is_told_by_its_pair(tmp_path: Path) -> None:
    build = tied_build(tmp_path, "transformers==4.30.2\npeft==0.21.2\n")
    with pytest.raises(layer.Failed) as caught:
        build._with_tied(build._resolve())
    assert "transformers 4.30.2 beside peft: Because peft==0.21.2 depends" in str(caught.value)


def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str]) -> layer.Build:
    """A build whose layer has the modules `own` over those of an environment."""
    build = tied_build(tmp_path, "datasets==2.14.4\n")
    given = {"peft": "", "datasets": "", "evaluate": ""}
    for name, modules in (("own", {**given, **own}), ("environment", given)):
        folder = tmp_path / name / "site-packages"
        folder.mkdir(parents=True)
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
    python = build.layer / "bin" / "python"
    python.parent.mkdir(parents=True)
    packages = tmp_path / "own" / "site-packages"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "environment" / "site-packages"))
    build.bonds = [layer.tied.Bond(layer.tied.SETS[0], "datasets", "2.14.4", {"peft": ""})]
    build.present = {"datasets": "5.2.0", "peft": "0.21.2", "evaluate": "0.4.6"}
    return build


BROKEN = "import peft\npeft.Gone"
SAID = "datasets 2.14.4 beside peft 0.21.2: AttributeError: module 'peft' has no attribute 'Gone'"


def test_a_broken_pair_fails_where_the_layer_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = importing(tmp_path, monkeypatch, {"datasets": BROKEN})
    with pytest.raises(layer.Failed) as caught:
        build._import({"datasets": "2.14.4"})
    assert str(caught.value) == f"requirements.txt cannot be installed: {SAID}"

    (tmp_path / "environment" / "site-packages" / "datasets.py").write_text("import nowhere")
    assert build._import({"datasets": "2.14.4"}) == []  # nor can the environment's


def test_a_broken_library_that_nothing_imports_is_only_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = importing(tmp_path, monkeypatch, {"evaluate": BROKEN})
    told = build._import({"datasets": "2.14.4"})
    assert told == [f"evaluate 0.4.6 cannot be imported: {SAID}"]

    build.wanted = layer.read("datasets==2.14.4\nevaluate\n")
    with pytest.raises(layer.Failed, match="beside peft"):
        build._import({"datasets": "2.14.4"})


def test_sources_of_compiled_packages_are_not_even_fetched(tmp_path: Path) -> None:
    """uv itself, on an index of one folder: numpy 1.0 is there as source alone, and so is a pure
    package, which is built."""
    for name in ("numpy", "pure"):
        source = tmp_path / f"{name}-1.0"
        source.mkdir()
        (source / "PKG-INFO").write_text(f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n")
        (source / "setup.py").write_text("raise SystemExit('built')\n")
        with tarfile.open(tmp_path / f"{name}-1.0.tar.gz", "w:gz") as packed:
            packed.add(source, f"{name}-1.0")
    said = {}
    for name in ("numpy", "pure"):
        (tmp_path / "in.txt").write_text(f"{name}==1.0\n")
        command = [uv.find_uv_bin(), "pip", "compile", "--no-index", "--find-links", str(tmp_path)]
        command += ["--python", sys.executable, "--cache-dir", str(tmp_path / "cache")]
        done = subprocess.run(
            [*command, *wheels.only_binary([]), str(tmp_path / "in.txt")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said[name] = done.stderr
    assert wheels.sentence(said["numpy"], lambda *_: "2.0").startswith("numpy 1.0 has no wheel for")
    assert "built" not in said["numpy"]
    assert "no usable wheels" not in said["pure"]


BOUNDED = """#!{python}
import pathlib, sys
arguments = sys.argv[1:]
held = [a for a in arguments if a.endswith("held.txt")]
bounded = any("pyarrow<21" in pathlib.Path(a).read_text() for a in arguments if "bounds" in a)
[source] = [a for a in arguments if a.endswith("in.txt")]
wanted = pathlib.Path(source).read_text()
if held or bounded and "datasets>=4" in wanted:
    sys.exit("unsatisfiable")
out = pathlib.Path(arguments[arguments.index("-o") + 1])
out.write_text("pyarrow==" + ("20.0.0" if bounded else "26.0.1"))
"""


@pytest.mark.parametrize(("text", "version"), [("datasets", "20.0.0"), ("datasets>=4", "26.0.1")])
def test_pyarrow_goes_with_the_environments_numpy_where_it_can(
    text: str, version: str, tmp_path: Path
) -> None:
    """Also where the environment's other versions cannot all be kept."""
    build = tied_build(tmp_path, f"{text}\n")
    Path(build.uv).write_text(BOUNDED.format(python=sys.executable))
    build.present = {"numpy": "1.24.1"}
    assert build._resolve() == {"pyarrow": version}
