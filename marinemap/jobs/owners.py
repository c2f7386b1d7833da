"""Who a job or an uploaded area belongs to, as its row has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q

from marinemap.catalogue.viewers import EVERYONE, Viewer, viewer_of_user

_USER = re.compile(r"user:(\d{1,18})")


@dataclass(frozen=True)
class Sender:
    """Who sends a request, in the columns of what it makes.

    ``is_owner_known`` tells whether the owner has shown a cookie or signed in; see
    :class:`~marinemap.jobs.models.Job`. ``address`` is a digest of the network address that the
    request came from.
    """

    owner: str
    is_owner_known: bool = True
    address: str = ""

    @property
    def own(self) -> Q:
        """What counts as theirs: who keeps no cookie is known by the network address only."""
        own = Q(owner=self.owner)
        if self.is_owner_known or not self.address:
            return own
        return own | Q(is_owner_known=False, address=self.address)

    def counted(self) -> Iterator[tuple[str, Q]]:
        """Yield for whom limits count (``person``, ``address``), and what counts for each."""
        yield "person", self.own
        if self.address:
            yield "address", Q(address=self.address)


def owner_of_user(user_id: int) -> str:
    """Return the name under which a person owns jobs."""
    return f"user:{user_id}"


def is_account(owner: str) -> bool:
    """Tell whether an owner signed in: whoever did not is known by a cookie at most."""
    return bool(_USER.fullmatch(owner))


def viewer_of_owner(owner: str) -> Viewer:
    """Return as whom the owner of a job may see layers, by the groups that they are in now."""
    user = user_of_owner(owner)
    return viewer_of_user(user) if user else EVERYONE


def user_of_owner(owner: str) -> User | None:
    """Return who signed in; None for a cookie's owner, and for who is no longer there."""
    match = _USER.fullmatch(owner)
    return User.objects.filter(pk=int(match[1])).first() if match else None
