#!/usr/bin/env python3
"""Everything a newcomer needs, from the standard library alone.

    python3 dev.py demo      shows the tracker at work
    python3 dev.py test      runs all tests

Each makes .venv from the hash-pinned requirements first. All subcommands:
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one gets a sentence
    sys.exit("The tracker needs Python 3.11 or later; this is " + sys.version.split()[0] + ".")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
STAMP = VENV / "installed-requirements"
DEMO, DEV = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
TOOLS = ROOT / "tests" / "tools"

# The slow ones first: two run at a time.
CHECKS = {
    "mypy": ["mypy"],
    "djlint": ["djlint", "templates", "--lint", "--quiet"],
    "import contracts": ["lint-imports", "--no-logo"],
    "catalogues": ["python", "-m", "tests.support.catalogues"],
    "ruff check": ["ruff", "check", "--output-format=concise", "--quiet", "."],
    "ruff format": ["ruff", "format", "--check", "--quiet", "."],
}
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis")
LOCKS = {
    DEV: ["--all-extras", "--group", "dev"],
    DEMO: ["--extra", "postgres", "--extra", "demo", "--constraint", DEV.name],
}


def main() -> int:
    """Run the subcommand named first, give it the other arguments, and give its exit status."""
    commands: dict[str, Callable[[list[str]], int]] = {
        command.__name__: command
        for command in (demo, test, check, lock, translate, bench, tracker, clean)
    }
    name, *arguments = sys.argv[1:] or ["--help"]
    if name not in commands:
        print(__doc__)
        for known, command in commands.items():
            print(f"  {known:11}{(command.__doc__ or '').splitlines()[0]}")
        return 0 if name in {"-h", "--help", "help"} else 2
    os.chdir(ROOT)
    return commands[name](arguments)


def demo(arguments: list[str]) -> int:
    """Start site, worker and demo mailbox on this machine: [--fresh] [--port N]."""
    return tracker(["demo", "start", *arguments])


def tracker(arguments: list[str]) -> int:
    """Run the tracker's command line with the demo's data folder, ./var: ARGUMENTS."""
    prepare(DEMO)
    os.environ.setdefault("TRACKER_DATA", str(ROOT / "var"))
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), "-m", "tracker", *arguments])  # Ctrl-C is the tracker's own


def test(arguments: list[str]) -> int:
    """Run all tests, or what pytest's arguments select."""
    prepare(DEV)
    prepare_page_tools()
    missing = run(["tests.support.requirements"])
    return missing or run(["pytest", "-n", "2", *arguments])


def bench(arguments: list[str]) -> int:
    """Measure speed and cost, which is no part of the tests: pytest's arguments."""
    prepare(DEV)
    only = ["-o", "python_files=bench_*.py", "-p", "no:randomly"]
    named = any(argument.startswith("tests/") for argument in arguments)
    where = [] if named else ["tests/benchmarks"]
    return run(["pytest", *where, *only, "--capture=no", *arguments])


def check(_arguments: list[str]) -> int:
    """Check style, types, import contracts, templates and translations."""
    prepare(DEV)
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = [pool.submit(_check, name, command) for name, command in CHECKS.items()]
    return 0 if all(result.result() for result in results) else 1


def lock(arguments: list[str]) -> int:
    """Pin what pyproject.toml asks for, with hashes: [--upgrade]."""
    prepare(DEV)
    compile_ = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"]
    compile_ += ["--python-version", "3.11", "--only-binary", ":all:", "--quiet"]
    # pip would look for the newest of a package wanted with an extra, and find it not pinned.
    compile_ += ["--no-strip-extras"]
    compile_ += ["--custom-compile-command", "python3 dev.py lock"]
    return max(
        run([*compile_, *own, *arguments, "--output-file", file.name])
        for file, own in LOCKS.items()
    )


def translate(_arguments: list[str]) -> int:
    """Bring the catalogues up to date with code and templates, and compile them."""
    prepare(DEV)
    return run(["tests.support.catalogues", "--write"])


def clean(_arguments: list[str]) -> int:
    """Remove the environment and all caches; the data in ./var stays."""
    for name in (VENV.name, *CACHES, "tests/tools/node_modules"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in list(ROOT.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def run(module: Sequence[str]) -> int:
    """Run a module of the environment and give its exit status; Ctrl-C is left to it."""
    with subprocess.Popen([PYTHON, "-m", *module]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def _check(name: str, command: list[str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        [BIN / command[0], *command[1:]], check=False, capture_output=True, text=True
    )
    verdict = "failed" if done.returncode else "ok"
    report = f"{name:18}{verdict:8}{time.monotonic() - started:5.1f} s"
    if done.returncode:
        report += f"\n{done.stdout}{done.stderr}".rstrip()
    print(report, flush=True)
    return done.returncode == 0


def prepare(requirements: Path) -> None:
    """Make ``.venv`` hold what ``requirements`` pins; at once where it already does.

    What the tests need includes what the demo needs, so one environment serves both.
    Exits with a sentence where Python cannot make environments or pip fails.
    """
    installed = STAMP.read_text("utf-8") if STAMP.is_file() and PYTHON.exists() else ""
    if installed in {_stamp(requirements), _stamp(DEV)}:
        return
    started = time.monotonic()
    if installed != _stamp(DEMO):
        _create()
    STAMP.unlink(missing_ok=True)
    _install(requirements)
    STAMP.write_text(_stamp(requirements), "utf-8")
    print(f"Environment ready after {time.monotonic() - started:.0f} s.", flush=True)


def prepare_page_tools() -> None:
    """Make ``tests/tools`` hold what its lock file pins, where Node, npm and Java are there.

    Where something is missing or npm fails, the tests that need it are skipped with a reason.
    """
    lock_file, installed = TOOLS / "package-lock.json", TOOLS / "node_modules" / "installed"
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    if installed.is_file() and installed.read_text("utf-8") == digest:
        return
    if not all(map(shutil.which, ("node", "npm", "java"))):
        return
    print("Installing the page tools (npm), once: about 20 seconds.", flush=True)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, check=False, cwd=TOOLS).returncode == 0:
        installed.write_text(digest, "utf-8")


def _stamp(requirements: Path) -> str:
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {sys.version}"


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("Python cannot make environments here. Run: sudo apt install python3-venv")
    print("Making .venv ...", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if made.returncode:
        sys.exit(f"{VENV} could not be made; the lines above say why.")


def _install(requirements: Path) -> None:
    """Let pip install ``requirements``, telling how far it is."""
    pins = sum("==" in line for line in requirements.read_text("utf-8").splitlines())
    seconds = 80 if requirements == DEV else 20
    print(f"Installing {requirements.name}, once: about {seconds} seconds.", flush=True)
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "-r", requirements]
    command += ["--require-hashes", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    fetched = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        for line in pip.stdout or ():
            is_package = line.startswith(("Collecting ", "Processing "))
            fetched += is_package
            if is_package and (sys.stdout.isatty() or fetched % 40 == 0):
                end = "\r" if sys.stdout.isatty() else "\n"
                print(f"  {fetched} of at most {pins} packages", end=end, flush=True)
            elif line.startswith("Installing"):
                print(f"  {fetched} packages fetched, unpacking ...", flush=True)
    if pip.returncode:
        sys.exit("pip could not install; its lines above say why.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
