"""How counts are told."""

from __future__ import annotations


def counted(features: int) -> str:
    """Return how many features, in words.

    >>> counted(1), counted(2_000)
    ('1 feature', '2,000 features')
    """
    return f"{features:,} feature{'' if features == 1 else 's'}"
