"""The program of asynchronous jobs over a bucket in memory: what it writes, what ends it, what it says."""

from __future__ import annotations

import base64
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend import corpus, failures, process, program, storage
from sagebrush.algorithms.comprehend.documents import Document
from sagebrush.algorithms.comprehend.failures import JobFailed
from sagebrush.algorithms.comprehend.told import Limits, Told
from tests.algorithms.comprehend.fake_s3 import LIMITS, Analyser, Client, told
from tests.algorithms.comprehend.fake_s3 import storage as of

ARCHIVE = "out/1-SENTIMENT-j/output/output.tar.gz"


def run(client: Client, folder: Path, analyser: Analyser | None = None, **changes: Any) -> int:
    given = analyser or Analyser()
    return process.done(of(client), given, told(**changes), folder, lambda: False)


def members(client: Client, key: str = ARCHIVE) -> dict[str, str]:
    """The files in the archive."""
    with tarfile.open(fileobj=io.BytesIO(client.objects[key])) as archive:
        found = {}
        for each in archive:
            body = archive.extractfile(each)
            assert body is not None
            found[each.name] = body.read().decode()
    return found


def records(client: Client) -> list[dict[str, Any]]:
    return [json.loads(line) for line in members(client)["output"].splitlines()]


def test_each_line_has_its_result_and_each_error_its_place(tmp_path: Path) -> None:
    long = "x" * 101
    body = f"good\r\n\n{long}\nlast".encode()
    client = Client({"in/": b"", "in/b.txt": body, "in/a.txt": b"first\n", "other": b"no"})
    assert run(client, tmp_path) == 5
    assert members(client)["output"].splitlines()[0] == (
        '{"File": "a.txt", "Length": 5, "Line": 0, "Sentiment": "first"}'
    )
    assert records(client)[1:] == [
        {"File": "b.txt", "Line": 0, "Sentiment": "good", "Length": 4},
        {"File": "b.txt", "Line": 1, "ErrorCode": "EMPTY_DOCUMENT",
         "ErrorMessage": "Document is empty."},
        {"File": "b.txt", "Line": 2, "ErrorCode": "DOCUMENT_SIZE_EXCEEDED",
         "ErrorMessage": "Document size exceeds maximum size limit 100 bytes."},
        {"File": "b.txt", "Line": 3, "Sentiment": "last", "Length": 4},
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["output.tar.gz"]


def test_each_file_is_a_document(tmp_path: Path) -> None:
    client = Client({"in/a": b"one\ntwo", "in/sub/b": b"\xff", "in/sub/c": b"three"})
    run(client, tmp_path, by_line=False)
    assert records(client) == [
        {"File": "a", "Sentiment": "one\ntwo", "Length": 7},
        {"File": "sub/b", "ErrorCode": "UNSUPPORTED_ENCODING",
         "ErrorMessage": "Document is not in UTF-8 format and all subsequent lines are ignored."},
        {"File": "sub/c", "Sentiment": "three", "Length": 5},
    ]  # fmt: skip


def test_files_keep_their_order_and_large_ones_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "HELD", 50)
    sizes = [90 if n in (3, 4) else n + 1 for n in range(40)]
    client = Client({f"in/{n:03}": b"x" * size for n, size in enumerate(sizes)})
    assert run(client, tmp_path, by_line=False) == 40
    assert [each["Length"] for each in records(client)] == sizes


def test_a_file_that_cannot_be_read_ends_the_job(tmp_path: Path) -> None:
    client = Client({f"in/{n}": b"x" for n in range(9)})
    client.denied.add("get")
    with pytest.raises(JobFailed, match="NO_READ_ACCESS"):
        run(client, tmp_path, by_line=False)


def test_a_prefix_may_be_a_file_and_names_begin_after_its_folder(tmp_path: Path) -> None:
    client = Client({"in/a.txt": b"one", "in/a.txt.more": b"two"})
    run(client, tmp_path, prefix="in/a.txt")
    assert [each["File"] for each in records(client)] == ["a.txt", "a.txt.more"]


@pytest.mark.parametrize("prefix", ["in", "in/"])
def test_names_are_the_same_whether_or_not_the_folder_is_named_with_its_slash(
    prefix: str, tmp_path: Path
) -> None:
    client = Client({"in/a.txt": b"one", "in/b/c.txt": b"two"})
    run(client, tmp_path, prefix=prefix)
    assert [each["File"] for each in records(client)] == ["a.txt", "b/c.txt"]


def test_names_in_a_bucket_without_a_prefix_are_the_keys(tmp_path: Path) -> None:
    client = Client({"a.txt": b"one", "in/b.txt": b"two"})
    run(client, tmp_path, prefix="")
    assert [each["File"] for each in records(client)] == ["a.txt", "in/b.txt"]


def test_personal_data_are_told_in_a_file_for_each_input(tmp_path: Path) -> None:
    client = Client({"in/a.txt": b"I am AL\nno one\n", "in/b/c.txt": b"BO"})
    output = ("b", "out/1-PII-j/output/")
    run(client, tmp_path, task="DetectPiiEntities", results="files", output=output)
    found = client.objects["out/1-PII-j/output/a.txt.out"].decode().splitlines()
    assert [json.loads(line) for line in found] == [
        {"Entities": [
            {"BeginOffset": 0, "EndOffset": 1, "Score": 1.0, "Type": "NAME"},
            {"BeginOffset": 5, "EndOffset": 7, "Score": 1.0, "Type": "NAME"},
        ], "File": "a.txt", "Line": 0},
        {"Entities": [], "File": "a.txt", "Line": 1},
    ]  # fmt: skip
    assert "out/1-PII-j/output/b/c.txt.out" in client.objects
    assert list(tmp_path.iterdir()) == []


def test_redacted_documents_keep_all_but_the_personal_data(tmp_path: Path) -> None:
    body = b"\xef\xbb\xbfI am AL\r\n\rx BO\n" + b"Y" * 101 + b"\nend"
    client = Client({"in/a.txt": body})
    run(
        client,
        tmp_path,
        task="DetectPiiEntities",
        results="files",
        output=("b", "out/1-PII-j/output/"),
        redaction={"PiiEntityTypes": ["ALL"], "MaskMode": "MASK", "MaskCharacter": "#"},
    )
    found = client.objects["out/1-PII-j/output/a.txt.out"]
    told_of = (
        b'{"ErrorCode": "DOCUMENT_SIZE_EXCEEDED", "ErrorMessage": "Document size exceeds maximum size'
        b' limit 100 bytes.", "File": "a.txt", "Line": 3}\n'
    )
    assert found == b"\xef\xbb\xbf# am ##\r\n\rx ##\n" + told_of + b"end"


def test_targeted_sentiment_has_an_archive_of_files(tmp_path: Path) -> None:
    client = Client({"in/a.txt": b"one\ntwo\n", "in/b.txt": b"three"})
    run(client, tmp_path, results="archive-files")
    found = members(client)
    assert sorted(found) == ["a.txt.out", "b.txt.out"]
    assert len(found["a.txt.out"].splitlines()) == 2


def test_what_the_job_writes_is_no_input_of_its(tmp_path: Path) -> None:
    client = Client({"in/a.txt": b"AL", "in/z.txt": b"BO"}, page=1)
    output = ("b", "in/1-PII-j/output/")
    run(client, tmp_path, task="DetectPiiEntities", results="files", output=output)
    run(client, tmp_path, task="DetectPiiEntities", results="files", output=output)
    assert sorted(client.objects) == [
        "in/1-PII-j/output/a.txt.out",
        "in/1-PII-j/output/z.txt.out",
        "in/a.txt",
        "in/z.txt",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix": "none/"}, failures.NOTHING),
        ({"limits": Limits(100, 8, 9, None, 0)}, "INPUT_LIMIT_EXCEEDED: The input has more than 8"),
        ({"limits": Limits(100, 99, 1, None, 0), "by_line": False}, "more than 1 files"),
        ({"limits": Limits(100, 99, 1, 2, 0)}, "more than 2 lines"),
        ({"limits": Limits(100, 99, 1, None, 500)}, "INPUT_TOO_SMALL"),
    ],
)
def test_an_input_beyond_the_quotas_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    client = Client({"in/a": b"one\ntwo\n", "in/b": b"three"})
    with pytest.raises(JobFailed, match=message):
        run(client, tmp_path, **changes)
    assert ARCHIVE not in client.objects


@pytest.mark.parametrize(
    ("denied", "message"),
    [("list", failures.NO_READ), ("get", failures.NO_READ), ("put", failures.NO_WRITE)],
)
def test_a_role_that_may_not_is_told_in_awss_words(
    denied: str, message: str, tmp_path: Path
) -> None:
    client = Client({"in/a": b"one"})
    client.denied.add(denied)
    with pytest.raises(JobFailed) as refused:
        run(client, tmp_path)
    assert str(refused.value) == message


def test_a_body_that_breaks_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    client = Client({"in/a": b"one\ntwo\nthree"})
    client.breaks = [3, 4]
    run(client, tmp_path)
    assert [each["Sentiment"] for each in records(client)] == ["one", "two", "three"]
    assert client.asked == ["in/a", "in/a bytes=3-", "in/a bytes=7-"]


def test_an_object_that_changes_meanwhile_ends_the_job() -> None:
    client = Client({"in/a": b"one\ntwo"})
    (found,) = of(client).listed("b", "in/", "none")
    client.breaks = [2]
    read = of(client).blocks("b", found)
    assert next(read) == b"on"
    client.objects["in/a"] = b"other"
    with pytest.raises(JobFailed, match="INPUT_CHANGED"):
        next(read)


def test_an_object_that_never_comes_ends_the_job() -> None:
    client = Client({"in/a": b"one"})
    (found,) = of(client).listed("b", "in/", "none")
    client.breaks = [0] * 2000
    with pytest.raises(JobFailed, match="NO_READ_ACCESS"):
        list(of(client).blocks("b", found))
    assert len(client.asked) == storage.PATIENCE / storage.PAUSE + 2


def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    client = Client({"in/a": b"one"})
    client.away = 20
    assert run(client, tmp_path) == 1
    assert client.away == 0
    client.away = 2000
    with pytest.raises(JobFailed, match="NO_READ_ACCESS"):
        run(client, tmp_path)


def test_credentials_are_waited_for_at_the_beginning_too(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0.0]
    away = [OSError("no credentials")] * 3

    class Boto:
        @staticmethod
        def client(service: str) -> Client:
            if away:
                raise away.pop()
            return Client({})

    monkeypatch.setitem(sys.modules, "boto3", Boto)

    def sleep(seconds: float) -> None:
        times[0] += seconds

    storage.connect(lambda: times[0], sleep)
    assert times == [3 * storage.PAUSE]
    away += [OSError("no credentials")] * 10_000
    with pytest.raises(OSError, match="no credentials"):
        storage.connect(lambda: times[0], sleep)


def test_a_document_on_which_the_models_fail_costs_no_other_its_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client({"in/a": b"one\nsecret word\nthree"})
    run(client, tmp_path, Analyser(poison="secret"))
    assert [each.get("ErrorCode") for each in records(client)] == [
        None,
        "INTERNAL_SERVER_ERROR",
        None,
    ]
    said = capsys.readouterr()
    assert "ValueError in fake_s3.py" in said.err
    assert "secret" not in said.err + said.out


class Lacking:
    """An analyser whose models' folder lacks a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def answer(self, task: str, language: str, texts: Any) -> Any:
        return (self.folder / "language.npz").read_bytes()


class UnknownTask(ValueError):
    """As `nlp.analyser` has it, which is another module in a job."""


class Untaught:
    """An analyser without tasks."""

    def answer(self, task: str, language: str, texts: Any) -> Any:
        raise UnknownTask(task)


@pytest.mark.parametrize(
    ("analyser", "words"),
    [
        (Lacking(Path("/models")), r"The model file language\.npz is not installed"),
        (Untaught(), "There is no model for this: DetectSentiment"),
    ],
)
def test_a_missing_model_ends_the_job(analyser: Any, words: str, tmp_path: Path) -> None:
    client = Client({"in/a": b"one"})
    with pytest.raises(JobFailed, match=f"MODEL_NOT_AVAILABLE: {words}"):
        process.done(of(client), analyser, told(), tmp_path, lambda: False)
    assert ARCHIVE not in client.objects


def test_a_stop_stores_what_is_done(tmp_path: Path) -> None:
    client = Client({"in/a": "\n".join(f"line {n}" for n in range(1000)).encode()})
    analyser, stopped = Analyser(), threading.Event()

    def stopping() -> bool:
        if len(analyser.asked) == 3:
            stopped.set()
        return stopped.is_set()

    limits = Limits(100, 100_000, 9, None, 0)
    count = process.done(of(client), analyser, told(limits=limits), tmp_path, stopping)
    assert analyser.asked == [corpus.BATCH] * 3
    assert count == len(records(client)) == 3 * corpus.BATCH


def test_batches_are_bounded_by_documents_and_by_characters() -> None:
    small = [Document("f", n, "x") for n in range(corpus.BATCH + 1)]
    assert [len(each) for each in corpus.batches(small)] == [corpus.BATCH, 1]
    large = [Document("f", n, "x" * corpus.BYTES) for n in range(3)]
    assert [len(each) for each in corpus.batches(large)] == [1, 1, 1]
    mixed = [Document("f", 0, "x"), Document("f", 1, "x" * corpus.BYTES), Document("f", 2, "x")]
    assert [len(each) for each in corpus.batches(mixed)] == [1, 1, 1]


def test_what_reading_ahead_raises_is_raised_where_it_is_used() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise JobFailed("no")

    taken = corpus.ahead(broken(), lambda: False)
    assert next(taken) == 1
    with pytest.raises(JobFailed, match="no"):
        next(taken)


def test_no_more_is_read_ahead_than_is_used_soon() -> None:
    taken: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    used = corpus.ahead(counted(), lambda: False)
    assert [next(used) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + corpus.AHEAD + 2
    assert list(used) == list(range(3, 100))


# ---- the frame


def packed(job: dict[str, Any]) -> list[str]:
    text = base64.urlsafe_b64encode(json.dumps(job).encode()).decode()
    return [text[:40], text[40:]]


JOB = {
    "Task": "DetectSentiment",
    "LanguageCode": "en",
    "Input": {"Bucket": "b", "Prefix": "in/", "Lines": True},
    "Output": {"Bucket": "b", "Key": ARCHIVE, "Results": "archive"},
    "Limits": {"Document": 100, "Total": 10_000, "Files": 100, "Lines": None, "Least": 0},
    "Redaction": None,
    "Topics": None,
    "Model": None,
}


def test_a_program_is_told_of_its_job_by_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEBRUSH_ML", str(tmp_path))
    seen: list[Told] = []
    status = program.run(lambda job, folder, stopping: seen.append(job), packed(JOB))
    assert (status, seen) == (0, [told()])
    assert seen[0].limits == LIMITS


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (JobFailed(failures.NO_READ), failures.NO_READ),
        (OSError(28, "No space left on device"), "failed: No space left on device."),
        (ValueError("the text of a document"), "failed: ValueError in test_comprehend_process.py,"),
    ],
)
def test_a_failure_is_told_without_a_word_of_a_document(
    error: Exception,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SAGEBRUSH_ML", str(tmp_path))

    def work(job: Told, folder: Path, stopping: program.Stopping) -> None:
        raise error

    assert program.run(work, packed(JOB)) == 1
    said = (tmp_path / "output" / "message").read_text()
    assert message in said
    assert "document" not in said.replace("documents", "").replace(failures.NO_READ, "")
    assert said in capsys.readouterr().err
