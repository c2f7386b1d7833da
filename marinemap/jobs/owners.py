"""Who a job belongs to, by the name that its row has."""

from __future__ import annotations

import re

from django.contrib.auth.models import User

from marinemap.catalogue.viewers import EVERYONE, Viewer, viewer_of_user

_USER = re.compile(r"user:(\d{1,18})")


def owner_of_user(user_id: int) -> str:
    """Return the name under which a person owns jobs."""
    return f"user:{user_id}"


def is_account(owner: str) -> bool:
    """Tell whether an owner signed in: whoever did not is known by a cookie at most."""
    return bool(_USER.fullmatch(owner))


def viewer_of_owner(owner: str) -> Viewer:
    """Return as whom the owner of a job may see layers, by the groups that they are in now."""
    match = _USER.fullmatch(owner)
    user = User.objects.filter(pk=int(match[1])).first() if match else None
    return viewer_of_user(user) if user else EVERYONE
