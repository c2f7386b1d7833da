"""mod_wsgi's way in: set the environment of the site, then hand over its application.

Installs as a link beside the file ``environment``: /etc/marinemap/marinemap.wsgi. Apache's own
SetEnv would not do: it speaks to each request, and the settings are read once, before any.
"""

import os
import re
from pathlib import Path

_LINE = re.compile(r"([A-Z_][A-Z0-9_]*)=([^\s\"'\\]*)")


def _load_environment(file: Path) -> None:
    for number, line in enumerate(file.read_bytes().decode().split("\n"), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            # The line may hold a password: it is not shown.
            raise ValueError(
                f"{file}, line {number}: NAME=value, the name in capitals, "
                "no blanks, quotes or backslashes"
            )
        os.environ[match[1]] = match[2]


_load_environment(Path(__file__).with_name("environment"))

# Imported here: it reads the settings, and they read the environment.
from marinemap.wsgi import application  # noqa: E402

__all__ = ["application"]
