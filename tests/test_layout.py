"""Sizes and names that keep the code readable, and what no committed file may hold."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.costs("reads every module, and asks git what is committed")

ROOT = Path(__file__).parent.parent
MODULE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 7
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base_utils"}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)

KERNEL = (
    "a compiled loop: it takes arrays and numbers alone, and parts of it would share all of them"
)
EXCEPTIONS: dict[str, str] = {
    "sagebrush/algorithms/blazingtext/kernels/labelled.py:encoded": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/labelled.py:features": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/prediction.py:probabilities": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/reading.py:split": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/supervised.py:learn": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/supervised.py:right": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/windows.py:cbow": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/windows.py:predicted": KERNEL,
    "sagebrush/algorithms/blazingtext/kernels/windows.py:skipgram": KERNEL,
}
"""`path` or `path:function` -> why it may be larger. A stale entry fails the test."""

ORDINARY = {"/", "/tmp", "/home", "/root", "/opt", "/srv", "/usr", "/usr/local", "/var/tmp"}


@pytest.fixture(scope="module", autouse=True)
def parsed() -> Iterator[None]:
    """The trees of all modules go with the last of these tests. They are millions of objects, which
    the collector would look through again and again, in later modules' tests too."""
    gc.disable()
    yield
    tree.cache_clear()
    functions.cache_clear()
    gc.enable()


def machine_paths() -> list[str]:
    """What only this machine has: where the checkout lies and where its Python is."""
    found = {str(ROOT), str(ROOT.parent), str(Path.home()), sys.base_prefix}
    return sorted(found - ORDINARY)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def functions(path: Path) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{name_of(path)}:{node.name}", node)
        for node in statements(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def statements(above: ast.AST) -> Iterator[ast.AST]:
    """The statements beneath a node, without their expressions: ast.walk takes five times as long."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        found = getattr(above, name, ())
        for node in found if isinstance(found, list) else ():
            yield node
            yield from statements(node)


def too_large(path: Path) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > MODULE_LINES:
        yield f"{name_of(path)}  # {lines} lines"
    for place, node in functions(path):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        count = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
        count -= bool(node.args.args and node.args.args[0].arg in ("self", "cls"))
        if length > FUNCTION_LINES:
            yield f"{place}  # {length} lines"
        if count > PARAMETERS:
            yield f"{place}  # {count} parameters"


def test_modules_and_functions_stay_small() -> None:
    found = [
        line for path in sources("sagebrush", "tests", "benchmarks") for line in too_large(path)
    ]
    excess = [line for line in found if line.split("  #")[0] not in EXCEPTIONS]
    assert not excess, "split these, or list them with a reason:\n" + "\n".join(excess)
    stale = set(EXCEPTIONS) - {line.split("  #")[0] for line in found}
    assert not stale, f"no longer exceptions: {stale}"


def test_a_module_is_named_for_what_it_does() -> None:
    bad = [
        name_of(path)
        for path in sources("sagebrush", "tests", "benchmarks")
        if {path.stem, path.parent.name} & FORBIDDEN_NAMES
    ]
    assert not bad


def test_every_public_function_is_annotated() -> None:
    bare = [
        place
        for path in sources("sagebrush")
        for place, node in functions(path)
        if node.returns is None
        or any(
            arg.annotation is None
            for arg in node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            if arg.arg not in ("self", "cls")
        )
    ]
    assert not bare


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in sources("sagebrush")
        if path.read_text().strip() and ast.get_docstring(tree(path)) is None
    ]
    assert not silent


def test_no_module_keeps_mutable_state() -> None:
    """Lower-case module globals that hold a list, dict or set would be shared by every World."""
    state = [
        f"{name_of(path)}:{target.id}"
        for path in sources("sagebrush")
        for node in tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, MUTABLE)
        for target in node.targets
        if isinstance(target, ast.Name) and not re.fullmatch(r"_?[A-Z0-9_]+|__\w+__", target.id)
    ]
    assert not state


SQL = re.compile(
    r"\b(SELECT\b.+\bFROM|INSERT\b.*\bINTO|REPLACE INTO|UPDATE\b.+\bSET|DELETE FROM|PRAGMA"
    r"|(CREATE|DROP|ALTER) (\w+ )?(TABLE|INDEX|TRIGGER))\b",
    re.DOTALL,
)
TABLES = re.compile(r"(?:CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE) (\w+)")


def knows_the_database(path: Path, tables: set[str]) -> Iterator[str]:
    """What in the module is SQL, whole or in parts, or a type of the database's driver."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None) or "", *(alias.name for alias in node.names)}
            if {name.split(".")[0] for name in names} & {"sqlite3", "apsw", "psycopg"}:
                yield f"{name_of(path)}:{node.lineno}: imports {sorted(names)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            part = re.search(r"\b(?:FROM|INTO|UPDATE|JOIN|TABLE) (\w+)", node.value)
            if SQL.search(node.value) or (part and part[1] in tables):
                yield f"{name_of(path)}:{node.lineno}: {node.value[:60]!r}"


def test_the_database_is_known_in_the_store_alone() -> None:
    """SQL elsewhere would have to be hunted when another database comes."""
    store = ROOT / "sagebrush" / "store"
    scripts = "".join(p.read_text() for p in (store / "migrations").glob("*.sql"))
    tables = set(TABLES.findall(scripts))
    assert {"resource", "reservation", "waiting", "object", "upload"} <= tables
    found = {path: list(knows_the_database(path, tables)) for path in sources("sagebrush")}
    inside = {path for path, lines in found.items() if lines and store in path.parents}
    assert {"rows.py", "reservations.py", "db.py", "catalog.py"} <= {path.name for path in inside}
    assert [line for path, lines in found.items() if path not in inside for line in lines] == []


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_no_committed_file_names_a_machine(tracked: list[Path]) -> None:
    """Paths of one machine, index addresses and private hosts have no place in the repository."""
    found, places = [], machine_paths()
    for path in tracked:
        if not path.is_file():
            continue
        text = path.read_bytes().decode(errors="ignore")
        found += [f"{name_of(path)}: {place}" for place in places if place + "/" in text]
        if path.suffix in (".txt", ".in"):
            found += [f"{name_of(path)}: {m}" for m in re.findall(r"\w+://\S+|--\S*index\S*", text)]
    assert not found


def test_an_installation_has_every_file_of_the_package(tracked: list[Path]) -> None:
    """setuptools takes Python modules by itself, and of the rest what `package-data` names, whose
    patterns it reads as these are read (setuptools.command.build_py.find_data_files)."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    (package, patterns), package_folder = *settings["package-data"].items(), ROOT / "sagebrush"
    shipped = {path for pattern in patterns for path in package_folder.glob(pattern)}
    assert package == package_folder.name
    assert package_folder / "py.typed" in shipped, "type checkers ignore annotations without it"
    others = {path for path in tracked if package_folder in path.parents and path.suffix != ".py"}
    assert not {name_of(path) for path in others - shipped if path.is_file()}


def test_no_lock_file_of_uv_is_committed(tracked: list[Path]) -> None:
    assert "uv.lock" not in {path.name for path in tracked}


def test_test_modules_have_names_of_their_own() -> None:
    """Pytest imports them by bare name: two alike cannot be collected together."""
    names = [path.name for path in sources("tests") if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


# What no single package of the product has: journeys, faults, clients, pages.
JOURNEYS = {"browser", "docs", "examples", "faults", "sdk"}


def test_tests_lie_as_what_they_test() -> None:
    """`tests/a/b` tests `sagebrush/a/b`, so that who changes a module finds its tests."""
    folders = {
        path.parent.relative_to(ROOT / "tests")
        for path in sources("tests")
        if path.name.startswith("test_")
    }
    mirrored = {folder for folder in folders if not folder.parts or folder.parts[0] not in JOURNEYS}
    assert sorted(str(f) for f in mirrored if not (ROOT / "sagebrush" / f).is_dir()) == []
