"""How long two busy writers on one SQLite file wait for their turn, with and without our lock.

Prints milliseconds (median, p99, longest) and the ratio of the longest waits.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from tracker.side_lock import FairConnection, SideLock

WRITERS = 3
SECONDS = 6.0


def write(path: str, *, fair: bool) -> list[float]:
    """Write durably without pause and give the waiting time of each transaction."""
    factory = FairConnection if fair else sqlite3.Connection
    connection = sqlite3.connect(path, timeout=30, factory=factory, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    if isinstance(connection, FairConnection):
        connection.side_lock = SideLock(f"{path}.lock")
    waited = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        begun = time.perf_counter()
        if isinstance(connection, FairConnection):
            connection.take_turn()
        connection.execute("BEGIN IMMEDIATE")
        waited.append(time.perf_counter() - begun)
        connection.execute("INSERT INTO t (v) VALUES (?)", ("x" * 500,))
        connection.commit()
    connection.close()
    return waited


def run(*, fair: bool) -> list[float]:
    """Give the sorted waiting times of all writers."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.db")
        with sqlite3.connect(path) as made:
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        with multiprocessing.Pool(WRITERS) as pool:
            jobs = [pool.apply_async(write, (path,), {"fair": fair}) for _ in range(WRITERS)]
            waited = sorted(wait for job in jobs for wait in job.get())
        with sqlite3.connect(path) as made:
            assert made.execute("SELECT count(*) FROM t").fetchone() == (len(waited),)
        return waited


def test_waiting_for_a_turn_to_write() -> None:
    figures = {}
    for name, fair in (("SQLite alone", False), ("side lock", True)):
        waited = run(fair=fair)
        p99 = waited[int(len(waited) * 0.99)]
        figures[name] = waited[-1]
        print(
            f"\n{name:14} {len(waited):7} transactions  median"
            f" {statistics.median(waited) * 1000:8.2f} ms  p99 {p99 * 1000:8.2f} ms"
            f"  longest {waited[-1] * 1000:8.2f} ms",
            end="",
        )
    ratio = figures["SQLite alone"] / figures["side lock"]
    print(f"\nratio of the longest wait, alone to side lock: {ratio:.1f}")
