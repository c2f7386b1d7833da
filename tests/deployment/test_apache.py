"""The virtual host by mod_wsgi, in an Apache of the test's own with mod_wsgi."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.deployment.installation import BOOT_ENVIRONMENT, PROJECT, Site, replaced
from tests.postgresql import free_port, skip_or_fail

MODULES = Path("/usr/lib/apache2/modules")
HOST = "maps.example.org"


@dataclass(frozen=True)
class Apache:
    """A running server."""

    http_port: int
    https_port: int
    certificate: Path
    logs: Path
    home: Path

    @property
    def errors(self) -> str:
        """What Apache and the application have logged."""
        return "".join(path.read_text() for path in self.logs.glob("*error.log"))

    @property
    def name(self) -> str:
        """The site's own word. mod_wsgi cuts longer ones where it shows them to ps."""
        return f"mm{self.https_port}"

    @property
    def daemon(self) -> Path:
        """The process in which mod_wsgi runs the application, in /proc."""
        name = f"(wsgi:{self.name})".encode()
        (found,) = (path for path in Path("/proc").glob("[0-9]*") if name in _command(path))
        return found

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask over HTTPS, as a browser would that knows the host by its public name."""
        return self.request("GET", path, headers=headers)

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        """Send a request over HTTPS."""
        headers = {"Host": HOST, **options.pop("headers", {})}
        return requests.request(
            method,
            f"https://localhost:{self.https_port}{path}",
            headers=headers,
            verify=str(self.certificate),
            allow_redirects=False,
            timeout=120,
            **options,
        )


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # It ended meanwhile.
        return b""


@pytest.fixture(scope="module")
def start(
    install: Callable[[], Site],
    require: Callable[[str, str], str],
    wait_until: Callable[..., None],
) -> Iterator[Callable[..., Apache]]:
    """Return a function that starts Apache; its arguments change the environment and the host."""
    program = require("apache2", "apache2")
    _require_mod_wsgi()
    processes: list[subprocess.Popen[bytes]] = []

    def run(more_environment: str = "", **changes: str) -> Apache:
        site = install()
        apache = Apache(
            free_port(), free_port(), site.root / "certificate.pem", site.log, site.home
        )
        with (site.etc / "environment").open("a") as file:
            file.write(more_environment)
        processes.append(
            subprocess.Popen(
                [program, "-d", site.run, "-f", _configure(site, apache, changes)]
                + ["-D", "FOREGROUND"],
                env={**BOOT_ENVIRONMENT, "APACHE_LOG_DIR": str(site.log)},
            )
        )
        wait_until(lambda: _listens(apache.https_port, processes[-1]), "Apache listens")
        return apache

    yield run
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(120)


@pytest.fixture(scope="module")
def apache(start: Callable[..., Apache]) -> Apache:
    """Start Apache with the virtual host as it ships."""
    return start()


def _require_mod_wsgi() -> None:
    module = MODULES / "mod_wsgi.so"
    if not module.exists():
        skip_or_fail("needs mod_wsgi: apt-get install libapache2-mod-wsgi-py3")
    # Debian and Ubuntu link it to mod_wsgi.so-3.11 or the like.
    built_for = module.resolve().name.rpartition("-")[2]
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if built_for != ours:
        pytest.skip(
            f"this machine's mod_wsgi is built for Python {built_for}, .venv has {ours}: "
            "make it with /usr/bin/python3"
        )


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"Apache ended with {process.returncode}"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _configure(site: Site, apache: Apache, changes: dict[str, str]) -> Path:
    shutil.copy(PROJECT / "apache/marinemap.wsgi", site.opt)
    (site.etc / "marinemap.wsgi").symlink_to(site.opt / "marinemap.wsgi")
    _make_certificate(site)
    virtual_host = site.etc / "marinemap.conf"
    virtual_host.write_text(_virtual_host(site, apache, changes))
    configuration = site.etc / "apache2.conf"
    configuration.write_text(_server(site, apache, virtual_host))
    return configuration


def _make_certificate(site: Site) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + [
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ]
        + ["-keyout", site.root / "key.pem", "-out", site.root / "certificate.pem"],
        check=True,
        capture_output=True,
    )


def _virtual_host(site: Site, apache: Apache, changes: dict[str, str]) -> str:
    text = (PROJECT / "apache/marinemap-wsgi.conf").read_text("utf-8")
    defined = {
        "MARINEMAP_NAME": apache.name,
        "MARINEMAP_HOST": HOST,
        "MARINEMAP_SITE": str(site.opt),
        "MARINEMAP_ETC": str(site.etc),
        "MARINEMAP_USER": "nobody",
        "MARINEMAP_CERTIFICATE": str(site.root / "certificate.pem"),
        "MARINEMAP_PRIVATE_KEY": str(site.root / "key.pem"),
    }
    for name, value in defined.items():
        text, count = re.subn(rf"(?m)^(Define {name}) .*", rf"\1 {value}", text)
        assert count == 1, name
    lines = {
        "*:80": f"127.0.0.1:{apache.http_port}",
        "*:443": f"127.0.0.1:{apache.https_port}",
        "group=${MARINEMAP_USER}": "group=nogroup",
        **changes,
    }
    return replaced(text, lines)


def _server(site: Site, apache: Apache, virtual_host: Path) -> str:
    """Return what /etc/apache2/apache2.conf and its modules give, no more than is needed."""
    names = ["mpm_event", "authz_core", "headers", "alias", "setenvif", "socache_shmcb"]
    loaded = "".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in [*names, "ssl", "wsgi"]
    )
    return f"""
        {loaded}
        ServerName localhost
        Listen 127.0.0.1:{apache.http_port}
        Listen 127.0.0.1:{apache.https_port}
        User www-data
        Group www-data
        PidFile {site.run}/apache.pid
        DefaultRuntimeDir {site.run}
        WSGISocketPrefix {site.run}/wsgi
        ErrorLog {apache.logs}/error.log
        <Directory />
            Options FollowSymLinks
            AllowOverride None
            Require all denied
        </Directory>
        Include {virtual_host}
    """


def test_application_answers_as_its_own_user(apache: Apache) -> None:
    health = apache.get("/healthz")
    assert health.status_code == 200, apache.errors
    assert health.json()["database"] == "ok"
    page = apache.get("/")
    assert page.status_code == 200
    assert "MarineMap" in page.text
    assert apache.daemon.stat().st_uid == apache.home.stat().st_uid
    assert (apache.home / "secret_key").stat().st_uid == apache.home.stat().st_uid


def test_static_files_come_from_the_application(apache: Apache) -> None:
    answer = apache.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "max-age" in answer.headers["Cache-Control"]


def test_plain_http_is_sent_to_https(apache: Apache) -> None:
    answer = requests.get(
        f"http://127.0.0.1:{apache.http_port}/api/jobs/1?x=a%20b",
        headers={"Host": HOST},
        allow_redirects=False,
        timeout=120,
    )
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"https://{HOST}/api/jobs/1?x=a%20b"


def test_unknown_host_is_refused(apache: Apache) -> None:
    assert apache.get("/", Host="evil.example").status_code == 400


def test_body_far_too_large_is_refused_unread(apache: Apache) -> None:
    path = "/api/processes/extract/execution"
    within = apache.request("POST", path, data=b"x" * 6291456)
    assert "problem+json" in within.headers["Content-Type"], "the application explains"
    beyond = apache.request("POST", path, data=b"x" * 6291457)
    assert beyond.status_code == 413
    assert "problem+json" not in beyond.headers["Content-Type"]


def test_forwarded_headers_of_a_client_are_dropped(start: Callable[..., Apache]) -> None:
    apache = start("MARINEMAP_BEHIND_PROXY=1\n")
    # Believed, it would have the application send this client to HTTPS for ever.
    assert apache.get("/", **{"X-Forwarded-Proto": "http"}).status_code == 200


def test_script_that_root_does_not_own_is_not_run(start: Callable[..., Apache]) -> None:
    apache = start(**{"script-user=root": "script-user=nobody"})
    assert apache.get("/healthz").status_code == 403
    assert "Owner of WSGI script file does not match" in apache.errors


def test_mistake_in_the_environment_is_logged_without_the_line(
    start: Callable[..., Apache],
) -> None:
    apache = start("DATABASE_URL='postgresql://marinemap:hush@localhost/marinemap'\n")
    assert apache.get("/healthz").status_code == 500
    assert "environment, line" in apache.errors
    assert "hush" not in apache.errors
