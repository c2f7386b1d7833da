#!/bin/sh
# Make the virtual environment and install pinned requirements into it.
# Usage: make_venv.sh PYTHON FOLDER REQUIREMENTS...
set -eu
python=$1 folder=$2
shift 2

as_root() { [ "$(id -u)" = 0 ]; }

# Debian and Ubuntu ship Python without ensurepip; its package is python3.X-venv.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if as_root && command -v apt-get >/dev/null; then
        echo "Installing $package"
        apt-get update -qq && apt-get install -y -qq "$package" >/dev/null
    else
        echo "Python's venv module is missing. Install it: sudo apt install $package" >&2
        exit 1
    fi
fi

if [ ! -x "$folder/bin/python" ] || ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "Making a virtual environment in $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder"
fi
for requirements in "$@"; do
    echo "Installing $requirements (this takes a minute or two)"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement "$requirements"
done
