"""Examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import marinemap

HOUSE = Path(marinemap.__file__).parent
WITH_EXAMPLES = sorted(
    path for path in HOUSE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts)


@pytest.mark.parametrize("name", [name_of(path) for path in WITH_EXAMPLES])
def test_examples_give_what_they_show(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried, f"{name} shows examples where doctest does not look for them"
    assert not failed


def test_rooms_that_show_examples_are_found() -> None:
    rooms = {path.relative_to(HOUSE).parts[0] for path in WITH_EXAMPLES}
    assert {"errors.py", "extraction", "transport"} <= rooms
