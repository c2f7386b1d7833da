"""How counts are told."""

from __future__ import annotations

from marinemap.sentences import say


def counted(features: int) -> str:
    """Return how many features, in words.

    >>> counted(1), counted(2_000)
    ('1 feature', '2,000 features')
    """
    return say("1 feature") if features == 1 else say("{count:,} features", count=features)
