"""A browser for the replay: pages over HTTP, forms as they stand on the page, nothing else."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT = 60.0
_MOST_REDIRECTS = 5

_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.S)
_CONTROL = re.compile(
    r'<(input|select|option|button)\b((?:[^>"]|"[^"]*")*)>'
    r'|<(textarea)\b((?:[^>"]|"[^"]*")*)>(.*?)</textarea>',
    re.S,
)
_ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')
_KEPT_ONLY_IF_CHECKED = {"radio", "checkbox"}
_NOT_SENT = {"submit", "button", "reset", "image", "file"}


class UnexpectedPage(Exception):
    """The site answered something else than a visitor expects here."""


@dataclass(frozen=True)
class FormOnPage:
    """A form with what is filled in already, and the names of all its fields."""

    action: str
    filled: dict[str, str]
    names: frozenset[str]

    def with_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """Give what is sent. Raises :class:`UnexpectedPage` for a field that is not there."""
        missing = set(values) - self.names
        if missing:
            raise UnexpectedPage(
                f"the form at {self.action} has no {', '.join(sorted(missing))}"
            )
        return {**self.filled, **values}


@dataclass(frozen=True)
class Answer:
    """A page as it arrived, after redirects."""

    status: int
    url: str
    text: str

    def expect(self, status: int = 200) -> Answer:
        """Give the page itself, or raise :class:`UnexpectedPage`."""
        if self.status != status:
            raise UnexpectedPage(f"{self.status} instead of {status} at {_public(self.url)}")
        return self

    def form(self, *, having: str = "", action: str = "") -> FormOnPage:
        """Give the first form with a field called ``having`` and ``action`` in its address."""
        for attributes, body in _FORM.findall(self.text):
            found = _form(urljoin(self.url, _attributes(attributes).get("action", "")), body)
            if (not having or having in found.names) and action in found.action:
                return found
        raise UnexpectedPage(f"no form with {having or action} at {_public(self.url)}")


@dataclass
class Visitor:
    """Somebody with a browser; ``source`` is the loopback address they come from."""

    site: str
    source: str = "127.0.0.1"
    language: str = "en"
    cookies: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Visitor:
        """Begin a visit."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, url: str) -> Answer:
        """Ask for a page, following redirects."""
        return self._follow("GET", urljoin(self.site, url), None)

    def submit(self, form: FormOnPage, values: Mapping[str, str] | None = None) -> Answer:
        """Send a form as a browser does, and follow where it leads."""
        return self._follow("POST", form.action, form.with_values(values or {}))

    def post(self, url: str, values: Mapping[str, str]) -> Answer:
        """Post without any page, as a mail provider does for one click."""
        return self._request("POST", urljoin(self.site, url), values)[0]

    def _follow(self, method: str, url: str, values: Mapping[str, str] | None) -> Answer:
        for _ in range(_MOST_REDIRECTS):
            answer, location = self._request(method, url, values)
            if location is None:
                return answer
            method, url, values = "GET", urljoin(url, location), None
        raise UnexpectedPage(f"too many redirects at {_public(url)}")

    def _request(
        self, method: str, url: str, values: Mapping[str, str] | None
    ) -> tuple[Answer, str | None]:
        parts = urlsplit(url)
        body = urlencode(values).encode() if values is not None else None
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        response = self._send(method, target, body)
        text = response.read().decode("utf-8", "replace")
        cookies = SimpleCookie()
        for line in response.headers.get_all("Set-Cookie") or ():
            cookies.load(line)
        self.cookies.update({name: morsel.value for name, morsel in cookies.items()})
        location = response.headers["Location"] if response.status in {301, 302, 303} else None
        return Answer(response.status, url, text), location

    def _send(self, method: str, target: str, body: bytes | None) -> http.client.HTTPResponse:
        headers = self._headers(is_post=body is not None)
        try:
            return self._once(method, target, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The site had closed the idle connection; a browser opens another one. Nothing was
            # taken in that case: the site answers before it closes.
            self.close()
            return self._once(method, target, body, headers)

    def _once(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            parts = urlsplit(self.site)
            self._connection = http.client.HTTPConnection(
                parts.hostname or "",
                parts.port,
                timeout=TIMEOUT,
                source_address=(self.source, 0),
            )
        self._connection.request(method, target, body, headers)
        return self._connection.getresponse()

    def _headers(self, *, is_post: bool) -> dict[str, str]:
        headers = {
            "Accept": "text/html",
            "Accept-Language": f"{self.language},en;q=0.5",
            "User-Agent": "tracker-replay",
        }
        if self.cookies:
            headers["Cookie"] = "; ".join(
                f"{name}={text}" for name, text in self.cookies.items()
            )
        if is_post:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = self.site
            headers["Sec-Fetch-Site"] = "same-origin"
        return headers


def _public(url: str) -> str:
    """Give an address without the secret at its end, for messages."""
    path = urlsplit(url).path
    return re.sub(r"/[\w-]{43}(?=/|$)", "/…", path)


def _attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(text)}


def _form(action: str, body: str) -> FormOnPage:
    filled: dict[str, str] = {}
    names: set[str] = set()
    select = ""
    for tag, attributes, area, area_attributes, content in _CONTROL.findall(body):
        if tag == "option":
            # Hundreds of countries, at most one chosen: look before taking it apart.
            if select and "selected" in attributes:
                filled[select] = _attributes(attributes).get("value", "")
            continue
        found = _attributes(attributes or area_attributes)
        name = found.get("name", "")
        select = name if tag == "select" else ""
        if not name:
            continue
        names.add(name)
        kind = found.get("type", "text")
        if area:
            filled[name] = html.unescape(content.removeprefix("\r\n").removeprefix("\n"))
        elif tag == "select":
            filled.setdefault(name, "")
        elif tag == "button" or kind in _NOT_SENT:
            continue
        elif kind not in _KEPT_ONLY_IF_CHECKED or "checked" in found:
            filled[name] = found.get("value", "on" if kind == "checkbox" else "")
    return FormOnPage(action, filled, frozenset(names))
