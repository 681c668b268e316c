"""A door before a mail server that lets so many connections in and no more."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Doorman:
    """Listens on ``port``; whoever finds ``most`` inside already gets 421 (RFC 5321 §3.8).

    One that ``is_silent`` greets them once somebody has left.
    """

    def __init__(self, target: int, *, most: int, is_silent: bool = False) -> None:
        self.target, self.most, self.is_silent = target, most, is_silent
        self.inside = self.turned_away = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self._lock = threading.Lock()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            while not self._lets_in():
                if not self.is_silent:
                    with contextlib.suppress(OSError):
                        client.sendall(b"421 4.7.0 too many connections\r\n")
                    return
                time.sleep(0.02)
            try:
                with socket.create_connection(("127.0.0.1", self.target)) as server:
                    thread = threading.Thread(target=_pump, args=[server, client], daemon=True)
                    thread.start()
                    _pump(client, server)
                    thread.join(10)
            finally:
                with self._lock:
                    self.inside -= 1

    def _lets_in(self) -> bool:
        with self._lock:
            is_full = self.inside >= self.most
            self.inside += not is_full
            self.turned_away += is_full
        return not is_full


def _pump(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextmanager
def doorman(target: int, *, most: int, is_silent: bool = False) -> Iterator[Doorman]:
    """Let ``most`` connections through to the server on the port ``target``."""
    made = Doorman(target, most=most, is_silent=is_silent)
    threading.Thread(target=made.run, daemon=True).start()
    try:
        yield made
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
