"""The init script, installed for a site."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.installation import PROJECT, Site, replaced

_STUB = """
import signal
import sys
if "--try" in sys.argv:
    sys.exit()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("stub ready.", flush=True)
while True:
    signal.pause()
"""


@dataclass(frozen=True)
class InitScript:
    """An installed copy of the script and its defaults file."""

    path: Path
    defaults: Path
    pidfile: Path
    log: Path

    def __call__(self, *action: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one action."""
        return subprocess.run(
            [self.path, *action],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    @property
    def pid(self) -> int:
        """The process that the pid file names."""
        return int(self.pidfile.read_text())

    def configure(self, **settings: str) -> None:
        """Add lines to the defaults file."""
        with self.defaults.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())


def install_script(site: Site) -> InitScript:
    """Install the script and its defaults file for a site."""
    for folder in ("init.d", "default"):
        (site.etc / folder).mkdir(mode=0o755)
    script = InitScript(
        path=site.etc / "init.d/celeryd",
        defaults=site.etc / "default/celeryd",
        pidfile=site.run / "celeryd/pid",
        log=site.log / "celeryd.log",
    )
    text = (PROJECT / "celeryd/celeryd").read_text("utf-8")
    script.path.write_text(
        replaced(text, {"=/etc/default/": f"={site.etc}/default/", "=/run/": f"={site.run}/"})
    )
    script.path.chmod(0o755)
    script.defaults.write_text(_adapted_defaults(site))
    script.defaults.chmod(0o644)
    return script


def _adapted_defaults(site: Site) -> str:
    return replaced(
        (PROJECT / "celeryd/default").read_text("utf-8"),
        {
            "CELERYD_SITE=/opt/marinemap": f"CELERYD_SITE={site.opt}",
            "=/etc/marinemap/": f"={site.etc}/",
            # Room for a machine that is busy with other tests.
            "CELERYD_START_SECONDS=30": "CELERYD_START_SECONDS=120",
            "CELERYD_USER=marinemap": "CELERYD_USER=nobody",
            "CELERYD_GROUP=marinemap": "CELERYD_GROUP=nogroup",
            "=/var/log/marinemap/": f"={site.log}/",
        },
    )


def install_stub(site: Site, script: InitScript) -> Path:
    """Have the script run a small program, which will not stop when told to; return that."""
    folder = site.root / site.part / "stub"
    folder.mkdir(mode=0o755)
    (folder / ".venv").symlink_to(site.opt / ".venv")
    manage = folder / "manage.py"
    manage.write_text(_STUB)
    script.configure(CELERYD_SITE=str(folder))
    return manage
