"""A Postfix for the tests, started by themselves: it returns what it cannot deliver.

Everything lies in a folder of its own; it listens on loopback, asks no DNS and sends nothing to
any other machine. Postfix must be started by root and runs as its own users.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.sink import free_port

START_SECONDS = 60
REPOSITORY = Path(__file__).resolve().parents[2]

# Ends with its input, so also where the tests are killed.
_GUARD = 'postfix -c "$1/etc" start-fg & read -r _; postfix -c "$1/etc" stop; wait; rm -rf "$1"'

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_spool_directory = {folder}/spool/
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.{domain}
mydestination = {domain}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
recipient_delimiter = +
transport_maps = inline:{{ {{{returning}@{domain} = back:}} }}
alias_maps =
alias_database =
local_recipient_maps = {known}
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:5.1.2 this server sends nothing to other machines
relay_transport = error:5.1.2 this server sends nothing to other machines
relayhost =
smtp_dns_support_level = disabled
smtp_host_lookup = native
back_destination_recipient_limit = 1
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 10s
biff = no
"""

_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{strict_port} inet n - n - - smtpd
  -o smtpd_reject_unlisted_recipient=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
back unix - n n - 4 pipe
  flags=DOR user={user} argv={command}
"""


@dataclass(frozen=True)
class Postfix:
    """A running server: mail for ``domain`` goes to whoever it is on ``port``.

    On ``strict_port`` it refuses whom it does not know, as every Postfix does that was not told
    otherwise; who returns mail to us from elsewhere comes that way.
    It takes every recipient and returns mail for people it does not know to its sender; what
    cannot be returned either is gone.
    """

    folder: Path
    port: int
    strict_port: int
    domain: str

    @property
    def log(self) -> str:
        """What the server has logged."""
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.is_file() else ""


@cache
def unavailable() -> str | None:
    """Say why there is no Postfix to test with; ``None`` where there is one."""
    if not shutil.which("postfix"):
        return "postfix is not there"
    if os.geteuid() != 0:
        return "only root can start postfix"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "the user postfix is not there"
    return None


def description() -> str:
    """Say which Postfix will be used."""
    command = ["postconf", "-d", "-h", "mail_version"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return f"Postfix {answer.stdout.strip()}, started by the tests"


@contextmanager
def running_postfix(
    *, domain: str, deliver: Sequence[str], user: str, returning: str = "bounces"
) -> Iterator[Postfix]:
    """Run a server that hands mail for ``returning+anything@domain`` to a command.

    The command gets the message on its input and runs as ``user``, not root; in its arguments
    ``${recipient}`` is the envelope recipient, as always in pipe(8). What it may write or read
    lies best in a folder of the test's own that ``user`` can reach. Raises ``RuntimeError``
    where the server does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="tracker-smtp-"))
    server = Postfix(folder, free_port(), free_port(), domain)
    guard = None
    try:
        _configure(server, command=_quoted(deliver), user=user, returning=returning)
        with (folder / "output").open("wb") as output:
            guard = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", folder],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait(server, guard)
        yield server
    finally:
        if guard:
            guard.communicate()  # the end of its input makes it stop the server
        shutil.rmtree(folder, ignore_errors=True)


def _configure(server: Postfix, *, command: str, user: str, returning: str) -> None:
    folder = server.folder
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "spool"):
        (folder / name).mkdir(mode=0o755)
    (folder / "spool").chmod(0o1777)
    shutil.chown(folder / "data", "postfix")
    main = _MAIN.format(
        folder=folder, domain=server.domain, returning=returning, known=documented_recipients()
    )
    (folder / "etc" / "main.cf").write_text(main)
    services = _SERVICES.format(
        port=server.port, strict_port=server.strict_port, user=user, command=command
    )
    (folder / "etc" / "master.cf").write_text(services)


def documented_recipients() -> str:
    """Give what docs/operations.md tells operators to set ``local_recipient_maps`` to."""
    text = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    return text.partition("\nlocal_recipient_maps = ")[2].partition("\n")[0]


def _quoted(command: Sequence[str]) -> str:
    """Give a command as master(5) reads it: braces keep an argument with blanks together."""
    return " ".join(f"{{{word}}}" if any(map(str.isspace, word)) else word for word in command)


def _wait(server: Postfix, guard: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and guard.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as probe:
                if probe.recv(4) == b"220 ":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    output = (server.folder / "output").read_text("utf-8", "replace")
    raise RuntimeError(f"Postfix did not start:\n{output}\n{server.log}")


# --- what it returns, laid down ---------------------------------------------------------------

PATIENCE = 60


class Pile:
    """The folder in which the server's command lays down what comes back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def one(self, postfix: Postfix) -> tuple[str, bytes]:
        """Wait for the next message; give its envelope recipient and its bytes."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for file in self.folder.glob("*.mail"):
                recipient, _, raw = file.read_bytes().partition(b"\n")
                file.unlink()
                return recipient.decode(), raw
            time.sleep(0.05)
        raise AssertionError(f"nothing came back:\n{postfix.log}")


@contextmanager
def piling_postfix(domain: str, *, user: str = "nobody") -> Iterator[tuple[Postfix, Pile]]:
    """Run a server that lays down what comes back to ``bounces+anything@domain``."""
    folder = Path(tempfile.mkdtemp(prefix="tracker-back-"))
    try:
        shutil.chown(folder, user)
        # A message has its name only when it is whole; pipe(8) makes one $ of two.
        script = f"cd {folder} && (echo $$1; cat) > $$$$$$$$ && mv $$$$$$$$ $$$$$$$$.mail"
        command = ["sh", "-c", script, "sh", "${recipient}"]
        with running_postfix(domain=domain, deliver=command, user=user) as postfix:
            yield postfix, Pile(folder)
    finally:
        shutil.rmtree(folder)
