"""Run the benchmarks: ``python -m benchmarks``, or one by name: ``python -m benchmarks broker``."""

from __future__ import annotations

import importlib
import signal
import sys
from importlib.util import find_spec

BENCHMARKS = (
    "extraction",
    "memory",
    "postgis",
    "dear_areas",
    "drawings",
    "page",
    "ways",
    "api",
    "broker",
    "jobs",
    "rescue",
    "scale",
)


def main() -> None:
    """Run the benchmark named first with the options that follow, or all of them."""
    known = [name for name in BENCHMARKS if find_spec(f"benchmarks.{name}")]
    given = sys.argv[1:]
    is_named = bool(given) and not given[0].startswith("-")
    if is_named and given[0] not in known:
        sys.exit(f"no benchmark '{given[0]}'; there are {', '.join(known)}")
    if given and not is_named:
        sys.exit(f"name the benchmark that {given[0]} is for: {', '.join(known)}")
    # As of Ctrl-C: servers and workers are ended, and folders removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in given[:1] or known:
        sys.argv = [f"benchmarks {name}", *given[1:]]
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
