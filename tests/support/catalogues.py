"""The translations, held against the code and the templates.

``python -m tests.support.catalogues`` names every string that is missing, untranslated, unsure
or has other placeholders, and every compiled catalogue that is older than its source. With
``--write`` it takes new strings into the catalogues, drops unused ones, and compiles.
"""

from __future__ import annotations

import io
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from tracker.core.languages import DEFAULT, LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "tracker" / "translations"
REQUIRED = set(LANGUAGES) - {DEFAULT}  # further folders count as soon as they exist
KEYWORDS = DEFAULT_KEYWORDS | {
    "_l": None,
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "lazy_pgettext": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|%%|\{(\w+)\}")
# A plural form for none, one or two may say the number in words.
COUNTS = {f"%({name}){kind}" for name in ("num", "count", "number") for kind in "sd"}


def extracted() -> Catalog:
    """Give every string that code and templates want translated."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    mappings = settings["tool"]["babel"]["mappings"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in mappings]
    template = Catalog(project="solidarity-tracker")
    for file, line, message, comments, context in extract_from_dir(
        ROOT,
        methods,
        keywords=KEYWORDS,
        comment_tags=("Translators:",),
        strip_comment_tags=True,
    ):
        template.add(message, locations=[(file, line)], auto_comments=comments, context=context)
    return template


def problems() -> list[str]:
    """Name everything that keeps a catalogue from being complete; empty where all is well."""
    template = extracted()
    found: list[str] = []
    for language in languages():
        if not _source(language).is_file():
            found.append(f"{language}: there is no catalogue")
            continue
        catalog = read(language)
        found += [f"{language}: {problem}" for problem in _incomplete(template, catalog)]
        if not _is_fresh(language, catalog):
            found.append(f"{language}: the compiled catalogue is out of date")
    return found


def write() -> None:
    """Bring every catalogue in line with the extracted strings, and compile it."""
    template = extracted()
    for language in languages():
        catalog = read(language) if _source(language).is_file() else _new(language)
        catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        _source(language).parent.mkdir(parents=True, exist_ok=True)
        with _source(language).open("wb") as file:
            write_po(
                file,
                catalog,
                width=96,
                sort_by_file=True,
                include_lineno=False,
                ignore_obsolete=True,
            )
        _compiled(language).write_bytes(_compile(read(language)))


def languages() -> list[str]:
    """Give the languages that must be complete."""
    folders = {
        folder.name for folder in TRANSLATIONS.glob("*/") if (folder / "LC_MESSAGES").is_dir()
    }
    return sorted(REQUIRED | folders)


def read(language: str) -> Catalog:
    """Give the catalogue of ``language`` as its translators see it."""
    with _source(language).open("rb") as file:
        return read_po(file, locale=language)


def _source(language: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def _compiled(language: str) -> Path:
    return _source(language).with_suffix(".mo")


def _new(language: str) -> Catalog:
    name = Locale.parse(language).english_name
    return Catalog(
        locale=language,
        project="solidarity-tracker",
        header_comment=f"# {name} translation of the solidarity tracker.",
        version="catalogue",
        msgid_bugs_address="the issues of the repository",
        last_translator="the translators of the project",
        language_team=name or language,
        revision_date=datetime.now(UTC),
        fuzzy=False,
    )


def _incomplete(template: Catalog, catalog: Catalog) -> Iterator[str]:
    for wanted in template:
        if not wanted.id:
            continue
        message = catalog.get(wanted.id, wanted.context)
        name = repr(wanted.id if isinstance(wanted.id, str) else wanted.id[0])
        if message is None:
            yield f"missing: {name}"
        elif message.fuzzy:
            yield f"marked as unsure: {name}"
        else:
            yield from (f"{problem}: {name}" for problem in _wrong(wanted, message, catalog))


def _wrong(wanted: Message, message: Message, catalog: Catalog) -> Iterator[str]:
    """Name what is wrong with one translation: empty forms, placeholders lost or invented."""
    forms = _forms(message.string)
    if not all(forms) or len(forms) != (catalog.num_plurals if wanted.pluralizable else 1):
        yield "not translated"
        return
    expected = _placeholders(_forms(wanted.id)[-1])
    optional = COUNTS if wanted.pluralizable else set()
    for form in forms:
        different = (_placeholders(form) ^ expected) - (optional & expected)
        if different:
            yield f"placeholders differ ({', '.join(sorted(different))})"


def _placeholders(text: str) -> set[str]:
    return {match.group() for match in PLACEHOLDER.finditer(text)}


def _is_fresh(language: str, catalog: Catalog) -> bool:
    """Compare meanings, not bytes: another Babel writes another header."""
    if not _compiled(language).is_file():
        return False
    return _pairs(_compiled(language).read_bytes()) == _pairs(_compile(catalog))


def _compile(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def _pairs(compiled: bytes) -> set[tuple[object, ...]]:
    catalog = read_mo(io.BytesIO(compiled))
    return {
        (message.context, _forms(message.id), _forms(message.string))
        for message in catalog
        if message.id
    }


def _forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    """Give the singular and plural forms of one text; most have just one."""
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def main(arguments: list[str]) -> int:
    """Bring up to date where asked to, then print what is left; 1 where anything is."""
    if "--write" in arguments:
        write()
    left = problems()
    for problem in left:
        print(problem)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
