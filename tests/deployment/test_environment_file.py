"""The environment file: mod_wsgi's script and the init script take and refuse the same lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from marinemap.environment import known_variables
from tests.deployment.init_script import InitScript
from tests.deployment.installation import BOOT_ENVIRONMENT, PROJECT, Site

TAKEN = [
    "DATABASE_URL=postgresql://marinemap:pa$$w&rd;`id`@localhost/m?a=b#c",
    "DJANGO_ALLOWED_HOSTS=maps.example.org,[::1],*",
    "MARINEMAP_KEEP_DAYS=",
    "_1=é",
]
REFUSED = ["TZ", "=UTC", "tz=UTC", "T-Z=UTC", "1TZ=UTC", "export TZ=UTC", "TZ = UTC", "TZ=U C"] + [
    *("TZ='UTC'", 'TZ="UTC"', "TZ=U\\TC", " TZ=UTC", "TZ=UTC ", "\tTZ=UTC", "TZ=UTC\r", " ")
]
each_refused = pytest.mark.parametrize("line", REFUSED, ids=repr)


def _run_wsgi_script(etc: Path, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    """Run mod_wsgi's script with an application that prints its environment."""
    package = tmp_path / "marinemap"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wsgi.py").write_text(
        "import os, sys\n"
        "sys.stdout.buffer.write(b'\\0'.join(b'='.join(pair) for pair in os.environb.items()))\n"
        "application = None\n"
    )
    (etc / "marinemap.wsgi").symlink_to(PROJECT / "apache/marinemap.wsgi")
    return subprocess.run(
        ["/usr/bin/env", "python3", etc / "marinemap.wsgi"],
        env={**BOOT_ENVIRONMENT, "PYTHONPATH": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
    )


def test_mod_wsgi_takes_values_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "environment").write_text("\n".join(["# Comment", "", *TAKEN]), "utf-8")
    read = _run_wsgi_script(tmp_path, tmp_path)
    assert read.stderr == b""
    assert {line.encode() for line in TAKEN} <= set(read.stdout.split(b"\0"))


@each_refused
def test_mod_wsgi_refuses_and_does_not_show(tmp_path: Path, line: str) -> None:
    (tmp_path / "environment").write_bytes(f"# Comment\n{line}\n".encode())
    read = _run_wsgi_script(tmp_path, tmp_path)
    assert read.returncode == 1
    assert b"/environment, line 2: NAME=value" in read.stderr
    assert read.stdout == b""


def test_init_script_takes_values_as_they_are(celeryd: InitScript, stub: Path, site: Site) -> None:
    with (site.etc / "environment").open("a", encoding="utf-8") as file:
        file.write("\n".join(TAKEN))
    assert celeryd("start").returncode == 0
    environment = Path(f"/proc/{celeryd.pid}/environ").read_bytes().split(b"\0")
    assert {line.encode() for line in TAKEN} <= set(environment)


@each_refused
def test_init_script_refuses_and_does_not_show(
    celeryd: InitScript, stub: Path, site: Site, line: str
) -> None:
    (site.etc / "environment").write_bytes(f"# Comment\n{line}\n".encode())
    refused = celeryd("start")
    assert refused.returncode == 6
    assert "/environment, line 2: " in refused.stderr
    assert not celeryd.pidfile.exists()


def test_example_names_settings_that_exist() -> None:
    lines = (PROJECT / "celeryd/environment").read_text("utf-8").splitlines()
    names = [line.lstrip("#").partition("=")[0] for line in lines if "=" in line]
    settings = [name for name in names if name.isupper() and " " not in name and name != "NAME"]
    assert len(settings) == 4
    assert [name for name in settings if name not in known_variables()] == []
