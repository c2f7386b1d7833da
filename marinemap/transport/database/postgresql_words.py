"""The queue's statements in PostgreSQL's words, and their parameters in its text format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..errors import NotStoredError
from .words import make_words

SETTLING_SECONDS = 3
WORDS = make_words(
    now="CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    larger="greatest",
    lock="FOR UPDATE",
    skip_locked="FOR UPDATE SKIP LOCKED",
    # Keeps others from deleting the row, and from nothing else.
    lock_in_use="FOR KEY SHARE",
    # See `PostgresDatabase.settling_seconds`. Not "before": the clock may have been set back.
    settled=(
        f"(now() NOT BETWEEN pg_postmaster_start_time() "
        f"AND pg_postmaster_start_time() + interval '{SETTLING_SECONDS} seconds')"
    ),
    in_ids="= ANY(CAST(:ids AS BIGINT[]))",
    in_names="= ANY(CAST(:names AS TEXT[]))",
    asked="(SELECT unnest(CAST(:names AS TEXT[])) AS queue_name)",
    routes=(
        "(SELECT * FROM unnest(CAST(:queue_names AS TEXT[]), CAST(:ttls_ms AS BIGINT[])) "
        "AS each_route(queue_name, ttl_ms))"
    ),
)
_PARAMETER = re.compile(r"(?<!:):(\w+)")


@lru_cache(maxsize=500)
def write_sql(statement: str) -> tuple[bytes, Sequence[str]]:
    """Return a statement in PostgreSQL's words with $1, $2 and so on, and the names of these."""
    sql = statement.format_map(WORDS)
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
    return _PARAMETER.sub(lambda found: numbers[found[1]], sql).encode(), names


def as_text(value: Any) -> bytes | None:
    """Return a parameter in PostgreSQL's text format, a list as an array."""
    if value is None:
        return None
    text = f"{{{','.join(map(_as_member, value))}}}" if isinstance(value, list) else str(value)
    if "\0" in text:
        raise NotStoredError(
            "PostgreSQL's text cannot hold the character NUL.",
            value=value,
            hint="Leave it out, or send bytes.",
        )
    return text.encode()


def _as_member(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
