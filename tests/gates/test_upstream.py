"""The proxy that leads out, as variables name it and as jobs' connections go through it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from sagebrush.gates.egress import Egress, ProxyRefusal
from sagebrush.gates.upstream import Upstreams, worldly
from tests.company_proxy import Authority, CompanyProxy
from tests.private_index import NAME, PrivateIndex

HOST = "packages.example"


def test_the_variables_are_read_as_curl_reads_them() -> None:
    found = Upstreams.of({"HTTPS_PROXY": "http://a%40b:c@one.example:3128", "all_proxy": "two:1"})
    assert found.https is not None
    assert found.http is not None
    assert (found.https.host, found.https.port, found.https.variable) == (
        "one.example",
        3128,
        "HTTPS_PROXY",
    )
    assert found.https.authorization == "Basic YUBiOmM="
    assert (found.http.host, found.http.port, found.http.variable) == ("two", 1, "ALL_PROXY")
    assert Upstreams.of({"HTTPS_PROXY": "socks5://one:1"}) == Upstreams()
    assert Upstreams.of({}).chosen("a.example", 443, False) is None


@pytest.mark.parametrize(
    ("host", "port", "direct"),
    [
        ("in.example", 443, True),
        ("a.in.example", 443, True),
        ("xin.example", 443, False),
        ("10.1.2.3", 443, True),
        ("11.1.2.3", 443, False),
        ("ported.example", 8080, True),
        ("ported.example", 443, False),
        ("dotted.example", 443, True),
    ],
)
def test_exempt_hosts_are_reached_directly(host: str, port: int, direct: bool) -> None:
    said = "in.example, 10.0.0.0/8,ported.example:8080,.dotted.example"
    found = Upstreams.of({"https_proxy": "http://proxy:1", "NO_PROXY": said})
    assert (found.chosen(host, port, False) is None) == direct


def test_public_names_look_like_ones() -> None:
    assert worldly("packages.example.org")
    for name in (
        "localhost",
        "box",
        "db.internal",
        "printer.local",
        "10.1.2.3",
        "2130706433",
        "0x7f.1",
    ):
        assert not worldly(name), name


def reach(
    tmp_path: Path, host: str, proxy: CompanyProxy, addresses: dict[str, list[str]], password: str
) -> bytes:
    """What the index's page says to a job that goes through Sagebrush's proxy and the company's."""

    async def resolve(name: str, port: int) -> list[str]:
        if name not in addresses:
            raise OSError("Name or service not known")
        return addresses[name]

    async def main(port: int) -> bytes:
        egress = Egress(
            (), resolve, Upstreams.of({"HTTPS_PROXY": f"http://{password}@127.0.0.1:{port}"})
        )
        reader, writer, _ = await egress.open(host, 443)
        try:
            await writer.start_tls(
                ssl.create_default_context(cafile=str(proxy.authority.pem)), server_hostname=host
            )
            writer.write(f"GET /simple/{NAME}/ HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()

    with proxy.serving() as port:
        return asyncio.run(main(port))


def company(tmp_path: Path, port: int, password: str = "") -> CompanyProxy:
    return CompanyProxy(Authority(tmp_path), {HOST: ("127.0.0.1", port)}, password)


@pytest.mark.parametrize("addresses", [{}, {HOST: ["1.1.1.1"]}], ids=["no DNS", "public"])
def test_what_only_a_proxy_reaches_is_reached(
    tmp_path: Path, addresses: dict[str, list[str]]
) -> None:
    with PrivateIndex().serving() as port:
        proxy = company(tmp_path, port, "me:word")
        assert NAME.encode() in reach(tmp_path, HOST, proxy, addresses, "me:word")
    assert proxy.asked == [HOST], "the proxy is asked for the name"


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("10.1.2.3", {"10.1.2.3": ["10.1.2.3"]}),
        ("wiki.corp", {}),
        ("hidden.example", {"hidden.example": ["192.168.1.1"]}),
    ],
)
def test_private_addresses_stay_refused(
    tmp_path: Path, host: str, addresses: dict[str, list[str]]
) -> None:
    proxy = company(tmp_path, 1)
    with pytest.raises(ProxyRefusal):
        reach(tmp_path, host, proxy, addresses, "a:b")
    assert proxy.asked == []


def test_a_proxy_that_refuses_is_told_with_its_cure(tmp_path: Path) -> None:
    proxy = company(tmp_path, 1, "me:word")
    with pytest.raises(ProxyRefusal, match="wants a name and password: HTTPS_PROXY=") as refused:
        reach(tmp_path, HOST, proxy, {}, "me:wrong-word")
    assert "wrong-word" not in str(refused.value)
    proxy.refused = frozenset({HOST})
    with pytest.raises(ProxyRefusal, match=f"refuses {HOST}.*its administrator"):
        reach(tmp_path, HOST, proxy, {}, "me:word")
