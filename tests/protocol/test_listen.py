"""Addresses and ports, and listeners out of sandboxes: plain HTTP and TLS on one port."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import socket
import ssl
import threading

import pytest

from sagebrush.compute.base import Spec
from sagebrush.protocol import listen
from sagebrush.settings import SettingsError
from tests.conftest import make_settings, started
from tests.protocol.wire import settled


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.lan"])
def test_other_hosts_need_a_word(tmp_path, host):
    with pytest.raises(SettingsError, match="insecure"):
        listen.addresses(make_settings(tmp_path, host=host))


def test_addresses(tmp_path):
    def of(**given):
        return listen.addresses(make_settings(tmp_path, **given))

    loopback = ["127.0.0.1", "::1"]
    assert of() == of(host="localhost") == of(host="::1") == (loopback, loopback)
    both = [*loopback, "192.168.1.5"]
    assert of(host="192.168.1.5", insecure=True) == (both, both)
    assert of(host="192.168.1.5", tls_only=True) == (loopback, both)
    assert of(host="0.0.0.0", tls_only=True) == (loopback, ["0.0.0.0", "::1"])


def in_use(port):
    """Below the range that the system gives to clients, so nobody takes it meanwhile."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_busy_port(tmp_path):
    port = next(p for p in range(20000, 30000, 2) if not in_use(p) and not in_use(p + 1))
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(OSError, match="in use") as info:
            started(make_settings(tmp_path / "h", port=port, isolation="process"))
        assert info.value.errno == errno.EADDRINUSE
    started(make_settings(tmp_path / "h", port=port, isolation="process")).stop()


def test_another_server_holds_the_directory(server):
    with pytest.raises(RuntimeError, match="pid"):
        started(server.app.settings)


def spec(tmp_path, **more) -> Spec:
    return Spec("job", ["true"], {}, tmp_path, role="arn:aws:iam::123456789012:role/Job", **more)


def get(sock: socket.socket, path: str, context: ssl.SSLContext | None = None):
    port = sock.getsockname()[1]
    if context:
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": "127.0.0.1:4566"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_gateway_out_of_a_sandbox(server, tmp_path):
    sock = socket.create_server(("127.0.0.1", 0))
    close = server.app.sandboxes.attach(spec(tmp_path), "aws", sock.dup())
    bundle = server.app.settings.home / "keys" / "ca-bundle.pem"
    context = ssl.create_default_context(cafile=str(bundle))
    for used in (None, context):
        status, body = get(sock, "/", used)
        assert status == 403
        assert b"AccessDenied" in body
        assert get(sock, "/_sagebrush/metrics", used)[0] == 404
    sts = server.client("sts", endpoint_url=f"http://127.0.0.1:{sock.getsockname()[1]}")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    close()
    port = sock.getsockname()[1]
    sock.close()

    def refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED

    assert settled(refused)


def test_credentials_out_of_a_sandbox(server, tmp_path):
    sock = socket.create_server(("127.0.0.1", 0))
    close = server.app.sandboxes.attach(spec(tmp_path), "credentials", sock.dup())
    status, body = get(sock, "/v2/credentials/job")
    assert status == 200
    found = json.loads(body)
    assert set(found) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", "RoleArn"}
    sts = server.client(
        "sts",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["Token"],
    )
    assert sts.get_caller_identity()["Arn"].startswith(
        "arn:aws:sts::123456789012:assumed-role/Job/"
    )
    assert get(sock, "/latest/meta-data")[0] == 404
    close()
    sock.close()


def test_a_listener_of_no_such_name_is_refused(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(KeyError):
        server.app.sandboxes.attach(spec(tmp_path), "admin", sock)


def test_egress_out_of_a_sandbox(server, tmp_path):
    sock = socket.create_server(("127.0.0.1", 0))
    close = server.app.sandboxes.attach(spec(tmp_path), "egress", sock.dup())
    connection = http.client.HTTPConnection("127.0.0.1", sock.getsockname()[1], timeout=10)
    connection.request("GET", f"http://127.0.0.1:{server.app.port}/_sagebrush/health")
    assert connection.getresponse().status == 403
    connection.close()
    close()
    sock.close()


def test_idle_connections_end_with_the_server(tmp_path):
    """One by TLS too: its client never says the last word that TLS would wait for."""
    before = set(threading.enumerate())
    server = started(make_settings(tmp_path / "home", isolation="process"))
    state = server.app.state()
    context = ssl.create_default_context(
        cafile=str(server.app.settings.home / "keys" / "ca-bundle.pem")
    )
    plain = socket.create_connection(("127.0.0.1", state["port"]), 10)
    secure = context.wrap_socket(
        socket.create_connection(("127.0.0.1", state["tls_port"]), 10), server_hostname="localhost"
    )
    for client in (plain, secure):
        client.sendall(b"GET /_sagebrush/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in client.recv(1000)
    server.stop()
    assert "http" not in [thread.name for thread in set(threading.enumerate()) - before]
    for client in (plain, secure):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while client.recv(1000):
                pass
        client.close()
