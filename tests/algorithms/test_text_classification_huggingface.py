"""Fine-tuning's input, hyperparameters, log lines, base models and requests, without PyTorch."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from contract.channels import Channel
from contract.errors import BadRequest, ClientError
from text_classification_huggingface import base_model, data, inference, metrics, parameters
from text_classification_huggingface.data import Samples


def channel(folder: Path, content: str | None = None, name: str = "data.csv") -> Channel:
    """The channel `training` with one file."""
    folder.mkdir(exist_ok=True)
    if content is not None:
        (folder / name).write_text(content, encoding="utf-8")
    return Channel("training", "", folder)


# Data ---------------------------------------------------------------------------------------------


def test_rows_are_labels_and_texts(tmp_path: Path) -> None:
    found = data.read(channel(tmp_path, '1,"good, very"\n0,bad\n\n10,"two\nlines"\n'))
    assert found == Samples(("1", "0", "10"), ("good, very", "bad", "two\nlines"))
    assert data.classes(found) == ("0", "1", "10")


def test_labels_may_be_words() -> None:
    found = Samples(("spam", "ham"), ("a", "b"))
    assert data.classes(found) == ("ham", "spam")
    assert [data.shown(label) for label in ("3", "spam", "03")] == ["LABEL_3", "spam", "03"]


def test_a_label_that_is_missing_is_told_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"line 2: the label is missing"):
        data.read(channel(tmp_path, "0,a\n  ,b\n"))


def test_a_part_is_held_back() -> None:
    every = Samples(tuple("0101010101"), tuple("abcdefghij"))
    first, second = data.split(every, 0.2, 7)
    assert (len(first), len(second)) == (8, 2)
    assert sorted(first.texts + second.texts) == sorted(every.texts)
    assert data.split(every, 0.2, 7) == (first, second)
    assert len(data.split(every, 0.0, 7)[1]) == 0


# Hyperparameters, log ---------------------------------------------------------------------------


def test_hyperparameters_come_as_sdks_send_them() -> None:
    given = {
        "epochs": '"5"', "learning_rate": "2e-05", "train_only_top_layer": "True",
        "sagemaker_program": '"transfer_learning.py"',
    }  # fmt: skip
    found = parameters.read(given)
    assert (found.epochs, found.learning_rate, found.train_only_top_layer) == (5, 2e-5, True)
    assert found.reinitialize_top_layer == "Auto"


@pytest.mark.parametrize("given", [{"epochs": "0"}, {"epoch": "3"}, {"early_stopping": "maybe"}])
def test_wrong_hyperparameters_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=next(iter(given))):
        parameters.read(given)


def test_awss_regexes_read_the_log() -> None:
    from sagebrush.samples.jumpstart import catalogue

    said = metrics.line({"loss": 0.00001234, "learning_rate": 5e-5, "epoch": 1.0})
    said += metrics.line({"eval_loss": 0.5, "eval_accuracy": 2 / 3, "eval_f1": 0.25, "epoch": 2})
    found = {
        each["Name"]: float(re.findall(each["Regex"], said)[-1])
        for each in catalogue.read("huggingface")["metrics"]
    }
    assert found == {
        "val_accuracy": 0.6667, "val_loss": 0.5, "train_loss": 0.00001234, "val_f1": 0.25,
        "epoch": 2.0,
    }  # fmt: skip


def test_quality_is_that_of_the_definitions() -> None:
    found = metrics.quality(0.1, [0, 0, 1, 1], [0, 1, 1, 1])
    assert found.accuracy == 0.75
    assert found.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)


# Base models --------------------------------------------------------------------------------------


def packed(folder: Path, files: dict[str, str], name: str = "model.tar.gz") -> Channel:
    """The channel `model` with an archive of the files."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / name, "w:gz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return Channel("model", "", folder)


def test_a_model_lies_in_the_channel_or_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "config.json").write_text("{}")
    plain = base_model.find(Channel("model", "", tmp_path / "a"), "")
    assert plain.place == str(tmp_path / "a" / "deep")
    labels = json.dumps({"labels": ["0", "1"], "max_seq_length": 8})
    trained = base_model.find(
        packed(tmp_path / "b", {"config.json": "{}", "label_info.json": labels}), ""
    )
    assert trained.labels == ("0", "1")


def test_a_hub_key_goes_before() -> None:
    assert base_model.find(None, "bert-base-cased").place == "bert-base-cased"
    with pytest.raises(ClientError, match="no model to begin with"):
        base_model.find(None, "")


def test_a_reference_names_a_package_that_is_beside_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "x_model" / "model").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    told = {"model_id": "x", "hub": "x", "key": "k", "package": "x==1", "folder": "x_model/model"}
    source = base_model.find(packed(tmp_path / "m", {"reference.json": json.dumps(told)}), "")
    assert source.place == str(tmp_path / "site" / "x_model" / "model")


def test_a_reference_names_the_hub(tmp_path: Path) -> None:
    told = {"model_id": "huggingface-tc-x", "hub": "x", "key": "huggingface-training/x.tar.gz"}
    source = base_model.find(packed(tmp_path, {"reference.json": json.dumps(told)}), "")
    assert (source.place, source.reference) == ("x", told)
    error = base_model._unusable(source, "model", OSError("no network"))
    for way in (
        "samples add jumpstart-cache-prod-REGION/huggingface-training/x",
        "model_uri",
        "HF_",
    ):
        assert way in str(error)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"saved_model.pb": ""}, "config.json is missing. It has: saved_model.pb"),
        ({"../outside": ""}, "no file: ../outside"),
    ],
)
def test_what_is_no_model_is_told(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=re.escape(said)):
        base_model.find(packed(tmp_path / "model", files), "")
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ClientError, match="no tar archive that can be read"):
        base_model.find(Channel("model", "", tmp_path), "")


# Requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "form", "items"),
    [
        (b"good, bad", "application/x-text", "one", ["good, bad"]),
        (b'["a", "b"]', "application/list-text", "list", ["a", "b"]),
        ('"c, d"\r\ne\n', "text/csv", "rows", ["c, d", "e"]),
        ('{"inputs": "a"}', "application/json", "one", ["a"]),
        ('{"inputs": ["a"]}', "application/json; charset=utf-8", "list", ["a"]),
    ],
)
def test_requests_are_sentences(body: bytes | str, kind: str, form: str, items: list[str]) -> None:
    found = inference.input_fn(body, kind)
    assert (found.form, list(found.items)) == (form, items)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"  ", "application/x-text", 400),
        (b"\xff", "application/x-text", 400),
        (b"{", "application/list-text", 400),
        (b"[]", "application/list-text", 400),
        (b"[1]", "application/list-text", 400),
        (b"a,b\n", "text/csv", 400),
        (b"", "text/csv", 400),
        (b"x", "application/x-image", 415),
    ],
)
def test_wrong_requests_are_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        inference.input_fn(body, kind)
    assert caught.value.status_code == status


def test_answers_have_the_form_that_is_accepted() -> None:
    shares, labels = [[0.25, 0.75], [0.5, 0.5]], ("LABEL_0", "LABEL_1")
    one = inference.Batch("one", shares[:1], labels)
    assert json.loads(inference.output_fn(one, "application/json")[0]) == {
        "probabilities": [0.25, 0.75]
    }
    said, kind = inference.output_fn(one, "application/json;verbose")
    assert kind == "application/json"
    assert json.loads(said) == {
        "probabilities": [0.25, 0.75], "labels": list(labels), "predicted_label": "LABEL_1"
    }  # fmt: skip
    both = json.loads(
        inference.output_fn(inference.Batch("list", shares, labels), "application/json; verbose")[0]
    )
    assert both["predicted_label"] == ["LABEL_1", "LABEL_0"]
    rows, _ = inference.output_fn(inference.Batch("rows", shares, labels), "text/csv;verbose")
    assert [json.loads(line)["predicted_label"] for line in rows.splitlines()] == [
        "LABEL_1", "LABEL_0",
    ]  # fmt: skip
    with pytest.raises(BadRequest, match="Accept type image/png"):
        inference.output_fn(one, "image/png")


def test_a_reference_cannot_be_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_MODEL_ID", raising=False)
    told = {"model_id": "huggingface-tc-x", "hub": "x", "key": "huggingface-infer/x.tar.gz"}
    (tmp_path / "reference.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="classifier of huggingface-tc-x is not here"):
        inference._place(tmp_path)
    monkeypatch.setenv("HF_MODEL_ID", "somebody/model")
    assert inference._place(tmp_path) == ("somebody/model", {})
