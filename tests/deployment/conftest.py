"""What the tests of deployment share: an installed site and its init script."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deployment.init_script import InitScript, install_script, install_stub
from tests.deployment.installation import Site, configure, install_source, migrate
from tests.postgresql import skip_or_fail


@pytest.fixture(scope="session")
def require() -> Callable[[str, str], str]:
    """Return a function that finds a program, or skips; with CI=true it fails instead."""

    def find(program: str, package: str) -> str:
        found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if found is None:
            skip_or_fail(f"needs {program}: apt-get install {package}")
        return str(found)

    return find


@pytest.fixture(scope="session")
def as_root() -> None:
    """Skip without root: starting programs as another user is what these tests are about."""
    if os.geteuid() != 0:
        pytest.skip("needs root: run 'sudo make test'")


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Return a function that waits for a condition."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def install(as_root: None) -> Iterator[Callable[[], Site]]:
    """Return a function that gives an installation of its own; nothing of it runs."""
    # Not pytest's own folder: it is closed to every user but one.
    root = Path(tempfile.mkdtemp(prefix="marinemap-site-", dir="/tmp"))
    root.chmod(0o755)
    parts = itertools.count()
    try:
        shared = Site(root, "")
        install_source(shared)
        migrate(shared)
        yield lambda: configure(Site(root, f"{next(parts)}"))
    finally:
        shutil.rmtree(root)


@pytest.fixture
def site(install: Callable[[], Site]) -> Site:
    """Return an installation for one test."""
    return install()


@pytest.fixture
def celeryd(site: Site, require: Callable[[str, str], str]) -> Iterator[InitScript]:
    """Install the init script, and leave none of its processes behind."""
    require("start-stop-daemon", "dpkg")
    yield install_script(site)
    # Not by way of the script: what it may have failed to stop must go, too.
    for process in Path("/proc").glob("[0-9]*"):
        if _is_worker_of(site, process):
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)


def _is_worker_of(site: Site, process: Path) -> bool:
    try:
        folder = Path(os.readlink(process / "cwd"))
        command = (process / "cmdline").read_bytes()
    except OSError:  # It ended meanwhile.
        return False
    return folder in (site.opt, site.root / site.part / "stub") and b"celeryd" in command


@pytest.fixture
def stub(celeryd: InitScript, site: Site) -> Path:
    """Have the init script run a small program, which will not stop when told to."""
    return install_stub(site, celeryd)
