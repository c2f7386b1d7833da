"""Settings as a site has them: in processes of their own, with nothing but an environment."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from marinemap.environment import known_variables

ROOT = Path(__file__).parents[1]
# Warnings are errors for our own code; the check must end within a minute or hangs.
SECONDS = 60
SHOW = "from django.conf import settings as s; print({})"


def environment(home: Path, **variables: str) -> dict[str, str]:
    ours = ("MARINEMAP_", "DJANGO_", "CELERY_", "DATABASE_", "TZ")
    clean = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    clean |= {"MARINEMAP_HOME": str(home), "DJANGO_SETTINGS_MODULE": "marinemap.settings"}
    return clean | variables


def start(*command: str, home: Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(home, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*command: str, home: Path, **variables: str) -> tuple[int, str]:
    process = start(*command, home=home, **variables)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out + err


def show(expression: str, home: Path, **variables: str) -> str:
    code, output = run("-c", SHOW.format(expression), home=home, **variables)
    assert code == 0, output
    return output.strip()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"DJANGO_ALLOWED_HOSTS": "maps.example.org"},
        {"DJANGO_ALLOWED_HOSTS": "maps.example.org,localhost", "MARINEMAP_BEHIND_PROXY": "1"},
    ],
    ids=["as it comes", "production", "behind a proxy"],
)
def test_deployment_check_is_clean(tmp_path: Path, variables: dict[str, str]) -> None:
    code, output = run(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        home=tmp_path,
        DATABASE_URL=f"sqlite:///{tmp_path}/site.sqlite3",
        **variables,
    )
    assert code == 0, output
    assert "no issues" in output


def test_site_is_closed_as_it_comes(tmp_path: Path) -> None:
    shown = show(
        "s.DEBUG, s.ALLOWED_HOSTS, s.CELERY_TASK_ALWAYS_EAGER, s.MARINEMAP_HTTPS", tmp_path
    )
    assert shown == "False ['localhost', '127.0.0.1', '[::1]'] False False"


def test_site_under_a_name_of_its_own_asks_for_https(tmp_path: Path) -> None:
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT")
    shown = show(
        ", ".join(f"s.{name}" for name in names), tmp_path, DJANGO_ALLOWED_HOSTS="maps.example.org"
    )
    assert shown == "True True True"


@pytest.mark.parametrize(("text", "flag"), [("1", "True"), ("YES", "True"), ("off", "False")])
def test_debug_is_as_the_environment_says(tmp_path: Path, text: str, flag: str) -> None:
    assert show("s.DEBUG", tmp_path, DJANGO_DEBUG=text) == flag


@pytest.mark.parametrize(
    "name",
    ["DJANGO_DEBUG", "MARINEMAP_HTTPS", "MARINEMAP_BEHIND_PROXY", "CELERY_TASK_ALWAYS_EAGER"],
)
def test_flag_that_is_neither_yes_nor_no_is_named(tmp_path: Path, name: str) -> None:
    code, output = run("manage.py", "check", home=tmp_path, **{name: "maybe"})
    assert code != 0
    assert f"{name}: 'maybe' is neither yes nor no; write 1 or 0" in output


def test_database_that_cannot_hold_the_queue_stops_the_start(tmp_path: Path) -> None:
    code, output = run("manage.py", "check", home=tmp_path, DATABASE_URL="mysql://localhost/marine")
    assert code != 0
    assert "use sqlite or postgresql" in output


def test_secret_key_is_made_once_for_all_processes_and_kept_from_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = ("-c", SHOW.format("s.SECRET_KEY"))
    together = [start(*command, home=home) for _ in range(4)]
    keys = {process.communicate(timeout=SECONDS)[0].strip() for process in together}
    assert len(keys) == 1
    (key,) = keys
    # 64 random bytes in base64.
    assert len(key) == 86
    assert stat.S_IMODE((home / "secret_key").stat().st_mode) == 0o600
    assert show("s.SECRET_KEY", home) == key
    assert [path.name for path in home.glob("*secret_key*")] == ["secret_key"]


READ_KEYS = """
import sys
from pathlib import Path
from marinemap.secret_key import read_secret_key
for home in sys.stdin:
    print(read_secret_key(Path(home.strip())), flush=True)
"""


def test_processes_that_start_at_the_same_moment_read_the_same_key(tmp_path: Path) -> None:
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ_KEYS],
            cwd=ROOT,
            env=environment(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    # A race is lost now and then only: many homes, each asked for by both at once.
    homes = [tmp_path / str(number) for number in range(300)]
    for home in homes:
        home.mkdir()
        for reader in readers:
            assert reader.stdin is not None
            print(home, file=reader.stdin, flush=True)
    first, second = (reader.communicate(timeout=SECONDS)[0].split() for reader in readers)
    assert len(first) == len(homes)
    assert first == second
    assert all([path.name for path in home.iterdir()] == ["secret_key"] for home in homes)


def test_secret_key_of_the_environment_is_not_kept(tmp_path: Path) -> None:
    assert show("s.SECRET_KEY", tmp_path, DJANGO_SECRET_KEY="given") == "given"
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("sqlite:////srv/site.sqlite3", "marinemap+sqlite:////srv/site.sqlite3"),
        ("postgresql://u:p@db/site", "marinemap+postgresql://u:p@db/site"),
    ],
)
def test_queue_lives_in_the_database(tmp_path: Path, url: str, broker: str) -> None:
    assert show("s.CELERY_BROKER_URL", tmp_path, DATABASE_URL=url) == broker


def test_home_may_be_called_anything(tmp_path: Path) -> None:
    home = tmp_path / "odd ?timeout=1 #%41;b ü"
    home.mkdir()
    code, output = run("manage.py", "migrate", "--verbosity", "0", home=home)
    assert code == 0, output
    # The site's rows and the queue's are in one file, and it is there.
    code, output = run("manage.py", "queue", home=home)
    assert (code, "Traceback" in output) == (0, False), output
    assert {"marinemap.sqlite3"} <= {path.name for path in home.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "lacks what this version needs (no such table: catalogue_layer). Run: manage.py mig"),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "The database cannot be used: "),
        ({"DATABASE_URL": f"sqlite:///{ROOT}/README.md"}, "used: file is not a database. It is"),
    ],
    ids=["not migrated", "not there", "another file"],
)
def test_database_that_cannot_be_used_is_told_in_a_line(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    code, output = run("manage.py", "listlayers", home=tmp_path, **variables)
    assert (code, words in output, len(output.splitlines())) == (1, True, 1), output
    assert "secret" not in output
    _, output = run("manage.py", "listlayers", "--traceback", home=tmp_path, **variables)
    assert "Traceback" in output


def test_broker_of_the_site_is_taken(tmp_path: Path) -> None:
    assert show("s.CELERY_BROKER_URL", tmp_path, CELERY_BROKER_URL="redis://x/") == "redis://x/"


def test_command_does_not_load_what_the_queue_alone_needs(tmp_path: Path) -> None:
    code = "import sys, django; django.setup(); print('sqlalchemy' in sys.modules)"
    assert run("-c", code, home=tmp_path) == (0, "False\n")


def test_engine_starts_neither_django_nor_celery() -> None:
    code = (
        "import sys, marinemap.extraction; names = 'django celery kombu sqlalchemy psycopg'; "
        "print([name for name in names.split() if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MARINEMAP_EXTRACT_RATE", "fast", "MARINEMAP_EXTRACT_RATE: 'fast' is not a rate"),
        ("MARINEMAP_SPLIT_WORKERS", "2.5", "MARINEMAP_SPLIT_WORKERS: '2.5' is not a whole number"),
        ("MARINEMAP_HOEM", "/srv", "MARINEMAP_HOEM: there is no such setting. Did you mean MARI"),
    ],
)
def test_mistake_in_the_environment_stops_the_start(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    code, output = run("manage.py", "check", home=tmp_path, **{name: value})
    assert code != 0
    assert told in output
    assert "Traceback" not in output


def test_mistake_stops_a_web_server_that_asks_no_checks(tmp_path: Path) -> None:
    code, output = run("-c", "import marinemap.wsgi", home=tmp_path, MARINEMAP_KEEP_DAYS="-1")
    assert code != 0
    assert "ImproperlyConfigured: MARINEMAP_KEEP_DAYS: '-1' is not a number of days" in output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-c", "1", "-B", "-E", "-l", "info"], ""),
        (["-c", "one"], "'one' is not a count"),
        (["-l", "LOUD"], "invalid choice: 'LOUD'"),
        (["--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_worker_can_be_tried_without_a_start(tmp_path: Path, options: list[str], told: str) -> None:
    code, output = run("manage.py", "celeryd", "--try", *options, home=tmp_path)
    assert (code == 0) == (told == ""), output
    assert told in output
    assert "ready" not in output


def test_others_variables_are_let_be(tmp_path: Path) -> None:
    others = ("DJANGO_COLORS", "DJANGO_SUPERUSER_PASSWORD", "DATABASE_USER", "CELERY_LOG_LEVEL")
    assert show("s.DEBUG", tmp_path, **dict.fromkeys(others, "x")) == "False"


def test_command_on_the_catalogue_alone_looks_at_its_own_variables(tmp_path: Path) -> None:
    known = {"MARINEMAP_KEEP_DAYS": "7", "DJANGO_DEBUG": "0"}
    assert run("manage.py", "extract", "--help", home=tmp_path, **known)[0] == 0
    code, output = run("manage.py", "extract", "--help", home=tmp_path, DATABASE_UR="x")
    assert code != 0
    assert "Did you mean DATABASE_URL?" in output


def test_settings_and_their_reference_agree() -> None:
    reference = (ROOT / "docs/reference/settings.md").read_text()
    names = set(re.findall(r"`((?:MARINEMAP|DJANGO|CELERY|DATABASE)_[A-Z0-9_]+)`", reference))
    # Their clients read others of theirs, which the text beside names.
    names |= set(re.findall(r"^\| `((?:SENTRY|OTEL)_[A-Z_]+)`", reference, re.MULTILINE))
    assert {"MARINEMAP_MAX_RUN_FEATURES", "DATABASE_URL", "SENTRY_DSN"} <= names
    # The time zone is the system's as well.
    assert names == known_variables() - {"TZ"}


def test_rate_is_lifted_by_a_word(tmp_path: Path) -> None:
    rate = "s.CELERY_TASK_ANNOTATIONS['marinemap.jobs.tasks.run_job']"
    assert show(rate, tmp_path, MARINEMAP_EXTRACT_RATE="Unlimited") == "{'rate_limit': None}"


def test_home_of_another_user_is_named(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "home").mkdir(mode=0o555)
    code, output = run("manage.py", "check", home=tmp_path / "home")
    assert code != 0
    assert "cannot be written to; name a folder that this user may write to" in output


def test_key_that_is_made_anew_is_announced(tmp_path: Path) -> None:
    assert "secret key" not in run("-c", SHOW.format("s.DEBUG"), home=tmp_path)[1]
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "secret_key").unlink()
    output = run("-c", SHOW.format("s.DEBUG"), home=tmp_path)[1]
    assert "A new secret key was made, for " in output
    assert "A new secret key" not in run("-c", SHOW.format("s.DEBUG"), home=tmp_path)[1]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DJANGO_ALLOWED_HOSTS": "*"}, "DJANGO_ALLOWED_HOSTS: '*'"),
        ({"CELERY_TASK_ALWAYS_EAGER": "1"}, "CELERY_TASK_ALWAYS_EAGER: jobs run in the web server"),
    ],
)
def test_site_for_others_is_refused_what_it_must_not_have(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    code, output = run("manage.py", "check", "--deploy", home=tmp_path, **variables)
    assert code != 0
    assert told in output


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"MARINEMAP_LAYER_FOLDERS": "/no/such"}, "MARINEMAP_LAYER_FOLDERS: /no/such is no folder"),
        (
            {"MARINEMAP_LAYER_FOLDERS": "/etc/passwd"},
            "MARINEMAP_LAYER_FOLDERS: /etc/passwd is no folder",
        ),
        ({"MARINEMAP_HSTS_SUBDOMAINS": "1"}, "does nothing without MARINEMAP_HSTS_DAYS"),
    ],
)
def test_site_for_others_is_told_what_has_no_effect(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    code, output = run("manage.py", "check", "--deploy", home=tmp_path, **variables)
    assert code == 0
    assert told in " ".join(output.split())


def test_missing_client_of_a_broker_is_told(tmp_path: Path) -> None:
    # As where redis is not installed.
    (tmp_path / "redis.py").write_text("raise ImportError('no redis here')")
    code, output = run(
        *("manage.py", "check"),
        home=tmp_path,
        PYTHONPATH=str(tmp_path),
        CELERY_BROKER_URL="redis://127.0.0.1:1",
    )
    assert code != 0
    assert "CELERY_BROKER_URL: its client is missing" in output
    assert "pip install '.[redis]'" in output


def test_worker_that_cannot_begin_does_not_report_success(tmp_path: Path) -> None:
    options = ("--pool", "solo", "--pidfile", "/proc/none.pid")
    code, output = run("manage.py", "celeryd", *options, home=tmp_path)
    assert code == 1 and "/proc/none.pid" in output


def test_command_whose_reader_has_gone_ends_without_a_word(tmp_path: Path) -> None:
    """As `manage.py listlayers | head -1` has it; it was a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(
        [sys.executable, "manage.py", "help"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
    )
    os.close(writing)
    assert (told.returncode, told.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("celeryd", "--try", "--concurrency=-1"), "'-1' is not a count"),
        (("celeryd", "--try", "--pool=nix"), "invalid choice: 'nix'"),
        (("celeryd", "--try", "--pool=gevent"), "take prefork, solo or threads"),
        (("celeryd", "--try", "--pool=eventlet"), "take prefork, solo or threads"),
        (("celeryd", "--try", "--logfile=/none/log"), "--logfile: there is no folder /none"),
        (("celeryd", "--try", "--pidfile=/none/pid"), "--pidfile: there is no folder /none"),
        (("web", "--port=99999"), "PORT: '99999' is not a port"),
        (("web", "--port=-1"), "PORT: '-1' is not a port"),
    ],
)
def test_wrong_option_is_told_in_a_line(command: tuple[str, ...], told: str) -> None:
    """Each was a traceback of some library's."""
    with pytest.raises(CommandError, match=re.escape(told)):
        call_command(*command)
