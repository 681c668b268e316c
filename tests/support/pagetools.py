"""Lighthouse and the Nu HTML checker: npm packages pinned in tests/tools, run by Node and Java.

``dev.py test`` installs them where Node, npm and Java are there. Lighthouse measures pages in
the same Chromium as the browser tests; neither program reaches beyond this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import browser

TOOLS = Path(__file__).resolve().parents[1] / "tools"
LIGHTHOUSE = TOOLS / "node_modules" / "lighthouse" / "cli" / "index.js"
CHECKER = TOOLS / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
PATIENCE = 180
"""Seconds that one run may take on a busy machine."""


class Finding(NamedTuple):
    """What the HTML checker says of one page."""

    page: str
    kind: str
    message: str
    extract: str


def unavailable() -> str | None:
    """Say why the pages cannot be looked at; ``None`` where both programs can be run."""
    return browser.unavailable() or _missing()


@cache
def _missing() -> str | None:
    missing = [name for name in ("node", "java") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if not LIGHTHOUSE.is_file() or not CHECKER.is_file():
        return "the npm packages of tests/tools are not installed (npm ci)"
    return None


def description() -> str:
    """Say which programs will be used."""
    pinned = json.loads((TOOLS / "package.json").read_text("utf-8"))["dependencies"]
    return f"Lighthouse {pinned['lighthouse']}, Nu HTML checker {pinned['vnu-jar']}"


def lighthouse(url: str, *, categories: Iterable[str], skip: Iterable[str] = ()) -> Any:
    """Give Lighthouse's report on a page, seen by a phone; ``skip`` names audits left out."""
    flags = [*browser.FLAGS, "--headless=new"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    command = [
        "node",
        str(LIGHTHOUSE),
        url,
        "--quiet",
        "--output=json",
        "--no-enable-error-reporting",
        f"--only-categories={','.join(categories)}",
        f"--chrome-flags={' '.join(flags)}",
    ]
    if skip:
        command.append(f"--skip-audits={','.join(skip)}")
    environment = {**os.environ, "CHROME_PATH": str(browser.executable())}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failed_audits(report: Any) -> list[str]:
    """Name every audit that keeps a category of a report from 100, with what it found."""
    found = []
    for category in report["categories"].values():
        for reference in category["auditRefs"]:
            audit = report["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 1:
                items = (audit.get("details") or {}).get("items") or []
                where = [str(item.get("node") or item)[:300] for item in items[:3]]
                found.append(f"{category['id']}: {audit['id']}: {where}")
    return found


def check_html(pages: Mapping[str, str]) -> list[Finding]:
    """Give what the Nu HTML checker says of pages, by name, errors and warnings alike."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, text) in enumerate(pages.items()):
            path = Path(folder) / f"{number}.html"
            path.write_text(text, "utf-8")
            files[path.as_uri().replace("file:///", "file:/")] = name
        done = subprocess.run(
            ["java", "-jar", str(CHECKER), "--format", "json", "--stdout", folder],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    found = json.loads(done.stdout)["messages"]
    return [
        Finding(
            files.get(one.get("url", "").replace("file:///", "file:/"), one.get("url", "")),
            one.get("subType") or one["type"],
            one["message"],
            one.get("extract", ""),
        )
        for one in found
    ]
