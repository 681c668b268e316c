"""Imports point downwards, and the web process cannot open what it stores."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tracker import paths

ROOT = paths.PACKAGE.parent

LAYERS = (
    ("cli",),
    ("demo",),
    ("worker",),
    ("app",),
    ("dashboard", "pages"),
    ("alerts",),
    ("signatures", "endorsements", "updates"),
    ("subscriptions",),
    ("confirmations",),
    ("campaigns",),
    ("organisers",),
    ("mail",),
    ("sealing",),
    ("core",),
    ("extensions",),
    ("database",),
    ("settings", "paths", "side_lock"),
    ("configuration",),
)
"""From the top down, as docs and contract say; written out so that a change is noticed."""

SECRET = ("tracker.sealing.keystore", "tracker.sealing.tags")


def modules() -> list[Path]:
    return sorted(paths.PACKAGE.rglob("*.py"))


def test_the_import_contracts_hold(tmp_path: Path) -> None:
    command = Path(sysconfig.get_path("scripts")) / "lint-imports"
    answer = subprocess.run(
        [command, "--no-logo", "--cache-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 broken" in answer.stdout
    for contract in ("downwards only", "cannot open what it stores", "Pure modules"):
        assert contract in answer.stdout


def test_no_module_imports_one_above_it_or_its_neighbour() -> None:
    """The same rule once more, without the tool, so that a lost contract is noticed."""
    level = {name: height for height, names in enumerate(LAYERS) for name in names}
    wrong = []
    for file in modules():
        own = file.relative_to(paths.PACKAGE).parts[0].removesuffix(".py")
        for module in imported(file):
            parts = module.split(".")
            if parts[0] != "tracker" or len(parts) < 2 or own.startswith("__"):
                continue
            other = parts[1]
            if other != own and level[other] <= level[own]:
                wrong.append(f"{file.relative_to(ROOT)} imports {module}")
    assert wrong == []


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports are not used"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("start", ["tracker.app", "wsgi"])
def test_the_web_process_never_loads_what_opens_envelopes(start: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules.pop('x', None); import {start.replace('wsgi', 'tracker.app')}"
    )
    if start == "wsgi":
        code += "; import wsgi; wsgi.app.test_client().get('/en/')"
    code += f"; print([name for name in {SECRET!r} if name in sys.modules], 'loaded')"
    variables = {
        "TRACKER_BASE_URL": "http://127.0.0.1:8000",
        "TRACKER_ALLOWED_HOSTS": "127.0.0.1",
        "TRACKER_SECRET": "0123456789abcdef0123456789abcdef",
        "TRACKER_DATA": str(tmp_path),
        "PATH": "",
    }
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    assert answer.stdout == "[] loaded\n", answer.stderr
    assert not (tmp_path / "keys").exists(), "nor does it make keys"


def test_no_import_hides_inside_a_function() -> None:
    hidden = []
    for file in modules():
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                hidden += [
                    f"{file.relative_to(ROOT)}:{node.lineno}"
                    for node in ast.walk(function)
                    if isinstance(node, (ast.Import, ast.ImportFrom))
                ]
    assert hidden == []


def test_a_package_file_is_one_sentence_and_imports_nothing() -> None:
    for file in paths.PACKAGE.rglob("__init__.py"):
        [only] = ast.parse(file.read_text("utf-8")).body
        assert isinstance(only, ast.Expr), file


def test_only_one_place_asks_the_time() -> None:
    asking = []
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Attribute):
                continue
            if node.attr in {"now", "utcnow", "today"} and node.value.attr in {
                "datetime",
                "date",
            }:
                asking.append(str(file.relative_to(paths.PACKAGE)))
    assert {name for name in asking if not name.startswith("demo/")} == {"core/clock.py"}


def test_rules_know_no_request_and_forms_know_no_tables() -> None:
    for file in modules():
        names = {
            name.rpartition(".")[2] for name in imported(file) if name.startswith("flask.")
        }
        if file.name in {"services.py", "queries.py", "models.py", "tasks.py"}:
            assert not names & {"request", "session", "abort", "flash", "url_for", "g"}, file
        if file.name == "forms.py":
            assert "tracker.extensions.db" not in imported(file), file


def test_pages_and_forms_leave_the_session_to_services_and_queries() -> None:
    for file in modules():
        is_page = file.name in {"views.py", "forms.py", "intake.py"} or (
            file.parent.name == "dashboard" and file.name != "queries.py"
        )
        if is_page:
            assert "tracker.extensions.db" not in imported(file), file
