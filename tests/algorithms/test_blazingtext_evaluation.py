"""Word vectors against people's judgements: pairs, Spearman's rho, eval.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from contract.channels import Channel

from sagebrush.algorithms.blazingtext import evaluation
from sagebrush.algorithms.blazingtext.evaluation import Pair
from sagebrush.algorithms.blazingtext.parameters import ClientError


def test_pairs_in_every_form_of_the_public_files(tmp_path: Path) -> None:
    (tmp_path / "EN-WS-353-ALL.txt").write_text("Tiger\tcat\t7.35\nbook\tpaper\t7.46\n")
    (tmp_path / "combined.csv").write_text("Word 1,Word 2,Human (mean)\nlove,sex,6.77\r\n")
    (tmp_path / "gold.txt").write_text("# a comment\n\ntiger tiger 10\n")
    (tmp_path / "readme.txt").write_text("nothing\n")
    assert evaluation.read(Channel("evaluation", "", tmp_path)) == {
        "EN-WS-353-ALL.txt": [Pair("tiger", "cat", 7.35), Pair("book", "paper", 7.46)],
        "combined.csv": [Pair("love", "sex", 6.77)],
        "gold.txt": [Pair("tiger", "tiger", 10.0)],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b 1\nc d\n", "pairs.txt, line 2: not a pair"),
        ("a b 1\nc d nan\n", "line 2: the score is nan"),
        ("# nothing\n", "holds no pair"),
    ],
)
def test_lines_that_are_no_pairs_are_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(ClientError, match=words):
        evaluation.read(Channel("evaluation", "", tmp_path))


def test_ranks_are_compared_and_ties_share_theirs() -> None:
    assert evaluation.spearman([(1, 10), (2, 20), (3, 25)]) == pytest.approx(1)
    assert evaluation.spearman([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 2, 4])
    assert evaluation.spearman([(1, 1), (2, 3), (2, 2), (4, 4)]) == pytest.approx(
        0.9486832980505138
    )
    assert evaluation.spearman([(1, 1)]) is None
    assert evaluation.spearman([(1, 1), (1, 2)]) is None


def test_the_result_is_aws_eval_json() -> None:
    words = [b"sun", b"Moon", b"moon", b"stone"]
    vectors = np.array([[1, 0], [0.9, 0.1], [0, -1], [0, 1]], np.float32)
    pairs = [
        Pair("sun", "moon", 9),
        Pair("sun", "stone", 3),
        Pair("moon", "stone", 4),
        Pair("sun", "x", 1),
    ]
    result = evaluation.evaluate(
        {"all.txt": pairs, "none.txt": [Pair("x", "y", 1)]}, words, vectors
    )
    assert result == {
        "all.txt": {"not_found": 1, "spearmans_rho": pytest.approx(1.0), "total_pairs": 4},
        "none.txt": {"not_found": 1, "spearmans_rho": None, "total_pairs": 1},
        "mean_rho": pytest.approx(1.0),
    }
    assert list(result)[-1] == "mean_rho"
    assert evaluation.told(result).startswith('{\n    "all.txt": {\n        "not_found": 1,')
    assert evaluation.evaluate({"n": [Pair("x", "y", 1)]}, words, vectors)["mean_rho"] is None


def test_a_tuning_job_that_could_not_measure_its_objective_is_told_before() -> None:
    evaluation.required(True, "train:mean_rho", True)
    evaluation.required(False, "", False)
    evaluation.required(True, "", False)
    with pytest.raises(ClientError, match="needs evaluation=True"):
        evaluation.required(False, "train:mean_rho", True)
    with pytest.raises(ClientError, match=r"cannot be measured.*channel 'evaluation'"):
        evaluation.required(True, "train:mean_rho", False)
