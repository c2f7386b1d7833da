"""docs/how-to/deploy.md, followed from an empty Debian 12 to a running site and its backup.

The commands are those of the document and of the README of the init script, taken out of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.deployment.dockerfile import empty_debian
from tests.deployment.installation import PROJECT, replaced
from tests.postgresql import free_port
from tests.running_site import wait_for

DEPLOY = PROJECT / "docs/how-to/deploy.md"
CELERYD = PROJECT / "celeryd/README.md"
LAST_MIGRATION = max(path.stem for path in PROJECT.glob("marinemap/jobs/migrations/0*.py"))
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}
# What a person types in an editor, or is asked.
TYPED = {
    "git clone <where you got it> /opt/marinemap": "git clone --quiet /source /opt/marinemap",
    # Where an init system runs, the package's own script does that.
    "apt-get install postgresql": "apt-get install postgresql; /etc/init.d/postgresql start",
    "editor /etc/marinemap/environment": "sed -i s/=maps.example.org/=localhost/ "
    "/etc/marinemap/environment",
    "manage.py createsuperuser": "manage.py createsuperuser --noinput --username ann "
    "--email ann@example.org",
}


def commands(document: Path, section: str, first: str = "", last: str = "") -> str:
    """Return the indented commands of a section, from one that begins so to one that does."""
    _, found, text = document.read_text().partition(f"\n## {section}\n")
    assert found, section
    text = re.split(r"\n## ", text)[0]
    # In a list they stand deeper than its text; a line after a blank one begins a block.
    blocks = re.findall(r"\n\n((?: {4,}\S.*\n)+)", text + "\n")
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines = [line for line in lines if not re.match(r"[|{\[]|What |SQLite |A password|`", line)]
    begin = next(i for i, line in enumerate(lines) if line.startswith(first))
    ends = [i for i, line in enumerate(lines) if line.startswith(last) and i >= begin]
    return "\n".join(lines[begin : ends[0] + 1 if last else None])


SECTIONS = {
    "prepare": (DEPLOY, "Prepare the machine", "adduser", ""),
    "init script": (CELERYD, "Init script", "cd /opt", "/etc/init.d/celeryd start"),
    "back up": (DEPLOY, "Back up", "install -d", "cp -p"),
    "restore": (DEPLOY, "Back up", "install -m 640", "runuser -u postgres -- pg_restore"),
    "upgrade": (DEPLOY, "Upgrade", "cd /opt", "as_site"),
    "go back": (DEPLOY, "Upgrade", "git checkout", "make"),
    "other database": (DEPLOY, "From SQLite to PostgreSQL", "as_site", ""),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_commands_are_clean_shell(name: str) -> None:
    script = commands(*SECTIONS[name])
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert script and done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SECTIONS)
def test_files_that_commands_name_are_there(name: str) -> None:
    script = commands(*SECTIONS[name])
    named = re.findall(r"\b(?:celeryd|apache|nginx)/[\w.-]+", script.replace("/etc/default/", ""))
    if "cd /opt/marinemap/celeryd\n" in script:
        named += [f"celeryd/{word}" for word in re.findall(r"-m \d+ ([a-z]\w*) /etc", script)]
    for path in named:
        assert (PROJECT / path).exists() or path.startswith("celeryd/celeryd"), path


class Machine:
    """An empty Debian in a folder, in which commands are run as root."""

    def __init__(self, root: Path, port: int) -> None:
        self._root, self._port = root, port
        self._web: subprocess.Popen[bytes] | None = None

    def run(self, script: str) -> None:
        """Run commands; the function that the document defines is there."""
        as_site = next(line for line in PREPARE.splitlines() if line.startswith("as_site()"))
        enter = ["chroot", str(self._root), "env", "-i", *_environment()]
        text = f"set -eu -o pipefail\n{as_site}\n{script}"
        subprocess.run([*enter, "bash", "-x"], input=text, text=True, check=True)

    def start_web(self) -> None:
        """Start the web server as its unit does, and wait for it."""
        as_site = next(line for line in PREPARE.splitlines() if line.startswith("as_site()"))
        script = f"cd /opt/marinemap; {as_site}; "
        script += f"as_site .venv/bin/python manage.py web --port {self._port}"
        enter = ["chroot", str(self._root), "env", "-i", *_environment(), "bash", "-c", script]
        self._web = subprocess.Popen(enter, start_new_session=True)
        wait_for(lambda: self.answers("/healthz"), "the web server", 60)

    def stop_web(self) -> None:
        if self._web:
            os.killpg(self._web.pid, 15)
            self._web.wait(30)
            self._web = None

    def answers(self, path: str) -> Any:
        try:
            return self.ask(path)
        except OSError:
            return None

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask the site as a program does."""
        asked = urllib.request.Request(
            f"http://localhost:{self._port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Prefer": "respond-async"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                content = answer.read()
        except HTTPError as error:
            error.add_note(error.read().decode())
            raise
        return json.loads(content) if content[:1] in b"{[" else content


PREPARE = commands(*SECTIONS["prepare"])
_CHANGE = f"""
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("jobs", "{LAST_MIGRATION}")]
    operations = [migrations.AddField("job", "later", models.TextField(null=True))]
"""
_COLUMN = "runuser -u postgres -- psql -c 'SELECT * FROM jobs_job LIMIT 0' marinemap"


def _environment() -> list[str]:
    passed = ("PIP_INDEX_URL", "npm_config_registry", "HTTP_PROXY", "HTTPS_PROXY")
    kept = [f"{name}={os.environ[name]}" for name in passed if name in os.environ]
    certificates = "/etc/certificates-of-the-host.crt"
    for name in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
        kept.append(f"{name}={certificates}")
    return [
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "DEBIAN_FRONTEND=noninteractive",
        "DJANGO_SUPERUSER_PASSWORD=a-long-one-for-a-test",
        *kept,
    ]


def _begin(machine: Machine) -> str:
    body = {"inputs": {"layers": ["ports"], "area": AREA}}
    job = machine.ask("/api/processes/extract/execution", body)["jobID"]
    return f"/api/jobs/{job}"


def _end(machine: Machine, *paths: str) -> None:
    def is_over() -> bool:
        return all(machine.ask(path)["status"] == "successful" for path in paths)

    # Four a minute begin.
    wait_for(is_over, "the end of the extracts", 240)


@pytest.mark.skipif("DEPLOY_DOCUMENT" not in os.environ, reason="make deploy-document: minutes")
def test_site_of_the_document_runs_and_comes_back_from_its_backup() -> None:
    work = Path(os.environ["DEPLOY_DOCUMENT"])
    shutil.rmtree(work / "machine", ignore_errors=True)
    with empty_debian(work / "machine", work / "bookworm.tar") as root:
        (root / "etc/apt/apt.conf.d/yes").write_text('APT::Get::Assume-Yes "true";\n')
        clone = ["git", "clone", "--quiet", str(PROJECT), str(root / "source")]
        subprocess.run(clone, check=True)
        machine = Machine(root, free_port())
        try:
            _follow(machine)
        finally:
            machine.stop_web()
            for service in ("celeryd", "postgresql"):
                stop = ["chroot", str(root), f"/etc/init.d/{service}", "stop"]
                subprocess.run(stop, check=False)


def _follow(machine: Machine) -> None:
    # What every Debian has but the smallest.
    machine.run("apt-get update; apt-get install adduser procps lsb-base")
    machine.run(replaced(PREPARE, TYPED))
    init_script = commands(*SECTIONS["init script"])
    machine.run(replaced(init_script, {"editor /etc/default/celeryd": "true"}))
    machine.start_web()
    wait_for(lambda: machine.ask("/healthz")["status"] == "ok", "that all is well", 90)
    path = _begin(machine)
    _end(machine, path)
    archive = machine.ask(f"{path}/results")
    assert archive[:2] == b"PK"
    machine.run(commands(*SECTIONS["back up"]))
    # All is lost.
    machine.run("/etc/init.d/celeryd stop")
    machine.stop_web()
    machine.run("echo 'DROP TABLE jobs_job CASCADE' | runuser -u postgres -- psql -q marinemap")
    machine.run("rm -r /var/lib/marinemap/* /etc/marinemap/environment")
    machine.run(commands(*SECTIONS["restore"]))
    machine.run("/etc/init.d/celeryd start")
    machine.start_web()
    assert machine.ask(f"{path}/results") == archive
    # A later version whose tables are others, with jobs in flight: of six the rate lets four begin.
    path_of_change = "/source/marinemap/jobs/migrations/9999_later.py"
    machine.run(f"cat >{path_of_change} <<'END'\n{_CHANGE}END")
    git = "git -c user.name=a -c user.email=a@example.org -C /source"
    machine.run(f"{git} add --all; {git} commit --quiet --message=later")
    in_flight = [_begin(machine) for _ in range(6)]
    machine.run(commands(*SECTIONS["back up"]))
    machine.run(f"cd /opt/marinemap && git config pull.ff only; {commands(*SECTIONS['upgrade'])}")
    machine.run("/etc/init.d/celeryd restart")
    machine.stop_web()
    machine.start_web()
    machine.run(f"{_COLUMN} | grep -q later")
    _end(machine, *in_flight)
    # And back: those that waited when the backup was made are run again.
    machine.run("/etc/init.d/celeryd stop")
    machine.stop_web()
    machine.run(f"cd /opt/marinemap; {commands(*SECTIONS['go back'])}")
    machine.run(commands(*SECTIONS["restore"]))
    machine.run("/etc/init.d/celeryd start")
    machine.start_web()
    machine.run(f"! {_COLUMN} | grep -q later")
    _end(machine, *in_flight)
    assert machine.ask(f"{path}/results") == archive
