"""What a custom model answers of texts and files, in the model server and in jobs."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sagebrush.algorithms
from sagebrush.algorithms.comprehend import package, process
from sagebrush.algorithms.comprehend.custom import downloads, pages
from sagebrush.algorithms.comprehend.custom.records import Records
from sagebrush.algorithms.comprehend.failures import JobFailed
from tests.algorithms.comprehend.custom_model import classifier, recognizer, textract, word
from tests.algorithms.comprehend.fake_s3 import Client, storage, told
from tests.algorithms.comprehend.test_comprehend_process import members
from tests.services.sagemaker.doubles import archive

LINES = "Songs by Anna\nBell: one\n\n  and two by Anna Bell  "


@pytest.fixture(autouse=True)
def nlp() -> None:
    """The package `nlp`, as programs find it."""
    package.nlp()


# Files in requests ---------------------------------------------------------------------------------


def test_a_text_file_is_one_page_and_has_no_blocks() -> None:
    assert classifier().read(b"short") == {
        "Classes": [{"Name": "short", "Score": 0.75, "Page": 1}],
        "DocumentMetadata": {"Pages": 1, "ExtractedCharacters": [{"Page": 1, "Count": 5}]},
        "DocumentType": [{"Page": 1, "Type": "PLAIN_TEXT"}],
        "Errors": [],
        "Warnings": [],
    }
    found = recognizer().read("ü Anna Bell".encode())
    assert "Blocks" not in found
    (entity,) = found["Entities"]
    assert (entity["BeginOffset"], entity["EndOffset"], entity["Type"]) == (2, 11, "SINGER")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(word("short"), "MS_WORD"), (textract("short"), "TEXTRACT_DETECT_DOCUMENT_TEXT_JSON")],
)
def test_a_file_of_another_kind_than_the_model_was_trained_on_has_a_warning(
    body: bytes, kind: str
) -> None:
    found = classifier().read(body)
    assert found["DocumentType"] == [{"Page": 1, "Type": kind}]
    (warning,) = found["Warnings"]
    assert warning["WarnCode"] == "INFERENCING_NATIVE_DOCUMENT_WITH_PLAINTEXT_TRAINED_MODEL"
    assert classifier(native=True).read(body)["Warnings"] == []
    (warning,) = classifier(native=True).read(b"plain")["Warnings"]
    assert warning["WarnCode"] == "INFERENCING_PLAINTEXT_WITH_NATIVE_TRAINED_MODEL"


def test_entities_of_a_file_refer_to_lines_and_words() -> None:
    found = recognizer().read(word(LINES))
    blocks = {each["Id"]: each for each in found["Blocks"]}
    assert [b["Text"] for b in found["Blocks"] if b["BlockType"] == "LINE"] == [
        "Songs by Anna", "Bell: one", "and two by Anna Bell",
    ]  # fmt: skip
    for line in found["Blocks"]:
        children = [blocks[i]["Text"] for r in line["Relationships"] for i in r["Ids"]]
        assert line["BlockType"] == "WORD" or " ".join(children) == line["Text"]
    over, within = found["Entities"]
    assert "BeginOffset" not in over
    for entity, parts, words in (
        (over, ["Anna", "Bell"], ["Anna", "Bell"]),
        (within, ["Anna Bell"], ["Anna", "Bell"]),
    ):
        references = entity["BlockReferences"]
        assert [_part(blocks[r["BlockId"]], r) for r in references] == parts
        inner = [c for r in references for c in r["ChildBlocks"]]
        assert [_part(blocks[c["ChildBlockId"]], c) for c in inner] == words


def _part(block: dict[str, Any], reference: dict[str, Any]) -> str:
    return block["Text"][reference["BeginOffset"] : reference["EndOffset"]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n", "UNSUPPORTED_DOC_TYPE"),
        (word("one", "two"), "PAGE_LIMIT_EXCEEDED"),
        (b"x" * 10_241, "DOCUMENT_SIZE_EXCEEDED"),
        (b"%PDF-1.4 and no more", "INVALID_DOCUMENT"),
    ],
)
def test_files_that_cannot_be_read_are_told_by_reason(body: bytes, reason: str) -> None:
    assert classifier().read(body)["Unreadable"]["Reason"] == reason


def test_a_page_of_too_many_characters_is_an_error_and_not_classified() -> None:
    found = classifier().read(word("y" * 10_001))
    assert (found["Errors"][0]["ErrorCode"], found.get("Classes")) == (
        "PAGE_CHARACTERS_EXCEEDED", None,
    )  # fmt: skip


def test_lines_are_found_whatever_white_space_is_around_them() -> None:
    found = pages.lines("\n \u3000a\tb \r\n\n👩🏽‍💻 c")
    assert [(line.text, line.begin, len(line.words)) for line in found] == [
        ("a\tb", 3, 2), ("👩🏽‍💻 c", 10, 2),
    ]  # fmt: skip


# The model server ----------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The inference code, imported as the model server does; its custom model is the classifier."""
    monkeypatch.syspath_prepend(str(Path(sagebrush.algorithms.__file__).parent))
    made = importlib.import_module("comprehend.inference")
    monkeypatch.setattr(made.serving, "Custom", type(classifier()))
    yield made
    for name in [n for n in sys.modules if n.split(".")[0] in ("comprehend", "contract")]:
        del sys.modules[name]


def asked(server: Any, body: bytes, content: str, model: Any) -> Any:
    said, kind = server.output_fn(server.predict_fn(server.input_fn(body, content), model))
    assert kind == "application/json"
    return json.loads(said)["Results"]


def test_the_model_server_answers_texts_and_files(server: Any) -> None:
    body = json.dumps({"Task": "ClassifyDocument", "LanguageCode": "", "Texts": ["a", "b" * 30]})
    found = asked(server, body.encode(), "application/json", classifier())
    assert [each["Classes"][0]["Name"] for each in found] == ["short", "long"]
    (file,) = asked(server, b"a", "application/octet-stream", classifier())
    assert file["DocumentType"] == [{"Page": 1, "Type": "PLAIN_TEXT"}]


def test_the_model_server_says_nothing_of_a_text(server: Any) -> None:
    class Poisoned:
        def answer(self, *given: Any) -> Any:
            raise ValueError(f"cannot read {given}")

    request = server.Request("DetectEntities", "", ("secret",))
    with pytest.raises(RuntimeError, match=r"^The model failed: ValueError$") as caught:
        server.predict_fn(request, Poisoned())
    assert caught.value.__cause__ is None
    with pytest.raises(server.BadRequest):
        server.predict_fn(server.File(b"x"), Poisoned())
    assert not hasattr(server, "predict_batch_fn")


# Jobs ----------------------------------------------------------------------------------------------


def ran(folder: Path, objects: dict[str, bytes], model: Any, **changes: Any) -> list[Any]:
    """The records of a job over the objects."""
    client = Client({f"in/{key}": body for key, body in objects.items()})
    job = told(task="", model="http://localhost/b/k", **changes)
    process.done(storage(client), model, job, folder, lambda: False, Records(model.kind))
    return [json.loads(line) for line in members(client)["output"].splitlines()]


def test_lines_are_classified_and_numbered_in_texts(tmp_path: Path) -> None:
    assert ran(tmp_path, {"a.txt": b"one\n\n" + b"x" * 30}, classifier()) == [
        {"File": "a.txt", "Line": "0", "Classes": [{"Name": "short", "Score": 0.75}]},
        {"File": "a.txt", "Line": "1", "ErrorCode": "EMPTY_DOCUMENT",
         "ErrorMessage": "Document is empty."},
        {"File": "a.txt", "Line": "2", "Classes": [{"Name": "long", "Score": 0.75}]},
    ]  # fmt: skip


def test_lines_of_recognizers_are_numbered_as_those_of_other_jobs(tmp_path: Path) -> None:
    (found,) = ran(tmp_path, {"a.txt": b"by Anna Bell"}, recognizer())
    assert (found["Line"], found["Entities"][0]["BeginOffset"]) == (0, 3)


def test_each_page_of_a_file_has_its_record(tmp_path: Path) -> None:
    files = {
        "a.docx": word("first", "the second page is longer"),
        "b.txt": b"plain",
        "c.png": b"\x89PNG\r\n\x1a\n",
        "d": b"",
    }
    found = ran(tmp_path, files, classifier(), by_line=False)
    shown = [(r["File"], r.get("DocumentMetadata"), r.get("DocumentType")) for r in found]
    assert shown == [
        ("a.docx", {"PageNumber": 1, "Pages": 2}, "MS_WORD"),
        ("a.docx", {"PageNumber": 2, "Pages": 2}, "MS_WORD"),
        ("b.txt", None, None),
        ("c.png", None, None),
        ("d", None, None),
    ]
    assert [r["Classes"][0]["Name"] for r in found[:3]] == ["short", "long", "short"]
    assert [r["ErrorCode"] for r in found[3:]] == ["UNSUPPORTED_DOC_TYPE", "EMPTY_DOCUMENT"]


def test_entities_of_pages_refer_to_blocks(tmp_path: Path) -> None:
    (found,) = ran(tmp_path, {"a.docx": word(LINES)}, recognizer(), by_line=False)
    assert len(found["Entities"]) == 2
    assert {each["BlockType"] for each in found["Blocks"]} == {"LINE", "WORD"}


def test_a_job_has_the_model_that_its_url_gives(tmp_path: Path) -> None:
    body = archive({"custom.json": "{}", "weights.npz": b"1"})
    tries: list[str] = []

    def fetch(url: str, file: Path) -> bool:
        tries.append(url)
        file.write_bytes(body)
        return True

    folder = downloads.model("http://localhost/b/k", tmp_path, fetch)
    assert sorted(each.name for each in folder.iterdir()) == ["custom.json", "weights.npz"]
    assert tries == ["http://localhost/b/k"]
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_model_of_another_encoder_ends_a_job_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OtherEncoder(Exception):
        pass

    def load(folder: Path) -> Any:
        raise OtherEncoder("Train it again.")

    def model(url: str, folder: Path) -> Path:
        return folder

    monkeypatch.setattr(process.downloads, "model", model)
    monkeypatch.setattr(process.serving, "load", load)
    with pytest.raises(JobFailed, match="MODEL_NOT_AVAILABLE: Train it again"):
        process.work(told(model="http://localhost/b/k"), tmp_path, lambda: False)
