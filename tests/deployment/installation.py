"""A site of MarineMap on this machine, as the how-to installs it, but in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# Exists everywhere, owns nothing, and may not write anywhere but where a test lets it.
USER = pwd.getpwnam("nobody")
# What a service gets at boot: nothing of the settings that these tests themselves run with.
BOOT_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_SYSTEM_PYTHON = Path("/usr/bin/python3")


@dataclass(frozen=True)
class Site:
    """The folders of one installation, each named after the one it stands for.

    All of a session's share source and database, which take seconds to make.
    """

    root: Path
    part: str

    @property
    def opt(self) -> Path:
        """Source and .venv: /opt/marinemap."""
        return self.root / "opt"

    @property
    def etc(self) -> Path:
        """The environment file: /etc/marinemap, and /etc/default."""
        return self.root / self.part / "etc"

    @property
    def home(self) -> Path:
        """MARINEMAP_HOME: /var/lib/marinemap."""
        return self.root / "home"

    @property
    def log(self) -> Path:
        """Logs: /var/log/marinemap."""
        return self.root / self.part / "log"

    @property
    def run(self) -> Path:
        """Pid files: /run."""
        return self.root / self.part / "run"

    @property
    def python(self) -> Path:
        """The interpreter of the site."""
        return self.opt / ".venv/bin/python"


def configure(site: Site) -> Site:
    """Give an installation its folders and its environment file."""
    for folder in (site.etc, site.log, site.run):
        folder.mkdir(mode=0o755, parents=True)
    text = (PROJECT / "celeryd/environment").read_text("utf-8")
    environment = site.etc / "environment"
    environment.write_text(replaced(text, {"=/var/lib/marinemap\n": f"={site.home}\n"}), "utf-8")
    environment.chmod(0o640)
    os.chown(environment, 0, USER.pw_gid)
    return site


def install_source(site: Site) -> None:
    """Put source and .venv where the unprivileged user can read them."""
    site.opt.mkdir(mode=0o755)
    for name in ("manage.py", "marinemap"):
        _offer(PROJECT / name, site.opt / name)
    # --without-pip: Debian keeps that in another package, and the libraries are there already.
    subprocess.run(
        [_interpreter(), "-m", "venv", "--without-pip", site.opt / ".venv"], check=True, timeout=300
    )
    libraries = f"lib/python{_version(sys.executable)}/site-packages"
    (site.opt / ".venv" / libraries).rmdir()
    _offer(Path(sys.prefix) / libraries, site.opt / ".venv" / libraries)


def _interpreter() -> Path:
    """Return a Python that other users may run and that the project's libraries are built for."""
    for python in (_SYSTEM_PYTHON, Path(sys.executable).resolve()):
        if _is_open(python) and _version(python) == _version(sys.executable):
            return python
    pytest.skip(
        f"no Python {_version(sys.executable)} here that other users may run: {_SYSTEM_PYTHON} is "
        f"another version or missing, {Path(sys.executable).resolve()} is closed to them"
    )


def _version(python: str | Path) -> str:
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _offer(source: Path, target: Path) -> None:
    """Let other users read a file or folder at another place."""
    if _is_open(source):
        target.symlink_to(source)
    elif source.is_dir():
        ignored = shutil.ignore_patterns("node_modules", "__pycache__", "playwright")
        shutil.copytree(source, target, ignore=ignored, copy_function=_link_or_copy)
        target.chmod(0o755)
    else:
        shutil.copy(source, target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # Another file system.
        shutil.copy(source, target)


def _is_open(path: Path) -> bool:
    """Tell whether the unprivileged user can read a file at its place."""
    resolved = path.resolve()
    if not resolved.exists():
        return False
    return all(folder.stat().st_mode & 0o001 for folder in resolved.parents) and bool(
        resolved.stat().st_mode & 0o004
    )


def migrate(site: Site) -> None:
    """Make the site's home with database and static files, the unprivileged user's own."""
    site.home.mkdir(mode=0o755)
    for command in ("migrate", "collectstatic"):
        subprocess.run(
            [sys.executable, "manage.py", command, "--noinput", "--verbosity", "0"],
            cwd=PROJECT,
            env={**BOOT_ENVIRONMENT, "MARINEMAP_HOME": str(site.home)},
            check=True,
            timeout=300,
        )
    for path in (site.home, *site.home.rglob("*")):
        os.chown(path, USER.pw_uid, USER.pw_gid)


def replaced(text: str, replacements: dict[str, str]) -> str:
    """Return a shipped file as an administrator would edit it; each old text must be there."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
