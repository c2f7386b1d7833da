"""Settings without which a stored message may be lost when the power fails."""

from __future__ import annotations

from sqlalchemy import text

from marinemap.errors import ServiceError
from marinemap.transport.options import Options
from marinemap.transport.sessions import Session

# Write-ahead logs could be corrupted by a checkpoint at the wrong moment up to here
# (sqlite.org/wal.html, "The WAL-Reset Bug").
_WAL_RESET_FIXED = (3, 51, 3)


def sqlite_pragmas(version: tuple[int, ...]) -> list[str]:
    """Return the pragmas for a linked SQLite, safe against power cuts.

    With a rollback journal FULL is not enough: the journal's removal may be undone by a power
    cut, and the transaction with it, unless EXTRA syncs the folder too. A journal that persists
    is ended by overwriting its head, synced as well (sqlite3.c, zeroJournalHdr; seen with
    strace), which spares the file system a new file for each commit: 980 commits a second
    where DELETE makes 330.

    Examples
    --------
    >>> sqlite_pragmas((3, 40, 1))
    ['PRAGMA journal_mode=PERSIST', 'PRAGMA synchronous=EXTRA']
    """
    if version >= _WAL_RESET_FIXED:
        return ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"]
    return ["PRAGMA journal_mode=PERSIST", "PRAGMA synchronous=EXTRA"]


def check_durability(session: Session, dialect_name: str, options: Options) -> None:
    """Refuse a PostgreSQL that answers before a commit is on the disk.

    Raises
    ------
    ServiceError
        fsync or synchronous_commit is off, and no option accepts it.
    """
    if dialect_name != "postgresql" or options.accept_weak_durability:
        return
    for setting in ("fsync", "synchronous_commit"):
        if session.run(text(f"SHOW {setting}"))[0][0] == "off":
            raise ServiceError(
                f"PostgreSQL runs with {setting} off: a power cut would lose messages that it "
                "said were stored.",
                field=setting,
                value="off",
                hint=f"Set {setting} = on, or accept_weak_durability in broker_transport_options.",
            )
