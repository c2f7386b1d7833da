"""Keep the translations: what people read is found in the code and brought into the catalogues.

Usage: ``python -m scripts.messages`` (``make messages``). New texts come to
``marinemap/locale/LANGUAGE/LC_MESSAGES/*.po`` without a translation, texts that are gone leave,
and the ``.mo`` files, which the site reads, are written anew. Then a person translates, and runs it
once more. ``tests/test_messages.py`` fails where that was forgotten.

Two catalogues, as Django has them: ``django`` is what the server says, ``djangojs`` the map page.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "marinemap" / "locale"
SEAS = ROOT / "marinemap" / "web" / "src" / "seas.json"
LANGUAGES = ("de",)
DOMAINS = ("django", "djangojs")
_HEADER = "# Translations of MarineMap into this language."
# A comment above a text that begins so is for the translator.
_COMMENT = "Translators:"
_PYTHON = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "say": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
}
_SCRIPT = {"t": None, "tn": (1, 2)}
_SCRIPT_OPTIONS = {"jsx": True}

Message = tuple[str, int, Any, list[str]]


def messages(domain: str) -> Catalog:
    """Return the texts that the code has now, without translations."""
    found = Catalog(domain=domain, project="MarineMap", charset="utf-8", fuzzy=False)
    for place, line, texts, comments in _of_server() if domain == "django" else _of_page():
        id_ = texts[:2] if isinstance(texts, tuple) else texts
        found.add(id_, locations=[(place, line)], auto_comments=comments)
    return found


def path(language: str, domain: str) -> Path:
    """Return where a catalogue is, as people edit it."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read(language: str, domain: str) -> Catalog:
    """Return a catalogue as it is kept."""
    with path(language, domain).open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as it is kept: in the order of the texts, so that changes are small."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=100, sort_output=True, include_lineno=False)
    return buffer.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as Django reads it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def brought_up_to_date(language: str, domain: str) -> Catalog:
    """Return a catalogue with the texts of now, translated as far as it was."""
    kept = read(language, domain) if path(language, domain).exists() else _new(language)
    # Guessed translations would be taken for true ones.
    kept.update(messages(domain), no_fuzzy_matching=True, update_creation_date=False)
    kept.header_comment, kept.fuzzy = _HEADER, False
    kept.obsolete.clear()
    return kept


def strings(message: Any) -> tuple[str, ...]:
    """Return the translations of a message, one for each plural form."""
    return message.string if isinstance(message.string, tuple) else (message.string,)


def _new(language: str) -> Catalog:
    return Catalog(locale=language, project="MarineMap", version="1")


def main() -> int:
    """Bring all catalogues up to date; return 1 where a translation is missing."""
    missing = 0
    for language in LANGUAGES:
        for domain in DOMAINS:
            catalogue = brought_up_to_date(language, domain)
            target = path(language, domain)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(written(catalogue))
            target.with_suffix(".mo").write_bytes(compiled(catalogue))
            for message in catalogue:
                if message.id and not all(strings(message)):
                    print(f"{target.relative_to(ROOT)}: not translated: {message.id}")
                    missing += 1
    return 1 if missing else 0


def _of_server() -> Iterator[Message]:
    for file in sorted((ROOT / "marinemap").rglob("*.py")):
        if "migrations" not in file.parts and "node_modules" not in file.parts:
            yield from _extracted("python", file, file.read_bytes(), _PYTHON)
    for file in sorted((ROOT / "marinemap").glob("*/templates/**/*.html")):
        # The admin site is for operators, and English.
        if "console" not in file.parts:
            yield from _extracted("javascript", file, _of_template(file), _PYTHON)
    yield from _declared()


def _of_page() -> Iterator[Message]:
    for file in page_sources():
        yield from in_script(file)
    for text in _told_by_the_service():
        yield "marinemap/api/routes.py", 0, text, []
    for name, *_ in json.loads(SEAS.read_text(encoding="utf-8")):
        yield str(SEAS.relative_to(ROOT)), 0, name, []


def _told_by_the_service() -> Iterator[str]:
    """Yield what the service declares in its JSON and the page shows: formats, limits."""
    from marinemap.api.declarations.labels import WORDS
    from marinemap.api.limits import WAITING, WITHIN_A_DAY
    from marinemap.extraction import FORMATS, get_format

    for name in FORMATS:
        yield get_format(name).title
        yield get_format(name).about
    for words in (WAITING, WITHIN_A_DAY, WORDS["unit"]):
        yield from map(str, words.values())


def page_sources() -> list[Path]:
    """Return the files of the page's program."""
    files = sorted((ROOT / "marinemap/web/src").rglob("*.ts*"))
    return [file for file in files if ".test." not in file.name]


def in_script(file: Path) -> Iterator[Message]:
    """Yield the texts of one of them. Those within a template string are not found."""
    return _extracted("javascript", file, file.read_bytes(), _SCRIPT, _SCRIPT_OPTIONS)


def _extracted(
    method: str, file: Path, content: bytes, keywords: Any, options: Any = None
) -> Iterator[Message]:
    found = extract(
        method, io.BytesIO(content), keywords, [_COMMENT], options, strip_comment_tags=True
    )
    for line, texts, comments, _ in found:
        yield str(file.relative_to(ROOT)), line, texts, comments


def _of_template(file: Path) -> bytes:
    """Return a template as a program whose calls are its texts, by Django's own means."""
    from django.utils.translation.template import templatize

    return templatize(file.read_text(encoding="utf-8"), origin=str(file)).encode()


def _declared() -> Iterator[Message]:
    """Yield what the API declares of itself: it is not marked, for all of it is shown."""
    from marinemap.api.routes import all_routes
    from marinemap.processes.registry import all_processes

    for route in all_routes():
        for text in _texts_of(route):
            yield "marinemap/api/routes.py", 0, text, []
    for process in all_processes().values():
        for text in (
            process.title,
            process.description,
            *_in_schema([process.inputs, process.outputs]),
        ):
            yield "marinemap/processes/registry.py", 0, text, []


def _texts_of(route: Any) -> Iterator[str]:
    yield from (parameter.description for parameter in route.in_path)
    for operation in route.operations:
        yield operation.summary
        yield from (parameter.description for parameter in operation.parameters)
        yield from (answer.description for answer in operation.answers.values())


def _in_schema(schema: Any) -> Iterator[str]:
    """Yield the titles and descriptions within a JSON Schema."""
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in ("title", "description") and isinstance(value, str):
                yield value
            else:
                yield from _in_schema(value)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from _in_schema(each)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marinemap.settings")
    django.setup()
    sys.exit(main())
