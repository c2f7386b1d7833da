"""What people read is translated: the catalogues have all texts of the code, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from marinemap.jobs import letter_texts
from scripts import messages

EACH = [(language, domain) for language in messages.LANGUAGES for domain in messages.DOMAINS]
_PLACEHOLDER = re.compile(r"\{\w*(?::[^{}]*)?\}|%[a-z]")


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_catalogue_has_the_texts_of_the_code(language: str, domain: str) -> None:
    now = messages.written(messages.brought_up_to_date(language, domain))
    assert messages.path(language, domain).read_bytes() == now, "run: make messages"


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_every_text_is_translated(language: str, domain: str) -> None:
    catalogue = messages.read(language, domain)
    missing = [each.id for each in catalogue if each.id and not all(messages.strings(each))]
    assert missing == [], "translate these, then run: make messages"
    assert not any(each.fuzzy for each in catalogue if each.id)


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_translations_say_what_is_filled_in(language: str, domain: str) -> None:
    for each in messages.read(language, domain):
        ids = each.id if isinstance(each.id, tuple) else (each.id,)
        wanted = set(_PLACEHOLDER.findall(ids[-1]))
        for string in messages.strings(each) if each.id else ():
            assert set(_PLACEHOLDER.findall(string)) == wanted, each.id


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_what_django_reads_is_what_people_edit(language: str, domain: str) -> None:
    compiled = messages.path(language, domain).with_suffix(".mo").read_bytes()
    assert compiled == messages.compiled(messages.read(language, domain)), "run: make messages"


@pytest.mark.parametrize("file", messages.page_sources(), ids=lambda file: file.name)
def test_each_call_for_a_text_is_found(file: Path) -> None:
    """What stands within a template string, or is put together, would never be translated."""
    calls = re.findall(r"(?<![\w.#])tn?\(", file.read_text(encoding="utf-8"))
    if file.name != "words.ts":
        assert len(list(messages.in_script(file))) == len(calls)


def test_languages_are_the_same_everywhere() -> None:
    known = [code for code, _ in settings.LANGUAGES]
    assert known == list(letter_texts.LANGUAGES) == ["en", *messages.LANGUAGES]
