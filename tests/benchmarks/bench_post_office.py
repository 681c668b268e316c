"""What the post office reaches: a real worker process, real databases, a mail server beside it.

``python3 dev.py bench tests/benchmarks/bench_post_office.py`` prints figures, targets, and
ratios measured in the same run. All of it shares the machine's processors; what counts
processor time is the sturdier half. ``TRACKER_TEST_RECIPIENTS`` (30,000) and
``TRACKER_TEST_SLOTS`` (1,000,000, more than the 500,000 that PostgreSQL writes in one step)
change the lengths of the lists; sealing the addresses of a million takes minutes.
"""

from __future__ import annotations

import os
import smtplib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.conftest import Person, environment, sign
from tests.support import quicksink
from tests.support.crew import Crew, cpu_seconds, memory
from tests.support.crowd import Crowd, gather
from tests.support.quicksink import QuickSink
from tests.support.trials import installation
from tracker.alerts import expanding, queries, services
from tracker.alerts.audiences import unpack
from tracker.alerts.models import CHUNK, Alert, AlertAudience, AlertChunk, AlertState
from tracker.extensions import db, writing
from tracker.mail.splicing import Slots
from tracker.sealing import envelopes
from tracker.subscriptions.models import Subscription

RECIPIENTS = int(os.environ.get("TRACKER_TEST_RECIPIENTS", "30000"))
SLOTS = int(os.environ.get("TRACKER_TEST_SLOTS", "1000000"))
FEW = 1_000
PATIENCE = 1_800.0
LOOK_SECONDS = 0.1
"""How often the tables are asked how far an alert is: each time takes from what is measured."""
SETTLE_SECONDS = 1.5
"""A worker that has just started is left alone for so long, and measured after that."""
CONFIRMATIONS, BETWEEN_SECONDS = 12, 0.15
PAUSES = 5
OPENINGS = 5_000
LEAVING = 200
TEXT = "\n\n".join(
    f"{number}. Men in two vehicles took him away at night; his family has not heard of him"
    " since. The police refuse to register the case, and the court has asked for a report that"
    " nobody has written. Please write to the officials named below, and tell others."
    for number in range(1, 13)
)
"""Makes a mail of about 10 kB, as updates that tell a story are."""


Database: TypeAlias = tuple[str, Callable[[], dict[str, str]]]
"""Its name, and what gives the settings of a new one."""


class Sent(NamedTuple):
    """How one alert went."""

    seconds: float
    cpu: float
    mails: int

    @property
    def rate(self) -> float:
        """Give mails a second."""
        return self.mails / self.seconds

    @property
    def per_cpu(self) -> float:
        """Give mails per second of the worker's processor time."""
        return self.mails / self.cpu


@dataclass
class Post:
    """An installation with its crowd, whose workers may use any mail server."""

    name: str
    site: Flask
    crowd: Crowd
    folder: Path
    variables: dict[str, str]

    @contextmanager
    def worker(self, sink: QuickSink, *, connections: int = 16) -> Iterator[tuple[Crew, int]]:
        """Run one real worker; give it, and its process id."""
        variables = {
            **self.variables,
            "TRACKER_SMTP_PORT": str(sink.port),
            "TRACKER_SMTP_CONNECTIONS": str(connections),
        }
        log = self.folder / f"worker-{time.monotonic_ns()}.log"
        crew = Crew(variables, log)
        worker = crew.hire()
        assert worker.pid is not None
        try:
            crew.wait_for(lambda: "ready" in log.read_text())
            time.sleep(SETTLE_SECONDS)
            yield crew, worker.pid
            crew.dismiss()
        finally:
            crew.end()

    def tell(self) -> int:
        """Approve an alert of a realistic length."""
        return self.crowd.tell(text=TEXT)

    def send(self, pid: int) -> Sent:
        """Tell everybody; measured from the moment the worker begins until all is marked."""
        cpu = cpu_seconds(pid)
        alert_id = self.tell()
        self.wait(alert_id, lambda alert: alert.state is not AlertState.WAITING)
        begun = time.perf_counter()
        self.wait(alert_id, lambda alert: alert.state is AlertState.DONE, every=LOOK_SECONDS)
        seconds = time.perf_counter() - begun
        cpu = cpu_seconds(pid) - cpu
        with self.site.app_context():
            sent = db.session.get_one(Alert, alert_id).sent
        return Sent(seconds, cpu, sent)

    def wait(
        self, alert_id: int, condition: Callable[[Alert], bool], *, every: float = 0.02
    ) -> None:
        """Wait until something is so of an alert; look at it ``every`` so many seconds."""
        deadline = time.monotonic() + PATIENCE
        with self.site.app_context():
            while not condition(db.session.get_one(Alert, alert_id)):
                db.session.rollback()
                assert time.monotonic() < deadline
                time.sleep(every)
            db.session.rollback()

    def do(self, action: Callable[[Alert], None], alert_id: int) -> float:
        """Let an organiser do something; give the moment of ``time.monotonic()`` after it."""
        with self.site.app_context(), writing():
            action(db.session.get_one(Alert, alert_id, with_for_update=True))
        return time.monotonic()

    def subscribed(self) -> int:
        """Count the rows of the crowd."""
        mine = Subscription.campaign_id == self.crowd.campaign_id
        with self.site.app_context():
            return db.session.scalar(select(func.count()).where(mine)) or 0

    def one_mail(self) -> bytes:
        """Give the bytes of one of the mails last told."""
        with self.site.app_context():
            query = select(Alert.update_id).order_by(Alert.approved_at.desc()).limit(1)
            frozen = queries.variants(db.session.scalar(query) or 0)["en"]
        date = "Fri, 27 Nov 2026 11:00:00 GMT"
        slots = Slots("b@example.org", "0" * 32, date, "a" * 43)
        return frozen.splice(slots)


def say(name: str, figure: str, target: str = "") -> None:
    """Print one figure beside what is wanted."""
    print(f"  {name:<46} {figure:>22}  {target}")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """Give a database's name, and what makes a new one: each installation has its own."""

    def make() -> dict[str, str]:
        if request.param == "sqlite":
            return {}
        server = request.getfixturevalue("postgres_server")
        return {"TRACKER_DATABASE_URL": server.create_database()}

    return request.param, make


@pytest.fixture(scope="module")
def post(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    name, make_database = database
    folder = tmp_path_factory.mktemp(name)
    variables = environment(folder) | make_database()
    with installation(variables) as site:
        begun = time.perf_counter()
        crowd = gather(site, RECIPIENTS)
        print(f"\n{name}: {RECIPIENTS:,} sealed in {time.perf_counter() - begun:.0f} s")
        yield Post(name, site, crowd, folder, variables)


@contextmanager
def best_sink() -> Iterator[QuickSink]:
    """Run Postfix' sink where it is installed, ours elsewhere."""
    is_postfix = quicksink.has_smtp_sink()
    with quicksink.smtp_sink() if is_postfix else quicksink.quicksink() as sink:
        print(f"\n  against {'smtp-sink' if is_postfix else 'our own sink'}:")
        yield sink


def test_end_to_end(post: Post) -> None:
    """Everything from the approved alert to the last mark, addresses sealed."""
    with best_sink() as sink:
        with post.worker(sink) as (_, pid):
            at_rest, _ = memory(pid)
            sent = post.send(pid)
            now, most = memory(pid)
        assert sent.mails == len(post.crowd.owed)
        say("mails a second", f"{sent.rate:,.0f}", ">= 2,500")
        say("mails per worker-CPU-second", f"{sent.per_cpu:,.0f}", ">= 5,000")
        opening = _opening_seconds()
        say("opening one sealed address, alone", f"{opening * 1e6:.0f} µs")
        say("a mail's CPU time, in such openings", f"{1 / sent.per_cpu / opening:.1f}")
        mail = post.one_mail()
        say("size of a mail", f"{len(mail):,} bytes")
        say("memory at rest, after, most", f"{at_rest:.0f}, {now:.0f}, {most:.0f} MB", "<= 150")
        _compare(sink, mail, sent.rate)


def _opening_seconds() -> float:
    """Give the processor time of one opening: how fast the machine is at this moment."""
    pair, address = envelopes.new_pair(), {"to": "person@example.org"}
    sealed = envelopes.seal(pair.public, address, context="it", size=envelopes.CONTACT_SIZE)
    opened, begun = envelopes.opener(pair), time.process_time()
    for _ in range(OPENINGS):
        opened(sealed, context="it")
    return (time.process_time() - begun) / OPENINGS


def _compare(sink: QuickSink, mail: bytes, rate: float) -> None:
    if quicksink.has_smtp_source():
        number = min(RECIPIENTS, 30_000)
        seconds = quicksink.smtp_source(sink.port, mails=number, size=len(mail), sessions=16)
        say("smtp-source, 16 sessions, a second", f"{number / seconds:,.0f}")
        say("ratio to smtp-source", f"{rate * seconds / number:.2f}", ">= 0.5")
    number = min(RECIPIENTS, 5_000)
    begun = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", sink.port) as plain:
        for _ in range(number):
            plain.sendmail("a@example.org", ["b@example.org"], mail)
    seconds = time.perf_counter() - begun
    say("plain smtplib loop, mails a second", f"{number / seconds:,.0f}")
    say("ratio to smtplib", f"{rate * seconds / number:.1f}")


def test_memory_over_the_length_of_the_list(post: Post, tmp_path: Path) -> None:
    """The same worker's memory after a short list and after a long one."""
    short = gather(post.site, FEW, slug="short-list")
    few = Post(post.name, post.site, short, tmp_path, post.variables)
    with best_sink() as sink:
        for each in (few, post):
            with post.worker(sink) as (_, pid):
                number = each.send(pid).mails
                now, most = memory(pid)
            assert number == len(each.crowd.owed)
            say(f"memory after {number:,}, most", f"{now:.0f}, {most:.0f} MB", "<= 150, flat")


def test_distant_relay(post: Post) -> None:
    """A mail server whose answers are 20 ms late, 64 connections of one worker."""
    with quicksink.quicksink(latency=0.02) as sink:
        with post.worker(sink, connections=64) as (_, pid):
            sent = post.send(pid)
        assert sent.mails == len(post.crowd.owed)
        print("\n  against a mail server that answers 20 ms late:")
        say("mails a second, 64 connections", f"{sent.rate:,.0f}", ">= 1,500")
        say("mails per worker-CPU-second", f"{sent.per_cpu:,.0f}")


def test_confirmation_during_an_alert(post: Post) -> None:
    """People sign while all the others are told; how long until their mail arrives."""
    record = post.folder / f"record-{time.monotonic_ns()}"
    client = post.site.test_client()
    asked: dict[str, float] = {}
    with quicksink.quicksink(record=record) as sink, post.worker(sink) as (crew, _):
        alert_id = post.tell()
        crew.wait_for(lambda: sink.count() > 0)
        for number in range(CONFIRMATIONS):
            address = f"new{time.monotonic_ns()}@example.net"
            client.environ_base["REMOTE_ADDR"] = f"127.1.{number}.1"
            answer = sign(client, "amar-fayaz", Person(email=address))
            assert answer.status_code == 200, answer.text
            asked[address] = time.monotonic()
            time.sleep(BETWEEN_SECONDS)
        during = sink.count()
        post.wait(alert_id, lambda alert: alert.state is AlertState.DONE)
        crew.wait_for(lambda: asked.keys() <= {one.recipient for one in sink.arrivals()})
        arrived = {one.recipient: one.at for one in sink.arrivals()}
    assert arrived.keys() >= asked.keys() | post.crowd.owed
    waits = [arrived[address] - at for address, at in asked.items()]
    after = "" if during < len(post.crowd.owed) else ", some of them after it"
    print(f"\n  {CONFIRMATIONS} confirmations while an alert leaves{after}:")
    say("median", f"{statistics.median(waits):.2f} s")
    say("longest", f"{max(waits):.2f} s", "<= 5 s")


def test_pausing_and_resuming(post: Post) -> None:
    """How long mails still arrive after an organiser's pause, and until they do again."""
    record = post.folder / f"record-{time.monotonic_ns()}"
    pauses, resumes = [], []
    with quicksink.quicksink(record=record) as sink, post.worker(sink) as (crew, _):
        alert_id = post.tell()
        for _ in range(PAUSES):
            before = sink.count()
            crew.wait_for(lambda before=before: sink.count() > before + FEW)  # type: ignore[misc]
            at = post.do(services.pause, alert_id)
            time.sleep(1)
            pauses.append(max(one.at for one in sink.arrivals()) - at)
            before = sink.count()
            at = post.do(services.resume, alert_id)
            crew.wait_for(lambda before=before: sink.count() > before)  # type: ignore[misc]
            resumes.append(sink.arrivals()[before].at - at)
        post.wait(alert_id, lambda alert: alert.state is AlertState.DONE)
        arrived = {one.recipient for one in sink.arrivals()}
    assert arrived == post.crowd.owed
    print(f"\n  paused and resumed {PAUSES} times:")
    say("longest that mails still arrived", f"{max(pauses):.2f} s", "<= 1 s")
    say("longest until they did again", f"{max(resumes):.2f} s", "<= 1 s")


def test_unsubscribing_while_no_worker_runs(post: Post) -> None:
    """One click, through the whole application."""
    waits, before = [], post.subscribed()
    for address in sorted(post.crowd.owed)[:LEAVING]:
        begun = time.perf_counter()
        post.crowd.leave([address])
        waits.append(time.perf_counter() - begun)
    assert post.subscribed() == before - len(waits)
    waits.sort()
    print("\n  one-click unsubscribe, the worker down:")
    say("median", f"{statistics.median(waits) * 1000:.1f} ms", "< 100 ms")
    say("99th percentile", f"{waits[int(len(waits) * 0.99)] * 1000:.1f} ms")


# --- fan-out ---------------------------------------------------------------------------------


def test_fan_out(database: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A million subscriptions get their slots and chunks; also where a worker dies halfway."""
    name, make_database = database
    folder = tmp_path_factory.mktemp(f"fan-out-{name}")
    variables = environment(folder) | make_database()
    with installation(variables) as site:
        begun = time.perf_counter()
        crowd = gather(site, SLOTS, is_sealed=False, slug="a-million")
        print(f"\n{name}: {SLOTS:,} rows inserted in {time.perf_counter() - begun:.0f} s")
        for which in ("fan-out", "the next alert, fan-out"):
            alert_id = crowd.tell()
            steps = _expand(site, alert_id)
            _check_slots(site, crowd, alert_id)
            say(f"{which} of {SLOTS:,}", f"{sum(steps):.1f} s", "< 5 s per 1,000,000")
            say("longest of its steps", f"{max(steps) * 1000:.0f} ms")
        _fan_out_and_die(Post(name, site, crowd, folder, variables))


def _expand(site: Flask, alert_id: int) -> list[float]:
    """Do the steps of fan-out; give the seconds of each."""
    steps = []
    with site.app_context():
        while db.session.get_one(Alert, alert_id).state is not AlertState.SENDING:
            begun = time.perf_counter()
            assert expanding.expand_next()
            steps.append(time.perf_counter() - begun)
    return steps


def _fan_out_and_die(post: Post) -> None:
    """Let a real worker be killed when it has written down a part of the audience."""
    with post.site.app_context(), writing():
        db.session.execute(update(Alert).values(state=AlertState.STOPPED))
    with quicksink.quicksink() as sink:
        with post.worker(sink) as (crew, pid):
            alert_id = post.crowd.tell()
            post.wait(alert_id, lambda alert: alert.cursor > 0, every=0.001)
            crew.kill()
            begun = time.perf_counter()
        written = _written(post, alert_id)
        with post.worker(sink) as (crew, pid):
            post.wait(alert_id, lambda alert: alert.slots is not None)
            rest = time.perf_counter() - begun
            say(f"killed at {written:,}, the rest done after", f"{rest:.1f} s")
            say("most memory of the worker", f"{memory(pid)[1]:.0f} MB", "<= 150")
    _check_slots(post.site, post.crowd, alert_id)


def _written(post: Post, alert_id: int) -> int:
    with post.site.app_context():
        query = select(func.count()).where(AlertAudience.alert_id == alert_id)
        number = (db.session.scalar(query) or 0) * CHUNK
        assert 0 < number < SLOTS, "too late to kill"
        db.session.rollback()
    return number


def _check_slots(site: Flask, crowd: Crowd, alert_id: int) -> None:
    with site.app_context():
        query = select(AlertAudience.ids).where(AlertAudience.alert_id == alert_id)
        pages = db.session.scalars(query.order_by(AlertAudience.number))
        ids = [one for page in pages for one in unpack(page)]
        mine = select(Subscription.id).where(Subscription.campaign_id == crowd.campaign_id)
        assert ids == list(db.session.scalars(mine.order_by(Subscription.id)))
        chunks = db.session.scalar(select(func.count()).where(AlertChunk.alert_id == alert_id))
        assert chunks == -(-SLOTS // CHUNK)
        db.session.rollback()
