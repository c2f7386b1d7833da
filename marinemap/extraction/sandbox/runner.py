"""Run a Python script apart: no network, one folder to see, limits on time and on what it says."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from marinemap.errors import ServiceError, quote

logger = logging.getLogger(__name__)

SECONDS = 15
# The geometries of the largest area, as hexadecimal digits.
ANSWER_BYTES = 32 * 2**20
_COMPLAINT_BYTES = 10_000
_PACKAGES = Path(__file__).resolve().parents[3]
# Where the script sees the folder; itself, where there is no bubblewrap.
_MOUNTED = Path("/area")
_ALONE = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")


@dataclass(frozen=True)
class Confined:
    """What a script said, and how it ended: ``said`` is cut at the limit where ``is_cut``."""

    said: bytes
    complained: bytes
    is_cut: bool
    is_late: bool


def is_sealed() -> bool:
    """Tell whether bubblewrap does its work; without it stand a script's own walls and limits.

    It may be installed and not allowed to: a service manager forbids it the namespaces, or the
    kernel does so to who is not root.
    """
    program = shutil.which("bwrap")
    return program is not None and _can_seal(program)


@lru_cache(maxsize=8)
def _can_seal(program: str) -> bool:
    nothing = [program, *_ALONE, "--ro-bind", "/", "/", "true"]
    done = subprocess.run(nothing, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        complaint = quote(done.stderr.decode(errors="replace").strip())
        logger.warning("Uploaded files are read without bubblewrap: %s", complaint)
    return done.returncode == 0


def run_confined(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    seconds: float = SECONDS,
    sealed: bool = True,
) -> Confined:
    """Run this Python with some arguments, away from the network and from other files.

    With bubblewrap (``bwrap``) it sees a folder, read-only, its own libraries and nothing else,
    and all that it started ends with it. Limits on processor time and memory it must set itself,
    and the walls (``walls.py``) that stand where there is no bubblewrap.

    Parameters
    ----------
    arguments : sequence of str
        After the interpreter; ``{folder}`` stands for where the script sees the folder.
    folder : Path
    environment : mapping of str
        All that it finds in its environment, but for what Python needs.
    seconds : float
        Of wall clock, after which it is killed.
    sealed : bool
        Whether bubblewrap is used where there is one; what an operator added needs it not, only a
        process that may die.

    Raises
    ------
    ServiceError
        If it cannot be started.
    """
    sealed = sealed and is_sealed()
    seen = _MOUNTED if sealed else folder
    prefix = _prefix(folder) if sealed else [_python()]
    command = [*prefix, *(part.replace("{folder}", str(seen)) for part in arguments)]
    needed = {"PATH": os.defpath, "PYTHONPATH": str(_PACKAGES), "OPENBLAS_NUM_THREADS": "1"}
    try:
        with subprocess.Popen(
            command,
            env={**needed, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            return _listen(process, seconds)
    except OSError as error:
        raise ServiceError(f"the reader of files apart does not start: {error}") from error


def _listen(process: subprocess.Popen[bytes], seconds: float) -> Confined:
    """Read no more than the limit, so that a hostile script cannot fill our memory."""
    assert process.stdout is not None and process.stderr is not None
    with ThreadPoolExecutor(2) as pool:
        said = pool.submit(process.stdout.read, ANSWER_BYTES + 1)
        complained = pool.submit(_some, process.stderr)
        try:
            waiting: set[Future[bytes]] = wait([said], timeout=seconds).not_done
        finally:
            # What it says after the limit it says to nobody.
            process.kill()
    answer = said.result()
    return Confined(
        answer[:ANSWER_BYTES], complained.result(), len(answer) > ANSWER_BYTES, bool(waiting)
    )


def _some(stream: IO[bytes]) -> bytes:
    """Return the beginning of a stream; the rest is read too, for a full pipe stops the script."""
    beginning = stream.read(_COMPLAINT_BYTES)
    while stream.read(_COMPLAINT_BYTES):
        pass
    return beginning


def _python() -> str:
    executable = Path(sys.executable)
    # Its folder may be reached by a link, which leads nowhere within bubblewrap.
    return str(executable.parent.resolve() / executable.name)


def _prefix(folder: Path) -> list[str]:
    own = (Path(sys.prefix), Path(sys.base_prefix), _PACKAGES / "marinemap")
    seen = {"/usr", "/lib", "/lib64", "/bin", *(str(place.resolve()) for place in own)}
    binds = [option for place in sorted(seen) for option in ("--ro-bind-try", place, place)]
    mounts = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *binds]
    bound = ["--ro-bind", str(folder), str(_MOUNTED)]
    return ["bwrap", *_ALONE, *mounts, *bound, _python()]
