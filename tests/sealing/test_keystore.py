"""The folder of private keys: closed to others, whole or not there, never made twice."""

from __future__ import annotations

import datetime as dt
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nacl.public import PrivateKey

from tracker.sealing import envelopes, keystore
from tracker.sealing.keystore import KeyMissing, Keystore, UnsafeKeystore

TODAY = dt.date(2026, 11, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


@pytest.fixture
def store(folder: Path) -> Keystore:
    return Keystore(folder)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def fill(store: Keystore) -> None:
    store.make_campaign("one")
    store.make_outbox("one")
    store.site_key()
    store.day_key(TODAY)


def test_nobody_else_may_read_the_folder_or_a_key(folder: Path) -> None:
    with umask(0):
        fill(Keystore(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 5
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize("part", ["", "epoch.key"])
def test_keys_that_somebody_else_could_have_put_there_are_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    fill(Keystore(folder))
    (folder / part).chmod(0o707)
    with pytest.raises(UnsafeKeystore):
        Keystore(folder)
    (folder / part).chmod(0o700)
    Keystore(folder)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid():
        with pytest.raises(UnsafeKeystore):
            Keystore(folder)
        return
    os.chown(folder / part, 4711, -1)
    with pytest.raises(UnsafeKeystore):
        Keystore(folder)
    monkeypatch.undo()
    Keystore(folder)  # root, who may do everything anyway


def test_the_public_key_that_is_given_belongs_to_the_private_one_that_is_kept(
    store: Keystore,
) -> None:
    public = store.make_campaign("one")
    assert store.campaign("one").pair.public == public
    assert bytes(PrivateKey(store.campaign("one").pair.private).public_key) == public
    outbox = store.make_outbox("one")
    assert bytes(PrivateKey(store.outbox_private("one")).public_key) == outbox


def test_every_key_is_another(store: Keystore) -> None:
    fill(store)
    store.make_campaign("two")
    one, two = store.campaign("one"), store.campaign("two")
    keys = [*one.pair, one.tag_key, one.link_key, *two.pair, two.tag_key, two.link_key]
    keys += [store.site_key(), store.day_key(TODAY), store.outbox_private("one")]
    assert len(set(keys)) == len(keys)


def test_a_key_is_made_once_and_found_again_after_a_restart(
    store: Keystore, folder: Path
) -> None:
    made = (store.make_campaign("one"), store.make_outbox("one"), store.site_key())
    again = Keystore(folder)
    assert (again.make_campaign("one"), again.make_outbox("one"), again.site_key()) == made
    assert again.campaign("one") == store.campaign("one")


def test_a_second_process_gets_the_same_key(store: Keystore, folder: Path) -> None:
    command = "import sys, pathlib; from tracker.sealing.keystore import Keystore; "
    command += "print(Keystore(pathlib.Path(sys.argv[1])).site_key().hex())"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(folder)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = {worker.communicate(timeout=30)[0].strip() for worker in workers}
    assert answers == {store.site_key().hex()}


def test_processes_that_begin_together_agree_on_the_epoch_key(tmp_path: Path) -> None:
    command = (
        "import sys, pathlib; from tracker.sealing.keystore import Keystore; sys.stdin.read(); "
        "print(Keystore(pathlib.Path(sys.argv[1])).make_outbox('x').hex())"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(tmp_path / "keys")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
        worker.stdin = None
    assert len({worker.communicate(timeout=30)[0] for worker in workers}) == 1


def test_with_another_epoch_key_nothing_opens_and_no_second_key_is_made(
    store: Keystore, folder: Path
) -> None:
    fill(store)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "epoch.key").write_bytes(bytes(32))
    stranger = Keystore(folder)
    asked = [
        lambda: stranger.campaign("one"),
        lambda: stranger.make_campaign("one"),
        lambda: stranger.outbox_private("one"),
        lambda: stranger.make_outbox("one"),
        stranger.site_key,
        lambda: stranger.day_key(TODAY),
    ]
    for ask in asked:
        with pytest.raises(KeyMissing):
            ask()
    del before["epoch.key"]
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert len(list(folder.iterdir())) == len(before) + 1


def test_a_key_that_is_missing_is_told_once_and_not_again_at_once(
    store: Keystore, caplog: pytest.LogCaptureFixture
) -> None:
    for ask in (store.outbox_private, store.campaign, store.outbox_private):
        with pytest.raises(KeyMissing):
            ask("one")
    assert [record.getMessage() for record in caplog.records] == [
        "what needs a key waits: 'outbox-one is not in the keystore'"
    ]


def test_the_name_of_a_missing_key_makes_no_line_of_its_own_in_the_log(
    store: Keystore, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyMissing):
        store.outbox_private("one\nERROR all is lost")
    (record,) = caplog.records
    assert len(record.getMessage().splitlines()) == 1


def test_a_key_that_another_worker_destroyed_is_not_kept_in_memory(
    store: Keystore, folder: Path
) -> None:
    for key_id in ("old", "new"):
        store.make_outbox(key_id)
    other = Keystore(folder)
    other.destroy_outbox("old")
    assert not store.has_outbox("old")
    store.forget_outbox(kept={"new"})
    with pytest.raises(KeyMissing):
        store.outbox_private("old")
    assert store.outbox_private("new") == other.outbox_private("new")


def test_a_key_that_cannot_be_read_is_missing_and_no_second_one_is_made(
    store: Keystore, folder: Path
) -> None:
    (folder / "outbox-one.key").mkdir()
    assert not store.has_outbox("one")
    for ask in (store.outbox_private, store.make_outbox):
        with pytest.raises(KeyMissing):
            ask("one")


def test_a_key_file_renamed_to_another_campaign_is_refused(
    store: Keystore, folder: Path
) -> None:
    store.make_campaign("one")
    (folder / "campaign-one.key").rename(folder / "campaign-two.key")
    with pytest.raises(KeyMissing):
        Keystore(folder).campaign("two")


def test_a_private_key_does_not_stand_readable_in_its_file(
    store: Keystore, folder: Path
) -> None:
    store.make_campaign("one")
    keys = store.campaign("one")
    content = (folder / "campaign-one.key").read_bytes()
    for secret in (keys.pair.private, keys.tag_key, keys.link_key):
        assert secret not in content
        assert secret.hex().encode() not in content


def test_a_key_that_cannot_be_written_down_is_not_half_there(
    store: Keystore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(keystore.os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            store.make_campaign("one")
    assert [file.name for file in folder.iterdir()] == ["epoch.key"]
    assert store.make_campaign("one") == Keystore(folder).campaign("one").pair.public


def test_a_key_is_on_the_disk_before_it_gets_its_name(
    store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = []
    sync, link = os.fsync, os.link
    monkeypatch.setattr(
        keystore.os, "fsync", lambda number: (happened.append("sync"), sync(number))[1]
    )
    monkeypatch.setattr(
        keystore.os, "link", lambda old, new: (happened.append("name"), link(old, new))[1]
    )
    store.make_campaign("one")
    assert happened == ["sync", "name", "sync"], "content, name, then the folder"


def test_a_destroyed_key_is_gone_for_good(store: Keystore, folder: Path) -> None:
    public = store.make_outbox("one")
    envelope = envelopes.seal(public, {"to": "a@example.org"}, context="x", size=64)
    with (folder / "outbox-one.key").open("rb") as still_open:
        content = still_open.read()
        store.destroy_outbox("one")
        still_open.seek(0)
        assert still_open.read() != content, "overwritten before it is removed"
    for one in (store, Keystore(folder)):
        assert one.outbox_ids() == set()
        with pytest.raises(KeyMissing):
            one.outbox_private("one")
    store.destroy_outbox("one")
    new = store.make_outbox("one")
    assert new != public
    with pytest.raises(envelopes.CannotOpen):
        envelopes.open_sealed(store.outbox_private("one"), envelope, context="x")


def test_the_keys_of_days_gone_by_are_destroyed_and_todays_stays(
    store: Keystore, folder: Path
) -> None:
    today = store.day_key(TODAY)
    yesterday = store.day_key(TODAY - dt.timedelta(days=1))
    store.destroy_days_before(TODAY)
    assert store.day_key(TODAY) == today
    assert [file.name for file in folder.glob("day-*")] == [f"day-{TODAY}.key"]
    assert store.day_key(TODAY - dt.timedelta(days=1)) != yesterday
