"""Drivers between a store and a model: what is sent, what comes out, what fails, what goes on."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformstand import Asked, Reply, TransformStand, upper

from sagebrush.companion.transform import journal, model, store
from sagebrush.companion.transform.plan import way


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[TransformStand]:
    made = TransformStand(tmp_path)
    yield made
    made.close()


def bodies(stand: TransformStand) -> list[bytes]:
    return [each.body for each in stand.asked]


def test_each_object_has_its_output_under_its_own_name(stand: TransformStand) -> None:
    stand.objects |= {"in/a.csv": b"x,y\nz,w\n", "in/deep/b c.csv": b"q", "in/empty": b""}
    drive = stand.run()
    assert stand.outputs == {
        "out/a.csv.out": b"X,Y\nZ,W\n",
        "out/deep/b c.csv.out": b"Q\n",
        "out/empty.out": b"",
    }
    assert drive.failures == []
    assert bodies(stand) == [b"x,y\nz,w", b"q"]
    assert stand.asked[0].headers["content-type"] == "text/csv"
    assert stand.asked[0].headers["accept"] == "text/csv"
    assert stand.said[0] == (
        "MaxConcurrentTransforms=1, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD"
    )
    progress = json.loads((stand.folder / journal.PROGRESS).read_text())
    assert progress == {"objects": 3, "done": 3, "failed": 0, "records": 3}


def test_answers_are_in_the_order_of_the_records_however_they_come(stand: TransformStand) -> None:
    gate = threading.Barrier(4, timeout=60)

    def together(asked: Asked) -> Reply:
        gate.wait()  # four at once, or never
        return upper(asked)

    stand.model = together
    stand.objects["in/a"] = b"\n".join(b"r%d" % n for n in range(40))
    stand.run(strategy="SingleRecord", concurrency=4)
    assert stand.outputs["out/a.out"] == b"".join(b"R%d\n" % n for n in range(40))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"lines": False}, b"AB"),
        ({"lines": True}, b"A\nB\n"),
        ({"split": "None"}, b"A\nB\n"),
        ({"split": "None", "payload": 0}, b"A\nB\n"),
    ],
)
def test_how_answers_are_put_together(
    stand: TransformStand, given: dict[str, Any], wanted: bytes
) -> None:
    stand.objects["in/a"] = b"a\nb"
    stand.run(strategy="SingleRecord", **given)
    assert stand.outputs["out/a.out"] == wanted


def test_an_object_without_a_limit_is_sent_as_it_is_read(stand: TransformStand) -> None:
    stand.objects |= {"in/a": b"x\ny\n" * (3 << 19), "in/b": b"q\nr", "in/c": b""}
    stand.objects["in/d"] = gzip.compress(b"zip")[:-4]
    drive = stand.run(payload=0)
    assert [each.headers.get("transfer-encoding") for each in stand.asked] == ["chunked"] * 3
    assert bodies(stand)[:2] == [stand.objects["in/a"], b"q\nr"]
    assert stand.outputs["out/a.out"] == stand.objects["in/a"].upper()
    assert stand.outputs["out/b.out"] == b"Q\nR\n"
    assert stand.outputs["out/c.out"] == b""
    assert stand.said[1].startswith("bucket/in/a: transformed 3145728 records")
    assert any(said.startswith("bucket/in/b: transformed 2 records") for said in stand.said)
    assert drive.failures == []
    stand.objects["in/d"] = gzip.compress(b"zip")[:-4]  # it breaks off while it is being sent
    (stand.folder / journal.NAME).unlink()
    drive = stand.run(payload=0, gzip=True, objects=[("bucket", "in/d", 1, "", "d")])
    assert "it ends in the middle" in drive.failures[0]


def test_large_output_is_one_multipart_upload(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 10)
    stand.objects["in/a"] = b"\n".join(b"line%d" % n for n in range(20))
    drive = stand.run(strategy="SingleRecord")
    assert stand.outputs["out/a.out"] == stand.objects["in/a"].upper() + b"\n"
    assert not stand.uploads
    assert drive.failures == []


def test_a_refused_record_fails_its_object_alone(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fussy(asked: Asked) -> Reply:
        return (400, b"no such\nfeature", {}) if asked.body == b"bad" else upper(asked)

    monkeypatch.setattr(store, "PART", 1)  # so that an upload has begun before
    stand.model = fussy
    stand.objects |= {"in/a": b"x\ny\nbad\nz", "in/b": b"q"}
    drive = stand.run(strategy="SingleRecord")
    assert stand.outputs == {"out/b.out": b"Q\n"}
    assert not stand.uploads
    assert drive.failures == [
        "ClientError: See job logs for more information. (bucket/in/a, record 3: ClientError: 400."
        " Message: no such feature)"
    ]
    assert stand.said[1:6] == [
        "bucket/in/a: ClientError: 400",
        "bucket/in/a: in record 3",
        "bucket/in/a: ",
        "bucket/in/a: Message:",
        "bucket/in/a: no such",
    ]


def test_what_may_go_better_is_asked_again_and_no_more_than_that(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "PAUSES", (0.0, 0.0, 0.0))
    answers = [(500, b"", {}), (0, b"", {}), (429, b"", {})]

    def recovers(asked: Asked) -> Reply:
        return answers.pop(0) if answers else upper(asked)

    stand.model = recovers
    stand.objects["in/a"] = b"x"
    assert stand.run(retries=3).failures == []
    assert len(stand.asked) == 4
    stand.model = lambda asked: (500, b"why", {})
    stand.asked.clear()
    (stand.folder / journal.NAME).unlink()
    drive = stand.run(retries=2)
    assert len(stand.asked) == 3
    assert "record 1: Bad HTTP status received from algorithm: 500. Message: why" in str(
        drive.failures
    )


def test_a_full_queue_is_no_failure(stand: TransformStand) -> None:
    answers = [(503, b"", {"Retry-After": "0"})] * 5

    def busy(asked: Asked) -> Reply:
        return answers.pop() if answers else upper(asked)

    stand.model = busy
    stand.objects["in/a"] = b"x"
    assert stand.run(retries=0).failures == []


def test_a_container_that_does_not_read_what_is_too_large_for_it(stand: TransformStand) -> None:
    stand.most = 1000
    stand.objects["in/a"] = b"x" * (9 << 20)
    drive = stand.run(payload=10)
    assert "record 1: ClientError: 413. Message: Request Entity Too Large" in drive.failures[0]


def test_a_model_that_hangs(stand: TransformStand) -> None:
    free = threading.Event()

    def hangs(asked: Asked) -> Reply:
        free.wait(60)
        return upper(asked)

    stand.model = hangs
    stand.objects["in/a"] = b"x"
    drive = stand.run(timeout=0.05)
    free.set()
    assert "Unable to get response from algorithm within 0.05 seconds" in drive.failures[0]


@pytest.mark.parametrize(
    ("objects", "given", "why"),
    [
        ({"in/a": b"x" * (1 << 20) + b"y"}, {}, "record 1 has 1048577 bytes, more than MaxPayloadInMB"),
        ({"in/a": b"x" * (1 << 20) + b"y"}, {"split": "None"}, "more than MaxPayloadInMB (1 MB)"),
        ({"in/a": b"x"}, {"split": "RecordIO"}, "no RecordIO record begins at byte 0"),
        ({"in/a": b"x"}, {"gzip": True}, "not compressed by gzip"),
    ],
)  # fmt: skip
def test_objects_that_cannot_be_cut(
    stand: TransformStand, objects: dict[str, bytes], given: dict[str, Any], why: str
) -> None:
    stand.objects |= {**objects, "in/b": gzip.compress(b"q") if "gzip" in given else b""}
    drive = stand.run(**given)
    assert [why in text for text in drive.failures] == [True]
    assert drive.failures[0].startswith("ClientError: See job logs")
    assert list(stand.outputs) == ["out/b.out"]


def test_an_object_that_is_gone(stand: TransformStand) -> None:
    stand.objects |= {"in/a": b"x", "in/b": b"y"}
    drive = stand.drive()
    del stand.objects["in/a"]
    drive.run()
    assert "Unable to read the object: NoSuchKey" in drive.failures[0]
    assert list(stand.outputs) == ["out/b.out"]


def test_an_output_that_s3_refuses(stand: TransformStand) -> None:
    stand.objects["in/a"] = b"x"
    stand.refusals = [403, 403]
    assert "Unable to write the output: No: no" in stand.run().failures[0]


def test_a_store_that_is_away_for_a_while_is_waited_for(stand: TransformStand) -> None:
    stand.objects["in/a"] = b"x"
    stand.refusals = [503, 403]  # 403: its credentials are fetched again
    assert stand.run().failures == []
    assert stand.outputs == {"out/a.out": b"X\n"}


def test_records_are_filtered_and_joined(stand: TransformStand) -> None:
    data = {"before": "$[1:]", "after": "$[0,-1]", "join": True, "stamp": ""}
    stand.objects["in/a"] = b"7,a,b\n8,c,d\n"
    stand.run(data=data)
    assert bodies(stand) == [b"a,b\nc,d"]
    assert stand.outputs["out/a.out"] == b"7,B\n8,D\n"
    stand.model = lambda asked: (200, b"one answer", {})
    (stand.folder / journal.NAME).unlink()
    drive = stand.run(data=data)
    assert "records 1 to 2: Failed to join" in drive.failures[0]
    assert drive.failures[0].startswith("ClientError")


def test_gzip_is_unpacked(stand: TransformStand) -> None:
    stand.objects["in/a.gz"] = gzip.compress(b"x\ny")
    stand.run(gzip=True)
    assert stand.outputs == {"out/a.gz.out": b"X\nY\n"}


def test_containers_in_turn(stand: TransformStand) -> None:
    def typed(asked: Asked) -> Reply:
        return 200, asked.body + b"+", {"Content-Type": "application/x-middle"}

    stand.model = typed
    stand.objects["in/a"] = b"x"
    stand.run(containers=[stand.address] * 2)
    assert bodies(stand) == [b"x", b"x+"]
    seen = [(each.headers.get("content-type"), each.headers.get("accept")) for each in stand.asked]
    assert seen == [("text/csv", None), ("application/x-middle", "text/csv")]
    assert stand.outputs == {"out/a.out": b"x++\n"}


def test_another_driver_goes_on_where_the_last_one_ended(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 1)
    stand.objects |= {"in/a": b"x", "in/b": b"y\nz\nw", "in/c": b"q"}

    def ends(asked: Asked) -> Reply:
        return (0, b"", {}) if asked.body == b"w" else upper(asked)

    stand.model = ends
    drive = stand.drive(strategy="SingleRecord")
    monkeypatch.setattr(drive, "_fail", lambda *_: (_ for _ in ()).throw(SystemExit))
    monkeypatch.setattr(drive, "_give_up", lambda: None)  # killed: nothing is tidied
    with pytest.raises(SystemExit):
        drive.run()
    assert stand.uploads
    stand.model = upper
    stand.asked.clear()
    stand.run(strategy="SingleRecord")
    assert bodies(stand) == [b"y", b"z", b"w", b"q"]  # not x: its output is there
    assert stand.outputs == {
        "out/a.out": b"X\n", "out/b.out": b"Y\nZ\nW\n", "out/c.out": b"Q\n",
    }  # fmt: skip
    assert not stand.uploads


def test_a_stop_leaves_nothing_half_written(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 1)
    stand.objects["in/a"] = b"\n".join(b"r%d" % n for n in range(50))

    def stops(asked: Asked) -> Reply:
        if asked.body == b"r9":
            stand.stopping.set()
        return upper(asked)

    stand.model = stops
    with pytest.raises(store.Stopped):
        stand.run(strategy="SingleRecord")
    assert not stand.uploads
    assert not stand.outputs
    assert len(stand.asked) < 50


def test_a_journal_that_was_cut_off() -> None:
    text = '{"begun": 0, "upload": "u"}\n{"done": 0, "records": 5}\n{"begun": 1, "upload": "v"}\n'
    past = journal.read(text + '{"done": 1, "reco')
    assert past.done == {0: 5}
    assert past.begun == {1: "v"}
    assert journal.read(text + "nonsense\n" + '{"aborted": 1}\n').begun == {}


@pytest.mark.parametrize(
    ("asked", "answers", "wanted"),
    [
        ((None, None, None), [{}], (1, 6, "MultiRecord")),
        ((None, None, None), [{"MaxConcurrentTransforms": 4, "MaxPayloadInMB": 5,
                               "BatchStrategy": "SINGLE_RECORD"}], (4, 5, "SingleRecord")),
        ((2, 3, "MultiRecord"), [{"MaxConcurrentTransforms": 4, "MaxPayloadInMB": 5,
                                  "BatchStrategy": "SINGLE_RECORD"}], (2, 3, "MultiRecord")),
        ((None, 50, None), [{"MaxConcurrentTransforms": 4}], (2, 50, "MultiRecord")),
        ((None, 0, None), [{"MaxConcurrentTransforms": 4}], (4, 0, "MultiRecord")),
        ((None, None, None), [{"MaxConcurrentTransforms": 4}, {"MaxConcurrentTransforms": 2}],
         (2, 6, "MultiRecord")),
        ((None, None, None), [{"MaxConcurrentTransforms": 4}, {}], (1, 6, "MultiRecord")),
        ((None, None, None), [{"MaxConcurrentTransforms": "x", "MaxPayloadInMB": True}],
         (1, 6, "MultiRecord")),
    ],
)  # fmt: skip
def test_how_records_are_sent(
    stand: TransformStand,
    asked: tuple[int | None, int | None, str | None],
    answers: list[dict[str, Any]],
    wanted: tuple[int, int, str],
) -> None:
    concurrency, payload, strategy = asked
    plan = stand.plan(concurrency=concurrency, payload=payload, strategy=strategy)
    found = way(plan, answers)
    assert (found.concurrency, found.payload, found.strategy) == wanted


def test_the_container_may_say_how(stand: TransformStand) -> None:
    stand.parameters = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD"}
    stand.objects["in/a"] = b"x\ny"
    stand.run(concurrency=None, strategy=None, payload=None)
    assert stand.said[0].startswith("MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SI")
    assert sorted(bodies(stand)) == [b"x", b"y"]


def test_a_record_that_names_half_a_character_is_joined(stand: TransformStand) -> None:
    stand.objects |= {"in/a": b'{"x":"\\ud83d"}\n'}
    stand.model = lambda _: (200, b'"\\ude00"', {})
    kind = "application/jsonlines"
    data = {"before": "$", "after": "$", "join": True, "stamp": ""}
    drive = stand.run(content_type=kind, accept=kind, strategy="SingleRecord", data=data)
    assert drive.failures == []
    assert stand.outputs["out/a.out"] == b'{"x":"\\ud83d","SageMakerOutput":"\\ude00"}\n'


def test_a_quoted_field_may_be_as_large_as_a_payload(stand: TransformStand) -> None:
    field = b'"' + b"x" * 200_000 + b',"'
    stand.objects["in/a"] = field + b",2\n"
    stand.model = lambda _: (200, b"1", {})
    data = {"before": "$", "after": "$", "join": True, "stamp": ""}
    drive = stand.run(strategy="SingleRecord", data=data)
    assert drive.failures == []
    assert stand.outputs["out/a.out"] == field + b",2,1\n"


def test_an_upload_whose_completion_a_killed_server_did_not_tell_of_is_done(
    stand: TransformStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 1000)
    stand.objects["in/a"] = b"\n".join(b"r" * 150 for _ in range(20))
    stand.killed = True
    assert stand.run(strategy="SingleRecord").failures == []
    assert not stand.killed
    assert stand.outputs["out/a.out"] == stand.objects["in/a"].upper() + b"\n"
    assert stand.uploads == {}
