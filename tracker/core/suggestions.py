"""Suggests what was probably meant by a mistyped address; looks at the text alone (pure).

Precise rather than clever: a question for an address that was right costs a reader's trust.

1. An ending that no top-level domain has (``.con``) is put right for every domain.
2. A mailbox provider's name is suggested where the ending is the same, the first letter is
   right (or swapped with the second) and so few letters differ: two for names of nine letters
   and more, one for names of six to eight and for the two most used, else only a swap.
3. A provider's ``.com`` is suggested for ``.co``, ``.cm``, ``.om`` and ``.cam`` where the name
   is exactly right.

A provider's own domain, and the look-alikes in :data:`OTHERS`, are never asked about.
"""

from __future__ import annotations

_LISTED = """
    gmail.com yahoo.com hotmail.com outlook.com icloud.com live.com msn.com aol.com me.com
    googlemail.com proton.me protonmail.com pm.me gmx.com mail.com ymail.com rocketmail.com
    yandex.com zoho.com fastmail.com mac.com hey.com tutanota.com tuta.com tuta.io mailbox.org
    riseup.net posteo.de posteo.net disroot.org autistici.org systemli.org
    yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.in yahoo.co.in
    yahoo.com.br yahoo.com.ar yahoo.com.mx yahoo.com.tr
    hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es hotmail.com.br hotmail.com.ar
    live.co.uk live.fr live.de live.it live.nl live.com.mx
    outlook.fr outlook.de outlook.it outlook.es outlook.com.br outlook.com.tr
    web.de gmx.de gmx.net gmx.at gmx.ch t-online.de freenet.de mail.de email.de bluewin.ch
    orange.fr wanadoo.fr free.fr laposte.net sfr.fr telenet.be ziggo.nl kpnmail.nl
    libero.it virgilio.it tiscali.it alice.it sapo.pt telefonica.net btinternet.com
    uol.com.br bol.com.br terra.com.br ig.com.br mynet.com
    mail.ru yandex.ru bk.ru list.ru inbox.ru rambler.ru ukr.net wp.pl o2.pl onet.pl
    seznam.cz centrum.cz abv.bg
    qq.com 163.com 126.com sina.com foxmail.com naver.com hanmail.net daum.net rediffmail.com
    comcast.net verizon.net att.net bigpond.com
    """

MAILBOXES = tuple(_LISTED.split())
"""The most used mailbox providers, most used first."""

OTHERS = frozenset(["libera.it", "orage.fr", "photon.me", "telnet.be"])
"""Names of others, and words, that the rules would take for slips."""

_ENDINGS = {
    **dict.fromkeys(
        ["con", "cmo", "ocm", "vom", "xom", "cpm", "cim", "comm", "coom", "ccom", "conm"], "com"
    ),
    **dict.fromkeys(["ney", "nte", "nett"], "net"),
    **dict.fromkeys(["ogr", "rog", "orgg"], "org"),
}
"""What was meant by endings that are no top-level domain (IANA's list 2024110800 has none)."""

_ENDS_IN_COM = frozenset(["co", "cm", "om", "cam"])
"""Top-level domains that a slip makes of ``.com``."""

_MOST_USED = frozenset(["gmail", "yahoo"])
_KNOWN = frozenset(MAILBOXES)
_BY_ENDING: dict[str, list[str]] = {}
for _domain in MAILBOXES:
    _BY_ENDING.setdefault(_domain.partition(".")[2], []).append(_domain.partition(".")[0])


def suggested(address: str) -> str | None:
    """Give the address that was probably meant, or ``None`` where nothing looks mistyped."""
    local, _, domain = address.rpartition("@")
    found = _domain_meant(domain.lower())
    return f"{local}@{found}" if local and found else None


def _domain_meant(typed: str) -> str | None:
    domain = _with_real_ending(typed)
    if domain in _KNOWN or domain in OTHERS:
        return domain if domain != typed else None
    name, _, ending = domain.partition(".")
    if ending in _ENDS_IN_COM and len(name) > 4 and f"{name}.com" in _KNOWN:
        return f"{name}.com"
    near = [(_slips(name, known), known) for known in _BY_ENDING.get(ending, ())]
    meant = [(slips, known) for slips, known in near if slips is not None]
    if meant:
        return f"{min(meant, key=lambda one: one[0])[1]}.{ending}"
    return domain if domain != typed else None


def _with_real_ending(domain: str) -> str:
    rest, dot, ending = domain.rpartition(".")
    return rest + dot + _ENDINGS.get(ending, ending)


def _slips(typed: str, known: str) -> int | None:
    """Give how many slips make ``typed`` of a provider's name, or ``None`` for too many."""
    most = _most_slips(known)
    if abs(len(typed) - len(known)) > most:
        return None
    if typed[:1] != known[:1] and (len(known) < 5 or typed[:2] != known[1::-1]):
        return None
    if most == 0:
        return 1 if len(known) > 2 and _is_swap(typed, known) else None
    slips = distance(typed, known)
    return slips if slips <= most else None


def _most_slips(name: str) -> int:
    if len(name) >= 9:
        return 2
    return 1 if len(name) >= 6 or name in _MOST_USED else 0


def _is_swap(typed: str, known: str) -> bool:
    return sorted(typed) == sorted(known) and distance(typed, known) == 1


def distance(one: str, other: str) -> int:
    """Give the slips between two words: a letter too many, missing, wrong, or two swapped.

    The restricted Damerau–Levenshtein distance (optimal string alignment).
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and wanted == one[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
