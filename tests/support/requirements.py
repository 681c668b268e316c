"""What the machine offers the tests, used where it starts: servers, a browser, page tools.

``REQUIRE=postgres,browser,pagetools,postfix,dovecot,redis`` in the environment turns each skip
into a failure.
``python -m tests.support.requirements`` prints what will be used or skipped, and why.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest

from tests.support import browser, dovecot, pagetools, postfix, postgres, redis

OFFERS: dict[str, ModuleType] = {
    "postgres": postgres,
    "browser": browser,
    "pagetools": pagetools,
    "postfix": postfix,
    "dovecot": dovecot,
    "redis": redis,
}


def required() -> set[str]:
    """Give the names that ``REQUIRE`` lists; raises ``SystemExit`` on an unknown one."""
    names = {name.strip() for name in os.environ.get("REQUIRE", "").split(",")} - {""}
    if names - set(OFFERS):
        raise SystemExit(
            f"REQUIRE knows {', '.join(OFFERS)}; not {', '.join(names - set(OFFERS))}"
        )
    return names


def need(name: str) -> None:
    """Skip the test that asks where ``name`` is missing; fail it where ``REQUIRE`` lists it."""
    reason = OFFERS[name].unavailable()
    if reason and name in required():
        pytest.fail(f"REQUIRE={name}: {reason}", pytrace=False)
    if reason:
        pytest.skip(f"{name}: {reason}")


def main() -> int:
    """Print one line for each and give 1 where something required is missing."""
    wanted, missing = required(), 0
    for name, module in OFFERS.items():
        reason = module.unavailable()
        verdict = f"skipped, {reason}" if reason else module.description()
        if reason and name in wanted:
            verdict, missing = f"MISSING, {reason}", 1
        print(f"{name + ':':10} {verdict}")
    return missing


if __name__ == "__main__":
    sys.exit(main())
