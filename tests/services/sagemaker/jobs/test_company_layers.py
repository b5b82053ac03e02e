"""requirements.txt behind a company's TLS proxy, and from an index at a private address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import needs
import pytest

from sagebrush.compute.local import probe
from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.company_proxy import Authority, CompanyProxy
from tests.conftest import make_settings, started
from tests.private_index import NAME, PrivateIndex
from tests.services.sagemaker.jobs.test_layers_live import Desk

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

HOST = "packages.company.example"
PASSWORD = "proxy-pass-81"
LEFT = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "CURL_CA")
ASKS = """
import http.client, os
import {name}
print("SEEN", {name}.SAID, os.environ["SSL_CERT_FILE"])
print("TRUSTED", {pem!r} in open(os.environ["SSL_CERT_FILE"]).read())
talk = http.client.HTTPConnection(os.environ["HTTP_PROXY"].removeprefix("http://"))
talk.request("GET", "http://127.0.0.1:{port}/simple/{name}/")
print("USER CODE", talk.getresponse().status)
"""


@dataclass
class Company:
    desk: Desk
    proxy: CompanyProxy
    port: int
    """The index's, on loopback."""

    def program(self) -> str:
        """Imports the wheel, and asks for the index by itself."""
        pem = self.proxy.authority.pem.read_text().splitlines()[2]
        return ASKS.format(name=NAME, pem=pem, port=self.port)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, base: Environment) -> Iterator[Company]:  # noqa: F811
    if probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    home = tmp_path_factory.mktemp("company")
    with pytest.MonkeyPatch.context() as patch, PrivateIndex().serving() as port:
        proxy = CompanyProxy(Authority(home), {HOST: ("127.0.0.1", port)}, f"user:{PASSWORD}")
        with proxy.serving() as its:
            for name in [name for name in os.environ if name.startswith(LEFT)]:
                patch.delenv(name)
            patch.setenv("PIP_CONFIG_FILE", os.devnull)
            patch.setenv("UV_NO_CONFIG", "1")
            patch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{its}")
            patch.setenv("SSL_CERT_FILE", str(proxy.authority.pem))
            settings = make_settings(
                home / "home", isolation="sandbox", environments=base.path.parent
            )
            made = Desk(started(settings))
            yield Company(made, proxy, port)
            made.server.stop()


def test_a_layer_comes_through_the_companys_proxy(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{HOST}/simple")
    files = {"train.py": company.program(), "requirements.txt": f"{NAME}\n"}
    done = company.desk.run("through", files)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    log = company.desk.log("through")
    assert "SEEN from the company /opt/sagebrush/client/ca-bundle.pem" in log
    assert "TRUSTED True" in log
    assert "USER CODE 403" in log
    assert PASSWORD not in log
    assert set(company.proxy.asked) == {HOST}


def test_the_configured_index_may_be_private_for_builds_alone(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{company.port}/simple")
    # another text: another layer
    files = {"train.py": company.program(), "requirements.txt": f"{NAME}==1.0\n"}
    done = company.desk.run("private", files)
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert "USER CODE 403" in company.desk.log("private")


def test_another_private_index_is_refused_with_the_cure(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)  # uv's variable would win over the file
    text = f"--index-url http://127.0.0.1:{company.port}/simple\n{NAME}\n"
    done = company.desk.run("other", {"train.py": "", "requirements.txt": text})
    assert "The setting egress_allow can name it" in done["FailureReason"]


def test_an_authority_that_this_host_lacks_is_told(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{HOST}/simple")
    monkeypatch.delenv("SSL_CERT_FILE")
    done = company.desk.run("stranger", {"train.py": "", "requirements.txt": f"{NAME}<2\n"})
    assert "no authority in this host's store" in done["FailureReason"]
    assert "update-ca-certificates" in done["FailureReason"]
