"""A Dovecot for the tests, started by themselves: one mailbox, on loopback, gone afterwards.

Debian's package dovecot-imapd, version 2.3; version 2.4 has another configuration language.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import certificates
from tests.support.sink import free_port

START_SECONDS = 30
NOBODY = 65534  # mail may not belong to root

# Ends with its input, so also where the tests are killed.
_GUARD = 'dovecot -F -c "$1/dovecot.conf" & read -r _; kill $!; wait; rm -rf "$1"'

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
# Who gave a wrong password once would wait longer at each sign-in after it.
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server; ``port`` speaks STARTTLS or no TLS, ``tls_port`` TLS from the start.

    ``certificate`` is signed by itself, for 127.0.0.1, and so its own authority.
    """

    folder: Path
    port: int
    tls_port: int
    user: str = "bounces"
    password: str = "correct horse"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    def put(self, *mails: bytes) -> None:
        """Lay mails into the inbox, as a mail server does."""
        inbox = self.folder / "mail"
        already = len(list(inbox.glob("*/*")))
        for number, raw in enumerate(mails, already):
            name = f"{time.time_ns()}.{number}.test"
            (inbox / "tmp" / name).write_bytes(raw)
            _give(inbox / "tmp" / name)
            (inbox / "tmp" / name).rename(inbox / "new" / name)

    def kept(self) -> list[bytes]:
        """Give the mails still in the inbox, in no particular order."""
        inbox = self.folder / "mail"
        return [file.read_bytes() for sub in ("new", "cur") for file in (inbox / sub).iterdir()]

    def clear(self) -> None:
        """Empty the mailbox, without the server."""
        shutil.rmtree(self.folder / "mail")
        _make_inbox(self.folder)


@cache
def unavailable() -> str | None:
    """Say why there is no Dovecot to test with; ``None`` where there is one."""
    if not shutil.which("dovecot"):
        return "dovecot is not there"
    if not shutil.which("openssl"):
        return "openssl, which makes its certificate, is not there"
    return None if _version().startswith("2.3.") else f"version {_version()} is not 2.3"


def description() -> str:
    """Say which Dovecot will be used."""
    return f"Dovecot {_version()}, started by the tests"


@contextmanager
def running_dovecot() -> Iterator[Dovecot]:
    """Run a server with an empty mailbox; raises ``RuntimeError`` where it does not start."""
    folder = Path(tempfile.mkdtemp(prefix="tracker-imap-"))
    guard = None
    try:
        server = Dovecot(folder, free_port(), free_port())
        _configure(server)
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


def make_certificate(folder: Path, *, name: str = "server") -> Path:
    """Make a certificate for 127.0.0.1 and its key, and give its file."""
    return certificates.make_certificate(folder, name=name).file


def _configure(server: Dovecot) -> None:
    folder = server.folder
    folder.chmod(0o755)
    make_certificate(folder)
    (folder / "passwords").write_text(f"{server.user}:{server.password}\n")
    (folder / "home").mkdir()
    _give(folder / "home")
    _make_inbox(folder)
    is_root = os.geteuid() == 0
    (folder / "dovecot.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=server.port,
            tls_port=server.tls_port,
            internal="dovecot" if is_root else _own("-un"),
            internal_group="dovecot" if is_root else _own("-gn"),
            login="dovenull" if is_root else _own("-un"),
            uid=NOBODY if is_root else os.getuid(),
            gid=NOBODY if is_root else os.getgid(),
        )
    )


def _own(flag: str) -> str:
    return subprocess.run(
        ["id", flag], check=True, capture_output=True, text=True
    ).stdout.strip()


def _make_inbox(folder: Path) -> None:
    inbox = folder / "mail"
    for path in (inbox, inbox / "new", inbox / "cur", inbox / "tmp"):
        path.mkdir()
        _give(path)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def _version() -> str:
    answer = subprocess.run(["dovecot", "--version"], capture_output=True, text=True)
    found = re.match(r"[0-9.]+", answer.stdout)
    return found[0] if found else "unknown"


def _wait(server: Dovecot, guard: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and guard.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as probe:
                if probe.recv(4) == b"* OK":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    told = [server.folder / name for name in ("output", "log")]
    words = "\n".join(file.read_text("utf-8", "replace") for file in told if file.is_file())
    raise RuntimeError(f"Dovecot did not start:\n{words}")
