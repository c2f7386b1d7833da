"""Apache and nginx in front, as their files ship: slow people, downloads, headers."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.deployment.test_apache import MODULES
from tests.postgresql import free_port
from tests.running_site import PROJECT, RunningSite, wait_for
from tests.slow_clients import MAKE_JOB, RESULT_BYTES, slow_clients, slowest_answer_seconds

# Where somebody holds up others, it is until that one is given up, after 20 s.
MOST_SECONDS = 12.0
SENDFILE = {"nginx": "X-Accel-Redirect", "apache": "X-Sendfile"}
APACHE_MODULES = ["mpm_event", "authz_core", "headers", "alias", "socache_shmcb", "ssl", "proxy"]
APACHE_MODULES += ["proxy_http", "reqtimeout", "xsendfile"]


@dataclass(frozen=True)
class Front:
    """A site behind a server, and one of its results."""

    base: str
    certificate: str
    job: str
    site: RunningSite

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask through the server in front."""
        return requests.get(
            self.base + path,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            verify=self.certificate,
            allow_redirects=False,
            timeout=120,
        )

    @property
    def results(self) -> str:
        """The path of the result."""
        return f"/api/jobs/{self.job}/results"


@pytest.fixture(scope="module", params=["nginx", "apache"])
def front(
    request: pytest.FixtureRequest,
    as_root: None,
    require: Callable[[str, str], str],
) -> Iterator[Front]:
    """Start a site and the server in front of it, with the files as they ship."""
    kind = request.param
    program = require(*{"nginx": ("nginx", "nginx"), "apache": ("apache2", "apache2")}[kind])
    if kind == "apache" and not (MODULES / "mod_xsendfile.so").exists():
        require("mod_xsendfile", "libapache2-mod-xsendfile")
    # Not pytest's own folder: it is closed to every user but one.
    root = Path(tempfile.mkdtemp(prefix="marinemap-front-", dir="/tmp"))
    root.chmod(0o755)
    (root / "home").mkdir()
    site = RunningSite(
        root / "home",
        MARINEMAP_BEHIND_PROXY="1",
        MARINEMAP_HTTPS="1",
        MARINEMAP_SENDFILE=SENDFILE[kind],
    )
    site.manage("migrate", "--verbosity", "0")
    job = site.manage("shell", "-v", "0", "-c", MAKE_JOB).split()[-1]
    site.start_web()
    port = free_port()
    command = (
        _nginx(program, root, site, port) if kind == "nginx" else _apache(program, root, site, port)
    )
    with (root / "front.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    found = Front(f"https://localhost:{port}", str(root / "certificate.pem"), job, site)
    try:
        wait_for(lambda: _answers(found, process, root), f"an answer through {kind}")
        yield found
    finally:
        process.terminate()
        process.wait(120)
        site.stop()
        shutil.rmtree(root)


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let this process hold 600 sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _answers(front: Front, process: subprocess.Popen[bytes], root: Path) -> bool:
    assert process.poll() is None, (root / "front.log").read_text()
    try:
        return front.get("/healthz").ok
    except requests.ConnectionError:
        return False


def _certificate(root: Path) -> None:
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "2", *name]
        + ["-keyout", str(root / "key.pem"), "-out", str(root / "certificate.pem")],
        check=True,
        capture_output=True,
    )


def _nginx(program: str, root: Path, site: RunningSite, port: int) -> list[str]:
    _certificate(root)
    text = (PROJECT / "nginx/marinemap.conf").read_text()
    text = text.replace("127.0.0.1:8000", site.base.removeprefix("http://"))
    plain = free_port()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen [::]:80;", f"listen [::]:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen [::]:443 ssl", f"listen [::]:{port} ssl"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    text = text.replace("maps.example.org;", "localhost;").replace(
        "/var/lib/marinemap", str(site.home)
    )
    text = re.sub(r"/etc/letsencrypt\S*/fullchain.pem", f"{root}/certificate.pem", text)
    text = re.sub(r"/etc/letsencrypt\S*/privkey.pem", f"{root}/key.pem", text)
    temporary = "".join(
        f"{name}_temp_path {root}/{name};"
        for name in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    (root / "nginx.conf").write_text(
        # The home is the tests' own user's.
        f"user root; daemon off; pid {root}/nginx.pid; error_log {root}/error.log;\n"
        "worker_rlimit_nofile 16384; events { worker_connections 4096; }\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}\n"
    )
    return [program, "-c", str(root / "nginx.conf")]


def _apache(program: str, root: Path, site: RunningSite, port: int) -> list[str]:
    _certificate(root)
    text = (PROJECT / "apache/marinemap.conf").read_text()
    values = {
        "MARINEMAP_HOST": "localhost",
        "MARINEMAP_ADDRESS": site.base.removeprefix("http://"),
        "MARINEMAP_HOME": str(site.home),
        "MARINEMAP_CERTIFICATE": str(root / "certificate.pem"),
        "MARINEMAP_PRIVATE_KEY": str(root / "key.pem"),
    }
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^(Define {name}) .*", rf"\1 {value}", text)
        assert count == 1, name
    plain = free_port()
    text = text.replace("*:80>", f"127.0.0.1:{plain}>").replace("*:443>", f"127.0.0.1:{port}>")
    loaded = "".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in APACHE_MODULES
    )
    (root / "apache.conf").write_text(
        f"{loaded}ServerName localhost\nListen 127.0.0.1:{plain}\nListen 127.0.0.1:{port}\n"
        f"User www-data\nGroup www-data\nPidFile {root}/apache.pid\nDefaultRuntimeDir {root}\n"
        f"ErrorLog {root}/error.log\n<Directory />\nRequire all denied\n</Directory>\n{text}"
    )
    os.environ["APACHE_LOG_DIR"] = str(root)
    return [program, "-d", str(root), "-f", str(root / "apache.conf"), "-D", "FOREGROUND"]


def test_slow_people_hold_up_nobody(front: Front) -> None:
    questions = {
        "health": lambda: front.get("/healthz"),
        "job": lambda: front.get(f"/api/jobs/{front.job}"),
        "request": lambda: requests.post(
            f"{front.base}/api/processes/echo/execution",
            json={"inputs": {"message": "x"}},
            headers={"Prefer": "respond-async"},
            verify=front.certificate,
            timeout=120,
        ),
    }
    with slow_clients(front.base, downloads=(200, front.results), half_sent=200):
        took = {name: slowest_answer_seconds(ask) for name, ask in questions.items()}
    assert max(took.values()) < MOST_SECONDS, took


def test_download_is_sent_by_the_front_and_continues(front: Front) -> None:
    whole = front.get(front.results)
    assert (whole.status_code, len(whole.content)) == (200, RESULT_BYTES)
    assert whole.headers["Content-Type"] == "application/zip"
    assert "attachment" in whole.headers["Content-Disposition"]
    assert "no-store" in whole.headers["Cache-Control"]
    assert not {"X-Sendfile", "X-Accel-Redirect"} & set(whole.headers)
    # The tag tells this file from others, which mod_xsendfile's own does not.
    assert whole.headers["ETag"].strip('"') not in ("", "0")
    assert front.get(front.results, If_None_Match=whole.headers["ETag"]).status_code == 304
    assert front.get(front.results, If_None_Match='"0"').status_code == 200
    rest = front.get(front.results, Range="bytes=1000000-", If_Range=whole.headers["ETag"])
    assert (rest.status_code, rest.content) == (206, whole.content[1_000_000:])


def test_what_is_said_with_a_file_passes(front: Front) -> None:
    """nginx drops most headers of an answer that names a file to it."""
    said = front.get(front.results, Origin="https://other.example", X_Request_ID="abc-1").headers
    assert said["Access-Control-Allow-Origin"] == "*"
    assert "Link" in said["Access-Control-Expose-Headers"]
    assert said["X-Request-ID"] == "abc-1"
    document = front.get("/api/").headers
    for name in (
        "Content-Security-Policy",
        "Cross-Origin-Opener-Policy",
        "Referrer-Policy",
        "X-Content-Type-Options",
        "X-Frame-Options",
    ):
        assert sorted(said[name].split("; ")) == sorted(document[name].split("; ")), name
    # What was not said is not there empty.
    assert "Strict-Transport-Security" not in said and "Preference-Applied" not in said


def test_files_cannot_be_asked_for_by_their_place(front: Front) -> None:
    for path in (
        "/marinemap-files/secret_key",
        "/marinemap-files/marinemap.sqlite3",
        "/secret_key",
    ):
        assert front.get(path).status_code == 404


def test_clients_words_about_forwarding_are_replaced(front: Front) -> None:
    # Believed, the first would have the application send the client to HTTPS for ever.
    answer = front.get("/", X_Forwarded_Proto="http", X_Forwarded_Host="evil.example")
    assert answer.status_code == 200
    links = front.get("/api/", X_Forwarded_Host="evil.example").json()["links"]
    # With the port, by which the site was asked.
    assert all(link["href"].startswith(f"{front.base}/") for link in links)


class _From(HTTPAdapter):
    """Sends from an address of this machine, and checks the certificate for the site's name."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *at: Any, **options: Any) -> None:
        options |= {"source_address": (self._source, 0), "assert_hostname": "localhost"}
        super().init_poolmanager(*at, **options)


def _count_of(front: Front, source: str, target: str = "127.0.0.1", **headers: str) -> int:
    """Ask for a job from an address of this machine; return how many that one has waiting."""
    base = f"https://{target}:{front.base.rpartition(':')[2]}"
    with requests.Session() as session:
        session.mount("https://", _From(source))
        session.verify, session.trust_env = front.certificate, False
        session.headers.update({"Host": "localhost", **headers})
        asked = session.post(
            f"{base}/api/processes/echo/execution",
            json={"inputs": {"message": "x"}},
            headers={"Prefer": "respond-async"},
            timeout=120,
        )
        assert asked.status_code == 201, asked.text
        # By its cookie a client is told apart from others of its address.
        session.cookies.clear()
        limits = session.get(f"{base}/api/limits", timeout=120).json()["limits"]
    return int(next(each["used"] for each in limits if each["id"] == "waiting-address"))


def test_people_are_told_apart_by_the_address_that_the_front_sees(front: Front) -> None:
    before = _count_of(front, "127.0.0.5")
    assert _count_of(front, "127.0.0.6") == 1
    lies = {"X-Forwarded-For": "127.0.0.7", "Forwarded": "for=127.0.0.7", "X-Real-IP": "127.0.0.7"}
    assert _count_of(front, "127.0.0.5", **lies) == before + 1
    assert _count_of(front, "127.0.0.7") == 1


@pytest.fixture
def addresses(require: Callable[[str, str], str]) -> Iterator[list[str]]:
    """Give this machine two addresses of one IPv6 network, and one of another."""
    ip = require("ip", "iproute2")
    network = f"fd{os.getpid() % 256:02x}:{time.time_ns() % 65_536:x}:1"
    found = [f"{network}:1::1", f"{network}:1::2", f"{network}:2::1"]
    try:
        for address in found:
            made = subprocess.run([ip, "-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad"])
            if made.returncode:
                pytest.skip("this machine has no IPv6, or gives no addresses")
        yield found
    finally:
        for address in found:
            subprocess.run([ip, "-6", "addr", "del", f"{address}/128", "dev", "lo"])


def test_addresses_of_one_ipv6_network_are_one(front: Front, addresses: list[str]) -> None:
    if front.site.environment["MARINEMAP_SENDFILE"] != SENDFILE["nginx"]:
        pytest.skip("the test's Apache listens on IPv4 only")
    first, second, other = addresses
    assert _count_of(front, first, f"[{first}]") == 1
    assert _count_of(front, second, f"[{first}]") == 2
    assert _count_of(front, other, f"[{first}]") == 1


class Stream:
    """A stream of the events of a job, through the front."""

    def __init__(self, front: Front, job: str) -> None:
        self._answer = requests.get(
            f"{front.base}/api/jobs/{job}/events",
            stream=True,
            verify=front.certificate,
            timeout=120,
        )
        assert self._answer.status_code == 200, self._answer.text
        self._lines = self._answer.iter_lines(decode_unicode=True)

    def status(self) -> str:
        """Return how the job stands by the next event."""
        line = next(line for line in self._lines if line.startswith("data: "))
        return str(json.loads(line.removeprefix("data: "))["status"])

    def has_ended(self) -> bool:
        """Read to the end, as an answer has to end; else an error or a time-out is raised."""
        return [line for line in self._lines if line.startswith("data: ")] == []

    def close(self) -> None:
        self._answer.close()


def _ask(front: Front) -> str:
    answer = requests.post(
        f"{front.base}/api/processes/echo/execution",
        json={"inputs": {"message": "x"}},
        headers={"Prefer": "respond-async"},
        verify=front.certificate,
        timeout=120,
    )
    return str(answer.json()["jobID"])


def _end(front: Front, job: str) -> float:
    """Cancel a job; return when."""
    asked = requests.delete(f"{front.base}/api/jobs/{job}", verify=front.certificate, timeout=120)
    assert asked.status_code == 200, asked.text
    return time.monotonic()


def test_events_pass_as_they_happen_and_streams_end(front: Front) -> None:
    job = _ask(front)
    begun = time.monotonic()
    streams = [Stream(front, job) for _ in range(20)]
    # The first event comes at once: nothing waits for a buffer to be full.
    assert {stream.status() for stream in streams} == {"accepted"}
    opened = time.monotonic() - begun
    ended_at = _end(front, job)
    assert {stream.status() for stream in streams} == {"dismissed"}
    told = time.monotonic() - ended_at
    assert all(stream.has_ended() for stream in streams)
    # The application looks once a second; what a front keeps back comes with a sign of life.
    assert opened < MOST_SECONDS and told < MOST_SECONDS, (opened, told)


def test_streams_that_people_leave_are_closed_behind_the_front(front: Front) -> None:
    job = _ask(front)
    streams = [Stream(front, job) for _ in range(10)]
    held = _sockets_of(front)
    for stream in streams:
        stream.close()
    # Told to a socket that is gone, at the latest with the next sign of life, after 15 s.
    wait_for(lambda: _sockets_of(front) <= held - 8, "that they are closed")
    _end(front, job)


def _sockets_of(front: Front) -> int:
    """Return how many connections the application itself has."""
    folder = Path(f"/proc/{front.site.pid('web')}/fd")
    return sum(_is_socket(each) for each in folder.iterdir())


def _is_socket(descriptor: Path) -> bool:
    """Say whether a descriptor is one; it may have been closed since it was listed."""
    try:
        return os.readlink(descriptor).startswith("socket:")
    except FileNotFoundError:
        return False
