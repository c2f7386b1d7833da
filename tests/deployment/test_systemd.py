"""The systemd units, as far as they can be judged without systemd running."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from marinemap.webserver import stay_on_one_processor
from tests.deployment.installation import PROJECT, Site

UNITS = PROJECT / "celeryd"
# Of 10. They have 1.1 with systemd 252; later versions weigh a little differently.
LARGEST_EXPOSURE = 1.5

each_unit = pytest.mark.parametrize(
    "unit", ["marinemap-worker.service", "marinemap-web.service", "marinemap-beat.service"]
)


@pytest.fixture(scope="module")
def analyze(require: Callable[[str, str], str]) -> Callable[..., str]:
    """Return a function that runs systemd-analyze; it fails where that finds something."""
    program = require("systemd-analyze", "systemd")

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [program, "--no-pager", *arguments], capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@each_unit
def test_unit_has_no_mistakes(analyze: Callable[..., str], site: Site, unit: str) -> None:
    text = (UNITS / unit).read_text("utf-8")
    assert "ExecStart=/opt/marinemap/.venv/bin/python " in text
    installed = site.etc / unit
    installed.write_text(text.replace("/opt/marinemap/", f"{site.opt}/"), "utf-8")
    assert analyze("verify", "--man=no", installed) == ""


@each_unit
def test_unit_leaves_little_exposed(analyze: Callable[..., str], unit: str) -> None:
    # Answers with an error where the exposure, in tenths, is larger.
    limit = f"--threshold={LARGEST_EXPOSURE * 10:.0f}"
    analyze("security", "--offline=true", limit, UNITS / unit)


@pytest.mark.parametrize(
    ("unit", "call"),
    [
        ("marinemap-web.service", "sched_setaffinity"),
        ("marinemap-worker.service", "setpriority"),
        ("marinemap-beat.service", "setpriority"),
    ],
)
def test_call_of_the_site_is_let_through(unit: str, call: str) -> None:
    """A later line counts: ``~@resources`` takes both away."""
    lines = (UNITS / unit).read_text("utf-8").splitlines()
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters.index(f"SystemCallFilter={call}") > filters.index(
        "SystemCallFilter=~@privileged @resources"
    )


def test_web_server_starts_where_it_may_not_choose_a_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    # As the filter of a unit that was installed before.
    monkeypatch.setattr(os, "sched_setaffinity", forbid)
    stay_on_one_processor()


@each_unit
def test_process_that_lacked_memory_ends_no_other(unit: str) -> None:
    """By itself systemd stops all of a service of which the kernel ended one process."""
    settings = (UNITS / unit).read_text("utf-8").splitlines()
    assert any(setting.startswith("MemoryMax=") for setting in settings)
    assert "OOMPolicy=continue" in settings


def test_worker_of_the_beat_is_another_than_the_worker() -> None:
    """Of two by one name on a machine Celery takes one for the other."""
    commands = {
        unit: (UNITS / f"marinemap-{unit}.service").read_text("utf-8")
        for unit in ("worker", "beat")
    }
    # systemd has a specifier %h of its own: of the home folder.
    assert " -n beat@%%h -Q periodic,short\n" in commands["beat"]
    assert " -n " not in commands["worker"]
