"""Types of common nouns out of a WordNet."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sagebrush.nlp.nouns import FILE, load
from sagebrush.nlp.training import nouns

SYNSETS: list[dict[str, Any]] = [
    {"id": "group", "lexfile": "noun.group"},
    {"id": "organization", "lexfile": "noun.group", "hypernym": ["group"]},
    {"id": "company", "lexfile": "noun.group", "hypernym": ["organization"]},
    {"id": "gathering", "lexfile": "noun.group", "hypernym": ["group"]},
    {"id": "rally", "lexfile": "noun.group", "hypernym": ["gathering"]},
    {"id": "pair", "lexfile": "noun.group", "hypernym": ["group"]},
    {"id": "flight", "lexfile": "noun.group", "hypernym": ["group"]},
    {"id": "pizza", "lexfile": "noun.food"},
    {"id": "rare", "lexfile": "noun.food"},
]


def written(file: Path, rows: list[dict[str, Any]]) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_group_is_an_organisation_only_where_it_is_organised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wordnet_oewn"
    folder.mkdir()
    written(folder / "synsets.jsonl.gz", SYNSETS)
    entries = [{"lemma": each["id"], "pos": "n", "synsets": [each["id"]]} for each in SYNSETS]
    written(folder / "entries.jsonl.gz", entries)
    words = " ".join(each["id"] for each in SYNSETS if each["id"] != "rare")
    monkeypatch.setattr(nouns, "_texts", lambda data: [words] * nouns.LEAST)
    nouns.train(tmp_path, tmp_path / "out", say=lambda words: None)
    found = load(tmp_path / "out" / FILE)
    assert dict(found.types) == {
        "organization": "ORGANIZATION",
        "company": "ORGANIZATION",
        "gathering": "EVENT",
        "rally": "EVENT",
        "flight": "EVENT",
        "pizza": "COMMERCIAL_ITEM",
    }
