"""People and groups in the admin site: changed, and not by a form that is older."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

pytestmark = pytest.mark.django_db


def opened(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """Return what a browser sends of a form that it has opened now, with changes."""
    page = client.get(address)
    form = page.context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if not form.fields[name].disabled}
    sent |= {"as_opened": page.context["as_opened"], **changes}
    assert sent["as_opened"] in page.content.decode()
    return {name: value for name, value in sent.items() if value is not False}


def test_older_form_does_not_give_back_an_account(admin_client: Client) -> None:
    """Each form sends all fields: who saved a name made active what another had ended."""
    ann = User.objects.create_user("ann", password="one", is_staff=True)
    address = f"/admin/auth/user/{ann.pk}/change/"
    first, second = (opened(admin_client, address) for _ in range(2))
    del first["is_active"], first["is_staff"]
    assert admin_client.post(address, first).status_code == 302
    # That she has signed in is no change of the form.
    User.objects.filter(pk=ann.pk).update(last_login=timezone.now())
    refused = admin_client.post(address, {**second, "last_name": "Lee"})
    assert "somebody else has changed: Active, Staff status." in refused.content.decode()
    ann.refresh_from_db()
    assert (ann.is_active, ann.is_staff, ann.last_name) == (False, False, "")
    assert admin_client.post(address, opened(admin_client, address, last_name="Lee")).url
    ann.refresh_from_db()
    assert (ann.is_active, ann.last_name, ann.check_password("one")) == (False, "Lee", True)


def test_older_form_does_not_give_back_a_groups_rights(admin_client: Client) -> None:
    group = Group.objects.create(name="harbour")
    group.permissions.set(Permission.objects.filter(codename__endswith="_layer"))
    address = f"/admin/auth/group/{group.pk}/change/"
    first, second = (opened(admin_client, address) for _ in range(2))
    assert admin_client.post(address, {**first, "permissions": []}).status_code == 302
    refused = admin_client.post(address, {**second, "name": "Harbour"})
    assert "somebody else has changed: Permissions." in refused.content.decode()
    assert (Group.objects.get().name, group.permissions.count()) == ("harbour", 0)


def test_people_and_groups_are_added_as_ever(admin_client: Client) -> None:
    person = {"username": "bob", "usable_password": "true"}
    person |= {"password1": "long-enough-9", "password2": "long-enough-9"}
    added = admin_client.post("/admin/auth/user/add/", person)
    assert added.status_code == 302
    assert User.objects.get(username="bob").check_password("long-enough-9")
    assert admin_client.post("/admin/auth/group/add/", {"name": "divers"}).status_code == 302
    assert Group.objects.get().name == "divers"
