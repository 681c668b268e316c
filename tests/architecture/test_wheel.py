"""The wheel alone is enough: it migrates, serves a page and sends a mail from anywhere."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
START_SECONDS = 30


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a release does, with the build backend that is already here."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    _run([*command, ROOT], cwd=folder, environ=os.environ)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it where nothing else is, and give that environment's folder of programs.

    The dependencies are lent by the environment the tests run in, so no network is needed;
    the checkout is not: only what the wheel carries can be imported as ``tracker``.
    """
    home = tmp_path_factory.mktemp("installed")
    _run([sys.executable, "-m", "venv", "--without-pip", home], cwd=home, environ=os.environ)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    _run([*pip, *options, wheel], cwd=home, environ=os.environ)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return home / "bin"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give the settings of a small installation, and nothing of ours."""
    port = _free_port()
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONWARNINGS": "default",
        "TRACKER_BASE_URL": f"http://{LOOPBACK}:{port}",
        "TRACKER_ALLOWED_HOSTS": LOOPBACK,
        "TRACKER_SECRET": secrets.token_hex(32),
        "TRACKER_DATA": str(tmp_path / "data"),
        "TRACKER_SMTP_HOST": LOOPBACK,
        "TRACKER_SMTP_PORT": str(_free_port()),
        "TRACKER_SMTP_SECURITY": "none",
        "TRACKER_MAIL_FROM": "alerts@example.org",
    }


def test_the_wheel_carries_templates_migrations_and_translations_inside_the_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {name.split("/")[0] for name in names} == {
        "tracker",
        "solidarity_tracker-0.1.0.dist-info",
    }
    patterns = ("templates/**/*.*", "migrations/**/*.*", "tracker/translations/**/*.mo")
    for pattern in (*patterns, "tracker/fonts/*"):
        carried = {_place_in_wheel(path) for path in ROOT.glob(pattern) if _is_source(path)}
        assert carried, f"nothing matches {pattern}"
        assert carried <= names
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def test_an_installed_wheel_migrates_and_serves_a_page_from_anywhere(
    installed, environ, tmp_path
):
    where = _run(
        [installed / "python", "-c", "import tracker; print(tracker.__file__)"],
        tmp_path,
        environ,
    )
    assert Path(where.strip()).is_relative_to(installed.parent)

    _run([installed / "tracker", "db", "upgrade"], tmp_path, environ)

    with _serving(installed, tmp_path, environ) as address:
        with urllib.request.urlopen(f"{address}/en/", timeout=10) as answer:
            page = answer.read().decode()
            assert answer.status == 200
        style = re.search(r'href="([^"]+\.css)"', page)
        assert style
        with urllib.request.urlopen(f"{address}{style[1]}", timeout=10) as answer:
            assert answer.status == 200


def test_an_installed_wheel_sends_a_mail(installed, environ, tmp_path):
    _run([installed / "tracker", "db", "upgrade"], tmp_path, environ)

    with _sink(int(environ["TRACKER_SMTP_PORT"])) as received:
        _run([installed / "tracker", "mail", "test", "ada@example.org"], tmp_path, environ)

    (mail,) = received
    assert mail["To"] == "ada@example.org"
    assert "alerts@example.org" in mail["From"]
    assert mail["Message-ID"]


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _place_in_wheel(path: Path) -> str:
    place = path.relative_to(ROOT).as_posix()
    return place if place.startswith("tracker/") else f"tracker/_{place}"


def _run(command: list[object], cwd: Path, environ: Mapping[str, str]) -> str:
    """Run ``command`` to its end and give its output; fails with all it said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command} says:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def _serving(installed: Path, cwd: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Serve the installed package as in production, and give its address once it answers."""
    address = environ["TRACKER_BASE_URL"]
    command = [installed / "python", "-m", "gunicorn", "tracker.app:create_app()"]
    command += ["--no-control-socket", "--bind", address.removeprefix("http://")]
    with (cwd / "gunicorn.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=cwd, env=environ, stdout=log, stderr=log)
    try:
        _wait_for(address, server, cwd / "gunicorn.log")
        yield address
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    host, port = address.removeprefix("http://").split(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"gunicorn did not start:\n{log.read_text('utf-8', 'replace')}")


@contextmanager
def _sink(port: int) -> Iterator[list[Message]]:
    """Take mails on loopback and give those that came."""
    received: list[Message] = []

    class Keep(MessageHandler):
        def handle_message(self, message: Message) -> None:
            received.append(message)

    controller = Controller(Keep(), hostname=LOOPBACK, port=port)
    controller.start()
    try:
        yield received
    finally:
        controller.stop()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
