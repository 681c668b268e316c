"""Whether stored pieces of a mail are what freezing makes, and nothing else (pure).

Whoever can write the database can write these bytes, and the worker will send them to
everybody: a line end too many would be a mail of the intruder's own (SMTP smuggling), a token
in the address of a picture would tell who reads. So this is a list of what is allowed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import NamedTuple, NoReturn

from tracker.core.tokens import to_text
from tracker.mail.transfer import (
    BASE64_STOP,
    MARKS,
    TOKEN_LENGTH,
    Gap,
    NotFrozen,
    subject_header,
)

MOST_GAPS = 32
"""Most places in which a mail may differ; each costs time in every mail."""

_LONGEST_LINE = 998
_LENGTHS = {
    "to": 254,
    "date": 40,
    "message_id": 64,
    "stop": TOKEN_LENGTH,
    "stop_by_mail": 52,
    BASE64_STOP: 64,
}

_DISPLAY_NAME = r"""(?:"(?:[ !#-\[\]-~]|\\[ -~])*"|[!#-'*+\-./0-9=?A-Z^-~ ]*)"""
_HEADERS = {
    "From": _DISPLAY_NAME + r" ?<SENDER>|SENDER",
    "To": MARKS["to"],
    "Subject": "SUBJECT",
    "Date": MARKS["date"],
    "Message-ID": f"<{MARKS['message_id']}@DOMAIN>",
    "List-Id": r"<[!-;=?-~]+>",
    "List-Unsubscribe": (
        rf"<(?P<before>https?://[!-;=?-~]+){MARKS['stop']}>"
        rf"(?:, <mailto:(?P<name>[a-z0-9._-]+)\+s{MARKS['stop_by_mail']}"
        r"@(?P<at>[a-z0-9.-]+)\?subject=unsubscribe>)?"
    ),
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
    "Precedence": "bulk",
    "Feedback-ID": r"[!-~]+",
    "MIME-Version": r"1\.0",
    "Content-Type": r'multipart/alternative; boundary="(?P<boundary>=_[0-9a-f]{32})"',
}
"""Every header a frozen mail has, in order, each once."""

_PART = (
    r'\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
    r"Content-Transfer-Encoding: (7bit|quoted-printable|base64)\r\n\r\n(.*)\r\n"
)

_TAGS = frozenset(
    ["html", "head", "meta", "title", "style", "body", "div", "span", "bdi", "a", "p", "br"]
).union(["hr", "h1", "h2", "h3", "h4", "em", "strong", "ul", "ol", "li", "blockquote"])
_TAG = re.compile(r'</?([a-z][a-z0-9]*)((?: [a-z]+="[^"<>]*")*)>')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_ATTRIBUTES = frozenset(["charset", "class", "content", "dir", "href", "lang", "name", "rel"])
_HREF = re.compile(r"(?:https?|mailto):.*|[^:/?#]*(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_STYLE_FETCHES = re.compile(r"url|import|image|src|expression|[\\<@]", re.IGNORECASE)


def inspect(
    literals: Sequence[str],
    gaps: Sequence[Gap],
    *,
    subject: str,
    sender: str,
    domain: str,
    base_url: str | None,
    return_address: str | None,
) -> None:
    """Raise :class:`NotFrozen` unless the pieces make one mail from ``sender`` and no more."""
    if len(gaps) > MOST_GAPS or len(literals) != len(gaps) + 1:
        _refuse("the number of gaps is wrong")
    if any(gap.kind not in MARKS or len(gap.head) > 2 or len(gap.tail) > 2 for gap in gaps):
        _refuse("a gap is of no known kind")
    shape = literals[0] + "".join(
        MARKS[gap.kind] + literal for gap, literal in zip(gaps, literals[1:], strict=True)
    )
    _check_lines(literals, shape)
    head, _, body = shape.partition("\r\n\r\n")
    found = _read_headers(head, subject=subject, sender=sender, domain=domain)
    boundary, link = found["boundary"], found["before"]
    if base_url is not None and not link.startswith(base_url + "/"):
        _refuse("the link leads elsewhere")
    address = f"{found['name']}@{found['at']}" if found["name"] else ""
    if return_address not in {None, address}:
        _refuse("unsubscribing by mail leads elsewhere")
    # A token made from the whole cannot stand in it already.
    token = to_text(hashlib.sha256(shape.encode()).digest())
    texts = _decoded_parts(body, boundary=boundary, gaps=gaps, token=token)
    for part in texts:
        if not part.text.count(token) == part.text.count(link + token) == part.gaps > 0:
            _refuse("the link to stop is missing or is another one")
    _check_text(texts[0].text, link=link + token)
    _check_page(texts[1].text, link=link + token, token=token)


def _refuse(reason: str) -> NoReturn:
    raise NotFrozen(reason)


def _check_lines(literals: Sequence[str], shape: str) -> None:
    if any(re.search(r"[^\r\n\t -~]", literal) for literal in literals):
        _refuse("there is more than plain ASCII")
    if re.search(r"\r(?!\n)|(?<!\r)\n", shape) or not shape.endswith("\r\n"):
        _refuse("a line ends otherwise than in CRLF")
    lines = shape.split("\r\n")
    if any(line.startswith(".") and not line.startswith("..") for line in lines):
        _refuse("a line begins with a lone dot")
    if any(_longest(line) > _LONGEST_LINE for line in lines):
        _refuse("a line is too long")


def _longest(line: str) -> int:
    """Give how long a line can become once its gaps are filled."""
    if line.isascii():
        return len(line)
    return len(line) + sum(line.count(mark) * _LENGTHS[kind] for kind, mark in MARKS.items())


def _read_headers(head: str, *, subject: str, sender: str, domain: str) -> dict[str, str]:
    """Give what the patterns name: boundary, what a link begins with, the return address."""
    lines = re.split(r"\r\n(?! [!-~])", head)
    if [line.partition(":")[0] for line in lines] != list(_HEADERS):
        _refuse("the headers are not exactly those of an alert")
    known = {"SENDER": sender, "DOMAIN": domain, "SUBJECT": subject_header(subject)[9:]}
    found: dict[str, str] = {}
    for line, (name, pattern) in zip(lines, _HEADERS.items(), strict=True):
        wanted = re.sub("|".join(known), lambda word: re.escape(known[word[0]]), pattern)
        value = line.replace("\r\n ", " ") if name == "From" else line
        match = re.fullmatch(f"{name}: (?:{wanted})", value)
        if match is None:
            _refuse(f"the header {name} is not as it should be")
        found |= match.groupdict()
    return found


class _Part(NamedTuple):
    text: str
    gaps: int


def _decoded_parts(
    body: str, *, boundary: str, gaps: Sequence[Gap], token: str
) -> tuple[_Part, _Part]:
    """Give text and HTML as they are read, ``token`` in every gap."""
    if any(MARKS[kind] in body for kind in ("to", "date", "message_id", "stop_by_mail")):
        _refuse("the text tells more than the link")
    parts = body.split("--" + boundary)
    if len(parts) != 4 or parts[0] or parts[3] != "--\r\n":
        _refuse("there are not exactly two parts")
    groups = iter([gap for gap in gaps if gap.kind == BASE64_STOP])
    return (
        _decoded(parts[1], subtype="plain", groups=groups, token=token),
        _decoded(parts[2], subtype="html", groups=groups, token=token),
    )


def _decoded(part: str, *, subtype: str, groups: Iterator[Gap], token: str) -> _Part:
    match = re.fullmatch(_PART.format(subtype=subtype), part, re.DOTALL)
    if match is None:
        _refuse("a part is not as it should be")
    encoding, text = match.groups()
    if MARKS["stop" if encoding == "base64" else BASE64_STOP] in text:
        _refuse("a gap is encoded otherwise than its part")
    filled = re.sub(MARKS[BASE64_STOP], lambda _: _group(next(groups), token), text)
    filled = filled.replace(MARKS["stop"], token).replace("\r\n..", "\r\n.")
    number = text.count(MARKS["stop"]) + text.count(MARKS[BASE64_STOP])
    return _Part(_plain(filled, encoding=encoding), number)


def _plain(text: str, *, encoding: str) -> str:
    try:
        if encoding == "base64":
            return binascii.a2b_base64(text.replace("\r\n", ""), strict_mode=True).decode()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(text).decode()
    except ValueError:
        _refuse("a part cannot be decoded")
    return text


def _group(gap: Gap, token: str) -> str:
    return base64.b64encode(gap.head + token.encode() + gap.tail).decode("ascii")


def _check_text(text: str, *, link: str) -> None:
    """Raise unless the link to stop stands alone, never inside another one."""
    if len(re.findall(rf"(?<!\S){re.escape(link)}(?!\S)", text)) != text.count(link):
        _refuse("the link to stop is missing or is another one")


def _check_page(html: str, *, link: str, token: str) -> None:
    """Raise unless it fetches nothing, and the link to stop is nothing but a link.

    A grammar of what our templates give once inlined; a real parser would read the rest
    kindly, and otherwise than the recipient's.
    """
    html = html.removeprefix("<!DOCTYPE html>")
    rest = _TAG.sub("", html)
    if "<" in rest or token in rest:
        _refuse("the HTML is not well formed")
    for tag, attributes in _TAG.findall(html):
        if tag not in _TAGS:
            _refuse("the HTML has a tag that mails of ours have not")
        for name, value in _ATTRIBUTE.findall(attributes):
            _check_attribute(tag, name, value)
            if token in value and (name != "href" or value != link):
                _refuse("the link to stop is missing or is another one")
    for style in re.findall(r"<style[^>]*>([^<]*)", html):
        _check_style(style)


def _check_attribute(tag: str, name: str, value: str) -> None:
    if name == "style":
        _check_style(value)
    elif name not in _ATTRIBUTES or (name == "href" and tag != "a"):
        _refuse("the HTML has an attribute that mails of ours have not")
    elif name == "href" and _HREF.fullmatch(unescape(value)) is None:
        _refuse("a link leads to no page")


def _check_style(style: str) -> None:
    if _STYLE_FETCHES.search(unescape(style)):
        _refuse("a style fetches something")
