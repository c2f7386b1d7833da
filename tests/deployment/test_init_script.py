"""The init script, with a real worker of an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deployment.init_script import InitScript
from tests.deployment.installation import PROJECT, USER, Site, replaced


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of root's that is nobody's worker."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def _status_field(pid: int, name: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))


def _lives(pid: int) -> bool:
    """Tell whether a process sleeps, runs or waits for its disk; neither stopped nor dead."""
    return _status_field(pid, "State")[0] in ("S", "R", "D")


def test_worker_starts_and_stops(celeryd: InitScript, wait_until: Callable[..., None]) -> None:
    assert celeryd("status").returncode == 3
    started = celeryd("start", MARINEMAP_KEEP_DAYS="nonsense from the caller's shell")
    assert started.returncode == 0, started.stdout + started.stderr
    pid = celeryd.pid
    assert celeryd("status").stdout == f"celeryd is running (pid {pid})\n"
    assert celeryd("status").returncode == 0
    assert " ready.\n" in celeryd.log.read_text()

    assert celeryd("start").returncode == 0
    assert celeryd.pid == pid

    stopped = celeryd("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker is gone")
    assert "Warm shutdown" in celeryd.log.read_text()
    assert celeryd("status").returncode == 3
    assert celeryd("stop").returncode == 0


def test_worker_owns_nothing_that_root_relies_on(
    celeryd: InitScript, stub: Path, site: Site
) -> None:
    celeryd("start", SECRET_OF_THE_CALLER="1")
    nobody = str((site.home).stat().st_uid)
    assert _status_field(celeryd.pid, "Uid") == [nobody] * 4
    assert "0" not in _status_field(celeryd.pid, "Groups")
    for path in (celeryd.pidfile, celeryd.pidfile.parent, celeryd.log, celeryd.log.parent):
        assert (path.stat().st_uid, path.stat().st_mode & 0o022) == (0, 0), path
    environment = Path(f"/proc/{celeryd.pid}/environ").read_bytes().split(b"\0")
    assert f"MARINEMAP_HOME={site.home}".encode() in environment
    assert b"SECRET_OF_THE_CALLER=1" not in environment


def test_stop_that_takes_too_long_reports_and_keeps_the_pid_file(
    celeryd: InitScript, stub: Path
) -> None:
    celeryd.configure(CELERYD_STOP_SECONDS="1")
    assert celeryd("start").returncode == 0
    pid = celeryd.pid
    stopped = celeryd("stop")
    assert stopped.returncode == 1
    assert f"pid {pid} still finishes its job after 1 s" in stopped.stdout
    assert celeryd("restart").returncode == 1
    assert (celeryd("status").returncode, celeryd.pid) == (0, pid)


def test_worker_that_ends_after_stop_gave_up_waiting_is_stopped(
    celeryd: InitScript, stub: Path, wait_until: Callable[..., None]
) -> None:
    """Cron starts a dead one again (celeryd/README.md), and not one that somebody has stopped."""
    celeryd.configure(CELERYD_STOP_SECONDS="1")
    for wish, then in (("stop", 3), ("start", 1), ("restart", 1)):
        assert celeryd("start").returncode == 0
        pid = celeryd.pid
        assert celeryd("stop").returncode == 1
        told = celeryd(wish)
        assert (
            told.returncode == 1 and f"pid {pid}" in told.stdout and "ends with it" in told.stdout
        )
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: celeryd("status").returncode != 0, "the end of the worker")
        assert celeryd("status").returncode == then, wish


def test_two_starts_at_once_give_one_worker(celeryd: InitScript, stub: Path) -> None:
    starts = [
        subprocess.Popen([celeryd.path, "start"], stdout=subprocess.DEVNULL) for _ in range(4)
    ]
    assert [start.wait(180) for start in starts] == [0] * 4
    assert celeryd.log.read_text() == "stub ready.\n", "one line a worker"


def test_log_on_a_full_disk_is_named(
    celeryd: InitScript, stub: Path, small_disk: Callable[[str], Path]
) -> None:
    folder = small_disk("64k")
    with pytest.raises(OSError, match="No space left"):
        (folder / "full").write_bytes(bytes(1 << 20))
    stub.write_text(stub.read_text().replace("print(", "(lambda *said, **how: None)("))
    celeryd.configure(CELERYD_LOG=str(folder / "celeryd.log"), CELERYD_START_SECONDS="1")
    started = celeryd("start")
    assert started.returncode == 0
    assert "not ready within 1 s" in started.stdout
    assert "the disk of that log is full" in started.stdout


def _fill_run(celeryd: InitScript, small_disk: Callable[[str], Path]) -> Path:
    folder = small_disk("64k")
    celeryd.pidfile.parent.symlink_to(folder)
    with pytest.raises(OSError, match="No space left"):
        (folder / "full").write_bytes(bytes(1 << 20))
    return folder / "full"


def _make_folder(celeryd: InitScript, small_disk: Callable[[str], Path]) -> Path:
    celeryd.pidfile.mkdir(parents=True)
    return celeryd.pidfile


@pytest.mark.parametrize("spoil", [_fill_run, _make_folder])
def test_no_worker_is_started_whose_pid_cannot_be_kept(
    celeryd: InitScript,
    stub: Path,
    small_disk: Callable[[str], Path],
    spoil: Callable[[InitScript, Callable[[str], Path]], Path],
) -> None:
    """It would run unseen, and cron (celeryd/README.md) put another beside it each minute."""
    in_the_way = spoil(celeryd, small_disk)
    for _ in range(2):
        refused = celeryd("start")
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert "cannot be written, so no worker was started" in refused.stdout
        assert celeryd("status").returncode == 1, "cron tries again"
    in_the_way.rmdir() if in_the_way.is_dir() else in_the_way.unlink()
    assert celeryd("start").returncode == 0
    assert celeryd("status").returncode == 0
    assert celeryd.log.read_text() == "stub ready.\n", "one line a worker"


def test_worker_whose_pid_file_goes_meanwhile_is_stopped(celeryd: InitScript, stub: Path) -> None:
    """Cron starts again what is dead, and somebody stops this one at that moment."""
    goes = (
        'is_trusted() { [ "$1" = "$PIDFILE" ] && rm "$PIDFILE" || [ -e "$1" ]; }\n'
        ". /lib/lsb/init-functions"
    )
    text = replaced(celeryd.path.read_text(), {'must_be_trusted "$DEFAULTS"': ":"})
    celeryd.path.write_text(replaced(text, {". /lib/lsb/init-functions": goes}))
    celeryd.pidfile.parent.mkdir()
    celeryd.pidfile.write_text("4194303\n")
    told = celeryd("status")
    assert (told.returncode, told.stderr) == (3, ""), told.stdout


@pytest.mark.parametrize("action", ["try-restart", "force-reload"])
def test_stopped_worker_stays_stopped(celeryd: InitScript, action: str) -> None:
    assert celeryd(action).returncode == 0
    assert celeryd("status").returncode == 3


@pytest.mark.parametrize("action", ["restart", "try-restart", "force-reload"])
def test_running_worker_is_restarted(
    celeryd: InitScript, stub: Path, site: Site, action: str
) -> None:
    stub.write_text(stub.read_text().replace("signal.SIG_IGN", "signal.SIG_DFL"))
    celeryd("start")
    first = celeryd.pid
    assert celeryd(action).returncode == 0
    assert celeryd.pid != first
    assert celeryd("status").returncode == 0


def test_worker_that_dies_at_start_is_reported(celeryd: InitScript, stub: Path, site: Site) -> None:
    stub.write_text("raise SystemExit('no database')")
    started = celeryd("start")
    assert started.returncode == 1
    assert "the worker ended at once" in started.stdout
    assert "no database" in started.stdout
    # Dead, not stopped: cron starts it again (celeryd/README.md), at boot too.
    assert celeryd("status").returncode == 1
    environment = site.etc / "environment"
    before = environment.read_text()
    environment.write_text(f"{before}A MISTAKE\n")
    assert celeryd("start").returncode == 6
    assert celeryd("status").returncode == 1
    environment.write_text(before)
    assert celeryd("stop").returncode == 0
    assert celeryd("status").returncode == 3


def _kill(celeryd: InitScript, wait_until: Callable[..., None]) -> None:
    """Kill the worker, and wait until it is dead: the signal's sender does not."""
    os.kill(celeryd.pid, signal.SIGKILL)
    wait_until(lambda: celeryd("status").returncode != 0, "the end of the worker")


def test_killed_worker_is_dead_and_can_be_started(
    celeryd: InitScript, stub: Path, wait_until: Callable[..., None]
) -> None:
    celeryd("start")
    first = celeryd.pid
    _kill(celeryd, wait_until)
    assert celeryd("status").returncode == 1
    assert celeryd("start").returncode == 0
    assert celeryd.pid != first


@pytest.mark.parametrize("content", [None, "", "1"])
def test_worker_whose_pid_file_was_lost_is_found_and_left_running(
    celeryd: InitScript, stub: Path, content: str | None
) -> None:
    celeryd("start")
    pid = celeryd.pid
    celeryd.pidfile.unlink() if content is None else celeryd.pidfile.write_text(content)
    assert celeryd("status").stdout == f"celeryd is running (pid {pid})\n"
    started = celeryd("start")
    assert (started.returncode, celeryd.pid) == (0, pid), started.stdout
    assert f"already running (pid {pid})" in started.stdout
    assert _lives(pid)


def test_mistake_in_the_environment_lets_a_running_worker_be(
    celeryd: InitScript, stub: Path, site: Site
) -> None:
    celeryd("start")
    pid = celeryd.pid
    before = (site.etc / "environment").read_text()
    (site.etc / "environment").write_text(f"{before}MARINEMAP_KEEP_DAYS = 7\n")
    refused = celeryd("restart")
    assert refused.returncode == 6
    assert "not restarted, for it would not start again:" in refused.stdout
    assert "NAME=value, the name in capitals" in refused.stdout
    # What the worker itself would refuse.
    (site.etc / "environment").write_text(before)
    stub.write_text("raise SystemExit('MARINEMAP_KEEP_DAYS: not that')")
    refused = celeryd("try-restart")
    assert refused.returncode == 6
    assert "MARINEMAP_KEEP_DAYS: not that" in refused.stdout
    assert celeryd("status").stdout == f"celeryd is running (pid {pid})\n"


def test_anyone_may_ask_for_the_status(celeryd: InitScript, stub: Path) -> None:
    celeryd("start")
    asked = subprocess.run([celeryd.path, "status"], user="nobody", capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (0, f"celeryd is running (pid {celeryd.pid})\n")


@pytest.mark.parametrize("action", ["start", "stop"])
def test_schedule_of_a_killed_worker_is_ended(
    celeryd: InitScript,
    stub: Path,
    site: Site,
    wait_until: Callable[..., None],
    action: str,
) -> None:
    child = site.home / "child"
    stub.write_text(
        f"import os\nif os.fork() == 0:\n    open('{child}', 'w').write(str(os.getpid()))\n"
        + stub.read_text()
    )
    celeryd("start")
    wait_until(lambda: child.exists() and child.read_text(), "the child runs")
    pid = int(child.read_text())
    child.unlink()
    _kill(celeryd, wait_until)
    assert Path(f"/proc/{pid}/exe").exists()
    assert celeryd(action).returncode == 0
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the child is gone")


def test_worker_is_known_after_an_upgrade_of_python(
    celeryd: InitScript, stub: Path, site: Site
) -> None:
    own = stub.parent / ".venv"
    own.unlink()
    shutil.copytree(site.opt / ".venv", own, symlinks=True)
    python = own / "bin/python3"
    shutil.copy(python.resolve(), f"{python}.new")
    os.replace(f"{python}.new", python)
    celeryd("start")
    shutil.copy(python, f"{python}.new")
    os.replace(f"{python}.new", python)
    assert os.readlink(f"/proc/{celeryd.pid}/exe").endswith(" (deleted)")
    assert celeryd("status").returncode == 0


@pytest.mark.parametrize("action", ["stop", "restart", "force-reload"])
def test_foreign_process_in_the_pid_file_is_left_alone(
    celeryd: InitScript, stub: Path, stranger: subprocess.Popen[bytes], action: str
) -> None:
    celeryd.pidfile.parent.mkdir()
    celeryd.pidfile.write_text(f"{stranger.pid}\n")
    assert celeryd("status").returncode == 1
    assert celeryd(action).returncode == 0
    assert stranger.poll() is None


def test_other_python_of_the_same_user_is_left_alone(
    celeryd: InitScript, stub: Path, site: Site, wait_until: Callable[..., None]
) -> None:
    command = [site.python, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(command, user="nobody", cwd=stub.parent) as other:
        exe = os.path.realpath(site.python)
        wait_until(lambda: os.readlink(f"/proc/{other.pid}/exe") == exe, "Python runs")
        celeryd.pidfile.parent.mkdir()
        celeryd.pidfile.write_text(f"{other.pid}\n")
        stopped = celeryd("stop")
        alive = other.poll() is None
        other.kill()
    assert stopped.returncode == 0
    assert alive


@pytest.mark.parametrize("content", ["", "-1", "0", "1 2; reboot", "../self"])
def test_pid_file_that_holds_no_pid_is_dead(celeryd: InitScript, content: str) -> None:
    celeryd.pidfile.parent.mkdir()
    celeryd.pidfile.write_text(content)
    assert celeryd("status").returncode == 1
    assert celeryd("stop").returncode == 0


def test_pid_file_of_another_user_is_not_believed(celeryd: InitScript, stub: Path) -> None:
    celeryd("start")
    os.chown(celeryd.pidfile, USER.pw_uid, USER.pw_gid)
    assert celeryd("status").returncode == 4
    stopped = celeryd("stop")
    assert stopped.returncode == 4
    assert Path(f"/proc/{celeryd.pid}").exists()
    os.chown(celeryd.pidfile, 0, 0)


def _give_away(path: Path) -> None:
    os.chown(path, USER.pw_uid, USER.pw_gid)


def _open_to_group(path: Path) -> None:
    path.chmod(0o664)


def _open_folder(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize("spoil", [_give_away, _open_to_group, _open_folder])
def test_defaults_file_that_others_can_change_is_not_run(
    celeryd: InitScript, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    seen = tmp_path / "was run"
    celeryd.configure(X=f"$(touch '{seen}')")
    spoil(celeryd.defaults)
    for action in ("start", "stop", "status"):
        refused = celeryd(action)
        assert refused.returncode == 6
        assert f"{celeryd.defaults}: only root may be able to change this" in refused.stderr
    assert not seen.exists()


@pytest.mark.parametrize("spoil", [_give_away, _open_to_group])
def test_environment_that_others_can_change_is_not_used(
    celeryd: InitScript, stub: Path, site: Site, spoil: Callable[[Path], None]
) -> None:
    spoil(site.etc / "environment")
    refused = celeryd("start")
    assert refused.returncode == 6
    assert "environment: only root may be able to change this" in refused.stderr
    assert not celeryd.pidfile.exists()


def test_log_in_a_folder_of_the_worker_is_refused(
    celeryd: InitScript, stub: Path, site: Site
) -> None:
    celeryd.configure(CELERYD_LOG=f"{site.home}/celeryd.log")
    (site.home / "celeryd.log").symlink_to(site.run / "written by root")
    refused = celeryd("start")
    (site.home / "celeryd.log").unlink()
    assert refused.returncode == 6
    assert not (site.run / "written by root").exists()


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("CELERYD_USER", "root", 6, "not as root"),
        ("CELERYD_USER", "nobody-here", 6, "there is no user 'nobody-here'"),
        ("CELERYD_GROUP", "nobody-here", 6, "there is no group 'nobody-here'"),
        ("CELERYD_STOP_SECONDS", "soon", 6, "'soon' is not a whole number"),
        ("CELERYD_SITE", "{etc}/none", 5, "{etc}/none/.venv/bin/python: no such file"),
        ("CELERYD_ENVIRONMENT", "{etc}/none", 6, "{etc}/none: no such file"),
        ("CELERYD_ENVIRONMENT", "/etc", 6, "/etc: no such file"),
    ],
)
def test_mistake_in_the_defaults_is_named(
    celeryd: InitScript, site: Site, setting: str, value: str, code: int, words: str
) -> None:
    celeryd.configure(**{setting: value.format(etc=site.etc)})
    refused = celeryd("start")
    told = words.format(etc=site.etc) in refused.stderr
    assert (refused.returncode, told) == (code, True), refused.stdout + refused.stderr


@pytest.mark.parametrize(("action", "code"), [("", 2), ("begin", 2), ("reload", 3)])
def test_unknown_action_is_refused(celeryd: InitScript, action: str, code: int) -> None:
    assert celeryd(action).returncode == code


def test_other_users_may_not_start_it(celeryd: InitScript) -> None:
    refused = subprocess.run([celeryd.path, "start"], user="nobody", capture_output=True)
    assert refused.returncode == 4


def test_rotated_log_goes_on(
    celeryd: InitScript, stub: Path, site: Site, require: Callable[[str, str], str]
) -> None:
    logrotate = require("logrotate", "logrotate")
    rules = site.etc / "logrotate"
    text = (PROJECT / "celeryd/logrotate").read_text("utf-8")
    rules.write_text(replaced(text, {"/var/log/marinemap/": f"{site.log}/"}))
    stub.write_text(
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: exit('the end'))\n"
        "print('stub ready.', flush=True)\n"
        "while True: signal.pause()\n"
    )
    celeryd("start")
    state = site.etc / "logrotate.state"
    subprocess.run([logrotate, "--force", "--state", state, rules], check=True)
    assert celeryd("stop").returncode == 0
    assert (site.log / "celeryd.log.1").read_text() == "stub ready.\n"
    assert celeryd.log.read_text() == "the end\n"


def test_script_is_clean_shell(require: Callable[[str, str], str]) -> None:
    shellcheck = require("shellcheck", "shellcheck")
    subprocess.run(
        [shellcheck, "--external-sources", "celeryd/celeryd"], cwd=PROJECT, check=True, timeout=180
    )


@pytest.mark.parametrize("action", ["stop", "start", "restart"])
def test_worker_is_found_when_all_in_run_was_removed(
    celeryd: InitScript, stub: Path, action: str, wait_until: Callable[..., None]
) -> None:
    stub.write_text(stub.read_text().replace("signal.SIG_IGN", "signal.SIG_DFL"))
    assert celeryd("start").returncode == 0
    pid = celeryd.pid
    shutil.rmtree(celeryd.pidfile.parent)
    assert celeryd(action).returncode == 0
    if action == "start":
        assert _lives(pid)
    else:
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the worker is gone")
    if action != "stop":
        assert (celeryd.pid == pid) == (action == "start")
        assert celeryd("stop").returncode == 0


def test_two_sites_are_two_even_where_they_share_user_and_source(
    celeryd: InitScript, stub: Path, site: Site, wait_until: Callable[..., None]
) -> None:
    stub.write_text(stub.read_text().replace("signal.SIG_IGN", "signal.SIG_DFL"))
    second = _second_script(celeryd, site)
    assert [script("start").returncode for script in (celeryd, second)] == [0, 0]
    other = second.pid
    assert celeryd.pid != other
    # Its worker was killed, and its number is another's now.
    _kill(celeryd, wait_until)
    shutil.rmtree(celeryd.pidfile.parent)
    assert celeryd("status").returncode == 3
    assert celeryd("stop").returncode == 0
    assert second("status").stdout == f"celeryd-second is running (pid {other})\n"
    assert celeryd("start").returncode == 0 and celeryd.pid != other
    assert second("stop").returncode == 0
    assert celeryd("status").returncode == 0


def _second_script(celeryd: InitScript, site: Site) -> InitScript:
    second = InitScript(
        celeryd.path.with_name("celeryd-second"),
        celeryd.defaults.with_name("celeryd-second"),
        site.run / "celeryd-second/pid",
        site.log / "second.log",
    )
    shutil.copy(celeryd.path, second.path)
    shutil.copy(celeryd.defaults, second.defaults)
    second.configure(CELERYD_LOG=str(second.log))
    return second


def test_site_in_a_folder_with_a_blank_is_run(celeryd: InitScript, stub: Path, site: Site) -> None:
    stub.write_text(stub.read_text().replace("signal.SIG_IGN", "signal.SIG_DFL"))
    folder = stub.parent.rename(stub.parent.with_name("marine map"))
    celeryd.configure(CELERYD_SITE=f"'{folder}'")
    assert celeryd("start").returncode == 0
    pid = celeryd.pid
    assert celeryd("status").returncode == 0
    assert celeryd("restart").returncode == 0 and celeryd.pid != pid
    assert celeryd("stop").returncode == 0
    assert celeryd("status").returncode == 3


def test_defaults_that_no_shell_can_read_let_a_running_worker_be(
    celeryd: InitScript, stub: Path
) -> None:
    assert celeryd("start").returncode == 0
    pid = celeryd.pid
    celeryd.configure(CELERYD_OPTIONS='"-c 1')
    done = celeryd("restart")
    assert done.returncode != 0 and str(celeryd.defaults) in done.stderr
    assert Path(f"/proc/{pid}").exists()
