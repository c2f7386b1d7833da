"""Run npm in the page's folder, with the machine's Node.js or the one that PyPI ships.

Usage: ``node.py [--folder FOLDER] npm-arguments...``, such as ``node.py ci``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_NODE = 20


def main() -> int:
    """Run npm; return its exit status."""
    environment = os.environ | {"npm_config_update_notifier": "false", "npm_config_fund": "false"}
    if not has_recent_node():
        install_node()
        environment["PATH"] = f"{ROOT / '.venv/bin'}{os.pathsep}{environment['PATH']}"
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    folder, arguments = "marinemap/web", sys.argv[1:]
    if arguments[:1] == ["--folder"]:
        folder, arguments = arguments[1], arguments[2:]
    return subprocess.call([npm, *arguments], cwd=ROOT / folder, env=environment)


def has_recent_node() -> bool:
    """Tell whether the machine has npm and a Node.js that can build the page."""
    if not shutil.which("npm") or not shutil.which("node"):
        return False
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True)
    major = answer.stdout.strip().lstrip("v").partition(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


def install_node() -> None:
    """Install Node.js from PyPI into the virtual environment, once."""
    if (ROOT / ".venv/bin/npm").exists():
        return
    print("No Node.js 20 or later here; installing the one from PyPI", flush=True)
    subprocess.check_call(
        [
            *(str(ROOT / ".venv/bin/python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"),
            *("--requirement", str(ROOT / "requirements-node.txt")),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
