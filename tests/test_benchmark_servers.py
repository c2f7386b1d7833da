"""A benchmark leaves no server behind, however it ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import skip_or_fail
from tests.running_site import wait_for

_RUN = """
import sys, time
from pathlib import Path
from benchmarks.broker_servers import MissingServerError, run_postgresql
try:
    with run_postgresql(Path(sys.argv[1])):
        print("runs", flush=True)
        time.sleep(600)
except MissingServerError:
    print("missing", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="marinemap-benchmark-") as found:
        Path(found).chmod(0o755)
        yield Path(found, "server")


def test_server_ends_with_a_benchmark_that_is_killed(folder: Path) -> None:
    """It went on, with nobody who knew of it."""
    benchmark = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert benchmark.stdout is not None
    with benchmark:
        if benchmark.stdout.readline() == "missing\n":
            skip_or_fail("PostgreSQL is missing: sudo apt install postgresql")
        server = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
        benchmark.kill()
    wait_for(lambda: not Path(f"/proc/{server}").exists(), "that the server is gone")
