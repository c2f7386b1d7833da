"""The first look at a source: what would end our process ends a child of it, and has a name.

GDAL's drivers are written for sound files, and of damaged ones some end the process.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from marinemap.errors import ServiceError, quote
from marinemap.extraction.sandbox.runner import run_confined
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source import damaged

_CHILD = Path(__file__).with_name("look_child.py")
_SECONDS = 60
_REMEMBERED = 1_024
# Found so by other processes; in the order of being told, as a dictionary keeps them.
_sound: dict[tuple[Path | str, str], None] = {}
# Where GDAL finds its data and options.
_PASSED_ON = ("CPL_", "GDAL_", "LANG", "LC_", "LD_", "OGR_", "PROJ_", "S57_", "SHAPE_")


def take_for_sound(path: Path | str, fingerprint: str) -> None:
    """Look no more at a state of a source that was read before, in whichever process.

    Of a file on a server ``path`` is its address.
    """
    _sound[path, fingerprint] = None
    while len(_sound) > _REMEMBERED:
        # Another thread may do the same.
        _sound.pop(next(iter(_sound), (path, "")), None)


def is_taken_for_sound(path: Path | str, fingerprint: str) -> bool:
    """Tell whether nobody need look at a state of a source."""
    return (path, fingerprint) in _sound


@lru_cache(_REMEMBERED)
def look_first(path: Path, fingerprint: str) -> None:
    """Refuse a source that cannot be opened without harm; once for each state that was sound.

    A format that is known to open safely costs nothing, a database up to half a second, others a
    child process: about as long.

    Parameters
    ----------
    path : Path
        Links followed.
    fingerprint : str
        Of the state that is looked at.

    Raises
    ------
    DatasetError
        If it is damaged.
    ServiceError
        If the child process does not start.
    """
    if is_taken_for_sound(path, fingerprint):
        return
    source = source_format_of(path)
    source.look(path)
    if not source.opens_safely:
        _open_apart(path)


def _open_apart(path: Path) -> None:
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    done = run_confined(
        ["-P", str(_CHILD), f"{{folder}}/{path.name}"],
        path.parent,
        passed,
        seconds=_SECONDS,
        sealed=False,
    )
    if done.is_late:
        raise damaged(path, f"cannot be opened within {_SECONDS} seconds")
    if not done.said.startswith(b"begun"):
        complaint = quote(done.complained.decode(errors="replace").strip())
        raise ServiceError(f"the process that opens sources first does not start: {complaint}")
    if not done.said.rstrip().endswith(b"done"):
        raise damaged(path, "ends the process that opens it")
