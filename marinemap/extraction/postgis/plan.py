"""How the server would find the rows of a query, which it tells without a look at one."""

from __future__ import annotations

import json
from typing import Any

from psycopg.sql import SQL, Composable

from marinemap.extraction.postgis.session import Session

# Sorted rows come after the last was found: until then whoever reads them waits.
_WORTH = 1.5


def plan_of(opened: Session, query: Composable) -> dict[str, Any]:
    """Return what the server expects of a query: ``Plan Rows``, ``Total Cost``, in its own unit.

    Raises
    ------
    DatasetError, UnavailableError
        As ``Session.rows`` does.
    """
    ((plan,),) = opened.rows(SQL("EXPLAIN (FORMAT JSON) {}").format(query))
    found: dict[str, Any] = json.loads(plan or "")[0]["Plan"]
    return found


def can_spare_sorting(opened: Session, query: Composable, unsorted: Composable) -> bool:
    """Tell whether the rows of a query may come as an index has them for little more than sorted.

    Then they are worked on while the server finds the next, and it sorts nothing until the end of
    the transaction. ``unsorted`` is what it would look at for that.

    Raises
    ------
    DatasetError, UnavailableError
        As ``Session.rows`` does.
    """
    as_it_is = plan_of(opened, query)["Total Cost"]
    opened.rows(SQL("SET LOCAL enable_sort = off"))
    if plan_of(opened, unsorted)["Total Cost"] <= _WORTH * as_it_is:
        return True
    opened.rows(SQL("SET LOCAL enable_sort TO DEFAULT"))
    return False
