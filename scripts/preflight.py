"""Say in one line why ``make run`` cannot work here. Runs on any Python, with nothing installed."""

import os
import socket
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def main(host, port):
    """Check Python, platform and port; return the exit status."""
    version = sys.version_info[:2]
    if version < OLDEST or version > NEWEST:
        return refuse(
            "MarineMap needs Python 3.11, 3.12 or 3.13, and this is Python %d.%d (%s).\n"
            "Install one (Debian and Ubuntu: sudo apt install python3 python3-venv) and name it:\n"
            "    make run PYTHON=python3.11" % (version[0], version[1], sys.executable)
        )
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        return refuse("PORT: '%s' is not a port; give a number from 1 to 65535." % port)
    return check_port(host, int(port))


def check_port(host, port):
    """Refuse a port that something else holds, before minutes go into setting up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
    except (OSError, OverflowError) as error:
        return refuse(
            "MarineMap cannot listen on %s:%d: %s.\nTry another port: make run PORT=%d"
            % (host, port, os.strerror(error.errno) if error.errno else error, port % 65535 + 1)
        )
    finally:
        probe.close()
    return 0


def refuse(message):
    """Print a message for a person."""
    sys.stderr.write(message + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
