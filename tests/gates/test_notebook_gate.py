"""The gateway to notebooks: who enters, by which link, for how long; and whose pages may ask."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sagebrush.protocol import listen
from sagebrush.routing import notebooks
from sagebrush.store.rows import Row
from tests.conftest import Clock, make_settings, started
from tests.gates.notebook_stand import Stand
from tests.protocol import wire


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(1767225600.0)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Stand]:
    settings = make_settings(tmp_path_factory.mktemp("home"), isolation="process")
    made = Stand(started(settings, clock))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def desk(stand: Stand) -> Row:
    return stand.notebook("My-Notebook", "abc123")


@pytest.fixture(scope="module")
def other(stand: Stand) -> Row:
    return stand.notebook("other", "xyz789")


# Links --------------------------------------------------------------------------------------------


def test_a_link_opens_once(stand, desk):
    url = notebooks.url(stand.world.settings, stand.world.ports, desk.name, "abc123")
    assert url == f"http://my-notebook-abc123.localhost:{stand.server.app.port}/"
    path = f"/?authToken={stand.token(desk, 1800)}"
    first = stand.ask(desk, path)
    assert first.status == 302
    assert first.headers["Location"] == "/lab"
    assert first.headers["Referrer-Policy"] == "no-referrer"
    assert first.headers["Cache-Control"] == "no-store"
    pair, *said = [part.strip() for part in first.headers["Set-Cookie"].split(";")]
    assert sorted(said) == ["HttpOnly", "Max-Age=1800", "Path=/", "SameSite=Lax"]
    assert stand.ask(desk, "/lab", Cookie=pair).status == 200
    again = stand.ask(desk, path)
    assert again.status == 403
    assert "does not work any more" in again.body.decode()
    assert "Set-Cookie" not in again.headers
    assert stand.ask(desk, path, Cookie=pair).status == 403, "nor with a session"


def test_of_two_at_once_one_wins(stand, desk):
    for _ in range(5):
        path, found = f"/?authToken={stand.token(desk)}", []
        start = threading.Barrier(4)

        def ask(path: str = path, found: list[int] = found, start=start) -> None:
            start.wait()
            found.append(stand.ask(desk, path).status)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [302, 403, 403, 403]


def test_a_link_expires(stand, desk, clock):
    token = stand.token(desk)
    clock.forward(notebooks.TOKEN_SECONDS - 1)
    late = stand.token(desk)
    clock.forward(1)
    assert stand.ask(desk, f"/?authToken={token}").status == 403
    assert stand.ask(desk, f"/?authToken={late}").status == 302


def test_another_notebooks_link(stand, desk, other):
    token = stand.token(other)
    assert stand.ask(desk, f"/?authToken={token}").status == 403
    assert stand.ask(other, f"/?authToken={token}").status == 302


@pytest.mark.parametrize("token", ["", "x", "%00", "%F0%9F%92%A9", "a" * 5000])
def test_no_token_of_ours(stand, desk, token):
    assert stand.ask(desk, f"/?authToken={token}").status == 403


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/lab/tree/a%20b.ipynb?reset&authToken=T&x=%2F", "/lab/tree/a%20b.ipynb?reset&x=%2F"),
        ("//evil.example/x?authToken=T", "/evil.example/x"),
        ("/\\evil.example?authToken=T", "/evil.example"),
        ("/a\\b?auth%54oken=T", "/a%5Cb"),
        ("/?authToken=T&authToken=U", "/lab"),
    ],
)
def test_where_a_link_leads(stand, desk, path, leads):
    answer = stand.ask(desk, path.replace("=T", f"={stand.token(desk)}", 1))
    assert (answer.status, answer.headers["Location"]) == (302, leads)


def test_only_a_visit_uses_a_link(stand, desk):
    path = f"/?authToken={stand.token(desk)}"
    assert stand.ask(desk, path, "HEAD").status == 403
    assert stand.ask(desk, path, "POST").status == 403
    assert stand.ask(desk, path, Sec_Purpose="prefetch;prerender").status == 403
    assert stand.ask(desk, path).status == 302


# Sessions -----------------------------------------------------------------------------------------


def test_no_entry_without_a_session(stand, desk):
    before = len(stand.upstream.asked)
    for path in ("/", "/lab", "/api/kernels", "/_sagebrush/health", "/api/status?token=x"):
        answer = stand.ask(desk, path)
        assert answer.status == 403
        assert "sagebrush notebook open" in answer.body.decode()
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert len(stand.upstream.asked) == before


def test_a_session_ends(stand, desk, clock):
    cookie = stand.enter(desk, 1800)
    clock.forward(1799)
    assert stand.ask(desk, "/lab", Cookie=cookie).status == 200
    clock.forward(1)
    assert stand.ask(desk, "/lab", Cookie=cookie).status == 403


def test_another_notebooks_session(stand, desk, other):
    cookie = stand.enter(desk)
    assert stand.ask(other, "/lab", Cookie=cookie).status == 403
    # beside its own, which a page of another notebook may have set, it neither helps nor harms
    both = f"{cookie}; {stand.enter(other)}"
    assert stand.ask(other, "/lab", Cookie=both).status == 200


def test_a_notebook_made_anew_with_the_same_row_number(stand):
    row = stand.notebook("again", "aaaaaa")
    cookie = stand.enter(row)
    stand.world.rows.update(row.id, lambda r: replace(r, plan={**r.plan, "id": "bbbbbb"}))
    fresh = stand.world.rows.by_id(row.id)
    stand.token(fresh)
    assert stand.ask(row, "/lab", Cookie=cookie).status == 403
    assert stand.ask(fresh, "/lab", Cookie=cookie).status == 403


def test_forged_sessions(stand, desk):
    name, _, text = stand.enter(desk).partition("=")
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    values = ["", "x", "[1]", text[:-8], text[8:], "é"]
    for place in (0, len(raw) // 2, len(raw) - 1):
        changed = bytearray(raw)
        changed[place] ^= 1
        values.append(base64.urlsafe_b64encode(changed).decode().rstrip("="))
    body = json.dumps([desk.id, "abc123", 9e9]).encode()
    book = stand.world.credentials
    values += [book.seal(b"other", body), book.container_token("arn:aws:iam::1:role/r")]
    for value in values:
        assert stand.ask(desk, "/lab", Cookie=f"{name}={value}").status == 403, value
    assert stand.ask(desk, "/lab", Cookie=f"{name}={book.seal(b'notebook', body)}").status == 200


# Other origins ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("POST", {"Origin": "http://evil.example"}),
        ("DELETE", {"Origin": "null"}),
        ("POST", {"Origin": "http://other-xyz789.localhost"}),
        ("GET", {"Origin": "http://other-xyz789.localhost"}),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}),
        ("GET", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
                 "Sec_Fetch_Dest": "iframe"}),
        ("POST", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
                  "Sec_Fetch_Dest": "document"}),
    ],
)  # fmt: skip
def test_pages_of_others_are_refused(stand, desk, method, given):
    cookie = stand.enter(desk)
    assert stand.ask(desk, "/api/kernels", method, Cookie=cookie, **given).status == 403


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("POST", {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}),
        ("POST", {}),
        ("GET", {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
                 "Sec_Fetch_Dest": "document"}),
    ],
)  # fmt: skip
def test_its_own_pages_and_links_pass(stand, desk, method, given):
    own = {"Origin": f"http://{stand.host(desk).upper()}"} if method == "POST" and given else {}
    cookie = stand.enter(desk)
    assert stand.ask(desk, "/lab", method, Cookie=cookie, **own, **given).status == 200


def test_another_port_is_another_origin(stand, desk):
    origin = f"http://{stand.host(desk).partition(':')[0]}:1"
    assert stand.ask(desk, "/x", "POST", Cookie=stand.enter(desk), Origin=origin).status == 403


def test_a_second_origin_is_not_passed_over(stand, desk):
    own, cookie = f"http://{stand.host(desk)}", stand.enter(desk)
    for given in ({"Origin": own, "origin": "http://evil.example"}, {"Origin": own, "origin": own}):
        assert stand.ask(desk, "/x", "POST", Cookie=cookie, **given).status == 403
    both = {"Sec_Fetch_Site": "same-origin", "sec_fetch_site": "cross-site"}
    assert stand.ask(desk, "/x", "POST", Cookie=cookie, **both).status == 403


# Not there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Pending", "Stopped", "Stopping", "Failed", "Deleting"])
def test_not_in_service(stand, status):
    row = stand.notebook(f"off-{status}", f"{status.lower():x<6}"[:6])
    cookie, token = stand.enter(row), stand.token(row)
    reason = "<script>alert(1)</script>"
    stand.world.rows.update(
        row.id, lambda r: replace(r, status=status, doc={"FailureReason": reason})
    )
    answer = stand.ask(row, "/lab", Cookie=cookie)
    text = answer.body.decode()
    assert answer.status == 503
    assert status in text
    assert 'http-equiv="refresh"' in text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert stand.ask(row, f"/?authToken={token}").status == 503, "the link is kept for later"
    assert stand.ask(row, "/?authToken=wrong").status == 403
    assert stand.ask(row, "/lab").status == 403, "its status is for those who may enter"
    stand.world.rows.update(row.id, lambda r: replace(r, status="InService"))
    assert stand.ask(row, f"/?authToken={token}").status == 302


def test_its_process_is_gone(stand):
    row = stand.notebook("dead", "dead00")
    cookie = stand.enter(row)
    stand.addresses["n-dead00"] = "tcp:127.0.0.1:1"
    assert stand.ask(row, "/lab", Cookie=cookie).status == 502
    del stand.addresses["n-dead00"]
    answer = stand.ask(row, "/lab", Cookie=cookie)
    assert answer.status == 503
    assert "its server does not run" in answer.body.decode()


def test_a_new_start_is_found(stand, desk):
    row = stand.notebook("moved", "moved0")
    cookie = stand.enter(row)
    assert stand.ask(row, "/lab", Cookie=cookie).status == 200
    stand.addresses["n-second"] = stand.upstream.address
    stand.addresses["n-moved0"] = "tcp:127.0.0.1:1"
    stand.world.rows.update(row.id, lambda r: replace(r, plan={**r.plan, "key": "n-second"}))
    assert stand.ask(row, "/lab", Cookie=cookie).status == 200


# Hosts --------------------------------------------------------------------------------------------


def test_names_of_a_notebook(stand, desk):
    host = stand.host(desk)
    for given in (host, host.upper(), host.partition(":")[0], host.replace(":", ".:")):
        assert b"No entry" in wire.send(stand.server, "GET", "/", {"Host": given}).body
    for given in (
        "x." + host,
        host.replace(".", ".s3."),
        host.replace("localhost", "localhost.evil.example"),
    ):
        assert b"No entry" not in wire.send(stand.server, "GET", "/", {"Host": given}).body


def test_buckets_and_notebooks_do_not_meet(server):
    """A bucket whose name looks like a notebook's host is reached as before; a notebook's is not S3's."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    plan = {"id": "abc123"}
    server.world.rows.insert(
        Row("123456789012", "us-east-1", notebooks.KIND, "desk", "Stopped", {}, plan)
    )
    for name, status in (("my-bucket-abc124", 200), ("desk-abc123", 403)):
        server.client("s3").create_bucket(Bucket=name)
        server.client("s3").put_object(Bucket=name, Key="k", Body=b"in a bucket")
        for middle in ("", ".s3"):
            host = f"{name}{middle}.localhost:{server.app.port}"
            made = AWSRequest("GET", f"http://{host}/k", {"Host": host})
            S3SigV4Auth(
                Credentials(*server.world.credentials.user_key), "s3", "us-east-1"
            ).add_auth(made)
            answer = wire.send(server, "GET", "/k", dict(made.headers.items()))
            assert answer.status == (200 if middle else status)
            assert (answer.body == b"in a bucket") is (answer.status == 200)


def test_a_job_opens_no_notebook(stand, desk):
    """What sandboxes are served by, on a port of this test's own."""
    app, found = stand.server.app, []

    async def serve() -> None:
        sockets, port = listen.bind(["127.0.0.1"], 0)
        app.listeners.serve(sockets, app.server.answer_inside, None)
        found.append(port)

    asyncio.run_coroutine_threadsafe(serve(), app.dispatcher.loop).result(10)
    url = f"http://127.0.0.1:{found[0]}/?authToken={stand.token(desk)}"
    asked = urllib.request.Request(url, headers={"Host": stand.host(desk)})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    refused.value.close()
    assert refused.value.code == 421


def test_over_tls(stand, desk):
    bundle = stand.server.app.settings.home / "keys" / "ca-bundle.pem"
    context = ssl.create_default_context(cafile=str(bundle))
    host = stand.host(desk).partition(":")[0]
    port = stand.server.app.tls_port

    def ask(path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"{host}:{port}", **headers})
            with connection.getresponse() as answer:
                answer.read()
                return answer

    entered = ask(f"/?authToken={stand.token(desk)}")
    assert entered.status == 302
    cookie = entered.getheader("Set-Cookie") or ""
    assert cookie.startswith("__Host-sagebrush-notebook=")
    assert cookie.endswith("; Secure")
    pair = cookie.partition(";")[0]
    assert ask("/lab", Cookie=pair, Origin=f"https://{host}:{port}").status == 200
    assert ask("/lab", Cookie=pair, Origin=f"http://{host}:{port}").status == 403
    assert stand.ask(desk, "/lab", Cookie=pair).status == 403


def test_addresses(tmp_path, clock):
    settings = make_settings(tmp_path / "home", isolation="process", notebook_hosts="addresses")
    stand = Stand(started(settings, clock))
    try:
        one, two = stand.notebook("one", "one000"), stand.notebook("two", "two000")
        token = stand.token(one)
        stand.token(two)
        url = notebooks.url(stand.world.settings, stand.world.ports, "one", "one000")
        direct = urllib.request.ProxyHandler({})  # no variable exempts all of 127.0.0.0/8
        opener = urllib.request.build_opener(direct, urllib.request.HTTPCookieProcessor())
        with opener.open(f"{url}?authToken={token}", timeout=10) as answer:
            assert json.load(answer)["target"] == "/lab"
            assert answer.url == f"{url}lab"
        address = notebooks.address_of("two000")
        assert address not in url
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"http://{address}:{stand.server.app.port}/lab", timeout=10)
        refused.value.close()
        assert refused.value.code == 403
        with urllib.request.urlopen(f"{stand.server.url}/_sagebrush/health", timeout=10) as health:
            assert health.status == 200
    finally:
        stand.stop()
    stand = Stand(started(settings, clock))  # listens there from the start
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.build_opener(direct).open(
                f"http://{notebooks.address_of('one000')}:{stand.server.app.port}/", timeout=10
            )
        refused.value.close()
        assert refused.value.code == 403
    finally:
        stand.stop()


# What is told -------------------------------------------------------------------------------------


def test_the_access_log_has_no_token(stand, desk):
    token = stand.token(desk)
    cookie = stand.enter(desk)
    stand.ask(desk, f"/lab?authToken={token}")
    stand.ask(desk, f"/lab?authToken={token}")
    stand.ask(desk, "/lab", "POST", b"x", Cookie=cookie)
    lines = stand.server.app.settings.home / "logs" / "access.log"

    def told() -> list[dict]:
        return [line for line in wire.lines(stand.server) if line["service"] == "notebook"][-4:]

    assert wire.settled(lambda: [line["status"] for line in told()] == [302, 302, 403, 200])
    assert [line["operation"] for line in told()] == ["GET", "GET", "GET", "POST"]
    assert told()[2]["code"] == "TokenRefused"
    assert {line["caller"] for line in told()} == {"notebook/My-Notebook"}
    text = lines.read_text()
    assert token not in text
    assert cookie.partition("=")[2] not in text


def test_last_use_is_known(stand, desk, clock):
    cookie = stand.enter(desk)
    clock.forward(10)
    stand.ask(desk, "/lab", Cookie=cookie)
    assert stand.world.notebooks.last_seen(desk.id) == clock.now
    clock.forward(10)
    stand.ask(desk, "/lab")
    assert stand.world.notebooks.last_seen(desk.id) == clock.now - 10
