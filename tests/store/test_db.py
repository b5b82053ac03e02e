"""Group commit: what was acknowledged survives kill -9; a failing write undoes only itself."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.errors import AwsError
from sagebrush.store.db import MIGRATIONS, Conflict, Db, Tx

WRITER = """
import sys, threading
from pathlib import Path
from sagebrush.store.db import Db
db = Db(Path(sys.argv[1]))
out = threading.Lock()
def work(n):
    i = 0
    while True:
        db.write(lambda tx: tx.run("INSERT INTO t VALUES(?)", (f"{n}-{i}",)))
        with out:
            print(f"{n}-{i}", flush=True)
        i += 1
db.write(lambda tx: tx.run("CREATE TABLE t(v TEXT)"))
print("ready", flush=True)
for n in range(8):
    threading.Thread(target=work, args=(n,)).start()
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    made = Db(tmp_path / "db")
    made.write(lambda tx: tx.run("CREATE TABLE t(v TEXT UNIQUE)"))
    yield made
    made.close()


@pytest.mark.costs("kills a process")
def test_no_acknowledged_write_is_lost_by_kill(tmp_path: Path) -> None:
    file = tmp_path / "db"
    argv = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    acknowledged = {line.strip() for line in told if line.endswith("\n")} - {"ready"}
    assert len(acknowledged) > 200
    db = Db(file)
    stored = {row["v"] for row in db.read("SELECT v FROM t")}
    db.close()
    assert acknowledged <= stored


def test_a_failing_write_undoes_only_itself(db: Db) -> None:
    gate = threading.Event()

    def slow(tx: Tx) -> None:
        gate.wait(60)  # the others queue behind this one and share its successor's commit

    def bad(tx: Tx) -> None:
        tx.run("INSERT INTO t VALUES('half')")
        raise ValueError("no")

    waiting = [db.submit(slow)]
    good = db.submit(lambda tx: tx.run("INSERT INTO t VALUES('good')"))
    wrong = db.submit(bad)
    again = db.submit(lambda tx: tx.run("INSERT INTO t VALUES('good')"))
    gate.set()
    assert waiting[0].result() is None
    assert good.result() == 1
    with pytest.raises(ValueError, match="no"):
        wrong.result()
    with pytest.raises(Conflict):
        again.result()
    assert [row["v"] for row in db.read("SELECT v FROM t")] == ["good"]


def test_a_file_that_is_no_database_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    told = f"cannot use the database in {tmp_path}: unable to open"
    with pytest.raises(RuntimeError, match=told):
        Db(tmp_path / "db")


def test_a_full_database_is_told_and_the_writer_lives_on(db: Db) -> None:
    db.write(lambda tx: tx.all("PRAGMA max_page_count=60"))
    big = "x" * 400_000
    gate = threading.Event()
    db.submit(lambda tx: gate.wait(60))
    small = db.submit(lambda tx: tx.run("INSERT INTO t VALUES('small')"))
    large = db.submit(lambda tx: tx.run("INSERT INTO t VALUES(?)", (big,)))
    gate.set()
    assert small.result() == 1
    with pytest.raises(AwsError, match="full"):
        large.result()
    with pytest.raises(AwsError) as caught:
        db.write(lambda tx: tx.run("INSERT INTO t VALUES(?)", (big,)))
    assert (caught.value.code, caught.value.status) == ("StorageFull", 507)
    assert db.write(lambda tx: tx.run("INSERT INTO t VALUES('later')")) == 1
    assert [row["v"] for row in db.read("SELECT v FROM t")] == ["small", "later"]


def test_a_read_only_database_is_told_and_the_writer_lives_on(db: Db) -> None:
    db._writer_connection.execute("PRAGMA query_only=ON")
    for urgent in (False, True):
        with pytest.raises(AwsError) as caught:
            db.write(lambda tx: tx.run("INSERT INTO t VALUES('x')"), urgent)
        assert (caught.value.code, caught.value.status) == ("StorageReadOnly", 507)
    db._writer_connection.execute("PRAGMA query_only=OFF")
    assert db.write(lambda tx: tx.run("INSERT INTO t VALUES('later')")) == 1


def test_an_urgent_write_has_disk_kept_back(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real full disk is `test_full_disk`'s; here SQLite says so until the reserve is gone."""
    reserve = Path(f"{db._path}-reserve")
    db.write(lambda tx: None)  # the one before has kept it back by now
    assert reserve.stat().st_size == 8 << 20

    real = sqlite3.OperationalError("database or disk is full")
    monkeypatch.setattr("sagebrush.store.db._only", _lost(real, reserve))
    with pytest.raises(AwsError):
        db.write(lambda tx: tx.run("INSERT INTO t VALUES('plain')"))
    assert reserve.exists()
    assert db.write(lambda tx: tx.run("INSERT INTO t VALUES('urgent')"), urgent=True) == 1
    assert not reserve.exists()
    assert [row["v"] for row in db.read("SELECT v FROM t")] == ["urgent"]


def _lost(error: Exception, reserve: Path):  # type: ignore[no-untyped-def]
    from sagebrush.store import db

    real = db._only

    def one(connection, tx, item):  # type: ignore[no-untyped-def]
        if reserve.exists():
            raise error
        return real(connection, tx, item)

    return one


def test_why_nothing_can_be_written_is_told(db: Db) -> None:
    db.write(lambda tx: tx.all("PRAGMA busy_timeout=0"))
    other = sqlite3.connect(db._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AwsError, match="Another program") as caught:
        db.write(lambda tx: tx.run("INSERT INTO t VALUES('held')"))
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
    other.close()
    db.write(lambda tx: tx.all("PRAGMA query_only=ON"))
    with pytest.raises(AwsError, match="read-only"):
        db.write(lambda tx: tx.run("INSERT INTO t VALUES('fixed')"))
    db._writer_connection.execute("PRAGMA query_only=OFF")
    assert db.write(lambda tx: tx.run("INSERT INTO t VALUES('later')")) == 1


def test_a_cancelled_write_does_not_end_the_writer(db: Db) -> None:
    gate = threading.Event()
    db.submit(lambda tx: gate.wait(60))
    assert db.submit(lambda tx: tx.run("INSERT INTO t VALUES('gone')")).cancel()
    gate.set()
    assert db.write(lambda tx: tx.run("INSERT INTO t VALUES('next')")) == 1


def test_close_finishes_what_was_queued_and_refuses_more(tmp_path: Path) -> None:
    db = Db(tmp_path / "db")
    db.write(lambda tx: tx.run("CREATE TABLE t(v TEXT)"))
    queued = [db.submit(lambda tx: tx.run("INSERT INTO t VALUES('x')")) for _ in range(500)]
    db.close()
    assert all(future.result(timeout=60) == 1 for future in queued)
    with pytest.raises(RuntimeError, match="closed"):
        db.write(lambda tx: tx.run("INSERT INTO t VALUES('x')"))


def test_migrations_run_once_and_durably(tmp_path: Path) -> None:
    first = Db(tmp_path / "db")
    names = [row["name"] for row in first.read("SELECT name FROM migration ORDER BY name")]
    assert first.read_one("PRAGMA synchronous")[0] == 2  # type: ignore[index]
    assert first.read_one("PRAGMA journal_mode")[0] == "wal"  # type: ignore[index]
    first.close()
    second = Db(tmp_path / "db")
    assert [r["name"] for r in second.read("SELECT name FROM migration ORDER BY name")] == names
    second.close()


def old(path: Path, before: str) -> sqlite3.Connection:
    """A database as the migrations before `before` left it."""
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE migration(name TEXT PRIMARY KEY)")
    for script in sorted(MIGRATIONS.glob("*.sql")):
        if script.name < before:
            made.executescript(script.read_text())
            made.execute("INSERT INTO migration VALUES(?)", (script.name,))
    return made


def test_roles_that_were_only_named_are_administrators_no_more(tmp_path: Path) -> None:
    connection = old(tmp_path / "db", "0007")
    named = "Named by a client, never created here"
    administrator = {"arn:aws:iam::aws:policy/AdministratorAccess": json.dumps({"a": [1, 2]})}
    more = {**administrator, "arn:aws:iam::1:policy/mine": "{}"}
    services = ["sagemaker.amazonaws.com", "bedrock.amazonaws.com"]
    principal = {"Service": services, "AWS": "arn:aws:iam::123456789012:root"}
    allowed = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    denied = json.dumps({"Version": "2012-10-17", "Statement": [{**allowed, "Effect": "Deny"}]})
    plain = {"trust": trust, "inline": {}, "attached": administrator, "tags": {}}
    rows = {
        "named": (named, plain),
        "given-a-policy": (named, {**plain, "inline": {"p": "{}"}}),
        "given-another": (named, {**plain, "attached": more}),
        "tagged": (named, {**plain, "tags": {"a": "b"}}),
        "trusts-others": (named, {**plain, "trust": denied}),
        "created": ("mine", plain),
    }
    sql = (
        "INSERT INTO resource(account, region, kind, name, status, doc, plan, created, updated)"
        " VALUES('1', '', 'role', ?, 'Active', ?, ?, 1, 1)"
    )
    for name, (description, plan) in rows.items():
        doc = json.dumps({"Description": description}, separators=(",", ":"))
        connection.execute(sql, (name, doc, json.dumps(plan, separators=(",", ":"))))
    connection.commit()
    connection.close()
    db = Db(tmp_path / "db")
    found = db.read("SELECT id, name, plan FROM resource WHERE status='StandIn'")
    assert [tuple(row) for row in found] == [(1, "named", "{}")]
    assert db.read("SELECT count(*) FROM resource WHERE status='Active'")[0][0] == 5
    db.close()
