"""What is said over one connection: envelope, mail, and what each reply means for them."""

from __future__ import annotations

import selectors
import smtplib
import time
from collections import deque
from collections.abc import Callable, Mapping

from tracker.mail.channel import NEVER, WORDS, Broken, Channel
from tracker.mail.parcels import Line, Parcel
from tracker.mail.pool import Pool
from tracker.mail.verdicts import Phase, Verdict, enhanced_of, judge

_JOINED = 65_536
_STEPS = ("MAIL", "RCPT", "DATA")
_RESET = ("RSET", b"RSET\r\n")
_ENVELOPE = "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"


class Dialogue(Channel):
    """The one or two parcels inside a connection.

    ``current`` is the parcel that the replies owed are about, ``following`` the one whose
    envelope left together with the end of ``current``.
    """

    def __init__(
        self,
        smtp: smtplib.SMTP,
        pool: Pool[Dialogue],
        *,
        line: Line,
        selector: selectors.BaseSelector,
    ) -> None:
        """Begin without parcels."""
        super().__init__(smtp, selector=selector, timeout=pool.relay.timeout)
        self.pool, self._line = pool, line
        self._commands: deque[tuple[str, bytes]] = deque()
        self.current: Parcel | None = None
        self.following: Parcel | None = None
        self.is_grouped = self.is_chained = False
        self.is_mail_refused = self.is_second_try = self.needs_reset = False

    @property
    def is_idle(self) -> bool:
        """Say whether there is no mail in it and no reply to wait for."""
        return not self.owed and self.current is None

    @property
    def is_unproven(self) -> bool:
        """Say whether it waits for what never worked here yet: commands in a group."""
        return self.is_grouped and self.is_chained not in self.pool.proven

    def answer(self, word: str, code: int, text: bytes) -> None:
        """Go on after the reply to ``word``. Raises ``Broken`` or ``OSError``."""
        _ANSWERED[word](self, code, text)

    # --- the envelope ------------------------------------------------------------------------

    def begin(self, parcel: Parcel) -> None:
        """Start the transaction of ``parcel``. Raises ``Broken`` or ``OSError``."""
        self.current = parcel
        self.is_fresh = self.is_mail_refused = False
        self.is_grouped = self.has_pipelining and self.pool.is_pipelining
        self.is_chained = False
        envelope = _envelope(parcel)
        if not self.is_grouped:
            commands = zip(_STEPS, envelope.splitlines(keepends=True), strict=True)
            self._commands.extend([_RESET] if self.needs_reset else [])
            self._commands.extend(commands)
            self.needs_reset = False
            self._command()
            return
        if self.needs_reset:
            self.needs_reset = False
            self.owed.append(_RESET[0])
            envelope = _RESET[1] + envelope
        self.owed.extend(_STEPS)
        self.send(envelope)

    def _command(self) -> None:
        if self._commands:
            word, command = self._commands.popleft()
            self.owed.append(word)
            self.send(command)

    def _on_reset(self, code: int, text: bytes) -> None:
        if not 200 <= code <= 299:
            raise Broken(f"RSET {code}")
        self._command()

    def _on_mail(self, code: int, text: bytes) -> None:
        if 200 <= code <= 299:
            self._command()
        elif code < 400:
            raise Broken(f"MAIL {code}", is_desync=True)
        elif code == 503 and not self.is_second_try:
            self.is_mail_refused = True  # a transaction left open: begin anew, once
            self.is_second_try = True
            self._unless_owed()
        else:
            self.is_mail_refused = True
            self._refused(Phase.MAIL, code, text)
            self._unless_owed()

    def _on_rcpt(self, code: int, text: bytes) -> None:
        if self.is_mail_refused:
            return
        if 200 <= code <= 299:
            self._command()
        elif code < 400:
            raise Broken(f"RCPT {code}", is_desync=True)
        else:
            self._refused(Phase.RCPT, code, text)
            self._unless_owed()

    def _unless_owed(self) -> None:
        """End the transaction here if DATA has not been said yet."""
        if not self.owed:
            self._commands.clear()
            self._end()

    # --- the mail ----------------------------------------------------------------------------

    def _on_data(self, code: int, text: bytes) -> None:
        if code == 354:
            self._on_go_ahead()
        elif code < 400:
            raise Broken(f"DATA {code}", is_desync=True)
        else:
            if self.current is not None and not self.is_mail_refused:
                self._refused(Phase.DATA, code, text)
            self._end()

    def _on_go_ahead(self) -> None:
        if self.is_grouped:
            self.pool.proven.add(self.is_chained)
        if self.is_mail_refused:
            # Even a lone dot could be a mail now: to whomever the server thinks we named.
            raise Broken("DATA 354 without MAIL", is_desync=True)
        if self.current is None:
            self.owed.append("DOT")
            self.needs_reset = True
            self.send(b".\r\n")
            return
        self._send_body(self.current.written())

    def _send_body(self, body: bytes) -> None:
        self.is_second_try = False
        self.to_dot = sum(map(len, self.unsent)) + len(body) + 3
        self.owed.append("BODY")
        tail = b".\r\n" + self._chained()
        if len(body) <= _JOINED:
            self.send(body + tail)
        else:
            self.unsent.append(body)
            self.send(tail)

    def _chained(self) -> bytes:
        """Give the envelope of the next parcel, if one may leave with the end of this."""
        line, pool = self._line, self.pool
        self.is_grouped = self.is_chained = False
        may_chain = self.has_pipelining and pool.is_pipelining and pool.may_chain()
        if not (may_chain and line.waiting) or line.is_closing:
            return b""
        self.following = pool.take(line)
        pool.chained += 1
        self.is_grouped = self.is_chained = True
        self.owed.extend(_STEPS)
        return _envelope(self.following)

    def _on_body(self, code: int, text: bytes) -> None:
        parcel = self.current
        if parcel is None or 300 <= code < 400:
            self.owed.appendleft("BODY")  # whatever this was, it is no answer to it
            raise Broken(f"final dot {code}", is_desync=True)
        if code < 300:
            if self.to_dot > 0:
                raise Broken("answered before the end", is_desync=True)
            self.pool.accept()
            self._line.finish(parcel, Verdict.SENT, relay=self.pool.relay.name, code=code)
            self.current = None
        else:
            self._refused(Phase.BODY, code, text)
            if self.to_dot > 0:
                raise Broken(f"final dot {code} before the end")
            self.needs_reset = self.following is None
        self._advance()

    def _advance(self) -> None:
        """Go on with the mail whose envelope has left already, if there is one."""
        if self.following is None:
            self._end()
            return
        self.current, self.following = self.following, None
        self.pool.chained -= 1
        self.is_mail_refused = False

    def _on_dot(self, code: int, text: bytes) -> None:
        self._end()

    # --- its end -----------------------------------------------------------------------------

    def _refused(self, phase: Phase, code: int, text: bytes) -> None:
        """Give the current parcel the outcome that this refusal means."""
        parcel, self.current = self.current, None
        if parcel is None:
            raise Broken(f"{phase.name} {code}", is_desync=True)
        relay, enhanced = self.pool.relay.name, enhanced_of(text, code=code)
        verdict = judge(phase, code, enhanced)
        trouble = f"{WORDS.get(phase.name, phase.name)} {code}"
        self.needs_reset = phase is not Phase.MAIL
        if verdict is Verdict.SLOW_DOWN and self.pool.hands_back:
            self.pool.slowed += 1
        elif verdict in (Verdict.SLOW_DOWN, Verdict.RELAY):
            if verdict is Verdict.SLOW_DOWN:
                self.pool.slow_down(trouble)
            else:
                if code == 503 and self.is_unproven:
                    self.pool.stop_pipelining(trouble)
                self.pool.fail(trouble)
            self._line.put_back(parcel, relay=relay, code=code, enhanced=enhanced)
            return
        self._line.finish(parcel, verdict, relay=relay, code=code, enhanced=enhanced)
        if verdict is Verdict.LATER and phase is not Phase.RCPT:
            self.pool.defer(trouble)

    def _end(self) -> None:
        """Become free, or try the parcel again whose MAIL met a left-over transaction."""
        self.is_grouped = False
        if self.current is not None and self.is_second_try:
            self.needs_reset = True
            self.begin(self.current)
        else:
            self.become_free()

    def become_free(self) -> None:
        """Note that it could begin a parcel."""
        self.is_second_try = False
        self.deadline = NEVER
        self.free_since = time.monotonic()
        self.pool.free.append(self)

    def give_up(self) -> None:
        """Part with the parcels: one whose final dot has left may have been taken."""
        relay = self.pool.relay.name
        parcel, following = self.current, self.following
        self.current = self.following = None
        if following is not None:
            self.pool.chained -= 1
            self._line.put_back(following, relay=relay)
        if parcel is None:
            return
        if "BODY" in self.owed and self.to_dot <= 0:
            self._line.finish(parcel, Verdict.UNANSWERED, relay=relay)
        else:
            self._line.put_back(parcel, relay=relay)


def _envelope(parcel: Parcel) -> bytes:
    return (_ENVELOPE % (parcel.sender, parcel.recipient)).encode("ascii")


_ANSWERED: Mapping[str, Callable[[Dialogue, int, bytes], None]] = {
    "RSET": Dialogue._on_reset,
    "MAIL": Dialogue._on_mail,
    "RCPT": Dialogue._on_rcpt,
    "DATA": Dialogue._on_data,
    "BODY": Dialogue._on_body,
    "DOT": Dialogue._on_dot,
}
