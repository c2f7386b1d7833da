"""For whom layers are looked up: what one may not see is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


@dataclass(frozen=True)
class Viewer:
    """Who looks: the groups of Django's that they are in, by number.

    Who ``sees_all`` sees every published layer: an administrator, or a command on the server.
    """

    groups: frozenset[int] = frozenset()
    sees_all: bool = False


EVERYONE = Viewer()
OPERATOR = Viewer(sees_all=True)


def viewer_of_user(user: User | AnonymousUser) -> Viewer:
    """Return as whom a person looks, by the groups that they are in now."""
    if not user.is_authenticated or not user.is_active:
        return EVERYONE
    if user.is_superuser:
        return OPERATOR
    return Viewer(frozenset(user.groups.values_list("pk", flat=True)))
