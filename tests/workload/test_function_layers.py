"""Layers are laid over each other, and /tmp is counted, without following a link anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.workload import function_layers
from tests.deep_trees import deep_tree


def tree(root: Path, **files: str) -> Path:
    """A layer with those files; `__` in a name is a slash."""
    root.mkdir()
    for name, text in files.items():
        place = root / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


@pytest.fixture
def into(tmp_path: Path) -> Path:
    made = tmp_path / "into"
    made.mkdir()
    return made


def test_later_layers_win(tmp_path: Path, into: Path) -> None:
    first = tree(tmp_path / "1", python__a="1", python__b="1", bin="file", lib__x__y="1")
    second = tree(tmp_path / "2", python__b="2", bin__run="2", lib="file")
    function_layers.lay_over((first, second), into)
    assert (into / "python/a").read_text() == "1"
    assert (into / "python/b").read_text() == "2"
    assert (into / "bin/run").read_text() == "2"
    assert (into / "lib").read_text() == "file"
    assert (first / "python/b").read_text() == "1"  # the layers are as they were
    assert (first / "lib/x/y").read_text() == "1"


@pytest.mark.parametrize("turned", [False, True])
def test_a_layers_link_leads_nowhere_outside(tmp_path: Path, into: Path, turned: bool) -> None:
    host = tree(tmp_path / "host", passwd="root")
    linking, writing = tmp_path / "1", tree(tmp_path / "2", python__passwd="evil", file="evil")
    linking.mkdir()
    (linking / "python").symlink_to(host)
    (linking / "file").symlink_to(host / "passwd")
    layers = (writing, linking) if turned else (linking, writing)
    function_layers.lay_over(layers, into)
    assert os.listdir(host) == ["passwd"]
    assert (host / "passwd").read_text() == "root"
    assert (into / "python").is_symlink() == (into / "file").is_symlink() == turned


def test_too_many_files_count_as_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_layers, "MOST", 3)
    (tmp_path / "folder").mkdir()
    for name in ("a", "folder/b"):
        (tmp_path / name).touch()
    assert function_layers.held(tmp_path) < function_layers.ENDLESS
    (tmp_path / "folder" / "c").touch()
    assert function_layers.held(tmp_path) == function_layers.ENDLESS


def test_what_tmp_holds_is_counted_however_it_nests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 8192)
    (tmp_path / "out").symlink_to("/usr")
    (tmp_path / "in" / "ner").mkdir(parents=True)
    (tmp_path / "in" / "ner" / "file").write_bytes(b"x" * 4096)
    assert 12288 <= function_layers.held(tmp_path) < 32768
    with deep_tree(tmp_path / "top"):
        assert function_layers.held(tmp_path) == function_layers.ENDLESS
    assert function_layers.held(tmp_path / "none") == 0
