"""``tracker mail doctor`` says what is wrong and calls nothing good that it has not seen."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import time_machine
from aiosmtpd.controller import Controller
from click.testing import Result
from flask import current_app

from tests.conftest import environment
from tests.mail.test_connection import Certificate, Relay, make_certificate
from tests.support import requirements
from tests.support.dovecot import Dovecot, running_dovecot
from tests.support.nameserver import Nameserver, running_nameserver
from tests.support.sink import Sink, free_port
from tracker.app import create_app
from tracker.core import clock
from tracker.mail import dns as lookups
from tracker.mail import visiting
from tracker.mail.commands import mail_cli
from tracker.mail.visiting import Visit
from tracker.settings import load

ED25519 = "MCowBQYDK2VwAyEAMCowBQYDK2VwAyEAMCowBQYDK2U="
PUBLIC = "203.0.114.7"  # nobody is asked or written to; it must only not be a private one
FAR = "mail.example.invalid"  # has addresses in our zone alone, so that nothing is connected


def healthy() -> dict[str, dict[str, list[str]]]:
    """What the DNS says of an installation with which all is well."""
    return {
        "example.org": {"TXT": [f'"v=spf1 ip4:{PUBLIC} -all"']},
        "_dmarc.example.org": {"TXT": ['"v=DMARC1; p=reject"']},
        "key1._domainkey.example.org": {"TXT": [f'"v=DKIM1; k=ed25519; p={ED25519}"']},
        FAR: {"A": [PUBLIC]},
        "7.114.0.203.in-addr.arpa": {"PTR": [f"{FAR}."]},
    }


@pytest.fixture
def dns() -> Iterator[Nameserver]:
    with running_nameserver(healthy()) as server:
        yield server


Doctor = Callable[..., "Report"]


@dataclass(frozen=True)
class Report:
    """What the command printed, and with which status it ended."""

    status: int
    text: str

    def lines(self, check: str, level: str = "") -> list[str]:
        found = [line for line in self.text.splitlines() if line.startswith(level)]
        return [line for line in found if re.match(rf"[A-Z]+ +{re.escape(check)}: ", line)]


def run(folder: Path, *args: str, **values: str) -> Result:
    app = create_app(load(environment(folder, **values)))
    return app.test_cli_runner().invoke(mail_cli, list(args))


@pytest.fixture
def doctor(tmp_path: Path, dns: Nameserver) -> Doctor:
    def examine(*args: str, **values: str) -> Report:
        server = f"--nameserver=127.0.0.1:{dns.port}"
        result = run(tmp_path, "doctor", server, *args, **values)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Report(result.exit_code, result.output)

    return examine


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def visited(tmp_path: Path) -> Callable[..., Visit]:
    """Visit the one mail server that is set."""

    def go(relay: Relay, security: str = "none", to: str | None = None, **values: str) -> Visit:
        variables = environment(
            tmp_path,
            TRACKER_SMTP_PORT=str(relay.port),
            TRACKER_SMTP_SECURITY=security,
            TRACKER_SMTP_TIMEOUT="1",
            **values,
        )
        with create_app(load(variables)).app_context():
            [one] = current_app.config["TRACKER"].relays
            return visiting.visit(one, sender="bounces@example.org", to=to)

    return go


def only(visit: Visit, level: str) -> str:
    [finding] = visit.findings
    assert finding.level == level
    return finding.sentence


# --- the mail server -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_server_with_a_good_certificate_is_told_with_its_days(
    visited: Callable[..., Visit], certificate: Certificate, kind: str
) -> None:
    relay = Relay(tls=certificate.context, is_wrapped=kind == "tls")
    with relay.running():
        made = visited(relay, kind, TRACKER_SMTP_CA_FILE=str(certificate.file))
    told = only(made, "good")
    assert "TLSv1." in told
    assert "0 more days" in told


def test_a_certificate_about_to_expire_is_wrong(
    visited: Callable[..., Visit], certificate: Certificate
) -> None:
    relay = Relay(tls=certificate.context)
    later = clock.now() + dt.timedelta(hours=20)
    with relay.running(), time_machine.travel(later, tick=True):
        made = visited(relay, "starttls", TRACKER_SMTP_CA_FILE=str(certificate.file))
    assert "expires in 0 days" in only(made, "wrong")


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_certificate_that_cannot_be_trusted_is_wrong_and_no_mail_is_sent(
    visited: Callable[..., Visit], certificate: Certificate, kind: str
) -> None:
    relay = Relay(tls=certificate.context, is_wrapped=kind == "tls")
    with relay.running():
        made = visited(relay, kind, to="sara@example.org")
    assert "certificate that cannot be trusted" in only(made, "wrong")
    assert relay.mails == []


@pytest.mark.parametrize(
    ("relay", "values", "words"),
    [
        (Relay(), {"security": "starttls"}, "offers no STARTTLS"),
        (Relay({"GREETING": "silence"}), {}, "is silent"),
        (Relay({"GREETING": "drop"}), {}, "breaks the connection off"),
        (Relay({"GREETING": "554 go away"}), {}, "answers with 554"),
        (
            Relay({"EHLO": "250-r\r\n250 AUTH PLAIN", "AUTH": "535 no"}),
            {"TRACKER_SMTP_USER": "tracker", "TRACKER_SMTP_PASSWORD": "geheim"},
            "does not accept the user name and password",
        ),
        (
            Relay({"EHLO": "250-r\r\n250 AUTH GSSAPI"}),
            {"TRACKER_SMTP_USER": "tracker", "TRACKER_SMTP_PASSWORD": "geheim"},
            "offers no way to sign in",
        ),
        (
            Relay(),
            {"TRACKER_SMTP_USER": "tracker", "TRACKER_SMTP_PASSWORD": "geheim"},
            "offers no way to sign in",
        ),
    ],
)
def test_each_way_in_which_a_server_cannot_be_used_has_its_sentence(
    visited: Callable[..., Visit], relay: Relay, values: dict[str, str], words: str
) -> None:
    with relay.running():
        told = only(visited(relay, **values), "wrong")
    assert words in told
    assert "geheim" not in told


def test_tls_towards_a_port_without_is_told(visited: Callable[..., Visit]) -> None:
    def greet(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.settimeout(10)
            client.sendall(b"220 relay.example.org\r\n")
            with contextlib.suppress(OSError):
                while client.recv(4096):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet, args=(listener,), daemon=True)
        thread.start()
        told = only(visited(Relay(port=listener.getsockname()[1]), "tls"), "wrong")
        thread.join(10)
    assert "does not speak TLS as it is set (tls)" in told


def test_a_server_that_is_not_there_is_told(visited: Callable[..., Visit]) -> None:
    assert "cannot be reached" in only(visited(Relay(port=free_port())), "wrong")


def test_without_tls_on_this_machine_nothing_is_claimed(visited: Callable[..., Visit]) -> None:
    with Relay().running() as relay:
        told = only(visited(relay), "unknown")
    assert "up to that server" in told


@pytest.mark.parametrize(
    ("answers", "level", "words"),
    [
        ({"MAIL": "550 no"}, "wrong", "does not take mail from bounces@example.org"),
        ({"RCPT": "550 5.1.1 unknown"}, "wrong", "must take name+anything"),
        ({"RCPT": "554 5.7.1 relay denied"}, "wrong", "refuses mail from us"),
        ({"END": "554 5.7.1 spam"}, "wrong", "refuses mail from us"),
        ({"RCPT": "450 greylisted"}, "unknown", "wants the test mail later (450)"),
        ({"BODY": "drop"}, "wrong", "does not take mail"),
    ],
)
def test_a_refused_test_mail_is_told_with_the_reason(
    visited: Callable[..., Visit], answers: dict[str, str], level: str, words: str
) -> None:
    with Relay(answers).running() as relay:
        made = visited(relay, to="bounces+doctor@example.org")
    assert made.message_id is None
    assert made.findings[-1].level == level
    assert words in made.findings[-1].sentence


# --- the DNS ---------------------------------------------------------------------------------


def test_where_all_records_are_well_they_are_good_and_the_rest_is_unknown(
    doctor: Doctor,
) -> None:
    report = doctor("--selector=key1", TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
    for check in ("SPF", "DKIM", "DMARC", "PTR"):
        assert report.lines(check, "GOOD"), report.text
        assert report.lines(check) == report.lines(check, "GOOD")
    assert f"covers {PUBLIC}" in report.text
    assert report.lines("test mail", "UNKNOWN")
    assert report.status == 1, "the mail server itself cannot be found"


@pytest.mark.parametrize(
    ("name", "kind", "check", "words"),
    [
        ("example.org", "TXT", "SPF", "has no SPF record"),
        ("_dmarc.example.org", "TXT", "DMARC", "Publish a TXT record at _dmarc.example.org"),
        ("key1._domainkey.example.org", "TXT", "DKIM", "There is no key"),
    ],
)
def test_each_missing_record_is_wrong(
    doctor: Doctor, dns: Nameserver, name: str, kind: str, check: str, words: str
) -> None:
    del dns.zone[name][kind]
    report = doctor("--selector=key1", TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
    assert any(words in line for line in report.lines(check, "WRONG")), report.text


def test_whether_mail_leaves_from_where_it_is_handed_over_is_not_pretended_to_be_known(
    doctor: Doctor, dns: Nameserver
) -> None:
    def about_the_name() -> str:
        report = doctor(TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
        [line] = report.lines("PTR", "UNKNOWN")
        assert report.lines("PTR") == [line]
        return line

    dns.publish("7.114.0.203.in-addr.arpa", "PTR", "pool.example.net.")
    assert "pool.example.net" in about_the_name()
    del dns.zone["7.114.0.203.in-addr.arpa"]["PTR"]
    assert "has no reverse name" in about_the_name()
    assert "if it sends by itself" in about_the_name()


def test_a_policy_of_the_domain_above_holds(doctor: Doctor, dns: Nameserver) -> None:
    report = doctor(TRACKER_MAIL_FROM="alerts@news.example.org")
    assert any("_dmarc.example.org" in line for line in report.lines("DMARC", "GOOD"))
    assert not [name for name, _ in dns.asked if name == "_dmarc.org"]


def test_a_return_address_beside_the_sender_is_aligned_by_the_policy_above(
    doctor: Doctor, dns: Nameserver
) -> None:
    dns.text("_dmarc.news.example.org", "v=DMARC1; p=reject")
    values = {
        "TRACKER_MAIL_FROM": "alerts@news.example.org",
        "TRACKER_RETURN_ADDRESS": "bounces@back.example.org",
    }
    assert not doctor(**values).lines("DMARC", "ADVICE")
    del dns.zone["_dmarc.example.org"]
    assert doctor(**values).lines("DMARC", "ADVICE")


def test_two_policies_are_none(doctor: Doctor, dns: Nameserver) -> None:
    dns.text("_dmarc.example.org", "v=DMARC1; p=none", "v=DMARC1; p=reject")
    report = doctor()
    assert any("2 DMARC records" in line for line in report.lines("DMARC", "WRONG"))


def test_a_return_address_elsewhere_is_told_and_its_spf_looked_at(
    doctor: Doctor,
) -> None:
    report = doctor(TRACKER_RETURN_ADDRESS="bounces@example.net")
    assert any("hangs on DKIM" in line for line in report.lines("DMARC", "ADVICE"))
    assert any("example.net has no SPF" in line for line in report.lines("SPF", "WRONG"))


def test_an_address_that_spf_does_not_cover_is_no_verdict_about_a_server_that_hands_on(
    doctor: Doctor, dns: Nameserver
) -> None:
    dns.text("example.org", "v=spf1 ip4:203.0.114.99 -all")
    report = doctor(TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
    [line] = [line for line in report.lines("SPF", "UNKNOWN") if "does not cover" in line]
    assert f"add ip4:{PUBLIC}" in line


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd00::1"])
def test_a_private_address_proves_nothing(
    doctor: Doctor, dns: Nameserver, address: str
) -> None:
    kind = "AAAA" if ":" in address else "A"
    dns.zone[FAR] = {kind: [address]}
    report = doctor(TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
    assert report.lines("PTR") == report.lines("PTR", "UNKNOWN") != []
    assert any("cannot be seen from here" in line for line in report.lines("SPF", "UNKNOWN"))


@pytest.mark.parametrize("behaviour", ["silent", "SERVFAIL", "REFUSED", "NXDOMAIN"])
def test_without_a_dns_everything_there_is_unknown_and_nothing_wrong(
    doctor: Doctor, dns: Nameserver, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_PATIENCE", 0.3)
    dns.behaviour["*"] = behaviour
    report = doctor("--selector=key1", TRACKER_SMTP_HOST=FAR, TRACKER_SMTP_SECURITY="tls")
    for check in ("SPF", "DKIM", "DMARC", "PTR"):
        assert report.lines(check) == report.lines(check, "UNKNOWN") != [], report.text


def test_nothing_but_our_own_names_is_ever_asked_for(doctor: Doctor, dns: Nameserver) -> None:
    with Relay().running() as relay:
        doctor("sara@supporter.example", "--selector=key1", TRACKER_SMTP_PORT=str(relay.port))
    asked = {name for name, _ in dns.asked}
    assert asked
    assert all(name == "." or name.endswith("example.org") for name in asked)


# --- the test mail ---------------------------------------------------------------------------


@dataclass
class Provider(Sink):
    """A mail server that receives for a mailbox and says what it thinks of each mail."""

    inbox: Dovecot | None = None
    verdict: bytes = (
        b"spf=pass smtp.mailfrom=example.org; dkim=pass header.d=example.org; dmarc=pass"
    )
    domain: bytes = b"example.org"
    signed: bytes = b"from:list-unsubscribe:list-unsubscribe-post"
    sent_by: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.sent_by.append(envelope.mail_from)
        header = (
            b"Authentication-Results: mx.example.net; " + self.verdict + b"\r\n"
            b"DKIM-Signature: v=1; d="
            + self.domain
            + b"; s=key1; h="
            + self.signed
            + b"; b=YQ==\r\n"
        )
        if self.inbox is not None:
            self.inbox.put(header + envelope.content)
        return await super().handle_DATA(server, session, envelope)


@contextlib.contextmanager
def receiving(inbox: Dovecot | None) -> Iterator[Provider]:
    provider = Provider(free_port(), inbox=inbox)
    controller = Controller(provider, hostname="127.0.0.1", port=provider.port)
    controller.start()
    try:
        yield provider
    finally:
        controller.stop()


def relays(first: Sink, second: Sink) -> str:
    """Give the setting of two mail servers."""
    return "\n".join(
        f'[[relay]]\nname = "{name}"\nhost = "127.0.0.1"\nport = {server.port}\n'
        'security = "none"\n'
        for name, server in (("first", first), ("second", second))
    )


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[Dovecot]:
    requirements.need("dovecot")
    with running_dovecot() as server:
        yield server


@pytest.fixture
def inbox(mailboxes: Dovecot) -> Dovecot:
    mailboxes.clear()
    mailboxes.put(b"Message-ID: <other@example.net>\r\n\r\nA bounce.\r\n")
    return mailboxes


@pytest.fixture
def provider(inbox: Dovecot) -> Iterator[Provider]:
    with receiving(inbox) as made:
        yield made


def mailbox(inbox: Dovecot, **values: str) -> dict[str, str]:
    return {
        "TRACKER_RETURN_ADDRESS": "bounces@example.org",
        "TRACKER_IMAP_HOST": "127.0.0.1",
        "TRACKER_IMAP_PORT": str(inbox.tls_port),
        "TRACKER_IMAP_USER": inbox.user,
        "TRACKER_IMAP_PASSWORD": inbox.password,
        "TRACKER_IMAP_CA_FILE": str(inbox.certificate),
        **values,
    }


def test_the_test_mail_comes_back_and_tells_what_the_receiver_thinks(
    doctor: Doctor, provider: Provider, inbox: Dovecot
) -> None:
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    for check in ("SPF", "DKIM", "DMARC", "test mail"):
        assert report.lines(check, "GOOD"), report.text
        assert report.lines(check) == report.lines(check, "GOOD")
    assert any("mx.example.net" in line for line in report.lines("SPF"))
    assert any("key1._domainkey.example.org" in line for line in report.lines("DKIM"))
    assert report.status == 3, "TLS and reverse name of a server on this machine stay unknown"


def test_the_test_mail_is_deleted_and_no_other(
    doctor: Doctor, provider: Provider, inbox: Dovecot
) -> None:
    doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    [left] = inbox.kept()
    assert b"<other@example.net>" in left


def test_the_test_mail_goes_the_way_of_alerts(
    doctor: Doctor, provider: Provider, inbox: Dovecot
) -> None:
    doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    [sent] = provider.mails
    assert sent.sender == "bounces@example.org"
    assert sent.to == "bounces+doctor@example.org"
    assert sent.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("verdict", "check"),
    [
        (b"spf=fail; dkim=pass header.d=example.org; dmarc=pass", "SPF"),
        (b"spf=pass; dkim=fail header.d=example.org; dmarc=pass", "DKIM"),
        (b"spf=pass; dkim=pass header.d=example.org; dmarc=fail", "DMARC"),
    ],
)
def test_what_the_receiver_dislikes_is_wrong(
    doctor: Doctor, provider: Provider, inbox: Dovecot, verdict: bytes, check: str
) -> None:
    provider.verdict = verdict
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    assert report.status == 1
    assert any("mx.example.net" in line for line in report.lines(check, "WRONG"))


def test_a_signature_without_the_list_headers_is_wrong(
    doctor: Doctor, provider: Provider, inbox: Dovecot
) -> None:
    provider.signed = b"from:to:subject:list-unsubscribe"
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    assert any("list-unsubscribe-post" in line for line in report.lines("DKIM", "WRONG"))


def test_a_key_of_a_selector_that_only_the_mail_tells_is_looked_at(
    doctor: Doctor, provider: Provider, inbox: Dovecot, dns: Nameserver
) -> None:
    dns.text("key1._domainkey.example.org", "v=DKIM1; p=")
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    assert any("is revoked" in line for line in report.lines("DKIM", "WRONG"))


def test_a_key_of_another_domain_is_not_asked_for(
    doctor: Doctor, provider: Provider, inbox: Dovecot, dns: Nameserver
) -> None:
    provider.domain = b"relay.example.com"
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **mailbox(inbox))
    assert not [name for name, _ in dns.asked if name.endswith("example.com")]
    assert any("selector is not known" in line for line in report.lines("DKIM", "UNKNOWN"))


def test_each_of_several_servers_sends_its_own_test_mail(
    doctor: Doctor, provider: Provider, inbox: Dovecot
) -> None:
    with receiving(inbox) as second:
        second.verdict = b"spf=fail; dkim=pass header.d=example.org; dmarc=pass"
        report = doctor(TRACKER_RELAYS=relays(provider, second), **mailbox(inbox))
    assert len(provider.mails) == len(second.mails) == 1
    assert any("Sent by 'first'" in line for line in report.lines("SPF", "GOOD"))
    assert any("Sent by 'second'" in line for line in report.lines("SPF", "WRONG"))


def test_a_test_mail_that_does_not_arrive_is_unknown_and_the_wait_has_an_end(
    doctor: Doctor, inbox: Dovecot
) -> None:
    with receiving(None) as nowhere:
        report = doctor("--wait=1", TRACKER_SMTP_PORT=str(nowhere.port), **mailbox(inbox))
    [line] = report.lines("test mail")
    assert line.startswith("UNKNOWN")
    assert "did not arrive within 1 seconds" in line
    assert report.status == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"TRACKER_IMAP_PASSWORD": "geheim"}, "does not accept the user name and password"),
        ({"TRACKER_IMAP_FOLDER": "Gone"}, "folder does not exist"),
        ({"TRACKER_IMAP_CA_FILE": ""}, "certificate"),
    ],
)
def test_a_mailbox_that_cannot_be_read_is_wrong(
    doctor: Doctor, provider: Provider, inbox: Dovecot, values: dict[str, str], words: str
) -> None:
    report = doctor(TRACKER_SMTP_PORT=str(provider.port), **{**mailbox(inbox), **values})
    [line] = report.lines("mailbox", "WRONG")
    assert words in line
    assert "geheim" not in report.text
    assert report.status == 1


def test_a_mail_to_an_address_that_we_cannot_read_is_left_to_the_person(
    doctor: Doctor, dns: Nameserver
) -> None:
    with receiving(None) as provider:
        report = doctor("ada@example.com", TRACKER_SMTP_PORT=str(provider.port))
    assert [sent.to for sent in provider.mails] == ["ada@example.com"]
    [line] = report.lines("test mail", "UNKNOWN")
    assert "dkim=pass with header.d=example.org" in line
    assert report.status == 3


def test_without_address_and_mailbox_no_mail_is_sent(doctor: Doctor) -> None:
    with receiving(None) as provider:
        report = doctor(TRACKER_SMTP_PORT=str(provider.port))
    assert provider.mails == []
    assert any("name an ADDRESS" in line for line in report.lines("test mail", "UNKNOWN"))


# --- the command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("no address",), "ADDRESS is no e-mail address"),
        (("--nameserver=dns.example.org",), "takes IP or IP:PORT"),
        (("--nameserver=127.0.0.1:99999",), "a port from 1 to 65535"),
    ],
)
def test_what_cannot_be_understood_is_told_before_anything_is_sent(
    tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    result = run(tmp_path, "doctor", *args)
    assert result.exit_code == 1
    assert words in result.output


def test_without_a_sender_there_is_nothing_to_examine(tmp_path: Path) -> None:
    result = run(tmp_path, "doctor", TRACKER_MAIL_FROM="")
    assert "TRACKER_MAIL_FROM is not set" in result.output


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_test_mail_goes_through_the_server_that_is_named(tmp_path: Path, name: str) -> None:
    with receiving(None) as first, receiving(None) as second:
        args = ("test", "ada@example.com", f"--relay={name}")
        result = run(tmp_path, *args, TRACKER_RELAYS=relays(first, second))
        unknown = run(
            tmp_path, *args[:2], "--relay=third", TRACKER_RELAYS=relays(first, second)
        )
    assert result.exit_code == 0, result.output
    assert (len(first.mails), len(second.mails)) == ((1, 0) if name == "first" else (0, 1))
    assert unknown.exit_code == 1
    assert "no mail server called 'third'; there is: first, second" in unknown.output
