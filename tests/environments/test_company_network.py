"""uv as builds run it, behind a TLS proxy whose authority only this host knows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagebrush.environments import uvtool
from tests.company_proxy import Authority, CompanyProxy
from tests.private_index import NAME, PrivateIndex

HOST = "packages.company.example"
PASSWORD = "proxy-pass-81"


@dataclass
class Company:
    proxy: CompanyProxy
    index: PrivateIndex
    port: int
    folder: Path

    def environ(self, **given: str) -> dict[str, str]:
        """A user's variables there, with an empty home; `given` replaces some, "" removes."""
        usual = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_CONFIG": "1",
            "UV_NO_CACHE": "1",
            "UV_HTTP_RETRIES": "0",
            "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{self.port}",
            "PIP_INDEX_URL": f"https://{HOST}/simple",
            "SSL_CERT_FILE": str(self.proxy.authority.pem),
        }
        return {name: value for name, value in {**usual, **given}.items() if value}

    def install(self, **given: str) -> str:
        """What uv says of installing the wheel; raises UvFailed."""
        command = ["pip", "install", "--target", str(self.folder / "there"), NAME]
        command += ["--python", sys.executable]
        return uvtool.run(command, uvtool.variables(self.environ(**given), self.folder))


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    index = PrivateIndex()
    with index.serving() as port:
        proxy = CompanyProxy(Authority(tmp_path), {HOST: ("127.0.0.1", port)}, f"user:{PASSWORD}")
        with proxy.serving() as its:
            yield Company(proxy, index, its, tmp_path)


def test_packages_come_through_the_companys_proxy(company: Company) -> None:
    company.install()
    assert (company.folder / "there" / f"{NAME}.py").is_file()
    assert set(company.proxy.asked) == {HOST}


def test_an_unknown_authority_is_told_with_its_cure(company: Company) -> None:
    with pytest.raises(uvtool.UvFailed, match=f"{HOST} is signed by no authority.*update-ca-cert"):
        company.install(SSL_CERT_FILE="")


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, 200, "The proxy that HTTPS_PROXY names does not"),
        ({"HTTPS_PROXY": "http://user:wrong-word@127.0.0.1:{port}"}, 200, "NAME:PASSWORD@HOST"),
        ({"HTTPS_PROXY": ""}, 200, f"By its name, {HOST} cannot be found"),
        ({}, 401, f"The index {HOST} wants a name and password"),
        ({"PIP_INDEX_URL": f"https://me:index-pass@{HOST}/simple"}, 403, f"index {HOST} refuses"),
        ({"PIP_INDEX_URL": f"https://{HOST}/other"}, 200, "has that package"),
    ],
)
def test_each_failure_names_its_cure(
    company: Company, given: dict[str, str], status: int, told: str
) -> None:
    company.index.status = status
    given = {name: text.replace("{port}", str(company.port)) for name, text in given.items()}
    with pytest.raises(uvtool.UvFailed) as failed:
        company.install(**given)
    text = str(failed.value)
    assert told in text
    assert text.endswith("(docs/network.md)")
    assert not [word for word in (PASSWORD, "wrong-word", "index-pass") if word in text]


def test_a_proxy_that_refuses_the_index_is_told(company: Company) -> None:
    company.proxy.refused = frozenset({HOST})
    with pytest.raises(uvtool.UvFailed, match=f"The proxy refuses {HOST}"):
        company.install()
