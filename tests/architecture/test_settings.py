"""The process starts with safe settings or says everything that is wrong, and stops."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import environment
from tests.support import postgres, requirements
from tracker import database, paths, settings
from tracker.app import create_app
from tracker.configuration.documented import DOCUMENTED
from tracker.database import NotDurable
from tracker.extensions import db
from tracker.settings import Settings, SettingsError, load
from tracker.side_lock import FairConnection, SideLock

REQUIRED = ("TRACKER_BASE_URL", "TRACKER_ALLOWED_HOSTS", "TRACKER_SECRET")
ROOT = paths.PACKAGE.parent


def problems(variables: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(variables)
    return refused.value.problems


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def test_good_settings_are_taken(good: dict[str, str], tmp_path: Path) -> None:
    taken = load(good)
    assert taken.host == "127.0.0.1:8000"
    assert taken.database_url == f"sqlite:///{tmp_path}/tracker.db"
    assert taken.keystore == tmp_path / "keys"
    assert taken.mail_domain == "example.org"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_nothing_starts_without_what_is_required(
    good: dict[str, str], name: str, value: str | None
) -> None:
    good.pop(name)
    if value is not None:
        good[name] = value
    assert any(problem.startswith(name) for problem in problems(good))


UNSAFE = {
    "TRACKER_BASE_URL": [
        "tracker.example.org",
        "http://tracker.example.org",
        "ftp://127.0.0.1",
        "https://",
        "https://[bad",
        "https://127.0.0.1:99999",
        "https://127.0.0.1:x",
        "https://user:pass@127.0.0.1",
        "https://127.0.0.1/path",
        "https://127.0.0.1?query",
        "javascript:alert(1)",
    ],
    "TRACKER_ALLOWED_HOSTS": [
        "*",
        ".example.org",
        "http://127.0.0.1",
        ",",
        "other.example.org",
    ],
    "TRACKER_SECRET": ["short", "x" * 64, "ab" * 32, "0123456789abcdef0123456789abcde"],
    "TRACKER_DATABASE_URL": [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?cache=shared",
        "mysql://localhost/tracker",
        "tracker.db",
    ],
    "TRACKER_SMTP_SECURITY": ["", "ssl", "STARTTLS please", "None"],
    "TRACKER_SMTP_PORT": ["0", "65536", "x", "-1", "25.0", "²"],
    "TRACKER_SMTP_TIMEOUT": ["0", "301", "forever"],
    "TRACKER_SMTP_CA_FILE": ["/nowhere/ca.pem"],
    "TRACKER_SMTP_CONNECTIONS": ["0", "65", "many"],
    "TRACKER_SMTP_RATE": ["", "-1", "fast", "1e3", "٣"],
    "TRACKER_SMTP_WARM_UP_DAYS": ["-1", "61", "7"],
    "TRACKER_RELAYS": [
        "[[relay]",
        "name = 'a'",
        "relay = []",
        "relay = [1]",
        "[[relay]]\nhost = 'mail.example.org'",
        "[[relay]]\nname = 'A B'\nhost = 'mail.example.org'",
        "[[relay]]\nname = 'a'\nhost = ''",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\nsecurity = 'none'",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\nport = true",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\ncolour = 'red'",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\nrate = -1",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\nwarm_up_days = 3",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\npassword_file = '/nowhere'",
        "[[relay]]\nname = 'a'\nhost = 'mail.example.org'\nuser = 'tracker'",
        "[[relay]]\nname = 'a'\nhost = 'a.org'\n[[relay]]\nname = 'a'\nhost = 'b.org'",
    ],
    "TRACKER_PROVIDER_LIMITS": ["google", "google=", "google=0", "gmail=3", "google=fast"],
    "TRACKER_RETURN_ADDRESS": [
        "bounces",
        "a+b@example.org",
        "a-very-long-name@example.org",
        "a@example.org\r\nBcc: b",
    ],
    "TRACKER_IMAP_HOST": ["imap.example.org"],
    "TRACKER_IMAP_PORT": ["0", "x"],
    "TRACKER_IMAP_SECURITY": ["ssl", ""],
    "TRACKER_IMAP_FOLDER": ["", 'a"b', "a\\b", "a\r\nb"],
    "TRACKER_IMAP_CA_FILE": ["/nowhere/ca.pem"],
    "TRACKER_SMTP_USER": ["tracker"],
    "TRACKER_QUEUE_URL": ["amqp://localhost", "file:///tmp/queue"],
    "TRACKER_ALERT_LIFETIME": ["0", "721", ""],
    "TRACKER_MAIL_FROM": [
        "alerts",
        "Alerts <a@example.org>",
        "a@b@c",
        "a@example.org\r\nBcc: b",
    ],
    "TRACKER_SITE_NAME": ["x" * 61, "A\nB", "A\u2028B"],
    "TRACKER_CANCEL_WINDOW": ["-1", "86401", ""],
    "TRACKER_SIGN_LIMIT": ["", "many", "60"],
    "TRACKER_SIGN_IN_LIMIT": ["", "unlimited"],
    "TRACKER_PROXIES": ["-1", "6", "yes"],
    "TRACKER_LEASE_SECONDS": ["0", "3601"],
    "TRACKER_DEMO": ["true", "1", ""],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNSAFE.items() for value in values]
)
def test_an_unsafe_value_is_refused_and_named(
    good: dict[str, str], name: str, value: str
) -> None:
    found = problems({**good, name: value})
    assert len(found) == 1
    assert found[0].startswith(name)


def test_several_mail_servers_are_read_from_a_file(
    good: dict[str, str], tmp_path: Path
) -> None:
    password, relays = tmp_path / "password", tmp_path / "relays.toml"
    password.write_text("secret\n")
    relays.write_text(
        f"""
        [[relay]]
        name = "main"
        host = "mail.example.org"
        user = "tracker"
        password_file = "{password}"
        connections = 16
        rate = 0.5
        warm_up_days = 14
        [[relay]]
        name = "second"
        host = "127.0.0.1"
        port = 25
        security = "none"
        """
    )
    first, second = load({**good, "TRACKER_RELAYS_FILE": str(relays)}).relays
    assert (first.name, first.host, first.port) == ("main", "mail.example.org", 587)
    assert (first.user, first.password, first.security) == ("tracker", "secret", "starttls")
    assert (first.connections, first.rate, first.warm_up_days) == (16, 0.5, 14)
    assert (second.name, second.port, second.security, second.rate) == ("second", 25, "none", 0)


def test_what_comes_back_needs_a_mailbox_with_a_password(good: dict[str, str]) -> None:
    good |= {"TRACKER_IMAP_HOST": "imap.example.org", "TRACKER_RETURN_ADDRESS": "b@example.org"}
    assert (
        load(good | {"TRACKER_IMAP_USER": "b", "TRACKER_IMAP_PASSWORD": "x"}).imap is not None
    )
    assert problems(good) == ["TRACKER_IMAP_HOST needs TRACKER_IMAP_USER and its password."]


def test_kinds_of_mailboxes_have_limits_of_their_own(good: dict[str, str]) -> None:
    taken = load({**good, "TRACKER_PROVIDER_LIMITS": " google=20, microsoft = 2.5 "})
    assert taken.provider_limits == {"google": 20.0, "microsoft": 2.5}


def test_mail_without_tls_stays_on_this_machine(good: dict[str, str]) -> None:
    good["TRACKER_SMTP_HOST"] = "mail.example.org"
    assert problems(good) == ["TRACKER_SMTP_SECURITY may be 'none' to a loopback host only."]
    for security in ("starttls", "tls"):
        [relay] = load({**good, "TRACKER_SMTP_SECURITY": security}).relays
        assert relay.security == security


def test_the_debugger_is_refused(good: dict[str, str]) -> None:
    for value in ("1", "true", "yes"):
        assert problems({**good, "FLASK_DEBUG": value}) == ["FLASK_DEBUG must not be set."]
    load({**good, "FLASK_DEBUG": "0"})


def test_a_misspelt_setting_is_told_instead_of_ignored(good: dict[str, str]) -> None:
    good["TRACKER_SMTP_PASWORD"] = "secret"
    [problem] = problems(good)
    assert "TRACKER_SMTP_PASWORD is not a setting" in problem
    assert "secret" not in problem


def test_all_problems_are_told_in_one_message(tmp_path: Path) -> None:
    variables = {name: values[0] for name, values in UNSAFE.items()}
    with pytest.raises(SettingsError) as refused:
        load({**variables, "TRACKER_DATA": str(tmp_path)})
    for name in UNSAFE:
        assert f"- {name}" in str(refused.value)


def test_a_problem_never_repeats_a_secret(good: dict[str, str]) -> None:
    told = " ".join(problems({**good, "TRACKER_SECRET": "hunter2", "TRACKER_DEMO": "x"}))
    assert "hunter2" not in told


def test_a_secret_may_come_from_a_file_and_never_from_nowhere(
    good: dict[str, str], tmp_path: Path
) -> None:
    del good["TRACKER_SECRET"]
    file = tmp_path / "secret"
    file.write_text("fedcba9876543210fedcba9876543210\n")
    assert load({**good, "TRACKER_SECRET_FILE": str(file)}).secret == file.read_text().strip()
    file.unlink()
    found = problems({**good, "TRACKER_SECRET_FILE": str(file)})
    assert "TRACKER_SECRET_FILE cannot be read." in found


def test_no_secret_has_a_default() -> None:
    defaults = {row.name: row.default for row in DOCUMENTED}
    for name in REQUIRED:
        assert defaults[name] is None
    assert defaults["TRACKER_SMTP_PASSWORD"] == ""


def test_settings_are_frozen(good: dict[str, str]) -> None:
    taken = load(good)
    with pytest.raises(AttributeError):
        taken.secret = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    "base", ["https://Tracker.Example.ORG/", "HTTPS://tracker.example.org"]
)
def test_however_the_address_is_written_cookies_are_for_tls_only(
    good: dict[str, str], base: str
) -> None:
    good |= {"TRACKER_BASE_URL": base, "TRACKER_ALLOWED_HOSTS": "Tracker.Example.org"}
    taken = load(good)
    assert taken.is_https
    assert taken.base_url == "https://tracker.example.org"
    app = create_app(taken)
    assert app.config["SESSION_COOKIE_SECURE"] is True
    assert app.config["SESSION_COOKIE_NAME"].startswith("__Host-")
    client = app.test_client()
    page = client.get("/en/organisers/sign-in", base_url="https://tracker.example.org")
    cookie = page.headers["Set-Cookie"]
    for part in ("__Host-form=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "max-age=" in page.headers["Strict-Transport-Security"]


# --- what is written about them ---------------------------------------------------------------


class Watched(dict[str, str]):
    """An environment that notes what it is asked for."""

    asked: set[str]

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def test_what_is_documented_is_what_is_read(good: dict[str, str]) -> None:
    watched = Watched(good)
    watched.asked = set()
    load(watched)
    read = {name.removesuffix("_FILE") for name in watched.asked if name.startswith("TRACKER_")}
    known = {row.name for row in DOCUMENTED}
    # TRACKER_SMTP_CA_FILE and TRACKER_IMAP_CA_FILE are names of their own.
    files = {"TRACKER_SMTP_CA", "TRACKER_IMAP_CA"}
    assert (read - files) | {f"{name}_FILE" for name in files} == known


def test_every_default_is_what_the_table_says(tmp_path: Path) -> None:
    bare = {name: environment(tmp_path)[name] for name in REQUIRED}
    written = {row.name: row.default for row in DOCUMENTED if row.default not in (None, "")}
    written |= {"TRACKER_DATA": "./var"}
    spelled = {
        name: value.replace("<data>", str(Path("var").absolute()))
        for name, value in written.items()
        if value is not None
    }
    assert load(bare) == load({**bare, **spelled})


def test_the_page_on_settings_has_a_row_for_each() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(TRACKER_\w+)` \| (.*?) \|", page, re.M))
    assert list(rows) == [row.name for row in DOCUMENTED]
    for row in DOCUMENTED:
        assert row.meaning in page
        if row.default:
            assert row.default in rows[row.name]


def test_no_other_place_reads_the_environment() -> None:
    for file in paths.PACKAGE.rglob("*.py"):
        if file.name == "settings.py" or "demo" in file.parts:
            continue
        assert not re.search(r"os\.environ|getenv", file.read_text("utf-8")), file
    assert "os.environ" in Path(str(settings.__file__)).read_text("utf-8")


# --- at start ---------------------------------------------------------------------------------


def start(variables: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if "TRACKER" not in name}
    return subprocess.run(
        [sys.executable, *command],
        env={**clean, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_worker_and_web_refuse_to_start_and_say_why_without_a_traceback(tmp_path: Path) -> None:
    variables = {"TRACKER_DATA": str(tmp_path / "data"), "TRACKER_SECRET": "hunter2"}
    worker = start(variables, "-m", "tracker", "work")
    assert worker.returncode == 2
    for name in REQUIRED:
        assert name in worker.stderr
    assert "Traceback" not in worker.stderr
    assert "hunter2" not in worker.stderr + worker.stdout
    web = start(variables, "-c", "import wsgi")
    assert web.returncode != 0
    assert "TRACKER_BASE_URL is missing" in web.stderr
    assert not (tmp_path / "data").exists(), "nothing is made before the settings are right"


# --- durability -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "named"),
    [
        ("synchronous=OFF", "synchronous is 0"),
        ("synchronous=NORMAL", "synchronous is 1"),
        ("journal_mode=DELETE", "journal_mode is delete"),
        ("foreign_keys=OFF", "foreign_keys is 0"),
    ],
)
def test_a_forgetful_sqlite_is_refused_and_the_reason_named(
    good: dict[str, str], monkeypatch: pytest.MonkeyPatch, pragma: str, named: str
) -> None:
    careful = database._set_pragmas

    def careless(connection: FairConnection, lock: SideLock) -> None:
        careful(connection, lock)
        connection.execute(f"PRAGMA {pragma}")

    monkeypatch.setattr(database, "_set_pragmas", careless)
    with pytest.raises(NotDurable, match=named):
        create_app(load(good))


@pytest.mark.parametrize(
    "setting", ["synchronous_commit=off", "synchronous_commit=remote_write"]
)
def test_a_forgetful_postgresql_is_refused_and_the_reason_named(
    good: dict[str, str], postgres_server: postgres.Server, setting: str
) -> None:
    requirements.need("postgres")
    url = postgres_server.create_database()
    join = "&" if "?" in url else "?"
    good["TRACKER_DATABASE_URL"] = f"{url}{join}options={quote(f'-c {setting}')}"
    with pytest.raises(NotDurable, match=setting.replace("=", " is ")):
        create_app(load(good))


def test_both_databases_as_they_come_are_durable(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        database.check_durability(db.engine)
        db.engine.dispose()
