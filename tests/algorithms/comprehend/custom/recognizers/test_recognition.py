"""What recognizers are trained on, what is kept for the test, and the figures of it."""

from __future__ import annotations

import numpy
import pytest

from sagebrush.algorithms.comprehend.custom.recognizers import recognition, span_metrics
from sagebrush.algorithms.comprehend.custom.recognizers.annotated import Annotated, Mention
from sagebrush.algorithms.comprehend.failures import JobFailed


def document(number: int, *types: str) -> Annotated:
    """A document of 100 characters with an entity of each type."""
    text = f"document {number} ".ljust(100, "x")
    return Annotated(text, tuple(Mention(at, at + 1, kind) for at, kind in enumerate(types)))


def test_training_data_must_have_documents_bytes_and_entities() -> None:
    enough = [document(at, "A") for at in range(50)]
    recognition.check(enough, recognition.PLAIN, ["A"])
    for wrong, words in (
        (enough[:2], "2 documents; they must have at least 3"),
        (enough[:30], "less than 5000 bytes"),
        ([*enough[:24], *(document(at) for at in range(50, 90))], "A has 24 annotations"),
    ):
        with pytest.raises(JobFailed, match=words):
            recognition.check(wrong, recognition.PLAIN, ["A"])
    with pytest.raises(JobFailed, match="B has no annotations"):
        recognition.check(enough, recognition.PLAIN, ["A", "B"])
    with pytest.raises(JobFailed, match=r"A has 50 matches of the entity list.* at least 200"):
        recognition.check(enough, recognition.LIST, ["A"])
    with pytest.raises(JobFailed, match="at least 250"):
        recognition.check(enough, recognition.PAGES, ["A"])


def test_a_type_with_few_entities_beside_others_is_warned_of() -> None:
    documents = [document(at, "A", *(["B"] if at < 3 else [])) for at in range(60)]
    recognition.check(documents, recognition.PLAIN, ["A", "B"])
    (warning,) = recognition.lacking(documents, recognition.PLAIN, ["A", "B"])
    assert "B has 3 annotations, fewer than the 25" in warning


def test_a_tenth_is_kept_for_the_test_with_some_of_each_type() -> None:
    documents = [
        document(at, *(["A"] if at % 2 else []), *(["B"] if at < 20 else [])) for at in range(200)
    ]
    learned, tested = recognition.split(documents)
    assert (len(learned), len(tested)) == (180, 20)
    assert {each.text for each in learned}.isdisjoint(each.text for each in tested)
    for kind in "AB":
        among = [
            sum(m.type == kind for d in part for m in d.mentions) for part in (learned, tested)
        ]
        assert among[1] >= 1
        assert among[0] >= 8 * among[1]
    assert recognition.split(documents) == (learned, tested)
    assert recognition.split(documents[::-1])[1][::-1] == tested


def test_more_is_kept_where_there_are_few_entities() -> None:
    documents = [document(at, "A") for at in range(40)]
    learned, tested = recognition.split(documents)
    assert (len(learned), len(tested)) == (32, 8)
    assert [len(each) for each in recognition.split(documents[:3])] == [2, 1]


def test_a_type_that_only_test_documents_mention_is_refused() -> None:
    with pytest.raises(JobFailed, match="too few documents that mention the entity type B"):
        recognition._refuse_absent([document(1, "A")], ["A", "B"])


def test_of_too_many_words_some_documents_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document(at, "A") for at in range(100)]
    assert recognition.within(documents) == (documents, [])
    monkeypatch.setattr(recognition, "WORDS", 40)
    chosen, warnings = recognition.within(documents)
    assert sum(len(each.text.split()) for each in chosen) <= 40
    assert 10 <= len(chosen) < 20
    assert f"{len(chosen)} were used" in warnings[0]


def test_entities_are_of_whole_words_each_in_one_of_them() -> None:
    words = [(0, 3), (4, 7), (7, 8), (9, 12)]
    mentions = [Mention(1, 5, "A"), Mention(5, 8, "B"), Mention(9, 12, "B")]
    assert recognition.covered(words, mentions, ["A", "B"]) == [(0, 1, 0), (2, 2, 1), (3, 3, 1)]
    assert recognition.covered(words, [Mention(4, 6, "A"), Mention(6, 7, "A")], ["A"]) == [
        (1, 1, 0)
    ]
    assert recognition.covered([], mentions[:1], ["A"]) == []


def test_the_metrics_of_the_guides_example() -> None:
    truth = [
        Mention(0, 15, "Person"), Mention(31, 36, "Person"), Mention(45, 58, "Place"),
        Mention(68, 77, "Place"), Mention(98, 105, "Place"),
    ]  # fmt: skip
    told = [truth[0], Mention(31, 36, "Place"), truth[2], truth[3], Mention(98, 105, "Person")]
    outcomes = span_metrics.outcomes([truth], [[(each, 0.5) for each in told]])
    found = span_metrics.metadata(outcomes, ["Person", "Place"], {"Person": 7}, 100.0)
    assert found["EvaluationMetrics"] == pytest.approx(
        {"Precision": 60, "Recall": 60, "F1Score": 60}
    )
    person, place = found["EntityTypes"]
    assert person["EvaluationMetrics"]["F1Score"] == pytest.approx(50)
    assert place["EvaluationMetrics"]["Precision"] == pytest.approx(66.67, abs=0.01)
    assert (person["NumberOfTrainMentions"], place["NumberOfTrainMentions"]) == (7, 0)
    assert outcomes.right == [True, False, True, True, False]


def test_without_entities_metrics_are_0() -> None:
    outcomes = span_metrics.outcomes([[]], [[]])
    found = span_metrics.metadata(outcomes, ["A"], {}, 1.0)
    assert found["EvaluationMetrics"] == {"Precision": 0.0, "Recall": 0.0, "F1Score": 0.0}


def test_confidence_is_fitted_to_what_was_right() -> None:
    generator = numpy.random.default_rng(1)
    logits = generator.normal(0, 3, 4000)
    right = generator.random(4000) < 1 / (1 + numpy.exp(-(0.5 * logits - 0.7)))
    slope, intercept = span_metrics.platt((1 / (1 + numpy.exp(-logits))).tolist(), right.tolist())
    assert slope == pytest.approx(0.5, abs=0.06)
    assert intercept == pytest.approx(-0.7, abs=0.12)


def test_few_spans_change_confidence_little() -> None:
    assert span_metrics.platt([], []) == (1.0, 0.0)
    slope, intercept = span_metrics.platt([0.9, 0.8], [False, True])
    assert 0.5 < slope < 1.3
    assert -0.5 < intercept < 0.5
