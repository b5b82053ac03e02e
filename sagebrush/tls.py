"""TLS on this machine: a local authority, a server certificate, a bundle that clients trust."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sagebrush import authorities

LOOPBACK = ("localhost", "*.localhost", "*.s3.localhost", "127.0.0.1", "::1")
"""OpenSSL takes a star before two labels at least, hence the third for virtual hosts of buckets."""
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""The longest life that browsers accept of a server certificate."""
RENEW_DAYS = 30


@dataclass(frozen=True)
class Tls:
    """The files in the keys directory."""

    authority: Path
    certificate: Path
    """The server's chain and its key."""
    bundle: Path
    """The authorities that this host trusts, certifi's and ours, for `AWS_CA_BUNDLE`."""

    def context(self) -> ssl.SSLContext:
        """A server-side context with the certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        return context


def ensure(keys: Path, hosts: Sequence[str], now: dt.datetime) -> Tls:
    """The files exist and hold for a month at least; `hosts` are names in addition to loopback ones;
    their subdomains (one label) are covered too.

    The authority may sign for these names only (name constraints), so its key is no key to the web.
    """
    names = (*LOOPBACK, *hosts, *(f"*.{host}" for host in hosts if not _is_address(host)))
    tls = Tls(keys / "ca.pem", keys / "server.pem", keys / "ca-bundle.pem")
    secret = keys / "ca.key"
    if not (tls.authority.exists() and secret.exists() and _covers(tls.authority, names, now)):
        key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(key, names, now)
        _write(secret, _key_bytes(key))
        _write(tls.authority, authority.public_bytes(serialization.Encoding.PEM))
        tls.certificate.unlink(missing_ok=True)
    if not tls.certificate.exists() or not _covers(tls.certificate, names, now):
        signer = serialization.load_pem_private_key(secret.read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        authority = x509.load_pem_x509_certificate(tls.authority.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server(key, authority, signer, names, now)
        chain = certificate.public_bytes(serialization.Encoding.PEM) + _key_bytes(key)
        _write(tls.certificate, chain)
    bundle = trusted(tls.authority)
    if not tls.bundle.exists() or tls.bundle.read_bytes() != bundle:
        _write(tls.bundle, bundle)
    return tls


def trusted(*more: Path) -> bytes:
    """The authorities that this host trusts now (its system's store, what its variables name),
    certifi's, and `more`, as PEM."""
    return authorities.bundle((*authorities.files(os.environ), Path(certifi.where()), *more))


def _covers(path: Path, names: Sequence[str], now: dt.datetime) -> bool:
    """Whether the certificate is good for a month more, and made for these names."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    if certificate.not_valid_after_utc < now + dt.timedelta(days=RENEW_DAYS):
        return False
    told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(told) == set(_names(names))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _constraints(names: Sequence[str]) -> x509.NameConstraints:
    allowed: list[x509.GeneralName] = []
    for name in _names(names):
        if isinstance(name, x509.IPAddress):
            allowed.append(x509.IPAddress(ipaddress.ip_network(str(name.value))))
        elif not name.value.startswith("*."):
            allowed.append(x509.DNSName(name.value))  # names under it are covered too
    return x509.NameConstraints(permitted_subtrees=allowed, excluded_subtrees=None)


def _authority(
    key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: dt.datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sagebrush local authority")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = _builder(subject, subject, key, now, AUTHORITY_DAYS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_constraints(names), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: dt.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        _builder(subject, authority.subject, key, now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes) -> None:
    """`path` holds `data`, whole, for its owner alone."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
