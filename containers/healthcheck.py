"""Tell whether a container of the image does its work: ``healthcheck.py web`` or ``worker NAME``.

A container that is not healthy is shown as such; restarting it is its operator's choice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request

_SECONDS = 8


def main(role: str, name: str = "celery") -> int:
    """Return 0 if it is well."""
    return _web() if role == "web" else _worker(name)


def _web() -> int:
    # By a name that the site goes by: others are refused. ".example.org" stands for all below it.
    first = os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    port = os.environ.get("PORT", "8000")
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/healthz",
        headers={"Host": first if first not in ("", "*") else "localhost"},
    )
    with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:
        return int(answer.status != 200)


def _worker(name: str) -> int:
    node = f"{name}@{os.uname().nodename}"
    command = [sys.executable, "-m", "celery", "-A", "marinemap", "inspect", "ping"]
    return subprocess.call(
        [*command, "--destination", node, "--timeout", str(_SECONDS)], stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"not well: {error}")
