"""What reads uploaded files is shut in: each wall is tried by a hostile script that runs."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import read_area_file
from marinemap.extraction.sandbox import runner as sandbox
from marinemap.extraction.sandbox import walls
from marinemap.extraction.sandbox.runner import Confined, is_sealed, run_confined
from tests.extraction.layers import write_layer
from tests.extraction.test_area_file import SQUARE

LIMIT = (
    "import runpy; runpy.run_path("
    f"{str(Path(sandbox.__file__).parents[1] / 'uploads/upload_child.py')!r})['limit']();"
)
sealed = pytest.mark.skipif(not is_sealed(), reason="bubblewrap is not installed")


def run_hostile(code: str, folder: Path, **options: float) -> Confined:
    return run_confined(["-c", code], folder, {}, **options)


def test_lower_limits_of_whoever_started_it_stand(tmp_path: Path) -> None:
    """Only root may raise them: for any other user reading failed, "it may be damaged"."""
    own = "import resource as r; r.setrlimit(r.RLIMIT_CPU, (3, 3));"
    told = "print(*r.getrlimit(r.RLIMIT_CPU), *r.getrlimit(r.RLIMIT_CORE))"
    assert run_hostile(f"{own} {LIMIT} {told}", tmp_path).said.split() == [b"3", b"3", b"0", b"0"]


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A TCP server on this machine, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(100))

        thread = threading.Thread(target=accept)
        thread.start()
        host, port = server.getsockname()
        yield f"('{host}', {port})", heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


CALL = """
import socket
try:
    with socket.create_connection({address}, 3) as s:
        s.sendall(b"secret")
    print("sent")
except OSError as error:
    print("blocked:", error)
"""


@sealed
def test_no_network_is_there(listener: tuple[str, list[bytes]], tmp_path: Path) -> None:
    address, heard = listener
    done = run_hostile(CALL.format(address=address), tmp_path)
    assert done.said.startswith(b"blocked:"), done
    # The same words reach the server from outside, so that silence means a wall.
    free = subprocess.run(
        [sys.executable, "-c", CALL.format(address=address)], capture_output=True, check=True
    )
    assert (free.stdout, heard) == (b"sent\n", [b"secret"])


@sealed
def test_names_are_not_looked_up_and_only_its_own_loopback_is_there(tmp_path: Path) -> None:
    code = "import socket; print(socket.if_nameindex()); socket.getaddrinfo('example.org', 80)"
    done = run_hostile(code, tmp_path)
    assert done.said == b"[(1, 'lo')]\n"
    assert b"gaierror" in done.complained


@sealed
def test_only_the_folder_and_the_libraries_are_seen(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "area.kml").write_text("seen")
    secret = tmp_path_factory.mktemp("secret") / "key"
    secret.write_text("hidden")
    places = [secret, Path("/etc/passwd"), Path.home() / ".profile", Path(__file__), Path("/var")]
    code = (
        "import os; print(open('/area/area.kml').read(), os.listdir('/area'));"
        f"print([os.path.exists(p) for p in {[str(place) for place in places]}]);"
        "print(sorted(os.listdir('/')))"
    )
    done = run_hostile(code, tmp_path)
    seen, found, root = done.said.decode().splitlines()
    assert seen == "seen ['area.kml']"
    assert found == str([False] * len(places))
    top = {Path(p).parts[1] for p in (sys.prefix, sys.base_prefix, str(Path(__file__).resolve()))}
    top |= {Path(sys.prefix).resolve().parts[1]}
    expected = {"area", "bin", "dev", "lib", "lib64", "proc", "tmp", "usr"} | top
    assert set(ast.literal_eval(root)) <= expected


@sealed
def test_what_is_seen_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "area.kml").write_text("as it was")
    code = """
import os, sys
for path in ("/area/area.kml", "/area/new", "/usr/new", os.__file__):
    try:
        open(path, "w").write("x")
        print("written", path)
    except OSError as error:
        print("refused")
"""
    assert run_hostile(code, tmp_path).said == b"refused\n" * 4
    assert (tmp_path / "area.kml").read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["area.kml"]


def test_no_file_grows_after_the_limits_are_set(tmp_path: Path) -> None:
    code = f"""
{LIMIT}
import signal, tempfile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100_000)
    print("written")
except OSError as error:
    print("refused")
"""
    assert run_hostile(code, tmp_path).said == b"refused\n"


@sealed
def test_nothing_of_our_environment_or_processes_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "hidden")
    code = (
        "import os; print('DJANGO_SECRET_KEY' in os.environ, os.environ.get('HOME'));"
        "print(len([p for p in os.listdir('/proc') if p.isdigit()]));"
        "print(open('/proc/self/status').read().split('CapEff:')[1].split()[0])"
    )
    hidden, processes, capabilities = run_hostile(code, tmp_path).said.decode().splitlines()
    assert hidden == "False None"
    # bubblewrap itself, and the script.
    assert int(processes) <= 2
    assert int(capabilities, 16) == 0


def test_memory_beyond_the_limit_is_not_given(tmp_path: Path) -> None:
    code = f"{LIMIT} data = b'x' * 200_000_000; print('first'); more = data + data; print('second')"
    done = run_hostile(code, tmp_path)
    assert done.said == b""
    assert b"MemoryError" in done.complained
    smaller = code.replace("200_000_000", "20_000_000")
    assert run_hostile(smaller, tmp_path).said == b"first\nsecond\n"


def test_processor_time_beyond_the_limit_ends_it(tmp_path: Path) -> None:
    code = f"{LIMIT} print('begun', flush=True)\nwhile True: pass"
    done = run_hostile(code, tmp_path, seconds=60)
    assert (done.said, done.is_late) == (b"begun\n", False), "ended by its limit, not by our wait"


def test_idling_beyond_the_limit_ends_it_and_all_that_it_started(tmp_path: Path) -> None:
    code = f"""
import os, time
print("begun", flush=True)
{"os.fork()" if is_sealed() else ""}
time.sleep(1_000)
"""
    mark = f"idle-{os.getpid()}-{time.monotonic_ns()}"
    done = run_hostile(f"'{mark}'\n{code}", tmp_path, seconds=1)
    assert done.is_late
    deadline = time.monotonic() + 120
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(mark)


def running(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [str(path)] if mark.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_flood_of_words_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "ANSWER_BYTES", 1_000_000)
    done = run_hostile("while True: print('x' * 1000)", tmp_path)
    assert (len(done.said), done.is_cut, done.is_late) == (1_000_000, True, False)


def test_flood_of_complaints_is_cut_and_stops_nothing(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('x' * 5_000_000); print('done')"
    done = run_hostile(code, tmp_path)
    assert done.said == b"done\n"
    assert len(done.complained) == 10_000


@pytest.mark.parametrize("name", ["this.py", "gone.py"])
def test_reader_that_does_not_answer_is_told_with_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = write_layer(tmp_path / "a.gpkg", [SQUARE], kind="Polygon")
    # Python's own "this" prints a poem; the other is not there, so that Python fails.
    child = Path(os.__file__).with_name(name)
    monkeypatch.setattr("marinemap.extraction.uploads.upload._CHILD", child)
    with pytest.raises(RequestError, match="5 seconds of processor time and 224 MiB of memory"):
        read_area_file(source)


def test_without_bubblewrap_the_limits_still_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_layer(tmp_path / "a.gpkg", [SQUARE], kind="Polygon")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_sealed()
    assert read_area_file(source).geometry.equals(SQUARE)
    code = f"{LIMIT} print(len(b'x' * 300_000_000))"
    assert b"MemoryError" in run_hostile(code, tmp_path).complained


# What the walls alone keep in, run in place of the reader of a file without bubblewrap.
_CHILD = Path(sandbox.__file__).parents[1] / "uploads/upload_child.py"
SHUT_IN = f"""
import runpy, pathlib, sys
runpy.run_path({str(_CHILD)!r})["shut_in"](pathlib.Path(sys.argv[1]))
"""
ESCAPES = {
    "another file": "open('/etc/passwd')",
    "the service's files": f"open({str(Path(sandbox.__file__).parents[3] / 'manage.py')!r})",
    "another process": "open('/proc/1/status')",
    "its own environment": "open('/proc/self/environ')",
    "a new file": "open(sys.argv[1] + '/new', 'w')",
    "its own file gone": "os.unlink(sys.argv[1] + '/area.kml')",
    "a socket": "socket.socket()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a signal": "os.kill(os.getppid(), 0)",
}


@pytest.fixture
def without_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be no bubblewrap on this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_sealed()


@pytest.mark.parametrize("way", ESCAPES)
def test_walls_keep_in_what_bubblewrap_does_not(
    tmp_path: Path, without_bubblewrap: None, way: str
) -> None:
    (tmp_path / "area.kml").write_text("seen")
    code = f"""
import os, socket
{SHUT_IN}
print(open(sys.argv[1] + "/area.kml").read(), flush=True)
try:
    {ESCAPES[way]}
    print("escaped")
except OSError as error:
    print("refused")
"""
    done = run_confined(["-P", "-c", code, "{folder}"], tmp_path, {})
    assert done.said == b"seen\nrefused\n", done
    assert (tmp_path / "area.kml").exists()


def test_file_is_read_where_namespaces_are_forbidden(tmp_path: Path) -> None:
    # As a unit's SystemCallFilter= does: unshare, mount.
    source = write_layer(tmp_path / "a.gpkg", [SQUARE], kind="Polygon")
    code = f"""
import pathlib, runpy, sys
from marinemap.extraction import read_area_file
from marinemap.extraction.sandbox.runner import is_sealed
calls = {{"x86_64": (272, 165), "aarch64": (97, 40)}}
import platform
runpy.run_path({walls.__file__!r})["refuse_calls"](calls[platform.machine()])
print(is_sealed(), read_area_file(pathlib.Path({str(source)!r})).geometry.wkt)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    sealed, _, text = done.stdout.partition(" ")
    assert (sealed, shapely.from_wkt(text).equals(SQUARE)) == ("False", True), done.stderr
