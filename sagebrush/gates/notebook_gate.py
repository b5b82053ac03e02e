"""Admits browsers to notebooks: by a link that works once, then by a session of that host.

Every notebook has a host name (or address) of its own, because browsers share cookies between the
ports and the paths of one host. A request passes when its session is this notebook's and when no
page of another origin made it; the same is checked when a websocket is opened.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from sagebrush.errors import AwsError
from sagebrush.gates.notebook_proxy import Asked, NoAnswer, Relay
from sagebrush.protocol.access_log import Entry
from sagebrush.protocol.hosts import Hosts
from sagebrush.protocol.message import Reply
from sagebrush.protocol.send import send
from sagebrush.routing.notebooks import Notebook
from sagebrush.world import World

TOKEN = "authToken"
"""The parameter of a presigned link (CreatePresignedNotebookInstanceUrl's own)."""
COOKIE, SECURE_COOKIE = "sagebrush-notebook", "__Host-sagebrush-notebook"
"""The session's cookie over HTTP and over TLS, where the prefix limits it to one host."""
PURPOSE = b"notebook"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
"""Methods that the access log names."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none';"
        " frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of the gateway's own pages: not cached, and no URL with a token leaks."""
RELOAD = 2
"""Seconds after which a page that waits for the notebook reloads."""


class _Refused(Exception):
    """The request does not pass; `code` is written to the access log, title and text to a page.

    `text` is HTML. `reload`: the page repeats the request by itself.
    """

    def __init__(self, status: int, code: str, title: str, text: str, reload: bool = False) -> None:
        super().__init__(code)
        self.status, self.code = status, code
        self.title, self.text, self.reload = title, text, reload


class Gate:
    """Answers requests for notebooks. Used in one event loop's thread."""

    def __init__(self, world: World, hosts: Hosts) -> None:
        self._world = world
        self._hosts = hosts
        self._notebooks = world.notebooks
        self._relay = Relay(self._notebooks, world.clock)

    async def close(self) -> None:
        """Closes websockets and connections to notebooks."""
        await self._relay.close()

    def find(self, host: str) -> Notebook | None:
        """Returns the notebook that a Host header names, or None."""
        guest = self._hosts.guest(host)
        return self._notebooks.find(guest) if guest else None

    async def answer(
        self, raw: web.BaseRequest, notebook: Notebook, entry: Entry
    ) -> web.StreamResponse:
        """Answers the request: from the notebook, or with a page that says why not.

        Raises Disconnected when the browser went away.
        """
        websocket = _is_websocket(raw)
        entry.service, entry.caller = "notebook", f"notebook/{notebook.name}"
        entry.operation = (
            "WebSocket" if websocket else raw.method if raw.method in METHODS else "OTHER"
        )
        try:
            target = _target(raw)
            _check_origin(raw, websocket)
            token = _token(target)
            if token is not None and raw.method == "GET" and not websocket:
                found = await self._enter(raw, notebook, token, target)
            else:
                asked = self._asked(raw, notebook, target)
                try:
                    relay = self._relay.websocket if websocket else self._relay.http
                    response = await relay(raw, asked)
                except NoAnswer as error:
                    raise _Refused(
                        502,
                        "NotebookNoAnswer",
                        "The notebook does not answer",
                        f"Its server: {html.escape(str(error))}. This page tries again.",
                        reload=True,
                    ) from error
                entry.status = response.status
                return response
        except _Refused as refused:
            entry.code = refused.code
            found = _page(refused)
        entry.status = found.status
        if not raw.content.is_eof():
            found.headers["Connection"] = "close"
        return await send(raw, found)

    async def _enter(
        self, raw: web.BaseRequest, notebook: Notebook, token: str, target: str
    ) -> Reply:
        """Exchanges the token for a session cookie, and redirects to the URL without it."""
        if "prefetch" in (raw.headers.get("Sec-Purpose") or raw.headers.get("Purpose") or ""):
            raise _Refused(
                403, "Prefetch", "Not yet", "A link that works once is not fetched ahead."
            )
        loop = asyncio.get_running_loop()
        if notebook.status != "InService":
            known = await loop.run_in_executor(
                None, self._notebooks.redeemable, notebook.row_id, token
            )
            raise _not_in_service(notebook) if known else _no_entry()
        seconds = await loop.run_in_executor(None, self._notebooks.redeem, notebook.row_id, token)
        if seconds is None:
            raise _Refused(
                403,
                "TokenRefused",
                "This link does not work any more",
                "A link opens a notebook once, within five minutes after it was made. " + _HOW,
            )
        expires = int(self._world.clock() + seconds)
        body = json.dumps([notebook.row_id, notebook.id, expires]).encode()
        cookie = f"{_cookie_name(raw)}={self._world.credentials.seal(PURPOSE, body)}; Path=/"
        cookie += f"; Max-Age={seconds}; HttpOnly; SameSite=Lax" + "; Secure" * raw.secure
        headers = {**HEADERS, "Location": _without_token(target), "Set-Cookie": cookie}
        return Reply(302, headers, b"")

    def _asked(self, raw: web.BaseRequest, notebook: Notebook, target: str) -> Asked:
        """Returns the request as the notebook may get it. Raises _Refused."""
        pairs = [
            pair.strip()
            for header in raw.headers.getall("Cookie", ())
            for pair in header.split(";")
        ]
        name = _cookie_name(raw)
        ends = [self._session(notebook, p.partition("=")[2]) for p in pairs if _name_of(p) == name]
        expires = max((end for end in ends if end is not None), default=None)
        if expires is None:
            raise _no_entry()
        if notebook.status != "InService" or not notebook.address:
            raise _not_in_service(notebook)
        own = frozenset({COOKIE, SECURE_COOKIE})
        cookie = "; ".join(pair for pair in pairs if pair and _name_of(pair) not in own)
        if _token(target) is not None:
            target = _without_token(target)
        host = raw.headers["Host"]
        return Asked(notebook, expires, target, host, raw.secure, cookie, own)

    def _session(self, notebook: Notebook, text: str) -> float | None:
        """Returns when the cookie's session ends, None if it is not a session of this notebook."""
        try:
            row_id, number, expires = json.loads(self._world.credentials.open_seal(PURPOSE, text))
        except AwsError:
            return None
        mine = (row_id, number) == (notebook.row_id, notebook.id)
        return expires if mine and expires > self._world.clock() else None


# Requests -----------------------------------------------------------------------------------------


def _is_websocket(raw: web.BaseRequest) -> bool:
    return raw.headers.get("Upgrade", "").strip().lower() == "websocket"


def _target(raw: web.BaseRequest) -> str:
    """Path and query as sent; raises _Refused for a request without them, or with a body whose
    length is ambiguous."""
    target = raw.raw_path
    if "://" in target.partition("?")[0][:8]:  # absolute form (RFC 9112, 3.2.2)
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    coding = ",".join(raw.headers.getall("Transfer-Encoding", ())).strip().lower()
    odd = coding not in ("", "chunked") or (coding and "Content-Length" in raw.headers)
    if not target.startswith("/") or raw.method in ("CONNECT", "TRACE") or odd:
        raise _Refused(400, "BadRequest", "Bad request", "A notebook is not asked in this way.")
    return target


def _check_origin(raw: web.BaseRequest, websocket: bool) -> None:
    """Raises _Refused when a page of another origin made the request.

    Browsers send Origin (RFC 6455, 10.2; Fetch, 3.2) and Sec-Fetch-Site (Fetch Metadata, 2); links
    and bookmarks are top-level navigations, which send no Origin and may come from any page.
    """
    origin = ",".join(raw.headers.getall("Origin")) if "Origin" in raw.headers else None
    own = f"{'https' if raw.secure else 'http'}://{raw.headers['Host']}".lower()
    if (origin is None and websocket) or (origin is not None and _bare(origin) != _bare(own)):
        raise _other_site()
    site = ",".join(raw.headers.getall("Sec-Fetch-Site", ("none",))).lower()
    if site in ("same-origin", "none"):
        return
    mode = raw.headers.get("Sec-Fetch-Mode", "").lower()
    place = raw.headers.get("Sec-Fetch-Dest", "").lower()
    if raw.method not in ("GET", "HEAD") or (mode, place) != ("navigate", "document"):
        raise _other_site()


def _bare(origin: str) -> str:
    """Returns an origin in lower case, without its scheme's default port."""
    origin = origin.lower()
    usual = {"http": ":80", "https": ":443"}.get(origin.partition("://")[0], "")
    return origin.removesuffix(usual) if usual else origin


def _token(target: str) -> str | None:
    """Returns the one-time token in a query, or None."""
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return next((value for name, value in pairs if name == TOKEN), None)


def _without_token(target: str) -> str:
    """The target of a redeemed link: its path (JupyterLab without one), its other parameters.

    It stays on this host: a path that begins with two slashes would name another host (and browsers
    read a backslash as a slash).
    """
    path, _, query = target.partition("?")
    path = "/" + re.sub(r"[\\\x00-\x20]", lambda m: f"%{ord(m[0]):02X}", path.lstrip("/\\"))
    pairs = [p for p in query.split("&") if p and unquote_plus(p.partition("=")[0]) != TOKEN]
    path = "/lab" if path == "/" else path
    return path + ("?" + "&".join(pairs) if pairs else "")


def _name_of(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _cookie_name(raw: web.BaseRequest) -> str:
    return SECURE_COOKIE if raw.secure else COOKIE


# Pages --------------------------------------------------------------------------------------------

_HOW = (
    "Make a new one by <code>sagebrush notebook open NAME</code>, or by"
    " CreatePresignedNotebookInstanceUrl (<code>aws sagemaker"
    " create-presigned-notebook-instance-url --notebook-instance-name NAME</code>)."
)


def _no_entry() -> _Refused:
    text = "This notebook opens by a link that works once; this browser has no session of it (any more). "
    return _Refused(403, "NoSession", "No entry without a link", text + _HOW)


def _other_site() -> _Refused:
    text = "A page of another origin asked for this; only the notebook's own pages may."
    return _Refused(403, "OtherOrigin", "Refused", text)


def _not_in_service(notebook: Notebook) -> _Refused:
    text = f"The notebook {html.escape(notebook.name)} is {html.escape(notebook.status)}."
    if notebook.status == "InService":
        text = (
            f"The notebook {html.escape(notebook.name)} is InService, but its server does not run."
        )
    if notebook.reason:
        text += f" {html.escape(notebook.reason)}"
    text += " This page asks again by itself."
    return _Refused(503, "NotebookNotInService", "The notebook is not in service", text, True)


def _page(refused: _Refused) -> Reply:
    """Returns the refusal as a page without external resources."""
    again = f'<meta http-equiv="refresh" content="{RELOAD}">' if refused.reload else ""
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        f"<title>{refused.title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;"
        "max-width:38rem;margin:12vh auto;padding:0 1.5rem;color:#222;background:#fff}"
        "h1{font-size:1.4rem}code{background:#f0f0ee;padding:.1em .3em;border-radius:3px}"
        "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}"
        "code{background:#333}}</style></head>"
        f"<body><h1>{refused.title}</h1><p>{refused.text}</p></body></html>\n"
    )
    headers = {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
    if refused.reload:
        headers["Retry-After"] = str(RELOAD)
    return Reply(refused.status, headers, body.encode())
