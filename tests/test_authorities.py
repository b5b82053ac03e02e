"""The authorities of this host as one file."""

from __future__ import annotations

from pathlib import Path

from sagebrush import authorities

A = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
B = b"-----BEGIN CERTIFICATE-----\nBBBB\nBB==\n-----END CERTIFICATE-----\n"


def test_the_systems_store_and_what_variables_name_are_one_bundle(tmp_path: Path) -> None:
    system, named, folder = tmp_path / "system.crt", tmp_path / "named.pem", tmp_path / "folder"
    folder.mkdir()
    system.write_bytes(b"# first\n" + A)
    named.write_bytes(B.replace(b"\n", b"\r\n") + A)
    (folder / "more.pem").write_bytes(A.replace(b"AAAA", b"CCCC"))
    (folder / "key.pem").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\nDDDD\n-----END PRIVATE KEY-----"
    )
    environ = {"SSL_CERT_FILE": str(named), "SSL_CERT_DIR": f"{folder}:/nowhere", "PIP_CERT": "/no"}
    parts = list(authorities.files(environ, ("/nowhere.crt", str(system))))
    assert parts[:2] == [system, named]
    made = authorities.bundle([*parts, tmp_path / "missing"])
    assert made.count(b"BEGIN CERTIFICATE") == 3
    assert b"CCCC" in made
    assert b"PRIVATE" not in made
    assert authorities.bundle([]) == b""
