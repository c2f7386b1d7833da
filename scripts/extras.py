"""Print what the extras of a site need, as pip reads it: ``python scripts/extras.py s3,redis``.

The Dockerfile asks: its image has the libraries, but is no installed package.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

_PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def needs_of(names: str) -> list[str]:
    """Return the requirements of some extras, divided by commas.

    Raises
    ------
    ValueError
        Naming the extra that there is not, and those that there are.
    """
    known = tomllib.loads(_PYPROJECT.read_text())["project"]["optional-dependencies"]
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no extra '{name}'; there are {', '.join(sorted(known))}")
    return [need for name in wanted for need in known[name]]


if __name__ == "__main__":
    try:
        sys.stdout.writelines(f"{need}\n" for need in needs_of(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"MARINEMAP_EXTRAS: {error}")
