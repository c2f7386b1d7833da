"""The systemd units, as far as they can be judged without systemd running."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deployment.installation import PROJECT, Site

UNITS = PROJECT / "celeryd"
# Of 10. They have 1.1 with systemd 252; later versions weigh a little differently.
LARGEST_EXPOSURE = 1.5

each_unit = pytest.mark.parametrize("unit", ["marinemap-worker.service", "marinemap-web.service"])


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
