"""Imports point one way: the contracts are kept, and each is seen to catch a violation."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"


def lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", folder)
    kept_out = shutil.ignore_patterns("node_modules", "static", "samples", "__pycache__")
    shutil.copytree(ROOT / "marinemap", folder / "marinemap", ignore=kept_out)
    return folder


def rooms_with_a_door() -> list[str]:
    """Return the packages that list what they offer."""
    inits = (ROOT / "marinemap").rglob("__init__.py")
    named = (file for file in inits if "__all__" in file.read_text())
    return sorted(".".join(file.parent.relative_to(ROOT).parts) for file in named)


@pytest.mark.parametrize("room", rooms_with_a_door())
def test_what_a_room_offers_is_there(room: str) -> None:
    # Ruff does not look into these files (F822).
    module = importlib.import_module(room)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_contracts_are_kept() -> None:
    code, output = lint(ROOT)
    assert code == 0, output
    assert " 0 broken" in output


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        (
            "errors.py",
            "import numpy",
            "errors and sentences stand on the standard library alone",
        ),
        ("transport/planted.py", "import celery", "transport knows neither Django, Celery nor GIS"),
        ("transport/planted.py", "import marinemap.errors", "transport stands on its own feet"),
        (
            "transport/database/planted.py",
            "import marinemap.transport.consuming.rates",
            "within the transport: the face, operating, consuming, publishing, database",
        ),
        ("extraction/words.py", "import django", "extraction knows neither Django nor Celery"),
        (
            "extraction/geometry/planted.py",
            "import marinemap.extraction.reading.read",
            "within the engine: extracts, layers, features, areas, geometries",
        ),
        (
            "catalogue/planted.py",
            "import marinemap.jobs.models",
            "rooms are stacked: api, jobs, processes, catalogue, extraction",
        ),
        (
            "tasks/planted.py",
            "import marinemap.jobs.models",
            "tasks and mail stand below jobs, and know no maps",
        ),
        (
            "tasks/planted.py",
            "import marinemap.catalogue.models",
            "tasks and mail know neither catalogue, processes nor engine",
        ),
        ("logs/planted.py", "import django", "logs stand on the standard library alone"),
        ("mail/planted.py", "import celery", "mail knows no Celery"),
        ("processes/planted.py", "import celery", "catalogue and processes know no Celery"),
        (
            "jobs/planted.py",
            "import marinemap.transport",
            "nobody imports the transport but the composition root",
        ),
        (
            "web/planted.py",
            "import marinemap.catalogue.models",
            "the page talks to the API over HTTP only",
        ),
        ("api/planted.py", "import marinemap.celery", "no room imports the composition root"),
    ],
)
def test_planted_violation_is_caught(
    copied_tree: Path, module: str, planted: str, contract: str
) -> None:
    path = copied_tree / "marinemap" / module
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{planted}\n")
    try:
        code, output = lint(copied_tree)
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert code != 0
    assert f"{contract} BROKEN" in output


def test_plan_of_the_house_names_each_module() -> None:
    """Who adds a module finds where it belongs, and who reads the plan finds it."""
    plan = (ROOT / "docs/architecture.md").read_text()
    names = set(re.findall(r"\w+", plan))
    modules = (file.relative_to(ROOT) for file in (ROOT / "marinemap").rglob("*.py"))
    named = [m for m in modules if m.stem != "__init__" and "migrations" not in m.parts]
    assert named and [str(m) for m in named if m.stem not in names] == []
