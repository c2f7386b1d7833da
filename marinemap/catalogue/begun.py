"""Work on layers that may have no end: begun again a few times, and from then on with pauses.

A source without an end ends its process. What was begun is noted before, so that it comes after all
that was not, and is not begun again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from marinemap.catalogue.models import BegunWork
from marinemap.catalogue.only_one import only_one
from marinemap.errors import MarineMapError

Kind = BegunWork.Kind
# How long a step may take at first, while others wait for their turn, and later beside them.
SECONDS_AT_FIRST = 60
SECONDS_AGAIN = 3600
MOST_ATTEMPTS = 3
PAUSE = timedelta(hours=6)
# What was begun so long ago for the first time is no longer being done.
SURELY_ENDED = timedelta(seconds=2 * SECONDS_AT_FIRST)
CUT_OFF = (
    f"its reading was begun {MOST_ATTEMPTS} times and ended without an answer each time, or took "
    "more than an hour; `manage.py addlayer` on the server says why"
)


@contextmanager
def noted(layer_id: str, kind: BegunWork.Kind, state: str) -> Iterator[None]:
    """Note that work is begun on some state of a layer's data, and forget it when it has an end.

    An end is a result or a refusal; what else comes ends the process.
    """
    work, _ = BegunWork.objects.get_or_create(layer_id=layer_id, kind=kind)
    attempts = work.attempts if work.state == state else 0
    own = BegunWork.objects.filter(pk=work.pk)
    own.update(state=state, attempts=attempts + 1, begun_at=timezone.now())
    try:
        yield
    except MarineMapError:
        own.delete()
        raise
    own.delete()


def is_begun(layer_id: str, kind: BegunWork.Kind, state: str) -> bool:
    """Tell whether work was begun on this state of a layer's data, and had no end yet."""
    return BegunWork.objects.filter(layer_id=layer_id, kind=kind, state=state).exists()


def is_given_up(layer_id: str, kind: BegunWork.Kind, state: str) -> bool:
    """Tell whether it was begun so often that it is begun after a pause only."""
    spent = BegunWork.objects.filter(attempts__gte=MOST_ATTEMPTS)
    return spent.filter(layer_id=layer_id, kind=kind, state=state).exists()


def find_due(*kinds: BegunWork.Kind, ago: timedelta = timedelta(0)) -> list[BegunWork]:
    """Return what is to be begun again and was begun so long ago, of longest ago first."""
    now = timezone.now()
    is_due = Q(attempts__lt=MOST_ATTEMPTS) | Q(begun_at__lt=now - PAUSE)
    due = BegunWork.objects.filter(is_due, kind__in=kinds, begun_at__lte=now - ago)
    return list(due.order_by("begun_at"))


@contextmanager
def first_turn() -> Iterator[bool]:
    """Be the one process of the site that begins what was not begun yet, if there is no other."""
    with only_one(_lock("")) as is_first:
        yield is_first


@contextmanager
def later_turn() -> Iterator[bool]:
    """Be the one process that begins again what had no end, if there is no other."""
    with only_one(_lock("-again")) as is_first:
        yield is_first


def _lock(which: str) -> Path:
    return Path(settings.MARINEMAP_HOME) / f".refreshing{which}"
