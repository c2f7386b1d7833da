"""Whether a database can hold what people write, told before anything is lost in it."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.db import Error as DatabaseError
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

_REMEDY = (
    "Make one in UTF-8 (createdb --encoding=UTF8 --template=template0), bring over what there is "
    "(pg_dump, pg_restore), and name it in DATABASE_URL."
)

# Either of them off loses what was said to be stored.
_DURABLE = ("fsync", "synchronous_commit")


def find_unfit_encoding(of: BaseDatabaseWrapper) -> str | None:
    """Return in words that a database cannot hold all letters; None if it can.

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    if of.vendor != "postgresql":
        return None
    with of.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
    if encoding == "UTF8":
        return None
    return (
        f"The database keeps texts in {encoding}, not in UTF8: requests and layers with letters "
        "that it lacks fail."
    )


def refuse_unfit(of: BaseDatabaseWrapper) -> str | None:
    """Return why a database that has no tables yet is not to be given any, with what to do."""
    with of.cursor() as cursor:
        is_new = not of.introspection.table_names(cursor)
    unfit = find_unfit_encoding(of) if is_new else None
    return unfit and f"{unfit} {_REMEDY}"


# Without Django's tag for databases: by that it would be asked for by name only.
@register(deploy=True)
def check_encoding(**_: Any) -> list[CheckMessage]:
    """Report such a database; one that is away is told of by whoever needs it."""
    try:
        unfit = find_unfit_encoding(connection)
    except DatabaseError:
        return []
    return [Error(unfit, hint=_REMEDY, id="marinemap.E011")] if unfit else []


def find_weak_durability(of: BaseDatabaseWrapper) -> list[str]:
    """Return the settings of a server by which a power cut takes what was said to be stored.

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    if of.vendor != "postgresql":
        return []
    with of.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in _DURABLE))
        values = cursor.fetchone()
    return [name for name, value in zip(_DURABLE, values, strict=True) if value == "off"]


@register(deploy=True)
def check_durability(**_: Any) -> list[CheckMessage]:
    """Report such settings: workers refuse them as they start, but requests are taken by then."""
    try:
        weak = find_weak_durability(connection)
    except DatabaseError:
        return []
    words = "PostgreSQL runs with {} off: a power cut would lose requests that it said were stored."
    return [
        Error(words.format(name), hint=f"Set {name} = on.", id="marinemap.E012") for name in weak
    ]
