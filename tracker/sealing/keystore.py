"""Where private keys live: a folder outside the database that only the worker may read.

One file per key, each written whole or not at all, wrapped with the epoch key. The epoch key
lies in a file of its own (*unattended*). Without the folder, the database opens for nobody;
without the database, the folder says nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import secrets
import stat
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from tracker.core.logs import Seldom
from tracker.sealing import envelopes

log = logging.getLogger(__name__)


class KeyMissing(Exception):
    """This worker does not hold the key; another may."""


class UnsafeKeystore(Exception):
    """Somebody else could have put keys there; the process must not start."""


class CampaignKeys(NamedTuple):
    """What the worker holds for one campaign."""

    pair: envelopes.KeyPair
    tag_key: bytes
    link_key: bytes


class Keystore:
    """The folder of one worker (several workers may share it)."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, made when missing, readable by its owner only.

        Raises :class:`UnsafeKeystore` where it is another user's, or anybody may write to it.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(folder)
        self._cache: dict[str, dict[str, Any]] = {}
        self._guard = threading.Lock()
        self._missed = Seldom(log)
        self._epoch = SecretBox(self._epoch_key())

    # --- kinds of keys ---------------------------------------------------------------------

    def site_key(self) -> bytes:
        """Give the key of suppressions, over all campaigns."""
        return bytes.fromhex(self._read_or_make("site", lambda: {"key": _random_hex()})["key"])

    def day_key(self, day: dt.date) -> bytes:
        """Give the key of the daily caps of one day."""
        name = f"day-{day.isoformat()}"
        return bytes.fromhex(self._read_or_make(name, lambda: {"key": _random_hex()})["key"])

    def make_campaign(self, key_id: str) -> bytes:
        """Make the keys of one campaign, once, and give the public key."""
        return bytes.fromhex(
            self._read_or_make(f"campaign-{key_id}", _campaign_content)["public"]
        )

    def campaign(self, key_id: str) -> CampaignKeys:
        """Give the keys of one campaign. Raises :class:`KeyMissing`."""
        content = self._find(f"campaign-{key_id}")
        return CampaignKeys(
            envelopes.KeyPair(
                bytes.fromhex(content["private"]), bytes.fromhex(content["public"])
            ),
            bytes.fromhex(content["tag"]),
            bytes.fromhex(content["link"]),
        )

    def make_outbox(self, key_id: str) -> bytes:
        """Make a pair for the outbox, once, and give the public key."""
        return bytes.fromhex(self._read_or_make(f"outbox-{key_id}", _pair_content)["public"])

    def outbox_private(self, key_id: str) -> bytes:
        """Give a private key of the outbox. Raises :class:`KeyMissing`."""
        return bytes.fromhex(self._find(f"outbox-{key_id}")["private"])

    def has_campaign(self, key_id: str) -> bool:
        """Say whether the keys of a campaign are here, and open."""
        try:
            self._read(f"campaign-{key_id}")
        except KeyMissing:
            return False
        return True

    def has_outbox(self, key_id: str) -> bool:
        """Say whether the file of a private key of the outbox is here now, and opens.

        Others that share the folder destroy keys too, so this one remembers none of them.
        """
        try:
            self._read_file(f"outbox-{key_id}")
        except KeyMissing:
            return False
        return True

    def outbox_ids(self, *, made_before: dt.datetime | None = None) -> set[str]:
        """Give the ids of the outbox keys held here, or of those made before a moment."""
        return {
            path.stem.removeprefix("outbox-")
            for path in self.folder.glob("outbox-*.key")
            if made_before is None or path.stat().st_mtime < made_before.timestamp()
        }

    def forget_outbox(self, *, kept: Collection[str]) -> None:
        """Drop from memory what another worker may have destroyed: all but those ``kept``."""
        names = {f"outbox-{key_id}" for key_id in kept}
        with self._guard:
            for name in [one for one in self._cache if one.startswith("outbox-")]:
                if name not in names:
                    del self._cache[name]

    def destroy_outbox(self, key_id: str) -> None:
        """Forget a private key: what was sealed to it stays shut, in backups too."""
        self._destroy(f"outbox-{key_id}")

    def destroy_days_before(self, day: dt.date) -> None:
        """Forget the cap keys of earlier days."""
        for path in self.folder.glob("day-*.key"):
            if path.stem < f"day-{day.isoformat()}":
                self._destroy(path.stem)

    # --- files -----------------------------------------------------------------------------

    def _epoch_key(self) -> bytes:
        path = self.folder / "epoch.key"
        if not path.exists():
            _write_once(path, secrets.token_bytes(32))
        _check_owner(path)
        return path.read_bytes()

    def _find(self, name: str) -> dict[str, Any]:
        """Give a key that somebody made, and say so where it is not here: mail may wait."""
        try:
            return self._read(name)
        except KeyMissing as missing:
            # Perhaps an intruder wrote the name into a row: it must be no line of its own.
            self._missed.warn("what needs a key waits: %a", str(missing))
            raise

    def _read(self, name: str) -> dict[str, Any]:
        with self._guard:
            found = self._cache.get(name)
        if found is None:
            found = self._read_file(name)
            with self._guard:
                self._cache[name] = found
        return found

    def _read_file(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads(
                self._epoch.decrypt((self.folder / f"{name}.key").read_bytes())
            )
        except FileNotFoundError:
            raise KeyMissing(f"{name} is not in the keystore") from None
        except OSError as error:
            raise KeyMissing(f"{name} cannot be read ({type(error).__name__})") from None
        except (CryptoError, ValueError):
            raise KeyMissing(f"{name} does not open with this epoch key") from None
        if content.get("name") != name:
            raise KeyMissing(f"{name} holds another key")
        return dict(content)

    def _read_or_make(self, name: str, make: Any) -> dict[str, Any]:
        with contextlib.suppress(KeyMissing):
            return self._read(name)
        path = self.folder / f"{name}.key"
        if path.exists():
            # Another process was first; or it is unreadable, and no second key may be made.
            return self._read(name)
        content = json.dumps({"name": name, **make()}).encode()
        _write_once(path, bytes(self._epoch.encrypt(content)))
        return self._read(name)

    def _destroy(self, name: str) -> None:
        with self._guard:
            self._cache.pop(name, None)
        path = self.folder / f"{name}.key"
        with contextlib.suppress(FileNotFoundError):
            # Overwriting helps on plain file systems only; disk encryption does the rest.
            size = path.stat().st_size
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _sync_folder(self.folder)


def _campaign_content() -> dict[str, str]:
    return {**_pair_content(), "tag": _random_hex(), "link": _random_hex()}


def _pair_content() -> dict[str, str]:
    pair = envelopes.new_pair()
    return {"private": pair.private.hex(), "public": pair.public.hex()}


def _random_hex() -> str:
    return secrets.token_bytes(32).hex()


def _check_owner(path: Path) -> None:
    """Refuse what another user may have put there; a disk's mount may be root's."""
    found, user = path.stat(), os.geteuid()
    if (user and found.st_uid not in (user, 0)) or found.st_mode & stat.S_IWOTH:
        raise UnsafeKeystore(
            f"{path} is another user's, or anybody may write to it: who knows whose keys these"
            " are. The keystore must belong to the worker, in a folder that nobody else can"
            " rename."
        )


def _write_once(path: Path, content: bytes) -> None:
    """Write a file durably and whole; when another process was first, theirs stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
