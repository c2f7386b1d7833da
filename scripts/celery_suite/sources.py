"""The tests of the installed Celery and kombu, out of their releases, and what these need."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
CACHE = _REPOSITORY / "var/celery-suite"
_HERE = Path(__file__).parent
_PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def fetch_tests(project: str) -> Path:
    """Return a folder with a project's ``t/``, of the version that is installed here.

    Wheels have no tests; the source distribution does. Only the tests are taken out of it, so
    that they import what is installed.
    """
    name = f"{project}-{version(project)}"
    folder = CACHE / name
    if not folder.exists():
        archive = _download(project, CACHE / "archives")
        unpacked = CACHE / f"{name}.part"
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(archive) as source:
            tests = [one for one in source.getmembers() if _is_test(one.name)]
            source.extractall(unpacked, tests, filter="data")
        (unpacked / archive.name.removesuffix(".tar.gz")).rename(folder)
        unpacked.rmdir()
    return folder


def install_packages() -> Path:
    """Install what the tests need beside the project's own, apart from that; return where."""
    folder = CACHE / "packages"
    requirements, stamp = _HERE / "requirements.txt", folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        command = [*_PIP, "install", "--no-deps", "--require-hashes", "--target", str(folder)]
        subprocess.run([*command, "--requirement", str(requirements)], check=True, timeout=600)
        shutil.copy(requirements, stamp)
    return folder


def _download(project: str, folder: Path) -> Path:
    wanted = f"{project}=={version(project)}"
    command = [*_PIP, "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*command, wanted], check=True, timeout=600)
    return next(folder.glob(f"{project}-{version(project)}.tar.gz"))


def _is_test(name: str) -> bool:
    return name.split("/")[1:2] == ["t"]
