"""The local authority: clients trust it, and only for names of this machine."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import stat
import threading

import certifi
import pytest
from cryptography import x509

from sagebrush import authorities, tls

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return folder


def shake(found: tls.Tls, name: str) -> None:
    """A TLS handshake for `name`; raises ssl.SSLError when the client does not trust it."""
    left, right = socket.socketpair()
    client = ssl.create_default_context(cafile=str(found.bundle))

    def serve() -> None:
        try:
            found.context().wrap_socket(left, server_side=True).close()
        except OSError:
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(right, server_hostname=name).close()
    finally:
        right.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "b.s3.localhost", "box.lan"])
def test_names_that_are_trusted(keys, name):
    shake(tls.ensure(keys, ["box.lan"], NOW), name)


def test_a_notebooks_name_beneath_an_outer_one(keys):
    found = tls.ensure(keys, ["box.lan", "10.1.1.1"], NOW)
    shake(found, "desk-abc123.box.lan")
    shake(found, "10.1.1.1")
    with pytest.raises(ssl.SSLError):
        shake(found, "a.b.box.lan")


@pytest.mark.parametrize("name", ["example.com", "sts.amazonaws.com", "10.0.0.1"])
def test_names_that_are_not(keys, name):
    with pytest.raises(ssl.SSLError):
        shake(tls.ensure(keys, [], NOW), name)


def test_files_are_kept_and_private(keys):
    first = tls.ensure(keys, [], NOW)
    before = {f.name: f.read_bytes() for f in keys.iterdir()}
    tls.ensure(keys, [], NOW + dt.timedelta(days=100))
    assert {f.name: f.read_bytes() for f in keys.iterdir()} == before
    assert {stat.S_IMODE(f.stat().st_mode) for f in keys.iterdir()} == {0o600}
    with open(certifi.where(), "rb") as file:
        known = authorities.CERTIFICATE.findall(file.read())
    assert len(known) > 100
    found = authorities.CERTIFICATE.findall(first.bundle.read_bytes())
    assert {b"".join(each.split()) for each in known} <= {b"".join(each.split()) for each in found}


def test_renewal(keys):
    found = tls.ensure(keys, [], NOW)
    authority, certificate = found.authority.read_bytes(), found.certificate.read_bytes()
    tls.ensure(keys, [], NOW + dt.timedelta(days=tls.SERVER_DAYS - 20))
    assert found.authority.read_bytes() == authority
    assert found.certificate.read_bytes() != certificate


def test_another_host_needs_another_authority(keys):
    found = tls.ensure(keys, [], NOW)
    before = found.authority.read_bytes()
    tls.ensure(keys, ["box.lan"], NOW)
    assert found.authority.read_bytes() != before
    shake(found, "box.lan")


def test_the_authority_may_sign_for_this_machine_only(keys):
    found = x509.load_pem_x509_certificate(tls.ensure(keys, [], NOW).authority.read_bytes())
    names = found.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    permitted = names.value.permitted_subtrees or []
    assert {str(name.value) for name in permitted} == {"localhost", "127.0.0.1/32", "::1/128"}
