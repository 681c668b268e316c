"""A door before a mail server that lets so many connections in and no more."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Doorman:
    """Listens on ``port``; whoever finds ``most`` inside already gets 421 (RFC 5321 §3.8)."""

    def __init__(self, target: int, *, most: int) -> None:
        self.target, self.most = target, most
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
            with self._lock:
                is_full = self.inside >= self.most
                self.inside += not is_full
                self.turned_away += is_full
            if is_full:
                with contextlib.suppress(OSError):
                    client.sendall(b"421 4.7.0 too many connections\r\n")
                return
            try:
                with socket.create_connection(("127.0.0.1", self.target)) as server:
                    thread = threading.Thread(target=_pump, args=[server, client], daemon=True)
                    thread.start()
                    _pump(client, server)
                    thread.join(10)
            finally:
                with self._lock:
                    self.inside -= 1


def _pump(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextmanager
def doorman(target: int, *, most: int) -> Iterator[Doorman]:
    """Let ``most`` connections through to the server on the port ``target``."""
    made = Doorman(target, most=most)
    threading.Thread(target=made.run, daemon=True).start()
    try:
        yield made
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
