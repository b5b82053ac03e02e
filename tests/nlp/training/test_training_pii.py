"""Personal data as a task."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sagebrush.nlp.training import pii
from sagebrush.nlp.training.sets import lines


def test_a_template_is_in_one_part_alone(tmp_path: Path) -> None:
    (tmp_path / "pii_presidio").mkdir()
    rows = [
        {"text": f"I am Ada {at}", "entities": [[5, 8, "PERSON"]], "template_id": at % 20}
        for at in range(60)
    ]
    written = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "pii_presidio" / "train.jsonl").write_text(written, encoding="utf-8")
    parts = [{each.text for each in pii.presidio(tmp_path, part)} for part in ("train", "valid")]
    assert len(parts[0]) + len(parts[1]) == 60
    templates = [{int(text.split()[-1]) % 20 for text in part} for part in parts]
    assert templates[1] == {2, 7, 12, 17}
    assert not templates[0] & templates[1]


@pytest.mark.skipif("SAGEBRUSH_EVAL_DATA" not in os.environ, reason="needs the data sets")
def test_all_types_of_the_set_are_told() -> None:
    data = Path(os.environ["SAGEBRUSH_EVAL_DATA"])
    kinds = {
        kind for row in lines(data / "pii_presidio" / "train.jsonl") for *_, kind in row["entities"]
    }
    assert kinds == set(pii.LABELS)
    assert len(pii.given_names(data)) > 7000
    for example in pii.running(data, 50):
        assert {each.label for each in example.spans} <= set(pii.RUNNING.values())
