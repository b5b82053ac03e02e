"""The data directory: private, one server's, never of a format that this version does not know."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.store import home
from sagebrush.store.db import Db
from sagebrush.store.home import FORMAT, Home, HomeError


def test_it_is_private_and_says_its_format(tmp_path: Path) -> None:
    held = Home(tmp_path / "data")
    assert stat.S_IMODE(os.stat(held.path).st_mode) == 0o700
    assert (held.path / "FORMAT").read_text().strip() == str(FORMAT)
    assert stat.S_IMODE(os.stat(held.path / "keys").st_mode) == 0o700
    held.release()


@pytest.mark.costs("starts a process")
def test_a_second_server_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from sagebrush.store.home import Home;"
        "held = Home(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(HomeError, match=rf"in use by another server \(pid {first.pid}\)"):
            Home(tmp_path)
        assert home.holder(tmp_path) == first.pid
        first.kill()
    Home(tmp_path).release()  # the lock goes with its process
    assert home.holder(tmp_path) is None


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text(f"{FORMAT + 1}\n")
    with pytest.raises(HomeError, match=f"has format {FORMAT + 1}"):
        Home(tmp_path)
    assert not (tmp_path / "jobs").exists()
    assert home.holder(tmp_path) is None


def test_an_unreadable_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("nine")
    with pytest.raises(HomeError, match="does not hold a number"):
        Home(tmp_path)


def test_an_older_format_is_copied_before_it_changes(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / home.DATABASE)
    old.execute("CREATE TABLE precious(v)")
    old.execute("INSERT INTO precious VALUES('kept')")
    old.commit()
    old.close()
    (tmp_path / "FORMAT").write_text("0\n")
    held = Home(tmp_path)
    Db(held.database).close()
    (copy,) = tmp_path.glob("backup-0-*.db")
    tables = {r[0] for r in sqlite3.connect(copy).execute("SELECT name FROM sqlite_master")}
    assert tables == {"precious"}
    assert sqlite3.connect(copy).execute("SELECT v FROM precious").fetchall() == [("kept",)]
    assert (tmp_path / "FORMAT").read_text().strip() == str(FORMAT)
    held.release()


def test_a_broken_database_is_not_migrated(tmp_path: Path) -> None:
    (tmp_path / home.DATABASE).write_bytes(b"this is not a database, and long enough to tell" * 99)
    (tmp_path / "FORMAT").write_text("0\n")
    with pytest.raises(HomeError, match="could not be copied"):
        Home(tmp_path)
    assert (tmp_path / "FORMAT").read_text() == "0\n"
