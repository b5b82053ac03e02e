"""What is told of requests: no secrets, a file that stays bounded, counts."""

from __future__ import annotations

import json
import logging
import stat
import time

import pytest

from sagebrush.protocol import access_log
from sagebrush.protocol.access_log import AccessLog, Entry, Redacting, redact


@pytest.mark.parametrize(
    "text",
    [
        "GET /b/k?X-Amz-Signature=HIDDEN&X-Amz-Date=1",
        "GET /b/k?a=1&X-Amz-Security-Token=HIDDEN",
        "Authorization: AWS4-HMAC-SHA256 HIDDEN",
        "Authorization: Bearer HIDDEN",
        "{'Authorization': 'HIDDEN', 'Host': 'x'}",
        '{"SecretAccessKey": "HIDDEN", "Expiration": "2026"}',
        '{"SessionToken":"HIDDEN"}',
        "AWS_CONTAINER_AUTHORIZATION_TOKEN=HIDDEN",
        "aws_secret_access_key=HIDDEN",
        "AWS_SESSION_TOKEN=HIDDEN",
        "http://desk-abc123.localhost:4566/?authToken=HIDDEN",
        "password=HIDDEN next",
        "RuntimeError: secret: HIDDEN",
    ],
)
def test_secrets_are_left_out(text):
    assert "HIDDEN" not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text", ["GET /b/k?prefix=a&max-keys=5", "SignatureDoesNotMatch", "secretary: Ann", ""]
)
def test_the_rest_is_left(text):
    assert redact(text) == text


def test_tracebacks_too():
    record = logging.LogRecord("n", logging.ERROR, "f", 1, "m %s", ("password=HIDDEN",), None)
    try:
        raise RuntimeError("token: X-Amz-Signature=HIDDEN")
    except RuntimeError as error:
        record.exc_info = (RuntimeError, error, error.__traceback__)
    text = Redacting().format(record)
    assert "HIDDEN" not in text
    assert "RuntimeError" in text


def entry(name: str = "Op", status: int = 200) -> Entry:
    return Entry(f"id-{name}", time.perf_counter(), "svc", name, "arn", status)


def test_lines_wait_for_each_other(tmp_path):
    log = AccessLog(tmp_path / "logs" / "access.log")
    assert log.write(entry("One"))
    assert not log.write(entry("Two"))
    assert (tmp_path / "logs" / "access.log").read_text() == ""
    log.flush()
    assert log.write(entry("Three"))
    log.close()
    lines = (tmp_path / "logs" / "access.log").read_text().splitlines()
    assert [json.loads(line)["operation"] for line in lines] == ["One", "Two", "Three"]
    assert stat.S_IMODE((tmp_path / "logs" / "access.log").stat().st_mode) == 0o600


def test_the_file_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(access_log, "KEEP", 2000)
    log = AccessLog(tmp_path / "access.log")
    for number in range(100):
        log.write(entry(f"Op{number}"))
        log.flush()
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["access.log", "access.log.1"]
    assert all(f.stat().st_size < 2300 for f in files)
    newest = "".join(f.read_text() for f in reversed(files)).splitlines()[-1]
    assert json.loads(newest)["operation"] == "Op99"


def test_counts(tmp_path):
    log = AccessLog(tmp_path / "access.log")
    for status in (200, 200, 404):
        log.write(entry("Op", status))
    text = log.metrics().decode()
    log.close()
    name = 'sagebrush_requests_total{operation="Op",service="svc",status='
    assert f'{name}"200"}} 2.0' in text
    assert f'{name}"404"}} 1.0' in text
    assert 'sagebrush_request_seconds_count{service="svc"} 3.0' in text
