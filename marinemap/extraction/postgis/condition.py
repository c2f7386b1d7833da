"""A part of a filter in SQL: what the server can leave out of what it sends.

The filter itself is computed on what comes, as on files, so that all sources answer alike. Here
only what holds of every feature that passes is said, and only where PostgreSQL compares as the
filter does: not the order of texts, nor numbers that a double would round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from marinemap.extraction.postgis.columns import INTEGERS, Column

_COMPARISONS = {"=": "=", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TEXTS = ("text", "varchar")
# Every whole number up to it is a double.
_EXACT = 2**53
_LARGEST = 2**63


def necessary(tree: Any, columns: Mapping[str, Column]) -> Composable | None:
    """Return a condition that holds of every feature that passes, None where none can be said.

    Parameters
    ----------
    tree : CQL2 JSON
        Of a filter that was checked against the columns.
    columns : mapping
        The columns by their names.
    """
    operator, arguments = _parts(tree)
    if operator == "and":
        return _joined(" AND ", [c for a in arguments if (c := necessary(a, columns))])
    if operator == "or":
        return _all_of(" OR ", [necessary(a, columns) for a in arguments])
    if operator == "in":
        value, choices = arguments
        return _all_of(" OR ", [_compared("=", value, choice, columns) for choice in choices])
    if operator == "between":
        value, low, high = arguments
        sides = [_compared(">=", value, low, columns), _compared("<=", value, high, columns)]
        return _joined(" AND ", [side for side in sides if side])
    if operator == "isNull":
        name = _property(arguments[0])
        return SQL("{} IS NULL").format(Identifier(name)) if name in columns else None
    if operator not in _COMPARISONS:
        return None
    left, right = arguments
    return _compared(operator, left, right, columns)


def _compared(
    operator: str, left: Any, right: Any, columns: Mapping[str, Column]
) -> Composable | None:
    if _property(left) not in columns:
        left, right, operator = right, left, _TURNED[operator]
    column = columns.get(_property(left))
    if isinstance(right, float) and right.is_integer() and abs(right) < _EXACT:
        # CQL2's text has no whole numbers: each comes as a real.
        right = int(right)
    if column is None or not _compares_alike(operator, column, right):
        return None
    return SQL("{} {} {}").format(
        Identifier(column.name), SQL(_COMPARISONS[operator]), Literal(right)
    )


def _compares_alike(operator: str, column: Column, value: Any) -> bool:
    """Tell whether PostgreSQL lets through whatever the filter does."""
    if isinstance(value, bool):
        return column.type == "bool" and operator == "="
    if isinstance(value, int):
        least_rounded = _LARGEST if column.type in INTEGERS else _EXACT
        return column.type in (*INTEGERS, "float8") and abs(value) < least_rounded
    if isinstance(value, float):
        return column.type == "float8" and math.isfinite(value)
    is_plain = isinstance(value, str) and "\0" not in value
    return is_plain and column.type in _TEXTS and operator == "="


def _joined(by: str, conditions: Sequence[Composable]) -> Composable | None:
    if not conditions:
        return None
    return SQL("({})").format(SQL(by).join(conditions))


def _all_of(by: str, conditions: Sequence[Composable | None]) -> Composable | None:
    said = [condition for condition in conditions if condition]
    return _joined(by, said) if len(said) == len(conditions) else None


def _parts(tree: Any) -> tuple[str, list[Any]]:
    if not isinstance(tree, Mapping) or "op" not in tree:
        return "", []
    return str(tree["op"]), list(tree.get("args") or ())


def _property(node: Any) -> str:
    name = node.get("property") if isinstance(node, Mapping) else None
    return name if isinstance(name, str) else ""
