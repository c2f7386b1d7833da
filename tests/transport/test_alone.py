"""The transport on its own feet: taken out, built, installed with Celery alone, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.postgresql import skip_or_fail
from tests.transport.workers import REPOSITORY

_FOLDER = REPOSITORY / "marinemap/transport"
_CELERY = f"celery=={version('celery')}"
# Elsewhere whatever Django, or the tests, have set for this process means nothing.
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV")
}


def run(*command: str | Path, folder: Path, seconds: float = 900) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the folder."""
    folder = tmp_path_factory.mktemp("wheel")
    _skip_offline(folder)
    source = folder / "source"
    shutil.copytree(_FOLDER, source, ignore=shutil.ignore_patterns("__pycache__"))
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, folder=folder
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of an environment with the wheel, Celery and nothing else."""
    environment = wheel.parent / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin/python"
    run(python, "-m", "pip", "install", "-q", _CELERY, wheel, folder=wheel.parent)
    return python


def _skip_offline(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "3"]
    command += ["--timeout", "60", "--dest", str(folder / "probe"), _CELERY]
    probe = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if probe.returncode:
        skip_or_fail(f"no package registry to install from: {probe.stderr.strip()[-200:]}")


def test_it_speaks_of_no_project_but_in_one_constant() -> None:
    said = [
        f"{path.relative_to(_FOLDER)}: {line.strip()}"
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in (".py", ".md", ".toml")
        for line in path.read_text().splitlines()
        if "marinemap" in line.lower()
    ]
    assert said == ['__init__.py: SCHEME = "marinemap"']


def test_readme_example_runs_a_worker_with_celery_alone(python: Path, tmp_path: Path) -> None:
    readme = (_FOLDER / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    (tmp_path / "example.py").write_text(example)
    installed = run(python, "-m", "pip", "list", "--format=freeze", folder=tmp_path).lower()
    assert "marinemap" not in installed and "django" not in installed
    command = [str(python), "-m", "celery", "-A", "example", "worker", "-c", "1"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=_ENVIRONMENT,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        call = "from example import add; print(add.delay(1, 2).get(timeout=240))"
        assert run(python, "-c", call, folder=tmp_path, seconds=300) == "3"
    finally:
        worker.terminate()
        worker.wait(180)
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
