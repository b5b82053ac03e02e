"""Models beside each other on the same test data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Mention
from sagebrush.algorithms.comprehend.flywheels import evaluate, pool
from sagebrush.algorithms.comprehend.flywheels.pool import Labelled
from sagebrush.algorithms.comprehend.flywheels.task import Task
from sagebrush.algorithms.comprehend.program import Stopped
from tests.algorithms.comprehend.fake_s3 import Client, storage

NAMES = ("AverageF1Score", "AveragePrecision", "AverageRecall", "AverageAccuracy")


class Scripted:
    """A model that answers as it is told."""

    def __init__(self, answers: Mapping[str, dict[str, Any]]) -> None:
        self.answers = answers

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return [self.answers[text] for text in texts]


def classes(name: str) -> dict[str, Any]:
    return {"Classes": [{"Name": name, "Score": 0.9}, {"Name": "other", "Score": 0.1}]}


def compared(
    folder: Path,
    tested: list[Labelled],
    models: Mapping[str, Scripted],
    objects: dict[str, bytes],
    **changes: Any,
) -> Mapping[str, Any]:
    """The result of the program, with models by their URLs."""
    pool.write(tested, folder / "tested")
    objects["v/test/documents.jsonl"] = (folder / "tested").read_bytes()
    told = {
        "Kind": "document-classifier",
        "Mode": "MULTI_CLASS",
        "Test": "s3://b/v/test/documents.jsonl",
        "Models": {whom: f"arn:{whom}" for whom in models},
        "To": "s3://b/lake/evaluation/1/",
        "Statistics": "s3://b/v/model-stats/",
        **changes,
    }
    urls = {whom: f"http://{whom}" for whom in models}
    given = Task(told, storage(Client(objects)), folder, lambda: False, urls)
    return evaluate.compared(given, lambda url, _: models[url.removeprefix("http://")])


def test_two_classifiers(tmp_path: Path) -> None:
    tested = [Labelled(f"{label} {n}", (label,)) for label in ("ham", "spam") for n in range(40)]
    good = Scripted({each.text: classes(each.labels[0]) for each in tested})
    poor = Scripted({each.text: classes("ham") for each in tested})
    objects: dict[str, bytes] = {}
    found = compared(tmp_path, tested, {"Evaluated": poor, "Trained": good}, objects)
    assert found["Trained"] == dict.fromkeys(NAMES, 1.0)
    assert found["Evaluated"] == pytest.approx(
        dict(zip(NAMES, (1 / 3, 0.25, 0.5, 0.5), strict=True))
    )
    manifest = json.loads(objects["lake/evaluation/1/manifest.json"])
    assert manifest["NumberOfTestDocuments"] == 80
    assert manifest["EvaluatedModel"]["ModelArn"] == "arn:Evaluated"
    place = manifest["TrainedModel"]["MetricsS3Uri"].removeprefix("s3://b/")
    figures = json.loads(objects[place])
    assert objects["v/model-stats/metrics.json"] == objects[place]
    assert figures["ConfusionMatrix"]["confusion_matrix"] == [[40, 0], [0, 40]]


def test_labels_that_a_document_may_have_several_of(tmp_path: Path) -> None:
    tested = [Labelled("one", ("a", "b")), Labelled("two", ("a",))]
    scores = {"one": {"a": 0.9}, "two": {"a": 0.5}}
    model = Scripted(
        {
            text: {"Labels": [{"Name": name, "Score": score} for name, score in told.items()]}
            for text, told in scores.items()
        }
    )
    found = compared(tmp_path, tested, {"Trained": model}, {}, Mode="MULTI_LABEL")["Trained"]
    assert found == pytest.approx(dict(zip(NAMES, (0.5, 0.5, 0.5, 0.5), strict=True)))


def test_a_recognizer_has_no_accuracy(tmp_path: Path) -> None:
    tested = [
        Labelled("A spade.", mentions=(Mention(2, 7, "TOOL"),)),
        Labelled("A rake.", mentions=(Mention(2, 6, "TOOL"),)),
        Labelled("Nothing."),
    ]
    entity = {"BeginOffset": 2, "EndOffset": 7, "Type": "TOOL", "Score": 0.9, "Text": "spade"}
    answers = {each.text: {"Entities": []} for each in tested} | {
        "A spade.": {"Entities": [entity]}
    }
    objects: dict[str, bytes] = {}
    given = {"Kind": "entity-recognizer", "Mode": ""}
    found = compared(tmp_path, tested, {"Trained": Scripted(answers)}, objects, **given)
    assert found["Trained"] == pytest.approx(
        {"AverageF1Score": 2 / 3, "AveragePrecision": 1.0, "AverageRecall": 0.5}
    )
    figures = json.loads(objects["lake/evaluation/1/trained-model/metrics.json"])
    assert figures["EntityTypes"][0]["Type"] == "TOOL"


def test_of_very_many_documents_the_same_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [Labelled(f"text {n}", ("a",)) for n in range(50)]
    assert len(evaluate.sampled(documents)[0]) == 50
    monkeypatch.setattr(evaluate, "MOST", 7)
    kept, count = evaluate.sampled(documents)
    assert (len(kept), count) == (7, 50)
    assert evaluate.sampled(reversed(documents)) == (kept, 50)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    tested = [Labelled("one", ("a",))]
    with pytest.raises(Stopped):
        evaluate.measured(
            Scripted({"one": classes("a")}),
            {"Kind": "document-classifier", "Mode": "MULTI_CLASS"},
            tested,
            lambda: True,
        )
