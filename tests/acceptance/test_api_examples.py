"""What the page on the API shows is run as it stands there, and answers what it says."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from marinemap.api.overview import CONFORMANCE
from tests.running_site import PROJECT, RunningSite

PAGE = (PROJECT / "docs/reference/api.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HERE = "http://127.0.0.1:8000"
# Of values that differ from run to run the kind counts.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VARYING = {"jobID", "message", "size", "size_bytes", "finished"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A site as `make run` has it, with the sample layers, drawn."""
    home = tmp_path_factory.mktemp("samples")
    site = RunningSite(home, MARINEMAP_EXTRACT_RATE="60/m", MARINEMAP_REUSE="1")
    for command in (["migrate", "--verbosity", "0"], ["loadsamples"], ["drawlayers"]):
        site.manage(*command)
    try:
        site.start_web()
        site.start_worker()
        yield site
    finally:
        site.stop()


def test_commands_answer_what_is_shown(site: RunningSite, tmp_path: Path) -> None:
    blocks = _BLOCK.findall(PAGE)
    commands = [text for language, text in blocks if language == "sh"]
    mark = "\n=== next ===\n"
    script = f"printf '{mark}'\n".join(commands).replace(_HERE, site.base)
    site.manage("createsuperuser", "--noinput", "--username", "me", "--email", "me@example.org")
    script = script.replace("mmt_...", site.manage("token", "make", "me", "examples").strip())
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [
        (language, text)
        for (before, _), (language, text) in zip(blocks, blocks[1:], strict=False)
        if before == "sh"
    ]
    answers = done.stdout.split(mark)
    assert len(answers) == len(shown) == len(commands)
    for (language, expected), answer in zip(shown, answers, strict=True):
        if language == "json":
            _check_shown(json.loads(expected), json.loads(answer), "answer")
        else:
            assert all(line in answer for line in expected.splitlines()), answer
    assert (tmp_path / "tile.mvt").stat().st_size > 1000


def test_python_script_fetches_an_archive(site: RunningSite, tmp_path: Path) -> None:
    (script,) = [text for language, text in _BLOCK.findall(PAGE) if language == "python"]
    done = subprocess.run(
        [sys.executable, "-c", script.replace(_HERE, site.base)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.stdout.startswith("successful "), done.stdout + done.stderr
    assert (tmp_path / "ports-3857.zip").read_bytes().startswith(b"PK")


@pytest.mark.parametrize("name", ["curl", "Python", "ogr2ogr"])
def test_snippets_of_the_process_page_run(site: RunningSite, tmp_path: Path, name: str) -> None:
    answer = requests.get(
        f"{site.base}/api/processes/extract", headers={"Accept": "text/html"}, timeout=120
    )
    found = re.search(rf"<h2>{name}</h2>\s*<pre>(.*?)</pre>", answer.text, re.DOTALL)
    assert found is not None, answer.text
    text = html.unescape(found[1])
    if name == "ogr2ogr" and not shutil.which(name):
        pytest.skip("GDAL's programs are not installed")
    command = [sys.executable, "-c", text] if name == "Python" else ["sh", "-ec", text]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=1200)
    (made,) = tmp_path.iterdir()
    assert made.stat().st_size > 1000
    assert made.read_bytes().startswith(b"PK" if made.suffix == ".zip" else b"SQLite format 3")


def test_page_names_the_conformance_classes() -> None:
    rows = re.findall(r"^\| `([\w./-]+/conf/)` \| (.*) \|$", PAGE, re.MULTILINE)
    named = {
        f"http://www.opengis.net/spec/{standard}{name}"
        for standard, names in rows
        for name in re.findall(r"`([\w-]+)`", names)
    }
    assert named == set(CONFORMANCE)


def _check_shown(shown: Any, answered: Any, where: str) -> None:
    """Assert that an answer has what the page shows of it; it may have more."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in answered, f"{where} has no {name}"
            if name in _VARYING:
                assert type(answered[name]) is type(value), f"{where}.{name}"
            else:
                _check_shown(value, answered[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert len(answered) >= len(shown), where
        for one, other in zip([each for each in shown if each != "..."], answered, strict=False):
            _check_shown(one, other, f"{where}[]")
    elif isinstance(shown, str) and _UUID.fullmatch(shown):
        assert _UUID.fullmatch(answered), where
    elif isinstance(shown, float):
        assert answered == pytest.approx(shown, abs=0.1), where
    else:
        assert answered == shown, where
