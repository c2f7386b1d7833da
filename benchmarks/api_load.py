"""Ask one address as fast as it answers, by wrk; count what the server spends on it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.processes import processor_seconds

_CONNECTIONS = 8
# The addresses in turn: wrk's own language is Lua.
_SCRIPT = """
local paths, at = {{{paths}}}, 0
request = function()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
"""


@dataclass(frozen=True)
class Load:
    """What came of it: answers a second, processor time of the server for each, ms."""

    rate: float
    cpu_ms: float


def has_wrk() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def measure(
    base: str, paths: Sequence[str], server: int, seconds: float, headers: dict[str, str]
) -> Load:
    """Return what a server does in some seconds.

    Parameters
    ----------
    base : str
    paths : sequence of str
        Asked in turn.
    server : int
        The process whose time is counted, with its children.
    seconds : float
    headers : dict

    Raises
    ------
    SystemExit
        If an answer is an error.
    """
    given = [part for name, text in headers.items() for part in ("-H", f"{name}: {text}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.format(paths=", ".join(f"[[{path}]]" for path in paths)))
        script.flush()
        load = ["-t", "1", "-c", str(_CONNECTIONS), "-d", f"{seconds:g}s", "-s", script.name]
        # Beside other work an answer may take longer than the two seconds that wrk waits.
        load += ["--timeout", "30s"]
        before = processor_seconds(server)
        done = subprocess.run(
            ["wrk", *load, *given, base], check=True, capture_output=True, text=True
        )
        spent = processor_seconds(server) - before
    return _read(done.stdout, paths[0], spent)


def _read(text: str, path: str, spent: float) -> Load:
    if wrong := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", text):
        raise SystemExit(f"{path}: {wrong[0]}")
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    if not found or not int(found[1]):
        raise SystemExit(f"{path}: wrk counted no answers:\n{text}")
    count, length = int(found[1]), float(found[2]) * (0.001 if found[3] == "ms" else 1)
    return Load(count / length, spent / count * 1000)
