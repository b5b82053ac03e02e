"""What pip and uv are configured for, as uv's variables."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from sagebrush import authorities
from sagebrush.environments import sources

QUIET = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}


def found(environ: dict[str, str]) -> dict[str, str]:
    """Without what depends on this host's store."""
    return {k: v for k, v in sources.variables(environ).items() if k != "UV_SYSTEM_CERTS"}


def test_pips_variables_are_uvs() -> None:
    given = {
        "PIP_INDEX_URL": "https://index.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/simple",
        "PIP_FIND_LINKS": "/wheels  /more",
        "PIP_TRUSTED_HOST": "a.example",
    }
    assert found({**QUIET, **given}) == {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "a.example",
    }


def test_pips_files_count_and_its_variables_win(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(
        "[global]\nindex-url = https://file.example/simple\nproxy = http://proxy.example:3128\n"
        "[install]\nfind_links =\n    /one\n    /two\n"
    )
    given = {"HOME": str(tmp_path), "UV_NO_CONFIG": "1", "XDG_CONFIG_DIRS": str(tmp_path)}
    told = found(given)
    assert told["UV_DEFAULT_INDEX"] == "https://file.example/simple"
    assert told["UV_FIND_LINKS"] == "/one,/two"
    assert told["HTTPS_PROXY"] == told["HTTP_PROXY"] == "http://proxy.example:3128"
    given |= {"PIP_INDEX_URL": "https://variable.example/simple", "https_proxy": "http://mine:1"}
    told = found(given)
    assert told["UV_DEFAULT_INDEX"] == "https://variable.example/simple"
    assert "HTTPS_PROXY" not in told


def test_a_broken_file_of_pips_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("index-url = nowhere\n")
    given = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "UV_NO_CONFIG": "1"}
    assert "UV_DEFAULT_INDEX" not in found({**given, "XDG_CONFIG_DIRS": str(tmp_path)})


def test_uvs_own_file_wins_over_pip_and_variables_over_it(tmp_path: Path) -> None:
    file = tmp_path / "uv.toml"
    file.write_text(
        'find-links = ["/a", "/b"]\n'
        '[[index]]\nname = "own"\nurl = "https://own.example/simple"\n'
        '[[index]]\nurl = "https://main.example/simple"\ndefault = true\n'
        '[[index]]\nname = "torch"\nurl = "https://torch.example"\nexplicit = true\n'
    )
    given = {
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CONFIG_FILE": str(file),
        "PIP_EXTRA_INDEX_URL": "https://pip.example/simple",
    }
    assert found(given) == {
        "UV_DEFAULT_INDEX": "https://main.example/simple",
        "UV_INDEX": "own=https://own.example/simple",
        "UV_FIND_LINKS": "/a,/b",
    }
    assert "UV_DEFAULT_INDEX" not in found({**given, "UV_INDEX_URL": "https://mine.example"})


def test_the_addresses_are_exactly_those_of_the_indexes() -> None:
    given = {
        **QUIET,
        "PIP_INDEX_URL": "https://user:word@Index.Example/simple",
        "UV_INDEX": "own=http://10.1.2.3:8080/simple file:///mnt/simple",
        "PIP_FIND_LINKS": "/wheels https://links.example:444/",
    }
    assert sources.addresses(given) == {
        ("index.example", 443),
        ("10.1.2.3", 8080),
        ("links.example", 444),
    }
    assert sources.addresses(QUIET) == sources.usual()
    assert sources.addresses({**QUIET, "UV_NO_INDEX": "1"}) == set()


def test_addresses_without_passwords() -> None:
    given = {
        "UV_DEFAULT_INDEX": "https://me:p%40ss@index.example/simple",
        "UV_INDEX": "mine=https://token@other.example/simple https://open.example/simple",
    }
    assert sources.without_passwords(given) == {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "mine=https://other.example/simple https://open.example/simple",
    }


def test_a_builds_addresses_have_the_passwords_of_netrc(tmp_path: Path) -> None:
    file = tmp_path / ".netrc"
    file.write_text("machine index.example login me password p@ss\n")
    file.chmod(0o600)
    given = {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "own=https://index.example/more https://you:x@index.example/yours",
    }
    assert sources.with_passwords(given, {"HOME": str(tmp_path)}) == {
        "UV_DEFAULT_INDEX": "https://me:p%40ss@index.example/simple",
        "UV_INDEX": "own=https://me:p%40ss@index.example/more https://you:x@index.example/yours",
    }
    assert sources.with_passwords(given, {"HOME": "/nowhere"}) == given


def test_the_shells_lines_are_quoted_and_name_pips_authorities() -> None:
    value = "https://index.example/$(touch x)'simple"
    told = sources.shell({**QUIET, "PIP_INDEX_URL": value, "SSL_CERT_FILE": "/ca.pem"})
    words = shlex.split(told)
    assert "PIP_CERT=/ca.pem" in words
    assert f"UV_DEFAULT_INDEX={value}" in words


@pytest.mark.skipif(sys.platform == "darwin", reason="its store is no file")
def test_uv_trusts_the_system_where_it_has_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorities, "system", lambda: Path("/store.crt"))
    assert sources.variables(QUIET)["UV_SYSTEM_CERTS"] == "true"
    assert "UV_SYSTEM_CERTS" not in sources.variables({**QUIET, "UV_NATIVE_TLS": "false"})
    monkeypatch.setattr(authorities, "system", lambda: None)
    assert "UV_SYSTEM_CERTS" not in sources.variables(QUIET)
