from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracker.demo import folder as folders
from tracker.demo.commands import demo_cli
from tracker.demo.folder import MARKER, FolderRefused


def test_fresh_refuses_a_folder_that_the_demo_did_not_make(data: Path) -> None:
    data.mkdir()
    precious = data / "tracker.db"
    precious.write_text("somebody's")
    done = CliRunner().invoke(demo_cli, ["start", "--fresh"], env={"TRACKER_DATA": str(data)})
    assert done.exit_code == 1
    assert "the demo did not make" in done.output
    assert precious.read_text() == "somebody's"
    assert os.listdir(data) == ["tracker.db"]


def test_fresh_refuses_a_folder_with_anything_else_in_it(data: Path) -> None:
    data.mkdir()
    (data / "notes.txt").write_text("mine")
    with pytest.raises(FolderRefused):
        folders.claim(data, fresh=True)


def test_a_start_refuses_a_real_installations_folder(data: Path) -> None:
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "epoch.key").write_bytes(b"x")
    done = CliRunner().invoke(demo_cli, ["load"], env={"TRACKER_DATA": str(data)})
    assert done.exit_code == 1
    assert "the demo did not make" in done.output
    assert not (data / MARKER).exists()


def test_clearing_deletes_what_the_demo_made_and_nothing_else(data: Path) -> None:
    folders.claim(data)
    for name in ("keys", "log"):
        (data / name).mkdir()
    ours = (
        "tracker.db",
        "tracker.db-wal",
        "mailbox.db",
        "queue.db",
        "queue.db-wal",
        "demo.json",
        "keys/a.key",
        "log/a.log",
    )
    for name in (*ours, "notes.txt", "keys/notes.txt"):
        (data / name).write_text("x")
    folders.clear(data)
    left = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    assert left == {MARKER, "notes.txt", "keys/notes.txt"}


def test_two_demos_on_one_folder_are_refused_in_a_sentence(data: Path) -> None:
    folders.claim(data)
    with folders.alone(data) as lock:
        folders.note(lock, [4711, 4712])
        with (
            pytest.raises(FolderRefused, match=r"running in .* already \(process 4711, 4712\)"),
            folders.alone(data),
        ):
            pass
    with folders.alone(data):
        pass


def test_what_is_kept_is_read_back_and_for_its_owner_only(data: Path) -> None:
    folders.claim(data)
    made = folders.read_or_make(data)
    made.ports = {"site": 1, "mailbox": 2, "smtp": 3}
    made.save()
    assert folders.read(data) == made
    assert folders.read_or_make(data).password == made.password
    assert stat.S_IMODE((data / "demo.json").stat().st_mode) == 0o600


def test_a_busy_port_gives_way_to_the_next_free_one() -> None:
    with closing(socket.socket()) as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        found = folders.free_port("127.0.0.1", port, taken={port + 1})
    assert found > port + 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_the_demo_answers_on_loopback_only(host: str, data: Path) -> None:
    arguments = ["start", "--host", host]
    done = CliRunner().invoke(demo_cli, arguments, env={"TRACKER_DATA": str(data)})
    assert done.exit_code == 2
    assert not data.exists()
